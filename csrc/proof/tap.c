#include "tap.h"

#include <string.h>

typedef unsigned long long number;

/* Take the present for the history. */
static void begin_histories(tap *t, cs_region *region)
{
    cs_engine_snapshot engine;
    view *v = view_of(region);
    const table_view *agents = &v->tables[TABLE_AGENTS];
    EXPECT(cs_engine_read(region, &engine) == CS_OK, "the engine section can be read");
    for (uint32_t state = 0; state < CS_STATES; state++)
        t->states[state] = (tap_history){(uint32_t)engine.changes[state], engine.states[state], t->age};
    for (uint32_t index = 0; index < agents->count && index < TAP_AGENTS; index++) {
        uint32_t generation = load32(&slot_at(agents, index)->generation);
        cs_agent_info info;
        t->agents[index] = (tap_history){generation, 0, t->age};
        if ((generation & 1u) && cs_agent_get(region, (uint64_t)generation << 32 | index, &info, 0, 0) == CS_OK)
            t->status[index] = (tap_history){(uint32_t)info.changes, info.status, t->age};
    }
}

void tap_open(tap *t, cs_region *region)
{
    memset(t, 0, sizeof *t);
    NEED(cs_subscribe(region, &t->s, CS_FOREVER) == CS_OK);
    NEED(sizeof(cs_event) + view_of(region)->event_bytes <= sizeof t->row);
    t->first = t->expected = t->s.next;
    begin_histories(t, region);
}

/* A change of one from one value to another, after what is known of the subject. */
static void judge_change(const tap *t, tap_history *history, number sequence, const cs_change *change, const char *what)
{
    if (history->age == t->age) {
        EXPECT(change->change == history->change + 1, "event %llu: change %u of %s %llx follows change %u", sequence,
               change->change, what, (number)change->subject, history->change);
        EXPECT(change->old_value == history->value, "event %llu: %s %llx was %u, not %u", sequence, what,
               (number)change->subject, history->value, change->old_value);
    }
    *history = (tap_history){change->change, change->new_value, t->age};
}

static void judge_agent(tap *t, const cs_event *event, const cs_change *change)
{
    uint32_t index = (uint32_t)change->subject, generation = (uint32_t)(change->subject >> 32);
    number at = event->sequence;
    if (index >= TAP_AGENTS || !(generation & 1u)) {
        EXPECT(false, "event %llu is about agent %llx", at, (number)change->subject);
        return;
    }
    tap_history *agent = &t->agents[index], *status = &t->status[index];
    bool known = agent->age == t->age;
    if (event->kind == CS_KIND_AGENT_REGISTERED) {
        EXPECT(!known || ((int32_t)(generation - agent->change) > 0 && !(agent->change & 1u)),
               "event %llu: generation %u of agent slot %u registered, after %u", at, generation, index, agent->change);
        *agent = (tap_history){generation, 0, t->age};
        *status = (tap_history){0, CS_AGENT_STARTING, t->age};
        return;
    }
    EXPECT(!known || generation == agent->change, "event %llu: generation %u of agent slot %u, known is %u", at,
           generation, index, agent->change);
    if (event->kind == CS_KIND_AGENT_DEREGISTERED) {
        *agent = (tap_history){generation + 1, 0, t->age};
    } else {
        *agent = (tap_history){generation, 0, t->age};
        judge_change(t, status, at, change, "the status of agent");
    }
}

static void judge(tap *t, const cs_event *event, const unsigned char *data)
{
    cs_change change;
    EXPECT(event->sequence >= t->expected, "event %llu after %llu", (number)event->sequence, (number)t->expected - 1);
    t->expected = event->sequence + 1;
    if (event->kind >= CS_KIND_USER) {
        if (t->judge_user)
            t->judge_user(event, data);
        return;
    }
    EXPECT(event->format == CS_FORMAT_CHANGE && event->length >= sizeof change, "event %llu carries a change",
           (number)event->sequence);
    memcpy(&change, data, sizeof change);
    if (event->kind <= CS_KIND_BRAIN_READY_CHANGED && change.subject < CS_STATES)
        judge_change(t, &t->states[change.subject], event->sequence, &change, "engine state");
    else if (event->kind <= CS_KIND_BRAIN_READY_CHANGED)
        EXPECT(false, "event %llu is about engine state %llu", (number)event->sequence, (number)change.subject);
    else if (event->kind <= CS_KIND_AGENT_STATUS_CHANGED)
        judge_agent(t, event, &change);
}

