/* P8: forks, many at once, and kills at random under load. */
#define _GNU_SOURCE
#include "host_process.h"

#if defined(SUITE_PROCESSES)

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cs_region *view(void) { return &the_host.view; }

/* A child is a participant of its own: it holds nothing of its parent's, and cannot give it back. */
static int child_body(uint32_t number)
{
    cs_handle lock = 0;
    cs_lock_info info;
    (void)number;
    int bad = cs_participant_self(view()) == 0 || cs_participant_self(view()) == the_host.shared->number[0];
    bad |= cs_lock_find(view(), "l", 1, &lock) != CS_OK;
    bad |= cs_lock_get(view(), CS_SECTION_LOCKS, lock, &info) != CS_OK || info.mine || !info.alive;
    bad |= cs_lock_release(view(), CS_SECTION_LOCKS, lock) != CS_E_NOT_OWNER;
    bad |= cs_lock_try(view(), CS_SECTION_LOCKS, lock) != CS_E_BUSY; /* and not DEADLOCK: it is another's */
    cs_region_detach(view());
    return bad;
}

void case_process_p8_fork(void)
{
    cs_handle lock = 0;
    cs_lock_info info;
    NEED(host_open(0));
    CHECK_RESULT(cs_lock_open(view(), "l", 1, &lock), CS_OK);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, lock), CS_OK);
    the_host.shared->number[0] = cs_participant_self(view());
    for (uint32_t i = 0; i < ROUNDS(20u); i++) {
        CHECK_EQUAL(host_wait(host_spawn(child_body, i)), 0);
        CHECK_RESULT(cs_lock_get(view(), CS_SECTION_LOCKS, lock, &info), CS_OK);
        CHECK_EQUAL(info.mine, 1);
    }
    CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, lock), CS_OK);
    host_close();
}

/* A parent that is killed is dead, though a child forked from it with all its descriptors lives on. */
static int parent_body(uint32_t number)
{
    the_host.shared->number[0] = cs_participant_self(view());
    pid_t child = fork();
    if (child == 0) {
        host_enter_child();
        the_host.shared->number[1] = cs_participant_self(view());
        the_host.shared->number[2] = (uint64_t)getpid();
        host_ready();
        host_hang();
    }
    host_ready();
    host_hang();
    return (int)number;
}

void case_process_p8_parent_killed(void)
{
    cs_participant_info info;
    NEED(host_open(0));
    pid_t parent = host_spawn(parent_body, 0);
    host_await_ready(2);
    host_kill(parent);
    uint32_t found = 0;
    for (uint32_t slot = 0; cs_participant_get(view(), slot, &info) == CS_OK; slot++) {
        if (info.id == the_host.shared->number[0]) {
            CHECK_EQUAL(info.state, CS_PARTICIPANT_DEAD);
            found |= 1;
        }
        if (info.id == the_host.shared->number[1]) {
            CHECK_EQUAL(info.state, CS_PARTICIPANT_LIVE);
            found |= 2;
        }
    }
    CHECK_EQUAL(found, 3);
    CHECK_EQUAL(cs_sweep(view()), 1);
    kill((pid_t)the_host.shared->number[2], SIGKILL); /* not this process's child: nobody waits for it here */
    host_close();
}

#define AT_ONCE 8u

