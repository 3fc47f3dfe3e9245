/*
 * counts.c: each hot operation of the C API a known number of times, for bench/counts/counts.py to run under callgrind.
 *
 * A scenario is a function of its own; the instructions counted for an operation are those spent inside the calls it
 * makes of one API function, so that its own loop counts for nothing. `alone` works on one object, which stays in the
 * first cache; `in turn` on a thousand of them, which do not fit there, so that the lines an operation touches show.
 */
#include "corestate/corestate.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS 1000u
#define ROUNDS 2000u
#define RECORD 200u

static cs_region region;
static cs_handle counters[OBJECTS], gauges[OBJECTS], areas[OBJECTS], agents[OBJECTS], locks[OBJECTS];
static cs_handle budget;
static char ids[OBJECTS][24];
static uint32_t kind;
static unsigned char record[RECORD];
static uint64_t sink;

static void must(int code)
{
    if (code < 0) {
        fprintf(stderr, "counts: an operation that cannot fail failed: %s\n", cs_strerror(code));
        exit(1);
    }
}

#define SCENARIO(name) static __attribute__((noinline)) void name(void)
#define EACH for (uint32_t i = 0; i < ROUNDS; i++)
#define TURN ((i * 7u) % OBJECTS) /* 7 and 1,000 have no common divisor: each in turn, and no two neighbours */

/* -- numbers -------------------------------------------------------------------------------- */

SCENARIO(alone_engine)
{
    uint64_t value = 0;
    EACH
    {
        sink += cs_engine_get(&region, CS_NEURON_COUNT) + cs_engine_state(&region, CS_STATE_BURST);
        must(cs_engine_set(&region, CS_NEURON_COUNT, i));
        must(cs_engine_add(&region, CS_BURST_COUNT, 1, &value));
        must(cs_engine_set_state(&region, CS_STATE_BURST, i & 1u ? CS_BURST_RUNNING : CS_BURST_PAUSED));
    }
    sink += value;
}

SCENARIO(alone_counter)
{
    uint64_t value = 0, expected = 0;
    EACH
    {
        must(cs_counter_get(&region, counters[0], &value));
        must(cs_counter_store(&region, counters[0], i));
        must(cs_counter_set(&region, counters[0], i));
        must(cs_counter_add(&region, counters[0], 1, &value));
        expected = value;
        must(cs_counter_compare_exchange(&region, counters[0], &expected, i));
        must(cs_gauge_set(&region, gauges[0], (double)i));
    }
    sink += value;
}

SCENARIO(alone_area)
{
    uint64_t value = 0;
    EACH
    {
        must(cs_area_get(&region, areas[0], CS_AREA_NEURON_COUNT, &value));
        must(cs_area_set(&region, areas[0], CS_AREA_NEURON_COUNT, i));
    }
    sink += value;
}

SCENARIO(turn_counter)
{
    uint64_t value = 0;
    cs_handle handle;
    EACH
    {
        must(cs_counter_get(&region, counters[TURN], &value));
        must(cs_counter_add(&region, counters[(TURN + OBJECTS / 2) % OBJECTS], 1, &value));
        must(cs_counter_find(&region, ids[(TURN + OBJECTS / 4) % OBJECTS], CS_NUL, &handle));
    }
    sink += value;
}

/* -- agents and their records --------------------------------------------------------------- */

static const cs_details details = {record, record, record, RECORD - 100, 50, 50};

SCENARIO(alone_agent)
{
    static cs_agent_info info;
    static unsigned char out[256];
    EACH
    {
        must(cs_agent_heartbeat(&region, agents[0]));
        must(cs_agent_set_status(&region, agents[0], i & 1u ? CS_AGENT_PAUSED : CS_AGENT_RUNNING, 0));
        must(cs_agent_set_details(&region, agents[0], &details));
        must(cs_agent_get(&region, agents[0], &info, out, sizeof out));
    }
    sink += info.changes + out[0];
}

SCENARIO(turn_agent)
{
    static cs_agent_info info;
    static unsigned char out[256];
    cs_handle handle = 0;
    EACH must(cs_agent_find(&region, ids[TURN], CS_NUL, &handle));
    EACH must(cs_agent_get(&region, agents[TURN], &info, out, sizeof out));
    EACH must(cs_agent_heartbeat(&region, agents[TURN]));
    EACH must(cs_agent_set_details(&region, agents[TURN], &details));
    sink += info.changes + handle;
}

SCENARIO(turn_registration)
{
    EACH
    {
        must(cs_agent_deregister(&region, agents[TURN], CS_REASON_DEREGISTERED));
        must(cs_agent_register(&region, ids[TURN], CS_NUL, CS_AGENT_SENSORY, &details, &agents[TURN]));
    }
}

/* -- events --------------------------------------------------------------------------------- */

static struct {
    cs_event head;
    unsigned char data[128];
} rows[64];

