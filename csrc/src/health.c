#include "corestate/health.h"

#include "agent_table.h"
#include "lock.h"

#define FAILED (CS_WHY_ENGINE_ERROR | CS_WHY_GENOME_ERROR | CS_WHY_CONNECTOME_ERROR)

#define LINK_SILENT_NS 2000000000ull

/* By the number of the reason's bit. */
static const char reasons[] = "engine_error\0genome_error\0connectome_error\0service_error\0service_degraded\0"
                              "dead_participants\0dead_locks\0stale_agents\0agents_full\0areas_full\0"
                              "counters_full\0gauges_full\0locks_full\0fatigue\0participants_full\0link_silent";

const char *cs_health_reason_name(uint32_t reason)
{
    for (uint32_t i = 0; 1u << i <= CS_WHY_LINK_SILENT; i++)
        if (reason == 1u << i)
            return csi_word(reasons, i);
    return 0;
}

/* Which of its 32-bit words a number of the result is. */
#define AT(field) (offsetof(cs_health, field) / 4)

/*
 * Who lives, asked once for each participant; an agent's owner is then looked up instead of asked for. Where nobody dies
 * unless all do, who sits lives.
 */
struct living {
    uint32_t ids[ALONE ? 1 : 4096 / 32]; /* bit: the slot's present participant is alive */
};

static bool lives(const view *v, const struct living *living, uint32_t id)
{
    if (!ALONE) {
        uint32_t seat = owner_slot(id);
        if (seat >= v->participant_count || !(living->ids[seat / 32] >> (seat % 32) & 1u))
            return false;
    }
    return csi_seated(v, id);
}

/* By state, of which the free lie where the reasons will be. */
#define SEATS AT(reasons)
_Static_assert(AT(participants_live) == SEATS + CS_PARTICIPANT_LIVE && !CS_PARTICIPANT_FREE &&
                   AT(participants_dead) == SEATS + CS_PARTICIPANT_DEAD,
               "by state");

static void count_participants(const cs_region *region, uint32_t *numbers, struct living *living)
{
    cs_participant_info info;
    uint32_t slot = 0;
    for (; cs_participant_get(region, slot, &info) == CS_OK; slot++) {
        numbers[SEATS + info.state]++;
        if (!ALONE && info.state == CS_PARTICIPANT_LIVE)
            living->ids[slot / 32] |= 1u << (slot % 32);
    }
    numbers[AT(participants_capacity)] = slot;
}

static void count_agents(const view *v, cs_health *h, const struct living *living, uint64_t stale_ns)
{
    const table_view *t = agents_of(v);
    uint32_t agents = 0, stale = 0, dead = 0;
    uint64_t limit = csi_since(h->time_ns, stale_ns); /* who was seen last before this is stale */
    for (uint32_t index = 0, used = csi_table_used(t); index < used; index++) {
        struct slot *slot = slot_at(t, index);
        if (!(load32(&slot->generation) & 1u))
            continue;
        const struct agent *agent = agent_in(slot);
        uint64_t seen = peek64(&agent->last_seen_ns);
        agents++;
        stale += seen < limit;
        dead += !lives(v, living, peek32(&agent->participant));
    }
    h->agents = agents;
    h->agents_stale = stale;
    h->agents_dead = dead;
}

/* In the order of the result, and of their reasons. */
static const unsigned char tables[] = {TABLE_AGENTS, TABLE_AREAS, TABLE_COUNTERS, TABLE_GAUGES, TABLE_LOCKS};
_Static_assert(AT(agents_capacity) + 8 == AT(locks_capacity) && AT(agents_dead) + 8 == AT(locks),
               "each has its number and its capacity, of the agents in place of the dead");
_Static_assert(CS_WHY_AGENTS_FULL << 4 == CS_WHY_LOCKS_FULL, "one behind the other");

/* How much of each table is used, and which have no room; one that was made without slots is absent, not full. */
static uint32_t judge_tables(const cs_region *region, uint32_t *numbers)
{
    uint32_t why = 0;
    for (uint32_t i = 0; i < sizeof tables; i++, numbers += 2) {
        const table_view *t = &const_view_of(region)->tables[tables[i]];
        (void)cs_names_count(region, t->section, numbers);
        numbers[1] = t->count;
        if (t->count && numbers[0] == t->count)
            why |= (uint32_t)CS_WHY_AGENTS_FULL << i;
    }
    return why;
}

