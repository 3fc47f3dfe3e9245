/*
 * age.c: what time does to a region. Who left it is dead although somebody has his process id by now, or the machine
 * was started again; clocks that were set do no harm; a table filled and emptied a million times is as good as new,
 * by the number of loads and stores it takes.
 *
 *   age [--rounds N]
 */
#define _GNU_SOURCE
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS 86400000000000ull

void cs_crash_point(void);
void cs_read_point(void);

static uint64_t touches;

void cs_crash_point(void) { touches++; }
void cs_read_point(void) { touches++; }

static rig region_file;
static member survivor;

/* Somebody who is known by process id and start alone, and holds a lock. */
static void sit_down(cs_region *region, int64_t handle)
{
    cs_handle lock;
    NEED(cs_region_attach(region, region_file.memory, region_file.size, 0, handle) == CS_OK);
    NEED(cs_lock_open(region, "held", CS_NUL, &lock) == CS_OK);
    int result = cs_lock_acquire(region, CS_SECTION_LOCKS, lock, 0);
    EXPECT(result == CS_OK || result == CS_INHERITED, "taking the lock gives %s", cs_strerror(result));
}

static struct participant *seat_of(const cs_region *region)
{
    return participant_at(view_of(&survivor.region), owner_slot(cs_participant_self(region)));
}

/* The lock is the survivor's at once if its holder is dead, and not to be had if he lives. */
static void expect_alive(bool alive, const char *what)
{
    cs_handle lock;
    NEED(cs_lock_find(&survivor.region, "held", CS_NUL, &lock) == CS_OK);
    int result = cs_lock_try(&survivor.region, CS_SECTION_LOCKS, lock);
    EXPECT(result == (alive ? CS_E_BUSY : CS_INHERITED), "%s: taking his lock gives %s", what, cs_strerror(result));
    if (result >= 0)
        NEED(cs_lock_release(&survivor.region, CS_SECTION_LOCKS, lock) == CS_OK);
}

static void sweep_away(const char *what) { EXPECT(cs_sweep(&survivor.region) == 1, "%s: his seat is not swept", what); }

/* Each of these changes one thing that tells the process from a later one, and a dead man from a living. */
static void identities(void)
{
    cs_region region;
    sit_down(&region, -1);
    expect_alive(true, "a process by its id");
    poke64(&seat_of(&region)->start, peek64(&seat_of(&region)->start) + 1);
    expect_alive(false, "a process id that is somebody else's by now");
    sweep_away("a process id that is somebody else's by now");

    sit_down(&region, -1);
    poke64(&seat_of(&region)->boot[1], peek64(&seat_of(&region)->boot[1]) ^ 1);
    expect_alive(false, "a process of before the machine was started again");
    sweep_away("a process of before the machine was started again");

    sit_down(&region, -1);
    store64(&seat_of(&region)->word, (load64(&seat_of(&region)->word) & ~0xFFFFFFFFull) | 0x7FFFFFFEu);
    expect_alive(false, "a process id that is nobody's");
    sweep_away("a process id that is nobody's");

    member kernel_knows; /* his process lives, and so does whoever has his id: what counts is the kernel's lock */
    NEED(rig_join(&region_file, &kernel_knows, 0) == CS_OK);
    cs_handle lock;
    NEED(cs_lock_find(&kernel_knows.region, "held", CS_NUL, &lock) == CS_OK);
    NEED(cs_lock_acquire(&kernel_knows.region, CS_SECTION_LOCKS, lock, 0) >= CS_OK);
    poke64(&seat_of(&kernel_knows.region)->start, 1);
    expect_alive(true, "somebody the kernel vouches for");
    rig_forget(&kernel_knows);
    expect_alive(false, "somebody whose description is closed");
    sweep_away("somebody whose description is closed");
}

