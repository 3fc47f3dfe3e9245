/* P4 with threads: one total order, each event once or counted as lost, and each change of a state with its event. */
#define _GNU_SOURCE
#include "host.h"

#if defined(SUITE_THREADS)

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCERS 4u
#define READERS 3u
#define EVENTS ROUNDS(20000u)
#define TOTAL ((uint64_t)PRODUCERS * EVENTS)

static cs_region *region;
static uint32_t kind;
static atomic_uint done;

typedef struct reader {
    pthread_t thread;
    cs_region *view;
    uint32_t slow, spins;
    uint64_t seen, wrong;
    cs_subscription subscription;
    uint64_t from[PRODUCERS]; /* how many of each producer's */
} reader;

/* What an event carries: who made it, the how many-th of his, and a pattern that a torn copy would break. */
typedef struct load {
    uint64_t producer;
    uint64_t number;
    uint64_t pattern[12];
} load;

static uint64_t pattern(const load *l, uint32_t i)
{
    return (l->producer + 1) * 0x9E3779B97F4A7C15u ^ (l->number * 31 + i);
}

static void *produce(void *context)
{
    uintptr_t wrong = 0;
    load l;
    l.producer = *(const uint32_t *)context;
    uint64_t last = 0;
    for (l.number = 1; l.number <= EVENTS; l.number++) {
        uint64_t sequence = 0;
        uint32_t words = (uint32_t)(l.number % 13);
        for (uint32_t i = 0; i < words; i++)
            l.pattern[i] = pattern(&l, i);
        int result = cs_event_publish(region, kind, CS_FORMAT_BYTES, &l, 16 + 8 * words, &sequence);
        wrong += result != CS_OK || sequence <= last;
        last = sequence;
    }
    atomic_fetch_add(&done, 1);
    return (void *)wrong;
}

typedef struct row {
    cs_event event;
    load data;
    unsigned char rest[128 - sizeof(load)];
} row;

static void judge(reader *self, const row *r, uint64_t *last)
{
    const load *l = &r->data;
    self->seen++;
    if (r->event.sequence <= *last || r->event.kind != kind || l->producer >= PRODUCERS ||
        r->event.length != 16 + 8 * (l->number % 13)) {
        self->wrong++;
        return;
    }
    *last = r->event.sequence;
    for (uint32_t i = 0; i < l->number % 13; i++)
        self->wrong += l->pattern[i] != pattern(l, i);
    self->wrong += l->number <= self->from[l->producer]; /* each producer's own order is kept */
    self->from[l->producer] = l->number;
}

static void *consume(void *context)
{
    reader *self = context;
    row rows[16];
    uint64_t last = 0;
    for (;;) {
        uint32_t count = 0, all_done = atomic_load(&done) == PRODUCERS;
        self->wrong += cs_events_drain(self->view, &self->subscription, rows, sizeof *rows, 16, &count) != CS_OK;
        for (uint32_t i = 0; i < count; i++)
            judge(self, &rows[i], &last);
        if (!count && all_done)
            return 0;
        if (!count && self->spins) { /* so that it meets producers in the middle of taking a position */
            cs_port_pause();
        } else if (!count) {
            int result = cs_events_wait(self->view, &self->subscription, 20000000);
            self->wrong += result != CS_OK && result != CS_E_TIMEOUT && result != CS_E_INTERRUPTED;
        }
        if (self->slow)
            cs_port_sleep(200000);
    }
}

void case_threads_p4_events(void)
{
    static const uint32_t slots[] = {2, 16, 1024}; /* overrun all the time, often, seldom */
    cs_config config = suite_config();
    pthread_t producers[PRODUCERS];
    uint32_t numbers[PRODUCERS];
    reader readers[READERS];
    cs_region observer;
    for (uint32_t i = 0; i < 3; i++) {
        config.events = slots[i];
        suite_about("slots", slots[i]);
        region = suite_open(0, &config);
        NEED(region);
        NEED(CHECK_RESULT(suite_join(&observer, 0, CS_READ_ONLY), CS_OK));
        CHECK_RESULT(cs_kind_open(region, "load", CS_NUL, &kind), CS_OK);
        atomic_store(&done, 0);
        memset(readers, 0, sizeof readers);
        for (uint32_t k = 0; k < READERS; k++) {
            readers[k].view = k == 2 ? &observer : region;
            readers[k].slow = k == 1;
            readers[k].spins = k == 0;
            CHECK_RESULT(cs_subscribe(readers[k].view, &readers[k].subscription, 0), CS_OK);
            if (pthread_create(&readers[k].thread, 0, consume, &readers[k]) != 0)
                abort();
        }
        for (uint32_t k = 0; k < PRODUCERS; k++) {
            numbers[k] = k;
            if (pthread_create(&producers[k], 0, produce, &numbers[k]) != 0)
                abort();
        }
        for (uint32_t k = 0; k < PRODUCERS; k++) {
            void *wrong;
            pthread_join(producers[k], &wrong);
            CHECK(wrong == 0);
        }
        uint64_t newest = cs_event_newest(region),
                 holes = newest - TOTAL; /* of producers passed over, published anew */
        CHECK(newest >= TOTAL);
        for (uint32_t k = 0; k < READERS; k++) {
            cs_subscription *s = &readers[k].subscription;
            pthread_join(readers[k].thread, 0);
            CHECK_EQUAL(readers[k].wrong, 0);
            CHECK_EQUAL(readers[k].seen + s->lost + s->holes, newest);
            CHECK(s->holes <= holes);
            CHECK_EQUAL(s->next, newest + 1);
        }
        suite_close(0);
    }
}

