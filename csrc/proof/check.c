#include "check.h"

#include "agent_table.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[TABLES] = {"counters", "gauges", "areas", "agents", "locks", "kinds", "budgets"};
static const uint32_t sections[TABLES] = {CS_SECTION_COUNTERS, CS_SECTION_GAUGES, CS_SECTION_AREAS,  CS_SECTION_AGENTS,
                                          CS_SECTION_LOCKS,    CS_SECTION_KINDS,  CS_SECTION_BUDGETS};

static bool dead(const view *v, uint32_t owner) { return owner && !csi_alive(v, owner); }

/* Every slot is exactly one of: live and in its bucket's chain once, free and in the free list once, never used. */
static void check_table(const view *v, uint32_t table)
{
    const table_view *t = &v->tables[table];
    uint32_t fresh = load32(&t->head->fresh), live = 0, chained = 0, listed = 0;
    unsigned char *seen = calloc(t->count + 1, 1);
    NEED(seen);
    EXPECT(!(load32(&t->head->claim) & CLAIM_OWNER), "%s: the claim is %#x", names[table], load32(&t->head->claim));
    EXPECT(load32(&t->head->intent) == INTENT_NONE, "%s: intent %#x is left", names[table], load32(&t->head->intent));
    EXPECT(!(load32(&t->head->change) & 1u), "%s: the change number is odd", names[table]);
    EXPECT(fresh <= t->count, "%s: fresh is %u", names[table], fresh);
    for (uint32_t bucket = 0; bucket < t->count; bucket++)
        for (uint32_t link = load32(&t->buckets[bucket]); link; link = load32(&slot_at(t, link - 1)->next)) {
            EXPECT(link <= fresh, "%s: bucket %u leads to slot %u", names[table], bucket, link - 1);
            if (link > fresh)
                break;
            EXPECT(!seen[link - 1], "%s: slot %u is chained twice", names[table], link - 1);
            if (seen[link - 1]++)
                break;
            EXPECT(load32(&slot_at(t, link - 1)->generation) & 1u, "%s: slot %u is chained and not live", names[table],
                   link - 1);
            chained++;
        }
    for (uint32_t link = load32(&t->head->free); link; link = load32(&slot_at(t, link - 1)->hash)) {
        EXPECT(link <= fresh, "%s: the free list leads to slot %u", names[table], link - 1);
        if (link > fresh)
            break;
        EXPECT(!seen[link - 1], "%s: slot %u is free and %s", names[table], link - 1,
               seen[link - 1] == 2 ? "free again" : "chained");
        if (seen[link - 1])
            break;
        seen[link - 1] = 2;
        listed++;
        EXPECT(!(load32(&slot_at(t, link - 1)->generation) & 1u), "%s: slot %u is free and live", names[table],
               link - 1);
    }
    for (uint32_t index = 0; index < fresh && index < t->count; index++) {
        uint32_t generation = load32(&slot_at(t, index)->generation), length;
        char name[64];
        cs_handle found, handle = (uint64_t)generation << 32 | index;
        EXPECT(seen[index], "%s: slot %u is in no list", names[table], index);
        if (!(generation & 1u))
            continue;
        live++;
        if (csi_table_key(v, t, handle, name, &length) && length)
            EXPECT(csi_table_find(v, table, name, length, &found) == CS_OK && found == handle,
                   "%s: slot %u is not found by its name", names[table], index);
        else
            EXPECT(false, "%s: slot %u has no name", names[table], index);
    }
    EXPECT(live == chained && live == load32(&t->head->count) && live + listed == fresh,
           "%s: %u live, %u chained, count %u, %u free, fresh %u", names[table], live, chained, load32(&t->head->count),
           listed, fresh);
    free(seen);
}

static void check_lane(const struct lane *lane, const char *what, uint32_t number)
{
    EXPECT(!(load32(&lane->claim) & CLAIM_OWNER), "%s %u: the claim is %#x", what, number, load32(&lane->claim));
}

static void check_locks(const view *v, uint32_t table)
{
    const table_view *t = &v->tables[table];
    for (uint32_t index = 0; index < t->count; index++) {
        unsigned char *payload = payload_of(slot_at(t, index));
        size_t offset = table == TABLE_AREAS ? offsetof(struct area, lock) : 0;
        const struct lock *lock = (const struct lock *)(const void *)(payload + offset);
        EXPECT(!dead(v, load32(&lock->word) & CLAIM_OWNER), "%s: the lock of slot %u is %#x, a dead one's",
               names[table], index, load32(&lock->word));
    }
}