static int attach_body(uint32_t number)
{
    int bad = 0;
    host_ready();
    host_await_go();
    for (uint32_t i = 0; i < ROUNDS(200u); i++) {
        cs_region mine;
        int result = cs_region_attach(&mine, the_host.memory, the_host.size, 0, -1);
        if (result == CS_E_NO_SLOT)
            continue;
        bad |= result != CS_OK || cs_participant_self(&mine) == 0;
        /* Two in one seat would find each other's mark here. */
        uint64_t *mark = &the_host.shared->number[cs_participant_self(&mine) % 4096 % 16];
        uint64_t free_mark = 0;
        bad |= !__atomic_compare_exchange_n(mark, &free_mark, number + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        uint64_t mine_mark = number + 1;
        bad |= !__atomic_compare_exchange_n(mark, &mine_mark, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        cs_region_detach(&mine);
    }
    return bad;
}

void case_process_attach_at_once(void)
{
    cs_config config = suite_config();
    pid_t children[AT_ONCE];
    config.participants = 14; /* fewer than all would like, and each seat has a mark of its own */
    NEED(host_open(&config));
    for (uint32_t i = 0; i < AT_ONCE; i++)
        children[i] = host_spawn(attach_body, i);
    host_await_ready(AT_ONCE);
    host_go();
    for (uint32_t i = 0; i < AT_ONCE; i++)
        CHECK_EQUAL(host_wait(children[i]), 0);
    cs_health health;
    (void)cs_sweep(view()); /* the children ended without detaching their first view */
    CHECK_RESULT(cs_health_read(view(), CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.participants_dead, 0);
    host_close();
}

/* -- load and kills ------------------------------------------------------------------------- */

#define LOADED 3u

/* Everything at once. What it has done stands in shared memory of its own, written right after the doing. */
static int load_body(uint32_t number)
{
    uint64_t *done = &the_host.shared->number[number * 4]; /* adds committed */
    uint64_t *guarded = &the_host.shared->number[14];      /* two numbers that are equal while nobody is in between */
    cs_handle counter, lock, agent;
    uint32_t kind;
    char name[64];
    uint64_t data[4] = {number, number, number, number};
    if (cs_counter_open(view(), suite_name(name, "adds", number), CS_NUL, &counter) != CS_OK ||
        cs_lock_open(view(), "guard", CS_NUL, &lock) != CS_OK || cs_kind_open(view(), "load", CS_NUL, &kind) != CS_OK)
        return 1;
    host_ready();
    for (uint64_t i = 0;; i++) {
        if (cs_counter_add(view(), counter, 1, 0) != CS_OK)
            return 2;
        __atomic_store_n(done, __atomic_load_n(done, __ATOMIC_SEQ_CST) + 1, __ATOMIC_SEQ_CST);
        int result = cs_lock_acquire(view(), CS_SECTION_LOCKS, lock, CS_FOREVER);
        if (result < 0)
            return 3;
        uint64_t a = __atomic_load_n(&guarded[0], __ATOMIC_RELAXED), b = __atomic_load_n(&guarded[1], __ATOMIC_RELAXED);
        if (result == CS_INHERITED && a == b + 1) /* what the dead left half done is put right */
            __atomic_store_n(&guarded[1], ++b, __ATOMIC_RELAXED);
        if (a != b)
            return 4; /* two were in at once, or an inheritance was not told */
        __atomic_store_n(&guarded[0], a + 1, __ATOMIC_RELAXED);
        __atomic_store_n(&guarded[1], a + 1, __ATOMIC_RELAXED);
        if (cs_lock_release(view(), CS_SECTION_LOCKS, lock) != CS_OK)
            return 5;
        if (cs_event_publish(view(), kind, CS_FORMAT_BYTES, data, sizeof data, 0) != CS_OK)
            return 6;
        if (cs_engine_set_state(view(), CS_STATE_BURST, (uint32_t)(i % 8)) != CS_OK)
            return 7;
        if (i % 4 == 0) {
            cs_details details = {"capabilities", "transport", "metadata", 12, 9, 8};
            result = cs_agent_register(view(), suite_name(name, "agent", number), CS_NUL, number, &details, &agent);
            if (result == CS_E_EXISTS) /* one before was killed with it */
                result = cs_agent_find(view(), name, CS_NUL, &agent);
            if (result != CS_OK || cs_agent_set_status(view(), agent, CS_AGENT_RUNNING, 0) != CS_OK ||
                cs_agent_set_details(view(), agent, &details) != CS_OK ||
                cs_agent_deregister(view(), agent, CS_REASON_DEREGISTERED) != CS_OK)
                return 8;
        }
    }
}

static void check_agents(void)
{
    cs_agent_row rows[16];
    uint32_t count = 0, named = 0;
    CHECK_RESULT(cs_agents_export(view(), rows, 16, &count), CS_OK);
    CHECK(count <= LOADED);
    CHECK_RESULT(cs_names_count(view(), CS_SECTION_AGENTS, &named), CS_OK);
    for (uint32_t i = 0; i < count; i++) {
        cs_agent_info info;
        char details[96];
        int result = cs_agent_get(view(), rows[i].handle, &info, details, sizeof details);
        CHECK(result == CS_OK || result == CS_E_STALE || result == CS_E_BUSY);
        if (result == CS_OK)
            CHECK(info.capabilities_length == 12 && memcmp(details, "capabilitiestransportmetadata", 29) == 0);
    }
}

void case_process_p3_killed_under_load(void)
{
    pid_t children[LOADED];
    cs_subscription s;
    suite_event taken;
    cs_config config = suite_config();
    uint64_t state = 11, seen = 0, value, *number;
    config.events = 256;
    config.participants = 8;
    NEED(host_open(&config));
    number = the_host.shared->number;
    CHECK_RESULT(cs_subscribe(view(), &s, 0), CS_OK);
    for (uint32_t i = 0; i < LOADED; i++)
        children[i] = host_spawn(load_body, i);
    host_await_ready(LOADED);
    for (uint32_t kills = 0; kills < ROUNDS(60u); kills++) {
        uint32_t which = (uint32_t)(suite_random(&state) % LOADED);
        cs_port_sleep(suite_random(&state) % 2000000);
        suite_about("kill", kills);
        host_kill(children[which]);
        char name[64];
        cs_handle counter = 0;
        CHECK_RESULT(cs_counter_find(view(), suite_name(name, "adds", which), CS_NUL, &counter), CS_OK);
        CHECK_RESULT(cs_counter_get(view(), counter, &value), CS_OK);
        CHECK(value - number[which * 4] <= 1); /* no committed add is lost, at most the last one is not noted */
        number[which * 4] = value;
        check_agents();
        uint32_t before = __atomic_load_n(&the_host.shared->ready, __ATOMIC_SEQ_CST);
        children[which] = host_spawn(load_body, which);
        host_await_ready(before + 1);
        while (suite_take(view(), &s, &taken))
            seen++;
    }
    for (uint32_t i = 0; i < LOADED; i++)
        host_kill(children[i]);
    suite_about(0, 0);
    /* All that the dead held is to be had, and what they owed is paid. */
    cs_handle lock = 0;
    CHECK(cs_sweep(view()) >= 0);
    CHECK_RESULT(cs_lock_find(view(), "guard", CS_NUL, &lock), CS_OK);
    int result = cs_lock_try(view(), CS_SECTION_LOCKS, lock);
    CHECK(result == CS_OK || result == CS_INHERITED);
    CHECK(number[14] == number[15] || (result == CS_INHERITED && number[14] == number[15] + 1));
    CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, lock), CS_OK);
    CHECK(cs_agents_reap(view(), CS_FOREVER, 1) >= 0);
    check_agents();
    CHECK_EQUAL(cs_engine_get(view(), CS_AGENT_COUNT), 0);
    CHECK_RESULT(cs_engine_set_state(view(), CS_STATE_GENOME, CS_GENOME_LOADED), CS_OK);
    uint64_t newest = cs_event_newest(view());
    for (uint32_t tries = 0; s.next <= newest && tries < 1000; tries++)
        while (suite_take(view(), &s, &taken))
            seen++;
    CHECK_EQUAL(s.next, newest + 1);
    CHECK_EQUAL(seen + s.lost + s.holes, newest);
    cs_health health;
    CHECK_RESULT(cs_health_read(view(), CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.participants_dead, 0);
    CHECK_EQUAL(health.locks_dead, 0);
    host_close();
}

#endif
