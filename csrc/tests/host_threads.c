/* Threads on one region: nothing is lost, nothing is torn, one order. Threads count, the case checks. */
#define _GNU_SOURCE
#include "host.h"

#if defined(SUITE_THREADS)

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS 4u
#define READERS 3u

static cs_region *region;
static atomic_uint started, finished; /* threads that began; writers that are done */

typedef struct worker {
    pthread_t thread;
    uint32_t number;
    uint64_t seen, wrong, lost, holes;
} worker;

static void run(worker *workers, uint32_t count, void *(*body)(void *))
{
    for (uint32_t i = 0; i < count; i++) {
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].number = i;
        if (pthread_create(&workers[i].thread, 0, body, &workers[i]) != 0)
            abort();
    }
}

static void join(worker *workers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pthread_join(workers[i].thread, 0);
}

static int open_region(const cs_config *config)
{
    atomic_store(&started, 0);
    atomic_store(&finished, 0);
    region = suite_open(0, config);
    return region != 0;
}

/* -- numbers -------------------------------------------------------------------------------- */

#define ADDS ROUNDS(50000u)
static cs_handle counter, gauge, area;

static void *add(void *context)
{
    worker *self = context;
    for (uint32_t i = 0; i < ADDS; i++) {
        self->wrong += cs_counter_add(region, counter, 3, 0) != CS_OK;
        self->wrong += cs_counter_add(region, counter, -1, 0) != CS_OK;
        self->wrong += cs_gauge_add(region, gauge, 0.5, 0) != CS_OK;
        self->wrong += cs_engine_add(region, CS_BURST_COUNT, 1, 0) != CS_OK;
        self->wrong += cs_area_add(region, area, i % 4, 1, 0) != CS_OK;
        uint64_t expected = 0;
        while (cs_counter_compare_exchange(region, counter, &expected, expected + 1) == CS_E_MISMATCH) {}
    }
    return 0;
}

void case_threads_add(void)
{
    worker workers[WRITERS];
    uint64_t value = 0;
    double real = 0;
    NEED(open_region(0));
    CHECK_RESULT(cs_counter_open(region, "c", 1, &counter), CS_OK);
    CHECK_RESULT(cs_gauge_open(region, "g", 1, &gauge), CS_OK);
    CHECK_RESULT(cs_area_open(region, "a", 1, &area), CS_OK);
    uint64_t version = cs_engine_get(region, CS_VERSION);
    run(workers, WRITERS, add);
    join(workers, WRITERS);
    for (uint32_t i = 0; i < WRITERS; i++)
        CHECK_EQUAL(workers[i].wrong, 0);
    CHECK_RESULT(cs_counter_get(region, counter, &value), CS_OK);
    CHECK_EQUAL(value, (uint64_t)WRITERS * ADDS * 3);
    CHECK_RESULT(cs_gauge_get(region, gauge, &real), CS_OK);
    CHECK(real == (double)WRITERS * ADDS * 0.5);
    CHECK_EQUAL(cs_engine_get(region, CS_BURST_COUNT), WRITERS * ADDS);
    uint64_t sum = 0;
    for (uint32_t field = 0; field < CS_AREA_FIELDS; field++) {
        CHECK_RESULT(cs_area_get(region, area, field, &value), CS_OK);
        sum += value;
    }
    CHECK_EQUAL(sum, WRITERS * ADDS + 20);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 2 * (uint64_t)WRITERS * ADDS);
    suite_close(0);
}

/* Each waits for the next value and moves it on: a wake-up that is lost stops all of them for good. */
#define TURNS ROUNDS(2000u)

static void *take_turns(void *context)
{
    worker *self = context;
    for (;;) {
        uint64_t value = 0;
        if (cs_counter_get(region, counter, &value) != CS_OK)
            self->wrong++;
        if (value >= TURNS)
            return 0;
        if (value % WRITERS == self->number) {
            self->seen++;
            self->wrong += cs_counter_add(region, counter, 1, 0) != CS_OK;
        } else {
            int result = cs_counter_wait(region, counter, value, CS_FOREVER, &value);
            self->wrong += result != CS_OK && result != CS_E_INTERRUPTED;
        }
    }
}

