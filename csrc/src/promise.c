#include "promise.h"

#include "budget.h"
#include "lane.h"
#include "ring.h"
#include "table.h"

/* Never 0, which is no position. 31 bits of it: the slot and the low bits of its lap. */
static uint32_t note_of(uint64_t position) { return (uint32_t)position << 1 | 1u; }

static int draft(view *v, promise *p, uint64_t *position)
{
    int result = csi_ring_draft(v, p->kind, CS_FORMAT_CHANGE, p->data, p->length, position);
    if (result == CS_OK) /* releases the event to who acquires this word */
        store32(p->word, note_of(*position));
    return result;
}

int csi_promise(view *v, promise *p, a32 *word, uint32_t kind, const cs_change *change, const char *name,
                uint32_t length)
{
    p->word = word;
    p->kind = kind;
    p->length = csi_change_data(v, change, name, length, p->data);
    return draft(v, p, &p->position);
}

void csi_keep(view *v, const promise *p)
{
    promise again = *p;
    bool told = csi_ring_commit(v, p->position);
    for (int attempt = 0; !told && attempt < 1000; attempt++) {
        uint64_t passed_over = again.position;
        /* The old slot is given back last: until then it is what tells others that this is still owed. */
        int result = draft(v, &again, &again.position);
        if (result == CS_OK)
            told = csi_ring_commit(v, again.position);
        csi_ring_give_back(v, passed_over);
        if (result != CS_OK)
            return;
    }
}

/* -- for the dead --------------------------------------------------------------------------- */

/* The change is looked at before the position: who makes the same change later notes his own position first. */

static bool in_lane(const struct lane *lane, uint64_t position, const cs_change *change)
{
    return (uint32_t)lane_changes(load64(&lane->state)) == change->change &&
           load32(&lane->promised) == note_of(position);
}

static bool in_agents(const view *v, uint64_t position, uint32_t kind, const cs_change *change)
{
    const table_view *t = &v->tables[TABLE_AGENTS];
    uint32_t index = (uint32_t)change->subject, generation = (uint32_t)(change->subject >> 32);
    if (index >= t->count)
        return false;
    struct slot *slot = slot_at(t, index);
    uint32_t now = load32(&slot->generation);
    if (kind == CS_KIND_AGENT_STATUS_CHANGED)
        return now == generation && in_lane(&((struct agent *)payload_of(slot))->status, position, change);
    return now == generation + (kind == CS_KIND_AGENT_DEREGISTERED ? 1 : 0) &&
           load32(&t->head->promised) == note_of(position);
}

static bool in_budgets(const view *v, uint64_t position, const cs_change *change)
{
    struct slot *slot = slot_of(&v->tables[TABLE_BUDGETS], change->subject);
    const struct budget *b = slot ? payload_of(slot) : 0;
    return b && (load32(&b->warned) & BUDGET_WARNED) && load32(&b->promised) == note_of(position);
}

bool csi_happened(const view *v, uint64_t position)
{
    cs_change change;
    uint32_t kind = csi_ring_change(v, position, &change, 0);
    if (kind >= CS_KIND_BURST_ENGINE_STATE_CHANGED && kind <= CS_KIND_BRAIN_READY_CHANGED) {
        const struct lane *lane = csi_engine_lane(v, change.subject);
        return lane && in_lane(lane, position, &change);
    }
    if (kind >= CS_KIND_AGENT_REGISTERED && kind <= CS_KIND_AGENT_STATUS_CHANGED)
        return in_agents(v, position, kind, &change);
    return kind == CS_KIND_BUDGET_WARNING && in_budgets(v, position, &change);
}

void csi_settle(view *v, a32 *word, uint32_t kind, const cs_change *change, const char *name, uint32_t length)
{
    uint32_t note = load32(word), writer;
    cs_change found;
    promise p;
    if (!note || !csi_ring_claimed(v, note >> 1)) /* committed, and perhaps overwritten since */
        return;
    csi_ring_finish(v, note >> 1); /* if it stands yet; its producer was passed over otherwise */
    if (!csi_ring_claimed(v, note >> 1))
        return;
    if (csi_ring_change(v, note >> 1, &found, &writer) != kind || writer != csi_ring_claimed(v, note >> 1) ||
        found.subject != change->subject || found.table != change->table || found.change != change->change)
        return; /* somebody else's later claim of the same slot */
    if (csi_promise(v, &p, word, kind, change, name, length) == CS_OK)
        csi_keep(v, &p);
}
