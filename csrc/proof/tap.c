#include "tap.h"

#include <string.h>

/* Take the present for the history: at the start, and after events were lost. */
static void begin_histories(tap *t, cs_region *region)
{
    cs_engine_snapshot engine;
    view *v = view_of(region);
    const table_view *agents = &v->tables[TABLE_AGENTS];
    EXPECT(cs_engine_read(region, &engine) == CS_OK, "the engine section can be read");
    for (uint32_t state = 0; state < CS_STATES; state++)
        t->states[state] = (tap_history){(uint32_t)engine.changes[state], engine.states[state]};
    for (uint32_t index = 0; index < agents->count && index < TAP_AGENTS; index++) {
        struct slot *slot = slot_at(agents, index);
        cs_agent_info info;
        t->generation[index] = load32(&slot->generation);
        if ((t->generation[index] & 1u) &&
            cs_agent_get(region, (uint64_t)t->generation[index] << 32 | index, &info, 0, 0) == CS_OK)
            t->status[index] = (tap_history){(uint32_t)info.changes, info.status};
    }
    t->known_agents = t->known_states = true;
    t->lossy = t->s.lost;
}

void tap_open(tap *t, cs_region *region)
{
    memset(t, 0, sizeof *t);
    NEED(cs_subscribe(region, &t->s, CS_FOREVER) == CS_OK);
    NEED(sizeof(cs_event) + view_of(region)->event_bytes <= sizeof t->row);
    t->first = t->expected = t->s.next;
    begin_histories(t, region);
}

static void judge_state(tap *t, const cs_event *event, const cs_change *change)
{
    uint32_t state = (uint32_t)change->subject;
    if (state >= CS_STATES) {
        EXPECT(false, "event %llu is about engine state %u", (unsigned long long)event->sequence, state);
        return;
    }
    tap_history *history = &t->states[state];
    if (t->known_states) {
        EXPECT(change->change == history->change + 1, "event %llu: change %u of state %u follows change %u",
               (unsigned long long)event->sequence, change->change, state, history->change);
        EXPECT(change->old_value == history->value, "event %llu: state %u was %u, not %u",
               (unsigned long long)event->sequence, state, history->value, change->old_value);
    }
    *history = (tap_history){change->change, change->new_value};
}

static void judge_agent(tap *t, const cs_event *event, const cs_change *change)
{
    uint32_t index = (uint32_t)change->subject, generation = (uint32_t)(change->subject >> 32);
    unsigned long long at = event->sequence;
    if (index >= TAP_AGENTS || !(generation & 1u)) {
        EXPECT(false, "event %llu is about agent %llx", at, (unsigned long long)change->subject);
        return;
    }
    uint32_t *known = &t->generation[index];
    if (event->kind == CS_KIND_AGENT_REGISTERED) {
        if (t->known_agents)
            EXPECT((int32_t)(generation - *known) > 0 && !(*known & 1u),
                   "event %llu: generation %u of agent slot %u registered, after %u", at, generation, index, *known);
        *known = generation;
        t->status[index] = (tap_history){0, CS_AGENT_STARTING};
    } else if (event->kind == CS_KIND_AGENT_DEREGISTERED) {
        if (t->known_agents)
            EXPECT(generation == *known, "event %llu: generation %u of agent slot %u deregistered, known is %u", at,
                   generation, index, *known);
        *known = generation + 1;
    } else {
        if (t->known_agents) {
            EXPECT(generation == *known, "event %llu: status of generation %u of agent slot %u, known is %u", at,
                   generation, index, *known);
            EXPECT(change->change == t->status[index].change + 1 && change->old_value == t->status[index].value,
                   "event %llu: change %u from %u of agent slot %u follows change %u to %u", at, change->change,
                   change->old_value, index, t->status[index].change, t->status[index].value);
        }
        t->status[index] = (tap_history){change->change, change->new_value};
    }
}