/* Times that were written under a clock set days ahead or back: wrong, and nothing else. */
static void clocks(void)
{
    static const uint64_t times[] = {0, 1, DAY_NS, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    cs_region *region = &survivor.region;
    view *v = view_of(region);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        cs_handle agent;
        cs_agent_info info;
        cs_health health;
        rig_doing("a clock at %llu", (unsigned long long)times[i]);
        NEED(cs_agent_register(region, "clocked", CS_NUL, 0, 0, &agent) == CS_OK);
        struct agent *its = payload_of(slot_at(&v->tables[TABLE_AGENTS], (uint32_t)agent));
        poke64(&its->last_seen_ns, times[i]);
        poke64(&its->registered_ns, times[i]);
        poke64(&v->engine->last_modified, times[i]);
        poke64(&seat_of(region)->attached_ns, times[i]);
        EXPECT(cs_health_read(region, 1000000, &health) == CS_OK, "health");
        bool past = times[i] <= DAY_NS; /* long ago by this machine's clock; the rest has not come yet */
        int reaped = cs_agents_reap(region, DAY_NS, 0);
        EXPECT(reaped == (past ? 1 : 0), "%d agents silent for a day", reaped);
        if (past)
            continue;
        NEED(cs_agent_heartbeat(region, agent) == CS_OK);
        NEED(cs_agent_get(region, agent, &info, 0, 0) == CS_OK || info.handle == agent);
        EXPECT(info.last_seen_ns != times[i], "a heartbeat does not put it right");
        NEED(cs_agent_deregister(region, agent, 0) == CS_OK);
    }
}

/* Loads and stores of one filling, one failed and one successful search for each, and one emptying. */
static uint64_t fill_and_empty(uint64_t round, uint32_t capacity)
{
    cs_region *region = &survivor.region;
    cs_handle agents[8], found;
    char id[32];
    touches = 0;
    for (uint32_t i = 0; i < capacity; i++) {
        (void)snprintf(id, sizeof id, "agent %u", i);
        NEED(cs_agent_register(region, id, CS_NUL, 0, 0, &agents[i]) == CS_OK);
    }
    for (uint32_t i = 0; i < capacity; i++) {
        (void)snprintf(id, sizeof id, "agent %u", i);
        NEED(cs_agent_find(region, id, CS_NUL, &found) == CS_OK && found == agents[i]);
        (void)snprintf(id, sizeof id, "nobody %u", i);
        NEED(cs_agent_find(region, id, CS_NUL, &found) == CS_E_NOT_FOUND);
    }
    for (uint32_t i = 0; i < capacity; i++)
        NEED(cs_agent_deregister(region, agents[(round * 3 + i) % capacity], 0) == CS_OK);
    return touches;
}

static void table(uint64_t rounds)
{
    const uint32_t capacity = region_file.config.agents;
    cs_handle one;
    uint64_t fresh = 0, last = 0;
    NEED(capacity <= 8);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t took = fill_and_empty(round, capacity);
        fresh = round == 1 ? took : fresh; /* the first one uses slots that never were used */
        last = took;
    }
    EXPECT(last == fresh, "it takes %llu loads and stores, and took %llu", (unsigned long long)last,
           (unsigned long long)fresh);
    EXPECT(cs_agent_find(&survivor.region, "agent 0", CS_NUL, &one) == CS_E_NOT_FOUND, "an agent is left");
    (void)printf("%llu times filled and emptied: %llu loads and stores the second time, %llu the last; ",
                 (unsigned long long)rounds, (unsigned long long)fresh, (unsigned long long)last);
}

int main(int count, char **arguments)
{
    uint64_t rounds = 1000000;
    if (count == 3 && strcmp(arguments[1], "--rounds") == 0) {
        rounds = strtoull(arguments[2], NULL, 10);
    } else if (count != 1) {
        (void)fprintf(stderr, "usage: age [--rounds N]\n");
        return 2;
    }
    cs_config config = rig_config();
    config.agents = 3;
    rig_open(&region_file, &config);
    rig_format(&region_file);
    NEED(rig_join(&region_file, &survivor, 0) == CS_OK);
    identities();
    clocks();
    rig_doing("filled and emptied");
    table(rounds);
    (void)printf("%llu faults\n", (unsigned long long)rig_faults);
    rig_leave(&survivor);
    rig_close(&region_file);
    return rig_faults ? 1 : 0;
}