static void check_agents(const view *v)
{
    const table_view *t = agents_of(v);
    for (uint32_t index = 0; index < t->count; index++) {
        struct agent *agent = agent_in(slot_at(t, index));
        check_lane(&agent->status, "the status of agent slot", index);
        EXPECT(!(load64(&agent->details) & RECORD_OWNER), "agent slot %u: the record's word is %#llx", index,
               (unsigned long long)load64(&agent->details));
    }
    EXPECT(load64(&v->engine->agent_count) == load32(&t->head->count), "agent_count is %llu, of %u agents",
           (unsigned long long)load64(&v->engine->agent_count), load32(&t->head->count));
}

static void check_ring(const view *v)
{
    uint64_t head = load64(&v->ring->head), slots = v->event_mask + 1ull;
    for (uint64_t i = 0; i < slots; i++) {
        const struct event *event = (const struct event *)(const void *)(v->events + (size_t)i * v->event_stride);
        uint64_t word = load64(&event->word);
        uint32_t state = (uint32_t)word & 3u, owner = (uint32_t)(word >> 2) & CLAIM_OWNER;
        uint64_t taken = head > i ? (head - i - 1) / slots + 1 : 0; /* laps of this slot that lie below the head */
        EXPECT(word >> 24 == (taken & 0xFFFFFFFFFFull), "ring slot %llu is in lap %llu of %llu", (unsigned long long)i,
               (unsigned long long)(word >> 24), (unsigned long long)taken);
        EXPECT(state != EVENT_CLAIMED && !(state == EVENT_HOLE && owner), "ring slot %llu is left by %#x in state %u",
               (unsigned long long)i, owner, state);
    }
}

static void check_participants(const view *v, const cs_region *region)
{
    for (uint32_t slot = 0; slot < v->participant_count; slot++) {
        cs_participant_info info;
        EXPECT(cs_participant_get(region, slot, &info) == CS_OK && info.state != CS_PARTICIPANT_DEAD,
               "participant %u is dead and not swept", slot);
    }
}

static struct reservation *reservation_at(const view *v, uint32_t index)
{
    return (struct reservation *)(void *)(v->reservations + (size_t)index * v->reservation_stride);
}

/* Reservations of the dead are gone, prepared ones excepted; each budget's sums are those of its reservations. */
static void check_budgets(const view *v, const cs_region *region)
{
    const table_view *t = &v->tables[TABLE_BUDGETS];
    for (uint32_t index = 0; index < v->reservation_count; index++) {
        uint64_t word = load64(&reservation_at(v, index)->word);
        uint32_t state = (uint32_t)word & 3u, owner = (uint32_t)word >> 2 & CLAIM_OWNER;
        EXPECT(state == RESERVATION_FREE || state == RESERVATION_PREPARED || !dead(v, owner),
               "reservation %u is a dead one's in state %u", index, state);
        EXPECT(state != RESERVATION_FILLING, "reservation %u is being filled", index);
    }
    for (uint32_t slot = 0; slot < t->count; slot++) {
        const struct budget *b = payload_of(slot_at(t, slot));
        uint32_t generation = load32(&slot_at(t, slot)->generation);
        cs_handle handle = (uint64_t)generation << 32 | slot;
        cs_budget_info info;
        uint64_t sum = 0;
        EXPECT(!(load32(&b->claim) & CLAIM_OWNER), "budget %u: the claim is %#x", slot, load32(&b->claim));
        if (!(generation & 1u))
            continue;
        for (uint32_t index = 0; index < v->reservation_count; index++) {
            const struct reservation *r = reservation_at(v, index);
            uint32_t state = (uint32_t)load64(&r->word) & 3u;
            if ((state == RESERVATION_HELD || state == RESERVATION_PREPARED) && load64(&r->budget) == handle)
                sum += load64(&r->amount);
        }
        EXPECT(cs_budget_get(region, handle, &info) == CS_OK, "budget %u can be read", slot);
        EXPECT(load32(&b->intent) == 0, "budget %u: intent %u is left", slot, load32(&b->intent));
        EXPECT(info.reserved == sum, "budget %u: %llu reserved, of %llu", slot, (unsigned long long)info.reserved,
               (unsigned long long)sum);
        EXPECT(info.spent + info.reserved <= info.limit, "budget %u: %llu spent and %llu reserved of %llu", slot,
               (unsigned long long)info.spent, (unsigned long long)info.reserved, (unsigned long long)info.limit);
    }
}

