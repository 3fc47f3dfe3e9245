/*
 * core.c: what the operations of the C API cost, beside what nature asks for: a plain load, a plain store, a locked
 * addition, a call. All works take turns in every round, so that a slow moment of the machine falls on all of them.
 *
 *   bench_core [--json] [--rounds N]
 *
 * Times are nanoseconds an operation: the median over the rounds, and the range the middle eight tenths of them lie in.
 */
#include "corestate/corestate.h"
#include "corestate/port.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_NS 1000000u /* how long one work runs in one round, about */
#define AGENTS 1000u
#define BATCH 1024u

static cs_region region;
static cs_handle counter, gauge, lock, area, agent;
static cs_hot_cell hot;
static uint32_t kind;
static uint64_t sink; /* where results go, so that no work is optimised away */
static _Atomic uint64_t word;

static void must(const char *what, int code)
{
    if (code < 0) {
        fprintf(stderr, "%s: %s\n", what, cs_strerror(code));
        exit(1);
    }
}

/* A work does n operations and says how many nanoseconds they took. */
#define WORK(name, operation)                                                                                          \
    static uint64_t name(uint64_t n)                                                                                   \
    {                                                                                                                  \
        uint64_t sum = 0, value = 0, started = cs_port_monotonic_ns();                                                 \
        for (uint64_t i = 0; i < n; i++) {                                                                             \
            operation;                                                                                                 \
        }                                                                                                              \
        uint64_t passed = cs_port_monotonic_ns() - started;                                                            \
        sink += sum + value;                                                                                           \
        return passed;                                                                                                 \
    }

/* -- floors --------------------------------------------------------------------------------- */

static uint64_t nothing(uint64_t i) { return i; }
static uint64_t (*volatile call)(uint64_t) = nothing;

WORK(plain_load, sum += atomic_load_explicit(&word, memory_order_relaxed))
WORK(plain_store, atomic_store_explicit(&word, i, memory_order_relaxed))
WORK(locked_add, sum += atomic_fetch_add(&word, 1))
WORK(plain_call, sum += call(i))
WORK(clock_read, sum += cs_port_now_ns())
WORK(coarse_clock, sum += cs_port_coarse_ns())

/* -- cells ---------------------------------------------------------------------------------- */

WORK(hot_read, sum += *(const volatile uint32_t *)hot.generation + *(const volatile uint64_t *)hot.value)
WORK(engine_read, sum += cs_engine_get(&region, CS_NEURON_COUNT))
WORK(state_read, sum += cs_engine_state(&region, CS_STATE_BURST))
WORK(counter_read, sum += (uint64_t)cs_counter_get(&region, counter, &value))
WORK(area_read, sum += (uint64_t)cs_area_get(&region, area, CS_AREA_NEURON_COUNT, &value))
WORK(counter_store, sum += (uint64_t)cs_counter_store(&region, counter, i))
WORK(engine_write, sum += (uint64_t)cs_engine_set(&region, CS_NEURON_COUNT, i))
WORK(counter_set, sum += (uint64_t)cs_counter_set(&region, counter, i))
WORK(counter_add, sum += (uint64_t)cs_counter_add(&region, counter, 1, 0))
WORK(gauge_set, sum += (uint64_t)cs_gauge_set(&region, gauge, (double)i))
WORK(engine_add, sum += (uint64_t)cs_engine_add(&region, CS_BURST_COUNT, 1, 0))
WORK(state_set, sum += (uint64_t)cs_engine_set_state(&region, CS_STATE_BURST, (uint32_t)i & 7))
WORK(area_set, sum += (uint64_t)cs_area_set(&region, area, CS_AREA_NEURON_COUNT, i))

/* -- events --------------------------------------------------------------------------------- */

static const unsigned char data[40] = "forty bytes, as an event often carries";

WORK(publish, sum += (uint64_t)cs_event_publish(&region, kind, CS_FORMAT_BYTES, data, sizeof data, &value))

static struct {
    cs_event head;
    unsigned char data[128];
} rows[BATCH];

static uint64_t drain(uint64_t n)
{
    cs_subscription subscription;
    uint64_t passed = 0, taken = 0;
    while (taken < n) {
        uint32_t count = 0;
        must("subscribe", cs_subscribe(&region, &subscription, CS_FOREVER));
        for (uint32_t i = 0; i < BATCH; i++)
            must("publish", cs_event_publish(&region, kind, CS_FORMAT_BYTES, data, sizeof data, 0));
        uint64_t started = cs_port_monotonic_ns();
        must("drain", cs_events_drain(&region, &subscription, rows, sizeof rows[0], BATCH, &count));
        passed += cs_port_monotonic_ns() - started;
        taken += count;
        sink += rows[BATCH - 1].head.sequence;
    }
    return passed * n / taken;
}