SCENARIO(alone_event)
{
    cs_subscription subscription;
    uint32_t count = 0;
    must(cs_subscribe(&region, &subscription, CS_FOREVER));
    EACH
    {
        must(cs_event_publish(&region, kind, CS_FORMAT_BYTES, record, 40, 0));
        must(cs_events_drain(&region, &subscription, rows, sizeof rows[0], 1, &count));
        sink += count;
    }
}

SCENARIO(batch_of_64_events)
{
    cs_subscription subscription;
    uint32_t count = 0;
    must(cs_subscribe(&region, &subscription, CS_FOREVER));
    for (uint32_t batch = 0; batch < ROUNDS / 64; batch++) {
        for (uint32_t i = 0; i < 64; i++)
            must(cs_event_publish(&region, kind, CS_FORMAT_BYTES, record, 40, 0));
        must(cs_events_drain(&region, &subscription, rows, sizeof rows[0], 64, &count));
        sink += count;
    }
}

/* -- locks, budgets, hot values, the whole -------------------------------------------------- */

SCENARIO(alone_lock)
{
    EACH
    {
        must(cs_lock_try(&region, CS_SECTION_LOCKS, locks[0]));
        must(cs_lock_release(&region, CS_SECTION_LOCKS, locks[0]));
    }
}

SCENARIO(turn_lock)
{
    EACH
    {
        must(cs_lock_try(&region, CS_SECTION_LOCKS, locks[TURN]));
        must(cs_lock_release(&region, CS_SECTION_LOCKS, locks[TURN]));
    }
}

SCENARIO(alone_budget)
{
    cs_handle reservation;
    EACH
    {
        must(cs_budget_reserve(&region, budget, 5, &reservation));
        must(cs_budget_commit(&region, reservation, 3));
    }
}

SCENARIO(alone_value)
{
    static unsigned char out[256];
    cs_value_info info = {.version = 1, .length = 40};
    uint32_t lock = 0;
    must(cs_value_lock_of(&region, "key", 3, &lock));
    EACH
    {
        must(cs_value_lock(&region, lock, 0));
        must(cs_value_publish(&region, 1, "key", 3, record, &info, 0));
        must(cs_value_unlock(&region, lock));
        must(cs_value_get(&region, 1, "key", 3, out, sizeof out, &info));
    }
}

SCENARIO(whole_of_1000_agents)
{
    static cs_agent_row all[OBJECTS];
    static cs_health now;
    uint32_t count = 0;
    for (uint32_t i = 0; i < 10; i++) {
        must(cs_agents_export(&region, all, OBJECTS, &count));
        must(cs_health_read(&region, CS_FOREVER, &now));
    }
    sink += count + now.agents;
}

/* -- the run -------------------------------------------------------------------------------- */

static void prepare(void)
{
    cs_config config;
    cs_config_default(&config);
    config.agents = config.areas = config.counters = config.gauges = config.locks = OBJECTS + 24;
    config.event_bytes = 128 - 24;
    config.budgets = config.reservations = config.values = 64;
    config.value_bytes = 128;
    uint64_t size = cs_region_size(&config);
    void *memory = aligned_alloc(4096, (size_t)(size + 4095) / 4096 * 4096);
    if (!memory) {
        fprintf(stderr, "no memory for a region of %llu bytes\n", (unsigned long long)size);
        exit(1);
    }
    must(cs_region_format(memory, size, &config, 0));
    must(cs_region_attach(&region, memory, size, 0, -1));
    must(cs_kind_open(&region, "kind", CS_NUL, &kind));
    must(cs_budget_open(&region, "budget", CS_NUL, &budget));
    must(cs_budget_set_limit(&region, budget, UINT64_MAX / 2));
    memset(record, 'r', sizeof record);
    for (uint32_t i = 0; i < OBJECTS; i++) {
        snprintf(ids[i], sizeof ids[i], "camera-agent-%06u", (unsigned)i);
        must(cs_counter_open(&region, ids[i], CS_NUL, &counters[i]));
        must(cs_gauge_open(&region, ids[i], CS_NUL, &gauges[i]));
        must(cs_area_open(&region, ids[i], CS_NUL, &areas[i]));
        must(cs_lock_open(&region, ids[i], CS_NUL, &locks[i]));
        must(cs_agent_register(&region, ids[i], CS_NUL, i % CS_AGENT_TYPES, &details, &agents[i]));
    }
}

int main(void)
{
    prepare();
    alone_engine();
    alone_counter();
    alone_area();
    turn_counter();
    alone_agent();
    turn_agent();
    turn_registration();
    alone_event();
    batch_of_64_events();
    alone_lock();
    turn_lock();
    alone_budget();
    alone_value();
    whole_of_1000_agents();
    return sink == 0x5EED ? 3 : 0; /* the sums are used, whatever they are */
}