void tap_drain(tap *t, cs_region *region, uint64_t most)
{
    for (uint64_t taken = 0; taken < most; taken++) {
        uint32_t count;
        uint64_t lost = t->s.lost;
        cs_event event;
        /* One at a time, since a loss between two events of one call would not say between which. */
        int result = cs_events_drain(region, &t->s, t->row, (uint32_t)sizeof t->row, 1, &count);
        EXPECT(result == CS_OK, "drain gives %s", cs_strerror(result));
        t->age += t->s.lost != lost;
        if (result != CS_OK || !count)
            return;
        memcpy(&event, t->row, sizeof event);
        EXPECT(event.length <= view_of(region)->event_bytes, "event %llu has %u bytes", (number)event.sequence,
               event.length);
        t->received++;
        judge(t, &event, t->row + sizeof event);
    }
}

void tap_catch_up(tap *t, cs_region *region)
{
    tap_drain(t, region, CS_FOREVER);
    while (t->s.next <= cs_event_newest(region)) {
        int result = cs_events_wait(region, &t->s, 5000000000u);
        EXPECT(result == CS_OK, "waiting for position %llu gives %s", (number)t->s.next, cs_strerror(result));
        if (result != CS_OK)
            return;
        tap_drain(t, region, CS_FOREVER);
    }
}

void tap_settle(tap *t, cs_region *region)
{
    view *v = view_of(region);
    const table_view *agents = &v->tables[TABLE_AGENTS];
    cs_engine_snapshot engine;
    tap_drain(t, region, CS_FOREVER);
    uint64_t newest = cs_event_newest(region);
    EXPECT(t->s.next == newest + 1, "position %llu of %llu is never told", (number)t->s.next, (number)newest);
    EXPECT(t->received + t->s.lost + t->s.holes == t->s.next - t->first,
           "%llu received, %llu lost and %llu holes are %llu positions", (number)t->received, (number)t->s.lost,
           (number)t->s.holes, (number)(t->s.next - t->first));
    EXPECT(cs_engine_read(region, &engine) == CS_OK && engine.quiet, "the engine section stands still");
    for (uint32_t state = 0; state < CS_STATES; state++)
        EXPECT(t->states[state].age != t->age || (t->states[state].change == (uint32_t)engine.changes[state] &&
                                                  t->states[state].value == engine.states[state]),
               "state %u is %u by change %llu; the events end at %u by change %u", state, engine.states[state],
               (number)engine.changes[state], t->states[state].value, t->states[state].change);
    for (uint32_t index = 0; index < agents->count && index < TAP_AGENTS; index++) {
        uint32_t generation = load32(&slot_at(agents, index)->generation);
        cs_agent_info info;
        const tap_history *agent = &t->agents[index], *status = &t->status[index];
        EXPECT(agent->age != t->age ||
                   ((agent->change & 1u) == (generation & 1u) && (!(generation & 1u) || agent->change == generation)),
               "agent slot %u has generation %u; the events end at %u", index, generation, agent->change);
        if ((generation & 1u) && status->age == t->age &&
            cs_agent_get(region, (uint64_t)generation << 32 | index, &info, 0, 0) == CS_OK)
            EXPECT(status->change == (uint32_t)info.changes && status->value == info.status,
                   "agent slot %u has status %u by change %llu; the events end at %u by change %u", index, info.status,
                   (number)info.changes, status->value, status->change);
    }
    begin_histories(t, region);
}