static void check_values(const view *v)
{
    for (uint32_t group = 0; group < v->value_groups; group++) {
        const unsigned char *at =
            v->values + (size_t)group * (sizeof(struct value_group) + VALUE_WAYS * v->value_stride);
        uint32_t claim = load32(&((const struct value_group *)(const void *)at)->claim);
        EXPECT(!dead(v, claim & CLAIM_OWNER), "value lock %u is %#x, a dead one's", group, claim);
    }
}

void check_region(member *s)
{
    const view *v = inside(s);
    for (uint32_t table = 0; table < TABLES; table++)
        if (v->tables[table].count)
            check_table(v, table);
    for (uint32_t i = 0; i < 4; i++)
        check_lane(&v->engine->core[i], "engine state", i);
    for (uint32_t i = 0; i < 3; i++)
        check_lane(&v->engine->service[i].lane, "engine state", 4 + i);
    check_agents(v);
    check_locks(v, TABLE_LOCKS);
    check_locks(v, TABLE_AREAS);
    check_ring(v);
    check_budgets(v, &s->region);
    check_values(v);
    check_participants(v, &s->region);
}

/* -- room ----------------------------------------------------------------------------------- */

static int add(cs_region *region, uint32_t table, const char *name, cs_handle *handle)
{
    switch (table) {
    case TABLE_COUNTERS:
        return cs_counter_open(region, name, CS_NUL, handle);
    case TABLE_GAUGES:
        return cs_gauge_open(region, name, CS_NUL, handle);
    case TABLE_AREAS:
        return cs_area_open(region, name, CS_NUL, handle);
    case TABLE_AGENTS:
        return cs_agent_register(region, name, CS_NUL, CS_AGENT_BOTH, 0, handle);
    case TABLE_LOCKS:
        return cs_lock_open(region, name, CS_NUL, handle);
    default:
        return cs_budget_open(region, name, CS_NUL, handle);
    }
}

static int take_away(cs_region *region, uint32_t table, cs_handle handle)
{
    switch (table) {
    case TABLE_COUNTERS:
        return cs_counter_remove(region, handle);
    case TABLE_GAUGES:
        return cs_gauge_remove(region, handle);
    case TABLE_AREAS:
        return cs_area_remove(region, handle);
    case TABLE_AGENTS:
        return cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED);
    case TABLE_LOCKS:
        return cs_lock_remove(region, handle);
    default:
        return cs_budget_remove(region, handle);
    }
}

void check_room(member *s)
{
    for (uint32_t table = 0; table < TABLES; table++) {
        const table_view *t = &inside(s)->tables[table];
        uint32_t before, after, added = 0;
        cs_handle handles[64], more;
        if (table == TABLE_KINDS) /* kinds are for ever */
            continue;
        NEED(t->count <= 64);
        EXPECT(cs_names_count(&s->region, sections[table], &before) == CS_OK, "%s are counted", names[table]);
        for (; added < t->count - before; added++) {
            char name[32];
            (void)snprintf(name, sizeof name, "room %u", added);
            int result = add(&s->region, table, name, &handles[added]);
            EXPECT(result == CS_OK, "%s: the %uth of %u gives %s", names[table], before + added + 1, t->count,
                   cs_strerror(result));
            if (result != CS_OK)
                break;
        }
        EXPECT(add(&s->region, table, "one too many", &more) == CS_E_FULL, "%s: more than %u", names[table], t->count);
        for (uint32_t i = 0; i < added; i++) {
            int result = take_away(&s->region, table, handles[i]);
            EXPECT(result == CS_OK, "%s: removing gives %s", names[table], cs_strerror(result));
        }
        EXPECT(cs_names_count(&s->region, sections[table], &after) == CS_OK && after == before,
               "%s: %u before, %u after", names[table], before, after);
    }
}
