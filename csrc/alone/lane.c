#include "lane.h"

#include "alone.h"

/* While held; the event takes its name from the subject's slot. */
int csi_lane_change(view *v, struct lane *lane, uint32_t value, const lane_subject *subject)
{
    uint64_t state = WIDE(&lane->state);
    uint64_t changes = lane_changes(state) + 1;
    const cs_change change = {.subject = subject->id,
                              .old_value = lane_value(state),
                              .new_value = value,
                              .change = (uint32_t)changes,
                              .table = subject->table};
    WIDE(&lane->state) = changes << 16 | lane_value(state) << 8 | value;
    touch(v);
    csi_tell(v, subject->kind, &change);
    return CS_OK;
}
