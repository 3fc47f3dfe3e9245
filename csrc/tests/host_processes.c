/* Processes on one region file: exact, woken by the kernel, and not held up by the killed (P3, P8). */
#define _GNU_SOURCE
#include "host_process.h"

#if defined(SUITE_PROCESSES)

#include "layout.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 4u
#define ADDS ROUNDS(50000u)

static cs_region *view(void) { return &the_host.view; }

static cs_handle counter_named(const char *name)
{
    cs_handle handle = 0;
    if (cs_counter_open(view(), name, CS_NUL, &handle) != CS_OK)
        return 0;
    return handle;
}

/* -- together ------------------------------------------------------------------------------- */

static int add_body(uint32_t number)
{
    cs_handle counter = counter_named("shared");
    int wrong = counter == 0;
    host_ready();
    host_await_go();
    for (uint32_t i = 0; i < ADDS; i++)
        wrong |= cs_counter_add(view(), counter, number + 1, 0) != CS_OK;
    return wrong;
}

void case_process_add(void)
{
    pid_t children[CHILDREN];
    uint64_t value = 0;
    NEED(host_open(0));
    for (uint32_t i = 0; i < CHILDREN; i++)
        children[i] = host_spawn(add_body, i);
    host_await_ready(CHILDREN);
    host_go();
    for (uint32_t i = 0; i < CHILDREN; i++)
        CHECK_EQUAL(host_wait(children[i]), 0);
    CHECK_RESULT(cs_counter_get(view(), counter_named("shared"), &value), CS_OK);
    CHECK_EQUAL(value, (uint64_t)ADDS * CHILDREN * (CHILDREN + 1) / 2);
    host_close();
}

#define TURNS ROUNDS(1000u)

static int turn_body(uint32_t number)
{
    cs_handle counter = counter_named("turn");
    for (;;) {
        uint64_t value = 0;
        if (cs_counter_get(view(), counter, &value) != CS_OK)
            return 1;
        if (value >= TURNS)
            return 0;
        if (value % 2 == number) {
            if (cs_counter_add(view(), counter, 1, 0) != CS_OK)
                return 1;
        } else {
            int result = cs_counter_wait(view(), counter, value, CS_FOREVER, &value);
            if (result != CS_OK && result != CS_E_INTERRUPTED)
                return 1;
        }
    }
}

void case_process_wait(void)
{
    NEED(host_open(0));
    CHECK(counter_named("turn") != 0);
    pid_t first = host_spawn(turn_body, 0), second = host_spawn(turn_body, 1);
    CHECK_EQUAL(host_wait(first), 0);
    CHECK_EQUAL(host_wait(second), 0);
    host_close();
}

#define EVENTS ROUNDS(10000u)

static int produce_body(uint32_t number)
{
    uint32_t kind;
    if (cs_kind_open(view(), "load", CS_NUL, &kind) != CS_OK)
        return 1;
    host_ready();
    host_await_go();
    for (uint64_t i = 1; i <= EVENTS; i++) {
        uint64_t data[2] = {number, i};
        if (cs_event_publish(view(), kind, CS_FORMAT_BYTES, data, sizeof data, 0) != CS_OK)
            return 2;
    }
    return 0;
}

/* Reads until it has accounted for every producer's last event; the counts go into shared->number. */
static int consume_body(uint32_t number)
{
    cs_subscription s;
    suite_event taken;
    uint64_t *counts = &the_host.shared->number[number * 4], from[CHILDREN] = {0}, last = 0;
    if (cs_subscribe(view(), &s, 0) != CS_OK)
        return 1;
    host_ready();
    for (;;) {
        uint32_t count;
        if (cs_events_drain(view(), &s, &taken, sizeof taken, 1, &count) != CS_OK)
            return 2;
        if (count) {
            uint64_t data[2];
            memcpy(data, taken.data.bytes, sizeof data);
            if (taken.event.length != sizeof data || data[0] >= CHILDREN || data[1] <= from[data[0]] ||
                taken.event.sequence <= last)
                return 3;
            from[data[0]] = data[1];
            last = taken.event.sequence;
            counts[0]++;
        } else if (__atomic_load_n(&the_host.shared->go, __ATOMIC_SEQ_CST) >= 2) { /* all producers are done */
            if (s.next == cs_event_newest(view()) + 1)
                break;
        } else {
            int result = cs_events_wait(view(), &s, 20000000);
            if (result != CS_OK && result != CS_E_TIMEOUT && result != CS_E_INTERRUPTED)
                return 4;
        }
    }
    counts[1] = s.lost;
    counts[2] = s.holes;
    return 0;
}