/* What is told by one number: that it is this, or, where this is 0, that it is anything else. */
static uint32_t judge_numbers(const uint32_t *numbers)
{
    static const struct {
        unsigned char number, value, why;
    } bad[] = {
        {AT(engine.states[CS_STATE_BURST]), CS_BURST_ERROR, CS_WHY_ENGINE_ERROR},
        {AT(engine.states[CS_STATE_GENOME]), CS_GENOME_ERROR, CS_WHY_GENOME_ERROR},
        {AT(engine.states[CS_STATE_CONNECTOME]), CS_CONNECTOME_ERROR, CS_WHY_CONNECTOME_ERROR},
        {AT(engine.states[CS_STATE_FQ_SAMPLER]), CS_SERVICE_ERROR, CS_WHY_SERVICE_ERROR},
        {AT(engine.states[CS_STATE_API]), CS_SERVICE_ERROR, CS_WHY_SERVICE_ERROR},
        {AT(engine.states[CS_STATE_ZMQ]), CS_SERVICE_ERROR, CS_WHY_SERVICE_ERROR},
        {AT(engine.states[CS_STATE_FQ_SAMPLER]), CS_SERVICE_DEGRADED, CS_WHY_SERVICE_DEGRADED},
        {AT(engine.states[CS_STATE_API]), CS_SERVICE_DEGRADED, CS_WHY_SERVICE_DEGRADED},
        {AT(engine.states[CS_STATE_ZMQ]), CS_SERVICE_DEGRADED, CS_WHY_SERVICE_DEGRADED},
        {AT(participants_dead), 0, CS_WHY_DEAD_PARTICIPANTS},
        {AT(locks_dead), 0, CS_WHY_DEAD_LOCKS},
        {AT(agents_stale), 0, CS_WHY_STALE_AGENTS},
        {AT(agents_dead), 0, CS_WHY_STALE_AGENTS},
    };
    uint32_t why = 0;
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t number = numbers[bad[i].number], value = bad[i].value;
        if (value ? number == value : number != 0)
            why |= bad[i].why;
    }
    return why;
}

/* Of a million, whatever a peer has put there. */
static uint32_t link_loss(const struct header *header)
{
    uint32_t loss = peek32(&header->link) >> LINK_LOSS_SHIFT;
    return loss < 1000000u ? loss : 1000000u;
}

static uint64_t link_age(const struct header *header, uint64_t now)
{
    uint64_t heard = load64(&header->heard_ns);
    return heard ? csi_since(now, heard) : 0;
}

int cs_health_read(const cs_region *region, uint64_t stale_ns, cs_health *health)
{
    if (!region || !health)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    const struct header *header = (const struct header *)(const void *)v->memory;
    cs_health *h = health;
    uint32_t *numbers = (uint32_t *)(void *)h;
    struct living living = {{0}};
    memset(h, 0, sizeof *h);
    (void)cs_engine_read(region, &h->engine);
    h->time_ns = cs_port_now_ns();
    h->events_newest = cs_event_newest(region);
    h->events_capacity = v->event_mask + 1;
    h->events_depth = h->events_newest < h->events_capacity ? (uint32_t)h->events_newest : h->events_capacity;
    h->events_lost = load64(&v->ring->lost);
    h->events_holes = load64(&v->ring->holes);
    h->link_age_ns = link_age(header, h->time_ns);
    h->link_loss = link_loss(header);
    count_participants(region, numbers, &living);
    uint32_t why = judge_tables(region, numbers + AT(agents_dead));
    count_agents(v, h, &living, stale_ns); /* one by one, whatever their table says */
    csi_locks_count(v, numbers + AT(locks_held));
    why |= judge_numbers(numbers);
    if (!numbers[SEATS])
        why |= CS_WHY_PARTICIPANTS_FULL;
    if (h->engine.cells[CS_FATIGUE_ACTIVE])
        why |= CS_WHY_FATIGUE;
    if (h->link_age_ns > LINK_SILENT_NS)
        why |= CS_WHY_LINK_SILENT;
    h->reasons = why;
    h->verdict = why & FAILED ? CS_HEALTH_FAILED : why ? CS_HEALTH_DEGRADED : CS_HEALTH_OK;
    return CS_OK;
}