/* -- agents, locks, health ------------------------------------------------------------------ */

static uint64_t agent_register(uint64_t n)
{
    uint64_t passed = 0;
    cs_details details = {data, data, data, 20, 20, 20};
    for (uint64_t i = 0; i < n; i++) {
        cs_handle handle = 0;
        uint64_t started = cs_port_monotonic_ns();
        must("register", cs_agent_register(&region, "newcomer", 8, CS_AGENT_SENSORY, &details, &handle));
        passed += cs_port_monotonic_ns() - started;
        must("deregister", cs_agent_deregister(&region, handle, CS_REASON_DEREGISTERED));
    }
    return passed;
}

static uint64_t agent_get(uint64_t n)
{
    static cs_agent_info info;
    static unsigned char details[256];
    uint64_t started = cs_port_monotonic_ns();
    for (uint64_t i = 0; i < n; i++)
        must("get", cs_agent_get(&region, agent, &info, details, sizeof details));
    sink += info.changes + details[0];
    return cs_port_monotonic_ns() - started;
}

WORK(agent_find, sum += (uint64_t)cs_agent_find(&region, "agent500", 8, &value))
WORK(agent_heartbeat, sum += (uint64_t)cs_agent_heartbeat(&region, agent))
WORK(agent_status, sum += (uint64_t)cs_agent_set_status(&region, agent, i & 1 ? CS_AGENT_PAUSED : CS_AGENT_RUNNING, 0))
WORK(lock_try_release, sum += (uint64_t)cs_lock_try(&region, CS_SECTION_LOCKS, lock);
     sum += (uint64_t)cs_lock_release(&region, CS_SECTION_LOCKS, lock))

static uint64_t health(uint64_t n)
{
    static cs_health now;
    uint64_t started = cs_port_monotonic_ns();
    for (uint64_t i = 0; i < n; i++)
        must("health", cs_health_read(&region, CS_FOREVER, &now));
    sink += now.agents;
    return cs_port_monotonic_ns() - started;
}

static uint64_t export(uint64_t n)
{
    static cs_agent_row agents[AGENTS];
    uint64_t done = 0, started = cs_port_monotonic_ns();
    while (done < n) {
        uint32_t count = 0;
        must("export", cs_agents_export(&region, agents, AGENTS, &count));
        done += count;
    }
    uint64_t passed = cs_port_monotonic_ns() - started;
    sink += agents[0].handle;
    return passed * n / done;
}

/* -- the run -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *what;
    uint64_t (*run)(uint64_t n);
    double most; /* nanoseconds it is to stay under; 0: a floor of nature, or nothing promised */
} works[] = {
    {"plain_load", "floor: a load of 64 bits", plain_load, 0},
    {"plain_store", "floor: a store of 64 bits", plain_store, 0},
    {"locked_add", "floor: an atomic addition", locked_add, 0},
    {"plain_call", "floor: a call through a pointer", plain_call, 0},
    {"clock", "floor: the clock", clock_read, 0},
    {"coarse_clock", "floor: the coarse clock", coarse_clock, 0},
    {"hot_read", "cell read at its address, generation checked", hot_read, 2},
    {"engine_get", "engine number read", engine_read, 2},
    {"engine_state", "engine state read", state_read, 2},
    {"counter_get", "counter read by handle", counter_read, 0},
    {"area_get", "area number read by handle", area_read, 0},
    {"counter_store", "counter written, waking nobody", counter_store, 2},
    {"counter_set", "counter written, notifying", counter_set, 0},
    {"counter_add", "counter added to, notifying", counter_add, 8},
    {"gauge_set", "gauge written, notifying", gauge_set, 0},
    {"engine_set", "engine number written, with version and time", engine_write, 0},
    {"engine_add", "engine number added to, with version and time", engine_add, 0},
    {"engine_set_state", "engine state set, with version, time and event", state_set, 100},
    {"area_set", "area number set, with version, time and event", area_set, 0},
    {"event_publish", "event of 40 bytes published", publish, 60},
    {"events_drain", "event of 40 bytes drained, in batches of 1024", drain, 200},
    {"agent_register", "agent registered among 1000, with 60 bytes of details", agent_register, 0},
    {"agent_find", "agent found among 1000", agent_find, 0},
    {"agent_get", "agent read, with its details", agent_get, 0},
    {"agent_heartbeat", "agent's heartbeat", agent_heartbeat, 0},
    {"agent_set_status", "agent's status set, with event", agent_status, 0},
    {"agents_export", "agent exported, in a batch of 1000", export, 100},
    {"lock_try_release", "lock taken and released", lock_try_release, 0},
    {"health", "health of 1000 agents", health, 1000000},
};
#define WORKS (sizeof works / sizeof *works)