void case_process_p4_events(void)
{
    pid_t producers[CHILDREN], consumers[2];
    NEED(host_open(0));
    for (uint32_t i = 0; i < 2; i++)
        consumers[i] = host_spawn(consume_body, i);
    for (uint32_t i = 0; i < CHILDREN; i++)
        producers[i] = host_spawn(produce_body, i);
    host_await_ready(CHILDREN + 2);
    host_go();
    for (uint32_t i = 0; i < CHILDREN; i++)
        CHECK_EQUAL(host_wait(producers[i]), 0);
    host_go();
    uint64_t newest = cs_event_newest(view());
    CHECK(newest >= (uint64_t)CHILDREN * EVENTS);
    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t *counts = &the_host.shared->number[i * 4];
        CHECK_EQUAL(host_wait(consumers[i]), 0);
        CHECK_EQUAL(counts[0] + counts[1] + counts[2], newest);
    }
    host_close();
}

/* Everything a reader does, on a mapping that the processor itself lets nobody write. */
static int read_only_body(uint32_t number)
{
    cs_region reader;
    cs_health health;
    cs_subscription s;
    suite_event taken;
    cs_agent_info info;
    cs_lock_info lock;
    cs_snapshot_info picture;
    cs_engine_snapshot engine;
    cs_participant_info who;
    cs_handle handle;
    uint64_t value;
    uint32_t count;
    (void)number;
    (void)picture;
    int file = open(the_host.path, O_RDONLY);
    void *memory = mmap(0, (size_t)the_host.size, PROT_READ, MAP_SHARED, file, 0);
    int bad = memory == MAP_FAILED || cs_region_attach(&reader, memory, the_host.size, CS_READ_ONLY, file) != CS_OK;
    bad |= cs_engine_state(&reader, CS_STATE_BURST) != CS_BURST_RUNNING;
    bad |= cs_engine_read(&reader, &engine) != CS_OK;
    bad |= cs_health_read(&reader, CS_FOREVER, &health) != CS_OK || health.participants_live != 2;
    bad |= cs_participant_get(&reader, 0, &who) != CS_OK || who.state != CS_PARTICIPANT_LIVE;
    bad |= cs_counter_find(&reader, "c", 1, &handle) != CS_OK || cs_counter_get(&reader, handle, &value) != CS_OK;
    bad |= cs_counter_wait(&reader, handle, 0, 1000000, &value) != CS_E_TIMEOUT;
    bad |= cs_counter_set(&reader, handle, 1) != CS_E_READ_ONLY;
    bad |= cs_agent_find(&reader, "a", 1, &handle) != CS_OK || cs_agent_get(&reader, handle, &info, 0, 0) != CS_OK;
    bad |= cs_agent_heartbeat(&reader, handle) != CS_E_READ_ONLY;
    bad |= cs_lock_find(&reader, "l", 1, &handle) != CS_OK;
    bad |= cs_lock_get(&reader, CS_SECTION_LOCKS, handle, &lock) != CS_OK || !lock.alive || lock.mine;
    bad |= cs_subscribe(&reader, &s, 0) != CS_OK;
    bad |= cs_events_drain(&reader, &s, &taken, sizeof taken, 1, &count) != CS_OK || count != 1;
    bad |= cs_subscribe(&reader, &s, CS_FOREVER) != CS_OK || cs_events_wait(&reader, &s, 1000000) != CS_E_TIMEOUT;
    bad |= cs_sweep(&reader) != CS_E_READ_ONLY;
    cs_region_close(&reader);
    bad |= cs_events_wait(&reader, &s, CS_FOREVER) != CS_E_CLOSED;
    cs_region_detach(&reader);
    return bad;
}