void case_threads_wait(void)
{
    worker workers[WRITERS];
    NEED(open_region(0));
    CHECK_RESULT(cs_counter_open(region, "turn", CS_NUL, &counter), CS_OK);
    run(workers, WRITERS, take_turns);
    join(workers, WRITERS);
    uint64_t turns = 0;
    for (uint32_t i = 0; i < WRITERS; i++) {
        CHECK_EQUAL(workers[i].wrong, 0);
        turns += workers[i].seen;
    }
    CHECK_EQUAL(turns, TURNS);
    suite_close(0);
}

/* -- names ---------------------------------------------------------------------------------- */

#define NAMES 64u
static cs_handle opened[WRITERS][NAMES];

static void *open_names(void *context)
{
    worker *self = context;
    char name[64];
    for (uint32_t i = 0; i < NAMES; i++) {
        uint32_t which = (i + self->number * 16) % NAMES;
        self->wrong +=
            cs_counter_open(region, suite_name(name, "shared", which), CS_NUL, &opened[self->number][which]) != CS_OK;
    }
    return 0;
}

void case_threads_names(void)
{
    worker workers[WRITERS];
    cs_config config = suite_config();
    config.counters = NAMES;
    for (uint32_t round = 0; round < ROUNDS(100u); round++) {
        uint32_t count = 0;
        NEED(open_region(&config));
        run(workers, WRITERS, open_names);
        join(workers, WRITERS);
        for (uint32_t i = 0; i < WRITERS; i++) {
            CHECK_EQUAL(workers[i].wrong, 0);
            CHECK(memcmp(opened[i], opened[0], sizeof opened[0]) == 0);
        }
        CHECK_RESULT(cs_names_count(region, CS_SECTION_COUNTERS, &count), CS_OK);
        CHECK_EQUAL(count, NAMES);
        suite_close(0);
    }
}

/* Agents come and go; type, id and details all say the same number, so a mixture of two would show. */
#define CHURNS ROUNDS(4000u)

static void *come_and_go(void *context)
{
    worker *self = context;
    char id[64];
    for (uint32_t i = 0; i < CHURNS; i++) {
        uint32_t number = i * WRITERS + self->number, type = number % CS_AGENT_TYPES;
        cs_handle handle = 0;
        suite_name(id, "agent", number);
        uint32_t length = suite_length(id);
        cs_details details = {id, id, 0, length, length, 0};
        int result = cs_agent_register(region, id, length, type, &details, &handle);
        if (result != CS_OK) {
            self->wrong++;
            continue;
        }
        self->wrong += cs_agent_set_status(region, handle, CS_AGENT_RUNNING, 0) != CS_OK;
        self->wrong += cs_agent_heartbeat(region, handle) != CS_OK;
        self->wrong += cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED) != CS_OK;
        self->wrong += cs_agent_heartbeat(region, handle) != CS_E_STALE;
    }
    atomic_fetch_add(&finished, 1);
    return 0;
}

static int consistent(const char *id, uint32_t length, uint32_t type)
{
    return length > 5 && length < 64 && memcmp(id, "agent", 5) == 0 &&
           (uint32_t)strtoul(id + 5, 0, 10) % CS_AGENT_TYPES == type && strlen(id) == length;
}

static void *look(void *context)
{
    worker *self = context;
    cs_agent_row rows[16];
    while (atomic_load(&finished) < WRITERS) {
        uint32_t count = 0;
        self->wrong += cs_agents_export(region, rows, 16, &count) != CS_OK;
        for (uint32_t i = 0; i < count; i++) {
            cs_agent_info info;
            char details[96];
            self->seen++;
            self->wrong += !consistent(rows[i].id, rows[i].id_length, rows[i].type);
            int result = cs_agent_get(region, rows[i].handle, &info, details, sizeof details);
            if (result == CS_E_STALE || result == CS_E_BUSY)
                continue;
            if (result != CS_OK || info.handle != rows[i].handle || !consistent(info.id, info.id_length, info.type) ||
                info.capabilities_length != info.id_length || info.transport_length != info.id_length ||
                memcmp(details, info.id, info.id_length) != 0 ||
                memcmp(details + info.id_length, info.id, info.id_length) != 0)
                self->wrong++;
        }
        cs_handle handle;
        char name[64];
        uint32_t cursor = 0, length;
        while (cs_names_next(region, CS_SECTION_AGENTS, &cursor, &handle, name, &length) == CS_OK)
            self->wrong += memcmp(name, "agent", 5) != 0 || strlen(name) != length;
    }
    return 0;
}