static void prepare(void)
{
    cs_config config;
    char name[32];
    cs_config_default(&config);
    config.agents = AGENTS + 24;
    uint64_t size = cs_region_size(&config);
    unsigned char *memory = calloc(1, (size_t)size + 64);
    if (!memory) {
        fprintf(stderr, "no memory for a region of %llu bytes\n", (unsigned long long)size);
        exit(1);
    }
    memory += 64 - (uintptr_t)memory % 64;
    must("format", cs_region_format(memory, size, &config, CS_ZEROED));
    must("attach", cs_region_attach(&region, memory, size, 0, -1));
    must("counter", cs_counter_open(&region, "counter", CS_NUL, &counter));
    must("gauge", cs_gauge_open(&region, "gauge", CS_NUL, &gauge));
    must("lock", cs_lock_open(&region, "lock", CS_NUL, &lock));
    must("area", cs_area_open(&region, "area", CS_NUL, &area));
    must("kind", cs_kind_open(&region, "kind", CS_NUL, &kind));
    must("hot cell", cs_hot_cell_of(&region, CS_SECTION_COUNTERS, counter, &hot));
    cs_details details = {data, data, data, 20, 20, 20};
    for (uint32_t i = 0; i < AGENTS; i++) {
        snprintf(name, sizeof name, "agent%u", (unsigned)i);
        must("register", cs_agent_register(&region, name, CS_NUL, i % CS_AGENT_TYPES, &details, &agent));
    }
    must("status", cs_agent_set_status(&region, agent, CS_AGENT_RUNNING, 0));
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

typedef struct result {
    double median, low, high;
} result;

static void measure(result results[WORKS], uint32_t rounds)
{
    uint64_t counts[WORKS];
    double *times = malloc(WORKS * rounds * sizeof *times);
    if (!times)
        exit(1);
    for (size_t i = 0; i < WORKS; i++) { /* how many operations fill a round; the first runs also warm up */
        uint64_t n = 16, took = works[i].run(n);
        while (took < ROUND_NS / 2) {
            n *= 2;
            took = works[i].run(n);
        }
        counts[i] = n;
    }
    for (uint32_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < WORKS; i++)
            times[i * rounds + round] = (double)works[i].run(counts[i]) / (double)counts[i];
    for (size_t i = 0; i < WORKS; i++) {
        double *mine = times + i * rounds;
        qsort(mine, rounds, sizeof *mine, ascending);
        results[i].median = mine[rounds / 2];
        results[i].low = mine[rounds / 10];
        results[i].high = mine[rounds - 1 - rounds / 10];
    }
    free(times);
}

static void print_table(const result *results)
{
    printf("%-56s %10s %21s %8s %8s\n", "", "ns", "middle eight tenths", "/ load", "/ xadd");
    for (size_t i = 0; i < WORKS; i++) {
        const result *r = &results[i];
        printf("%-56s %10.2f %10.2f %10.2f %8.1f %8.2f", works[i].what, r->median, r->low, r->high,
               r->median / results[0].median, r->median / results[2].median);
        if (works[i].most > 0)
            printf("  %s %.0f", r->median <= works[i].most ? "within" : "ABOVE", works[i].most);
        printf("\n");
    }
}

static void print_json(const result *results, uint32_t rounds)
{
    printf("{\"unit\": \"ns\", \"rounds\": %u, \"results\": [\n", (unsigned)rounds);
    for (size_t i = 0; i < WORKS; i++) {
        const result *r = &results[i];
        printf("  {\"name\": \"%s\", \"what\": \"%s\", \"median\": %.3f, \"low\": %.3f, \"high\": %.3f, \"most\": ",
               works[i].name, works[i].what, r->median, r->low, r->high);
        if (works[i].most > 0)
            printf("%.0f}%s\n", works[i].most, i + 1 < WORKS ? "," : "");
        else
            printf("null}%s\n", i + 1 < WORKS ? "," : "");
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    result results[WORKS];
    uint32_t rounds = 51;
    int json = 0;
    for (int i = 1; i < argc; i++) {
        char *end = argv[i];
        if (strcmp(argv[i], "--json") == 0) {
            json = 1;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            unsigned long given = strtoul(argv[++i], &end, 10);
            rounds = (uint32_t)given;
            if (*end || given < 1 || given > 100000) {
                fprintf(stderr, "--rounds takes a number from 1 to 100000, not %s\n", argv[i]);
                return 2;
            }
        } else {
            fprintf(stderr, "usage: %s [--json] [--rounds N]\n", argv[0]);
            return 2;
        }
    }
    prepare();
    measure(results, rounds);
    if (json)
        print_json(results, rounds);
    else
        print_table(results);
    return sink == 0x5EED ? 3 : 0; /* the sums are used, whatever they are */
}