void case_process_read_only_map(void)
{
    cs_handle handle = 0;
    NEED(host_open(0));
    CHECK_RESULT(cs_engine_set_state(view(), CS_STATE_BURST, CS_BURST_RUNNING), CS_OK);
    CHECK(counter_named("c") != 0);
    CHECK_RESULT(cs_agent_register(view(), "a", 1, 0, 0, &handle), CS_OK);
    CHECK_RESULT(cs_lock_open(view(), "l", 1, &handle), CS_OK);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, handle), CS_OK);
    CHECK_EQUAL(host_wait(host_spawn(read_only_body, 0)), 0);
    host_close();
}

/* -- after a kill --------------------------------------------------------------------------- */

static int idle_body(uint32_t number)
{
    (void)number;
    host_ready();
    host_hang();
    return 0;
}

static uint32_t participants(uint32_t state)
{
    cs_participant_info info;
    uint32_t count = 0;
    for (uint32_t slot = 0; cs_participant_get(view(), slot, &info) == CS_OK; slot++)
        count += info.state == state;
    return count;
}

void case_process_p3_swept(void)
{
    NEED(host_open(0));
    pid_t first = host_spawn(idle_body, 0), second = host_spawn(idle_body, 1);
    host_await_ready(2);
    CHECK_EQUAL(participants(CS_PARTICIPANT_LIVE), 3);
    CHECK_EQUAL(cs_sweep(view()), 0);
    host_kill(first);
    CHECK_EQUAL(participants(CS_PARTICIPANT_LIVE), 2);
    CHECK_EQUAL(participants(CS_PARTICIPANT_DEAD), 1);
    CHECK_EQUAL(cs_sweep(view()), 1);
    CHECK_EQUAL(participants(CS_PARTICIPANT_DEAD), 0);
    CHECK_EQUAL(participants(CS_PARTICIPANT_LIVE), 2);
    host_kill(second);
    CHECK_EQUAL(cs_sweep(view()), 1);
    host_close();
}

static int hold_body(uint32_t number)
{
    cs_handle handle = 0;
    (void)number;
    if (cs_lock_open(view(), "held", CS_NUL, &handle) != CS_OK ||
        cs_lock_try(view(), CS_SECTION_LOCKS, handle) != CS_OK)
        return 1;
    host_ready();
    host_hang();
    return 0;
}

void case_process_p3_lock(void)
{
    cs_handle handle = 0;
    NEED(host_open(0));
    CHECK_RESULT(cs_lock_open(view(), "held", CS_NUL, &handle), CS_OK);
    pid_t holder = host_spawn(hold_body, 0);
    host_await_ready(1);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, handle), CS_E_BUSY);
    CHECK_RESULT(cs_lock_acquire(view(), CS_SECTION_LOCKS, handle, 10000000), CS_E_TIMEOUT);
    host_kill(holder);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, handle), CS_INHERITED);
    CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, handle), CS_OK);
    host_close();
}

static int await_lock_body(uint32_t number)
{
    cs_handle handle = 0;
    int result;
    (void)number;
    if (cs_lock_find(view(), "held", CS_NUL, &handle) != CS_OK)
        return 1;
    host_ready();
    do
        result = cs_lock_acquire(view(), CS_SECTION_LOCKS, handle, CS_FOREVER);
    while (result == CS_E_INTERRUPTED);
    return result == CS_INHERITED ? 0 : 2;
}

/* Who sleeps on the lock when its holder is killed gets it. Nobody wakes it but its own look at the holder. */
void case_process_p3_lock_awaited(void)
{
    NEED(host_open(0));
    for (uint32_t round = 0; round < ROUNDS(10u); round++) {
        the_host.shared->ready = 0;
        pid_t holder = host_spawn(hold_body, 0);
        host_await_ready(1);
        pid_t waiter = host_spawn(await_lock_body, 0);
        host_await_ready(2);
        cs_port_sleep(round * 1000000); /* at different points of its wait */
        host_kill(holder);
        CHECK_EQUAL(host_wait(waiter), 0);
        /* It ended without releasing, so the next one inherits again. */
        cs_handle handle = 0;
        CHECK_RESULT(cs_lock_find(view(), "held", CS_NUL, &handle), CS_OK);
        CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, handle), CS_INHERITED);
        CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, handle), CS_OK);
    }
    host_close();
}