void case_threads_churn(void)
{
    worker writers[WRITERS], readers[READERS];
    uint32_t count = 9;
    NEED(open_region(0));
    run(readers, READERS, look);
    run(writers, WRITERS, come_and_go);
    join(writers, WRITERS);
    join(readers, READERS);
    for (uint32_t i = 0; i < WRITERS; i++)
        CHECK_EQUAL(writers[i].wrong, 0);
    for (uint32_t i = 0; i < READERS; i++)
        CHECK_EQUAL(readers[i].wrong, 0);
    CHECK_RESULT(cs_names_count(region, CS_SECTION_AGENTS, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    CHECK_EQUAL(cs_engine_get(region, CS_AGENT_COUNT), 0);
    cs_health health;
    CHECK_RESULT(cs_health_read(region, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.events_newest, (uint64_t)WRITERS * CHURNS * 3 + health.events_holes);
    suite_close(0);
}

/* -- records -------------------------------------------------------------------------------- */

static cs_handle subject;
#define WRITES ROUNDS(20000u)

/* All three parts are runs of one letter, and their lengths follow from it. */
static void *write_details(void *context)
{
    worker *self = context;
    unsigned char bytes[32];
    for (uint32_t i = 0; i < WRITES; i++) {
        uint32_t letter = (i * WRITERS + self->number) % 26;
        memset(bytes, (int)('a' + letter), sizeof bytes);
        cs_details details = {bytes, bytes, bytes, letter, 31 - letter, letter / 2};
        self->wrong += cs_agent_set_details(region, subject, &details) != CS_OK;
    }
    atomic_fetch_add(&finished, 1);
    return 0;
}

static void *read_details(void *context)
{
    worker *self = context;
    unsigned char bytes[96];
    cs_agent_info info;
    uint64_t version = 0;
    while (atomic_load(&finished) < WRITERS) {
        int result = cs_agent_get(region, subject, &info, bytes, sizeof bytes);
        if (result == CS_E_BUSY) { /* bounded, and said so */
            self->lost++;
            continue;
        }
        uint32_t total = info.capabilities_length + info.transport_length + info.metadata_length;
        self->wrong += result != CS_OK || info.details_version < version || total > 96;
        version = info.details_version;
        if (total == 0)
            continue;
        uint32_t letter = info.capabilities_length;
        self->wrong += info.transport_length != 31 - letter || info.metadata_length != letter / 2;
        for (uint32_t i = 0; i < total && i < 96; i++)
            self->wrong += bytes[i] != 'a' + letter;
        self->seen++;
    }
    return 0;
}

void case_threads_p2_details(void)
{
    worker writers[WRITERS], readers[READERS];
    cs_agent_info info;
    NEED(open_region(0));
    CHECK_RESULT(cs_agent_register(region, "subject", CS_NUL, CS_AGENT_MOTOR, 0, &subject), CS_OK);
    CHECK_RESULT(cs_agent_get(region, subject, &info, 0, 0), CS_OK);
    uint64_t version = info.details_version;
    run(readers, READERS, read_details);
    run(writers, WRITERS, write_details);
    join(writers, WRITERS);
    join(readers, READERS);
    for (uint32_t i = 0; i < READERS; i++)
        CHECK_EQUAL(readers[i].wrong, 0);
    for (uint32_t i = 0; i < WRITERS; i++)
        CHECK_EQUAL(writers[i].wrong, 0);
    CHECK_RESULT(cs_agent_get(region, subject, &info, 0, 0), CS_OK);
    CHECK_EQUAL(info.details_version, version + WRITERS * WRITES);
    suite_close(0);
}

/* One writer keeps two numbers at most one apart: a picture that says it was of one instant shows them so. */
static void *step(void *context)
{
    worker *self = context;
    for (uint64_t i = 1; i <= ROUNDS(200000u); i++) {
        self->wrong += cs_engine_set(region, CS_NEURON_COUNT, i) != CS_OK;
        self->wrong += cs_engine_set(region, CS_SYNAPSE_COUNT, i) != CS_OK;
    }
    atomic_fetch_add(&finished, 1);
    return 0;
}

static void *picture(void *context)
{
    worker *self = context;
    static _Thread_local cs_engine_snapshot s;
    while (atomic_load(&finished) < 1) {
        self->wrong += cs_engine_read(region, &s) != CS_OK;
        uint64_t ahead = s.cells[CS_NEURON_COUNT] - s.cells[CS_SYNAPSE_COUNT];
        self->seen += s.quiet;
        self->wrong += s.quiet && ahead > 1;
        uint64_t now = cs_engine_get(region, CS_NEURON_COUNT); /* P1: and a load never goes back */
        self->wrong += now < s.cells[CS_NEURON_COUNT];
    }
    return 0;
}

void case_threads_engine_read(void)
{
    worker writer, readers[READERS];
    NEED(open_region(0));
    run(readers, READERS, picture);
    run(&writer, 1, step);
    join(&writer, 1);
    join(readers, READERS);
    CHECK_EQUAL(writer.wrong, 0);
    for (uint32_t i = 0; i < READERS; i++)
        CHECK_EQUAL(readers[i].wrong, 0);
    suite_close(0);
}

/* -- locks and closing ---------------------------------------------------------------------- */

static cs_handle lock;
static uint64_t guarded[2]; /* plain memory: the lock is all that orders it, and TSan knows */
#define HOLDS ROUNDS(5000u)

static void *hold(void *context)
{
    worker *self = context;
    for (uint32_t i = 0; i < HOLDS; i++) {
        int result;
        do
            result = i % 3 == 0   ? cs_lock_try(region, CS_SECTION_LOCKS, lock)
                     : i % 3 == 1 ? cs_lock_acquire(region, CS_SECTION_LOCKS, lock, CS_FOREVER)
                                  : cs_lock_acquire(region, CS_SECTION_LOCKS, lock, 100000);
        while (result == CS_E_BUSY || result == CS_E_TIMEOUT || result == CS_E_INTERRUPTED);
        self->wrong += result != CS_OK;
        self->wrong += guarded[0]++ != guarded[1];
        if (i % 100 == 0)
            self->wrong += cs_lock_try(region, CS_SECTION_LOCKS, lock) != CS_E_DEADLOCK;
        guarded[1]++;
        self->wrong += cs_lock_release(region, CS_SECTION_LOCKS, lock) != CS_OK;
    }
    return 0;
}

void case_threads_lock(void)
{
    worker workers[WRITERS];
    NEED(open_region(0));
    CHECK_RESULT(cs_lock_open(region, "l", 1, &lock), CS_OK);
    guarded[0] = guarded[1] = 0;
    run(workers, WRITERS, hold);
    join(workers, WRITERS);
    for (uint32_t i = 0; i < WRITERS; i++)
        CHECK_EQUAL(workers[i].wrong, 0);
    CHECK_EQUAL(guarded[0], WRITERS * HOLDS);
    CHECK_EQUAL(guarded[1], WRITERS * HOLDS);
    suite_close(0);
}

static void *wait_for_close(void *context)
{
    worker *self = context;
    cs_subscription subscription;
    uint64_t value;
    int result;
    atomic_fetch_add(&started, 1);
    do {
        if (self->number == 0) {
            result = cs_counter_wait(region, counter, 0, CS_FOREVER, &value);
        } else if (self->number == 1) {
            cs_subscribe(region, &subscription, CS_FOREVER);
            result = cs_events_wait(region, &subscription, CS_FOREVER);
        } else {
            result = cs_lock_acquire(region, CS_SECTION_LOCKS, lock, CS_FOREVER);
        }
    } while (result == CS_E_INTERRUPTED);
    self->wrong = result != CS_E_CLOSED;
    return 0;
}

void case_threads_close(void)
{
    worker waiters[3];
    for (uint32_t round = 0; round < ROUNDS(50u); round++) {
        NEED(open_region(0));
        CHECK_RESULT(cs_counter_open(region, "c", 1, &counter), CS_OK);
        CHECK_RESULT(cs_lock_open(region, "l", 1, &lock), CS_OK);
        CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, lock), CS_OK);
        run(waiters, 3, wait_for_close);
        if (round % 2) /* before they sleep, or (more likely) while they do */
            while (atomic_load(&started) < 3)
                cs_port_sleep(1000000);
        cs_region_close(region);
        join(waiters, 3);
        for (uint32_t i = 0; i < 3; i++)
            CHECK_EQUAL(waiters[i].wrong, 0);
        suite_close(0);
    }
}

#endif
