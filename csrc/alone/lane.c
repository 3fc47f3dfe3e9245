#include "lane.h"

#include "alone.h"

/* Not inline: it is as long as its two callers are. */
__attribute__((noinline)) void csi_lane_step(struct lane *lane, cs_change *change)
{
    uint64_t state = (WIDE(&lane->state) | 0xFFFFu) + 1; /* one change more, of two values yet to come */
    change->old_value = lane_value(WIDE(&lane->state));
    change->change = (uint32_t)lane_changes(state);
    WIDE(&lane->state) = state | change->old_value << 8 | change->new_value;
}