/* Publishes as fast as it can; wherever it is killed, the order goes on, and every position is accounted for. */
static int flood_body(uint32_t number)
{
    uint32_t kind;
    unsigned char data[128];
    memset(data, (int)number, sizeof data);
    if (cs_kind_open(view(), "flood", CS_NUL, &kind) != CS_OK)
        return 1;
    host_ready();
    for (;;)
        (void)cs_event_publish(view(), kind, CS_FORMAT_BYTES, data, sizeof data, 0);
}

void case_process_p3_producer(void)
{
    cs_subscription s;
    suite_event taken;
    cs_config config = suite_config();
    uint64_t seen = 0, state = 5;
    uint32_t kind = 0;
    config.events = 64;
    config.participants = 4;
    NEED(host_open(&config));
    CHECK_RESULT(cs_kind_open(view(), "flood", CS_NUL, &kind), CS_OK);
    CHECK_RESULT(cs_subscribe(view(), &s, 0), CS_OK);
    for (uint32_t round = 0; round < ROUNDS(40u); round++) {
        the_host.shared->ready = 0;
        pid_t child = host_spawn(flood_body, round % 200);
        host_await_ready(1);
        cs_port_sleep(suite_random(&state) % 300000);
        if (round % 4 == 0) { /* stopped alive, then killed while it is */
            kill(child, SIGSTOP);
            CHECK_RESULT(cs_event_publish(view(), kind, CS_FORMAT_NONE, 0, 0, 0), CS_OK);
        }
        host_kill(child);
        uint64_t mine = 0;
        CHECK_RESULT(cs_event_publish(view(), kind, CS_FORMAT_NONE, 0, 0, &mine), CS_OK);
        uint64_t last = 0;
        for (uint32_t tries = 0; last != mine && tries < 100000; tries++) {
            if (!suite_take(view(), &s, &taken))
                continue;
            if (taken.event.sequence <= last)
                CHECK(taken.event.sequence > last);
            last = taken.event.sequence;
            seen++;
            for (uint32_t i = 1; i < taken.event.length; i++) /* P2: whole, whoever was killed */
                if (taken.data.bytes[i] != taken.data.bytes[0])
                    CHECK_EQUAL(taken.data.bytes[i], taken.data.bytes[0]);
        }
        suite_about("round", round);
        CHECK_EQUAL(last, mine);
        CHECK_EQUAL(seen + s.lost + s.holes, mine);
    }
    host_close();
}

static int register_body(uint32_t number)
{
    char id[64];
    cs_handle handle;
    if (cs_agent_register(view(), suite_name(id, "worker", number), CS_NUL, 0, 0, &handle) != CS_OK)
        return 1;
    host_ready();
    host_hang();
    return 0;
}

void case_process_p3_registrar(void)
{
    cs_handle handle = 0;
    cs_agent_info info;
    NEED(host_open(0));
    pid_t first = host_spawn(register_body, 1), second = host_spawn(register_body, 2);
    host_await_ready(2);
    CHECK_RESULT(cs_agent_register(view(), "mine", CS_NUL, 0, 0, &handle), CS_OK);
    CHECK_EQUAL(cs_agents_reap(view(), CS_FOREVER, 1), 0);
    host_kill(first);
    CHECK_EQUAL(cs_agents_reap(view(), CS_FOREVER, 0), 0);
    CHECK_EQUAL(cs_agents_reap(view(), CS_FOREVER, 1), 1);
    CHECK_RESULT(cs_agent_find(view(), "worker1", CS_NUL, &handle), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_agent_find(view(), "worker2", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_agent_get(view(), handle, &info, 0, 0), CS_OK);
    /* The sweep comes first: the agent is still known to be a dead man's. */
    host_kill(second);
    CHECK_EQUAL(cs_sweep(view()) >= 1, 1);
    CHECK_EQUAL(cs_agents_reap(view(), CS_FOREVER, 1), 1);
    CHECK_EQUAL(cs_engine_get(view(), CS_AGENT_COUNT), 1);
    host_close();
}

#endif
