#include "lane.h"

#include "alone.h"

void csi_lane_step(view *v, struct lane *lane, cs_change *change)
{
    uint64_t state = WIDE(&lane->state);
    change->old_value = lane_value(state);
    change->change = (uint32_t)lane_changes(state) + 1;
    WIDE(&lane->state) = ((lane_changes(state) + 1) << 16) + (change->old_value << 8 | change->new_value);
    touch(v);
}
