#include "corestate/health.h"

#include "agent_table.h"
#include "lock.h"

#define FAILED (CS_WHY_ENGINE_ERROR | CS_WHY_GENOME_ERROR | CS_WHY_CONNECTOME_ERROR)

#define LINK_SILENT_NS 2000000000ull

static const char *const reasons[] = {"engine_error",     "genome_error",      "connectome_error",  "service_error",
                                      "service_degraded", "dead_participants", "dead_locks",        "stale_agents",
                                      "agents_full",      "areas_full",        "counters_full",     "gauges_full",
                                      "locks_full",       "fatigue",           "participants_full", "link_silent"};

const char *cs_health_reason_name(uint32_t reason)
{
    for (uint32_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reason == 1u << i)
            return reasons[i];
    return 0;
}

static uint32_t judge_states(const cs_engine_snapshot *engine)
{
    uint32_t why = 0;
    why |= engine->states[CS_STATE_BURST] == CS_BURST_ERROR ? CS_WHY_ENGINE_ERROR : 0;
    why |= engine->states[CS_STATE_GENOME] == CS_GENOME_ERROR ? CS_WHY_GENOME_ERROR : 0;
    why |= engine->states[CS_STATE_CONNECTOME] == CS_CONNECTOME_ERROR ? CS_WHY_CONNECTOME_ERROR : 0;
    for (uint32_t state = CS_STATE_FQ_SAMPLER; state <= CS_STATE_ZMQ; state++) {
        why |= engine->states[state] == CS_SERVICE_ERROR ? CS_WHY_SERVICE_ERROR : 0;
        why |= engine->states[state] == CS_SERVICE_DEGRADED ? CS_WHY_SERVICE_DEGRADED : 0;
    }
    return why | (engine->cells[CS_FATIGUE_ACTIVE] ? CS_WHY_FATIGUE : 0);
}

/* Who lives, asked once for each participant; an agent's owner is then looked up instead of asked for. */
struct living {
    uint32_t ids[4096 / 32]; /* bit: the slot's present participant is alive */
};

static void count_participants(const cs_region *region, cs_health *h, struct living *living)
{
    cs_participant_info info;
    h->participants_capacity = const_view_of(region)->participant_count;
    for (uint32_t slot = 0; slot < h->participants_capacity; slot++) {
        (void)cs_participant_get(region, slot, &info);
        h->participants_live += info.state == CS_PARTICIPANT_LIVE;
        h->participants_dead += info.state == CS_PARTICIPANT_DEAD;
        if (info.state == CS_PARTICIPANT_LIVE)
            living->ids[slot / 32] |= 1u << (slot % 32);
    }
}

static void count_agents(const view *v, cs_health *h, const struct living *living, uint64_t stale_ns)
{
    const table_view *t = agents_of(v);
    for (uint32_t index = 0, used = csi_table_used(t); index < used; index++) {
        struct slot *slot = slot_at(t, index);
        if (!(load32(&slot->generation) & 1u))
            continue;
        const struct agent *agent = agent_in(slot);
        uint64_t seen = peek64(&agent->last_seen_ns);
        uint32_t id = peek32(&agent->participant), seat = owner_slot(id);
        h->agents++;
        h->agents_stale += stale_ns != CS_FOREVER && seen < h->time_ns && h->time_ns - seen > stale_ns;
        h->agents_dead +=
            seat >= v->participant_count || !(living->ids[seat / 32] >> (seat % 32) & 1u) || !csi_seated(v, id);
    }
}

/* Of a million, whatever a peer has put there. */
static uint32_t link_loss(const view *v)
{
    uint32_t loss = peek32(&((const struct header *)(const void *)v->memory)->link) >> LINK_LOSS_SHIFT;
    return loss < 1000000u ? loss : 1000000u;
}

static uint64_t link_age(const view *v, uint64_t now)
{
    uint64_t heard = load64(&((const struct header *)(const void *)v->memory)->heard_ns);
    return heard && heard < now ? now - heard : 0;
}

int cs_health_read(const cs_region *region, uint64_t stale_ns, cs_health *health)
{
    if (!region || !health)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    cs_health *h = health;
    struct living living = {{0}};
    memset(h, 0, sizeof *h);
    (void)cs_engine_read(region, &h->engine);
    h->time_ns = cs_port_now_ns();
    h->events_newest = cs_event_newest(region);
    h->events_capacity = v->event_mask + 1;
    h->events_depth = h->events_newest < h->events_capacity ? (uint32_t)h->events_newest : h->events_capacity;
    h->events_lost = load64(&v->ring->lost);
    h->events_holes = load64(&v->ring->holes);
    h->link_age_ns = link_age(v, h->time_ns);
    h->link_loss = link_loss(v);
    count_participants(region, h, &living);
    count_agents(v, h, &living, stale_ns);
    (void)cs_names_count(region, CS_SECTION_AREAS, &h->areas);
    (void)cs_names_count(region, CS_SECTION_COUNTERS, &h->counters);
    (void)cs_names_count(region, CS_SECTION_GAUGES, &h->gauges);
    (void)cs_names_count(region, CS_SECTION_LOCKS, &h->locks);
    h->agents_capacity = v->tables[TABLE_AGENTS].count;
    h->areas_capacity = v->tables[TABLE_AREAS].count;
    h->counters_capacity = v->tables[TABLE_COUNTERS].count;
    h->gauges_capacity = v->tables[TABLE_GAUGES].count;
    h->locks_capacity = v->tables[TABLE_LOCKS].count;
    csi_locks_count(v, TABLE_LOCKS, &h->locks_held, &h->locks_dead);
    csi_locks_count(v, TABLE_AREAS, &h->locks_held, &h->locks_dead);

    uint32_t why = judge_states(&h->engine);
    why |= h->participants_dead ? CS_WHY_DEAD_PARTICIPANTS : 0;
    why |= h->participants_live + h->participants_dead >= h->participants_capacity ? CS_WHY_PARTICIPANTS_FULL : 0;
    why |= h->link_age_ns > LINK_SILENT_NS ? CS_WHY_LINK_SILENT : 0;
    why |= h->locks_dead ? CS_WHY_DEAD_LOCKS : 0;
    why |= h->agents_stale || h->agents_dead ? CS_WHY_STALE_AGENTS : 0;
    why |= h->agents_capacity && h->agents >= h->agents_capacity ? CS_WHY_AGENTS_FULL : 0;
    why |= h->areas_capacity && h->areas >= h->areas_capacity ? CS_WHY_AREAS_FULL : 0;
    why |= h->counters_capacity && h->counters >= h->counters_capacity ? CS_WHY_COUNTERS_FULL : 0;
    why |= h->gauges_capacity && h->gauges >= h->gauges_capacity ? CS_WHY_GAUGES_FULL : 0;
    why |= h->locks_capacity && h->locks >= h->locks_capacity ? CS_WHY_LOCKS_FULL : 0;
    h->reasons = why;
    h->verdict = why & FAILED ? CS_HEALTH_FAILED : why ? CS_HEALTH_DEGRADED : CS_HEALTH_OK;
    return CS_OK;
}
