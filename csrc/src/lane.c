#include "lane.h"

#include "claim.h"
#include "ring.h"

int csi_lane_take(view *v, struct lane *lane, uint32_t owner)
{
    int result = csi_claim_soon(v, &lane->claim, owner);
    return result == CS_E_BUSY ? result : CS_OK;
}

void csi_lane_release(struct lane *lane, uint32_t owner) { (void)csi_claim_release(&lane->claim, owner); }

static int announce(view *v, struct lane *lane, uint64_t state, const lane_subject *subject, bool again)
{
    cs_change change = {.subject = subject->id,
                        .old_value = (uint32_t)(state >> 8) & 0xFFu,
                        .new_value = lane_value(state),
                        .change = (uint32_t)lane_changes(state),
                        .table = subject->table};
    int result = CS_OK;
    touch(v);
    if (!again || !csi_published(v, subject->kind, &change))
        result = csi_publish_change(v, subject->kind, &change, subject->name, subject->name_length);
    if (result == CS_OK)
        store32(&lane->announced, change.change);
    return result;
}

void csi_lane_settle(view *v, struct lane *lane, const lane_subject *subject)
{
    uint64_t state = load64(&lane->state);
    if (peek32(&lane->announced) != (uint32_t)lane_changes(state))
        (void)announce(v, lane, state, subject, true);
}

int csi_lane_change(view *v, struct lane *lane, uint32_t value, const lane_subject *subject)
{
    uint64_t state = load64(&lane->state);
    uint64_t changed = (lane_changes(state) + 1) << 16 | (uint64_t)lane_value(state) << 8 | value;
    store64(&lane->state, changed);
    return announce(v, lane, changed, subject, false);
}
