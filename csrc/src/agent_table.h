/*
 * agent_table.h: what the registry's parts share: an agent's payload, details and status subject.
 */
#ifndef CORESTATE_AGENT_TABLE_H
#define CORESTATE_AGENT_TABLE_H

#include "lane.h"
#include "record.h"
#include "table.h"

static inline const table_view *agents_of(const view *v) { return &v->tables[TABLE_AGENTS]; }
static inline struct agent *agent_in(struct slot *slot) { return payload_of(slot); }

/* From then to now; nothing when that is ahead. */
#if CORESTATE_ALONE
CS_INTERNAL uint64_t csi_since(uint64_t now, uint64_t then);
#else
static inline uint64_t csi_since(uint64_t now, uint64_t then) { return then < now ? now - then : 0; }
#endif

static inline record details_of(const view *v, uint32_t index)
{
    struct agent *agent = agent_in(slot_at(agents_of(v), index));
    return (record){
        .word = &agent->details, .buffers = v->details + (size_t)index * v->details_stride, .bytes = v->details_bytes};
}

/* An unknown number reads as its zero state. */
static inline uint32_t agent_status(uint64_t state)
{
    return lane_value(state) < CS_AGENT_STATUSES ? lane_value(state) : CS_AGENT_STARTING;
}
static inline uint32_t agent_type(const struct agent *agent)
{
    uint32_t type = peek32(&agent->type);
    return type < CS_AGENT_TYPES ? type : CS_AGENT_SENSORY;
}

#endif
