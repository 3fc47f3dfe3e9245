/* What comes with an insertion or removal in each table: the version, and for agents their count and event. */
#include "agent_table.h"
#include "lock.h"
#include "ring.h"

static void announce_agent(view *v, uint32_t index, bool inserted, uint32_t note, uint32_t count, bool again)
{
    const table_view *t = agents_of(v);
    struct slot *slot = slot_at(t, index);
    struct agent *agent = agent_in(slot);
    uint32_t generation = peek32(&slot->generation) - (inserted ? 0 : 1); /* as it was while it lived */
    uint32_t kind = inserted ? CS_KIND_AGENT_REGISTERED : CS_KIND_AGENT_DEREGISTERED;
    cs_change change = {.subject = (uint64_t)generation << 32 | index,
                        .old_value = inserted ? 0 : agent_type(agent),
                        .new_value = inserted ? agent_type(agent) : note,
                        .change = generation,
                        .table = CS_SECTION_AGENTS};
    store64(&v->engine->agent_count, count);
    if (!inserted && !again)
        csi_lane_release(&agent->status, peek32(&v->owner)); /* taken by the removal; see agents.c */
    if (again && csi_published(v, kind, &change))
        return;
    char name[64];
    uint32_t length = peek32(&slot->key_length);
    copy_out(name, key_of(t, slot), v->key_bytes);
    length = length < v->key_bytes ? length : v->key_bytes - 1;
    (void)csi_publish_change(v, kind, &change, name, length);
}

void csi_table_announce(view *v, uint32_t table, uint32_t index, uint32_t intent, uint32_t count, bool again)
{
    const table_view *t = &v->tables[table];
    bool inserted = (intent & INTENT_OP) == INTENT_INSERT;
    if (table == TABLE_AGENTS || table == TABLE_AREAS || table == TABLE_LOCKS)
        touch(v);
    if (table == TABLE_AGENTS)
        announce_agent(v, index, inserted, intent >> INTENT_NOTE_SHIFT, count, again);
    else if (!inserted && !again && (table == TABLE_AREAS || table == TABLE_LOCKS))
        csi_lock_let_go(v, t, slot_at(t, index));
}