/* -- states --------------------------------------------------------------------------------- */

#define CHANGES ROUNDS(1000u) /* all producers' together fit the ring, so that nothing is lost */

static void *change(void *context)
{
    uintptr_t wrong = 0;
    uint32_t number = *(const uint32_t *)context;
    for (uint32_t i = 0; i < CHANGES; i++) {
        uint32_t state = i % 2 ? CS_STATE_BURST : CS_STATE_ZMQ;
        wrong += cs_engine_set_state(region, state, (i + number) % (cs_engine_state_max(state) + 1)) != CS_OK;
    }
    atomic_fetch_add(&done, 1);
    return (void *)wrong;
}

/* Every change has its event, in order, and begins where the one before it ended. */
static void *follow(void *context)
{
    reader *self = context;
    uint32_t value[CS_STATES] = {0};
    suite_event taken;
    for (;;) {
        uint32_t count = 0, all_done = atomic_load(&done) == PRODUCERS;
        self->wrong += cs_events_drain(region, &self->subscription, &taken, sizeof taken, 1, &count) != CS_OK;
        if (!count && all_done)
            break;
        if (!count) {
            (void)cs_events_wait(region, &self->subscription, 20000000);
            continue;
        }
        const cs_change *c = &taken.data.change;
        uint64_t state = c->subject;
        if (state >= CS_STATES) {
            self->wrong++;
            continue;
        }
        self->wrong += c->change != ++self->from[state == CS_STATE_BURST] || c->old_value != value[state];
        value[state] = c->new_value;
        self->seen++;
    }
    self->wrong += value[CS_STATE_BURST] != cs_engine_state(region, CS_STATE_BURST);
    self->wrong += value[CS_STATE_ZMQ] != cs_engine_state(region, CS_STATE_ZMQ);
    return 0;
}

void case_threads_state_events(void)
{
    cs_config config = suite_config();
    pthread_t writers[PRODUCERS];
    uint32_t numbers[PRODUCERS];
    reader follower;
    config.agents = 1;
    config.event_bytes = 24;
    config.line_bytes = 8;
    config.events = 2;
    while (config.events < PRODUCERS * CHANGES && config.events < 4096)
        config.events *= 2;
    region = suite_open(0, &config);
    NEED(region);
    atomic_store(&done, 0);
    memset(&follower, 0, sizeof follower);
    CHECK_RESULT(cs_subscribe(region, &follower.subscription, 0), CS_OK);
    if (pthread_create(&follower.thread, 0, follow, &follower) != 0)
        abort();
    for (uint32_t k = 0; k < PRODUCERS; k++) {
        numbers[k] = k;
        if (pthread_create(&writers[k], 0, change, &numbers[k]) != 0)
            abort();
    }
    for (uint32_t k = 0; k < PRODUCERS; k++) {
        void *wrong;
        pthread_join(writers[k], &wrong);
        CHECK(wrong == 0);
    }
    pthread_join(follower.thread, 0);
    cs_engine_snapshot s;
    CHECK_RESULT(cs_engine_read(region, &s), CS_OK);
    CHECK_EQUAL(follower.wrong, 0);
    CHECK_EQUAL(follower.subscription.lost, 0);
    CHECK_EQUAL(follower.seen, s.changes[CS_STATE_BURST] + s.changes[CS_STATE_ZMQ]);
    CHECK_EQUAL(follower.seen + follower.subscription.holes, cs_event_newest(region));
    suite_close(0);
}

#endif