static void judge(tap *t, const cs_event *event, const unsigned char *data)
{
    cs_change change;
    EXPECT(event->sequence >= t->expected, "event %llu after %llu", (unsigned long long)event->sequence,
           (unsigned long long)t->expected - 1);
    t->expected = event->sequence + 1;
    if (event->kind >= CS_KIND_USER)
        return;
    EXPECT(event->format == CS_FORMAT_CHANGE && event->length >= sizeof change, "event %llu carries a change",
           (unsigned long long)event->sequence);
    memcpy(&change, data, sizeof change);
    if (event->kind <= CS_KIND_BRAIN_READY_CHANGED)
        judge_state(t, event, &change);
    else if (event->kind <= CS_KIND_AGENT_STATUS_CHANGED)
        judge_agent(t, event, &change);
}

void tap_drain(tap *t, cs_region *region)
{
    for (;;) {
        uint32_t count;
        uint64_t lost = t->s.lost;
        int result =
            cs_events_drain(region, &t->s, t->row, (uint32_t)sizeof(cs_event) + view_of(region)->event_bytes, 1, &count);
        EXPECT(result == CS_OK, "drain gives %s", cs_strerror(result));
        if (t->s.lost != lost)
            t->known_agents = t->known_states = false;
        if (result != CS_OK || !count)
            return;
        cs_event event;
        memcpy(&event, t->row, sizeof event);
        t->received++;
        judge(t, &event, t->row + sizeof event);
    }
}

void tap_catch_up(tap *t, cs_region *region)
{
    tap_drain(t, region);
    while (t->s.next <= cs_event_newest(region)) {
        int result = cs_events_wait(region, &t->s, 5000000000u);
        EXPECT(result == CS_OK, "waiting for position %llu gives %s", (unsigned long long)t->s.next,
               cs_strerror(result));
        if (result != CS_OK)
            return;
        tap_drain(t, region);
    }
}

void tap_settle(tap *t, cs_region *region)
{
    view *v = view_of(region);
    const table_view *agents = &v->tables[TABLE_AGENTS];
    cs_engine_snapshot engine;
    tap_drain(t, region);
    uint64_t newest = cs_event_newest(region);
    EXPECT(t->s.next == newest + 1, "position %llu of %llu is never told", (unsigned long long)t->s.next,
           (unsigned long long)newest);
    EXPECT(t->received + t->s.lost + t->s.holes == t->s.next - t->first,
           "%llu received, %llu lost and %llu holes are %llu positions", (unsigned long long)t->received,
           (unsigned long long)t->s.lost, (unsigned long long)t->s.holes, (unsigned long long)(t->s.next - t->first));
    EXPECT(cs_engine_read(region, &engine) == CS_OK && engine.quiet, "the engine section stands still");
    for (uint32_t state = 0; t->known_states && state < CS_STATES; state++)
        EXPECT(t->states[state].change == (uint32_t)engine.changes[state] &&
                   t->states[state].value == engine.states[state],
               "state %u is %u by change %llu; the events end at %u by change %u", state, engine.states[state],
               (unsigned long long)engine.changes[state], t->states[state].value, t->states[state].change);
    for (uint32_t index = 0; t->known_agents && index < agents->count && index < TAP_AGENTS; index++) {
        uint32_t generation = load32(&slot_at(agents, index)->generation);
        cs_agent_info info;
        EXPECT((t->generation[index] & 1u) == (generation & 1u) &&
                   (!(generation & 1u) || t->generation[index] == generation),
               "agent slot %u has generation %u; the events end at %u", index, generation, t->generation[index]);
        if ((generation & 1u) && cs_agent_get(region, (uint64_t)generation << 32 | index, &info, 0, 0) == CS_OK)
            EXPECT(t->status[index].change == (uint32_t)info.changes && t->status[index].value == info.status,
                   "agent slot %u has status %u by change %llu; the events end at %u by change %u", index, info.status,
                   (unsigned long long)info.changes, t->status[index].value, t->status[index].change);
    }
    begin_histories(t, region);
}
