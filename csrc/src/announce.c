/* What comes with an insertion or removal in each table: the version, and for agents their count and event. */
#include "agent_table.h"
#include "claim.h"
#include "lock.h"
#include "promise.h"

#if !CORESTATE_ALONE /* csrc/alone/agents.c tells of its own */

/* What the event of an agent's coming or going says; name has 64 bytes. */
struct notice {
    uint32_t kind;
    cs_change change;
    char name[64];
    uint32_t length;
};

static void describe(const view *v, cs_handle handle, uint32_t intent, struct notice *n)
{
    const table_view *t = agents_of(v);
    struct slot *slot = slot_at(t, (uint32_t)handle);
    uint32_t type = agent_type(agent_in(slot));
    bool inserted = (intent & INTENT_OP) == INTENT_INSERT;
    n->kind = inserted ? CS_KIND_AGENT_REGISTERED : CS_KIND_AGENT_DEREGISTERED;
    n->change = (cs_change){.subject = handle,
                            .old_value = inserted ? 0 : type,
                            .new_value = inserted ? type : intent >> INTENT_NOTE_SHIFT,
                            .change = (uint32_t)(handle >> 32),
                            .table = CS_SECTION_AGENTS};
    n->length = peek32(&slot->key_length);
    n->length = n->length < v->key_bytes ? n->length : v->key_bytes - 1;
    copy_out(n->name, key_of(t, slot), n->length);
}

int csi_table_promise(view *v, uint32_t table, cs_handle handle, uint32_t intent, promise *told)
{
    struct notice n;
    if (table != TABLE_AGENTS)
        return CS_OK;
    describe(v, handle, intent, &n);
    return csi_promise(v, told, &v->tables[table].head->promised, n.kind, &n.change, n.name, n.length);
}

static void settle_agent(view *v, uint32_t index, uint32_t intent)
{
    struct notice n;
    bool inserted = (intent & INTENT_OP) == INTENT_INSERT;
    uint32_t generation = peek32(&slot_at(agents_of(v), index)->generation) - (inserted ? 0 : 1); /* as it lived */
    describe(v, (uint64_t)generation << 32 | index, intent, &n);
    csi_settle(v, &agents_of(v)->head->promised, n.kind, &n.change, n.name, n.length);
}

void csi_table_announce(view *v, uint32_t table, uint32_t index, uint32_t intent, uint32_t count, const promise *told)
{
    if (table == TABLE_AGENTS || table == TABLE_AREAS || table == TABLE_LOCKS)
        touch(v);
    if (table != TABLE_AGENTS)
        return;
    store64(&v->engine->agent_count, count);
    if (told)
        csi_keep(v, told);
    else
        settle_agent(v, index, intent);
}

void csi_table_let_go(view *v, uint32_t table, struct slot *slot)
{
    if (table == TABLE_AGENTS)
        csi_lane_release(&agent_in(slot)->status, peek32(&v->owner));
    else if (table == TABLE_AREAS || table == TABLE_LOCKS)
        csi_lock_let_go(v, &v->tables[table], slot);
    else if (table == TABLE_BUDGETS)
        (void)csi_claim_release(&((struct budget *)payload_of(slot))->claim, peek32(&v->owner));
}

#endif
