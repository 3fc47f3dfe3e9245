#include "lane.h"

#include "claim.h"
#include "promise.h"

int csi_lane_take(view *v, struct lane *lane, uint32_t owner) { return csi_claim_soon(v, &lane->claim, owner); }

void csi_lane_release(struct lane *lane, uint32_t owner) { (void)csi_claim_release(&lane->claim, owner); }

static cs_change change_of(uint64_t state, const lane_subject *subject)
{
    return (cs_change){.subject = subject->id,
                       .old_value = (uint32_t)(state >> 8) & 0xFFu,
                       .new_value = lane_value(state),
                       .change = (uint32_t)lane_changes(state),
                       .table = subject->table};
}

void csi_lane_settle(view *v, struct lane *lane, const lane_subject *subject)
{
    cs_change change = change_of(load64(&lane->state), subject);
    touch(v);
    csi_settle(v, &lane->promised, subject->kind, &change, subject->name, subject->name_length);
}

int csi_lane_change(view *v, struct lane *lane, uint32_t value, const lane_subject *subject)
{
    uint64_t state = load64(&lane->state);
    uint64_t changed = (lane_changes(state) + 1) << 16 | (uint64_t)lane_value(state) << 8 | value;
    cs_change change = change_of(changed, subject);
    promise p;
    int result = csi_promise(v, &p, &lane->promised, subject->kind, &change, subject->name, subject->name_length);
    if (result != CS_OK)
        return result;
    store64(&lane->state, changed);
    touch(v);
    csi_keep(v, &p);
    return CS_OK;
}
