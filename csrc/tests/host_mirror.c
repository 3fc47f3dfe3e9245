/* A mirror under load: threads write the source, one carries it over, threads read the mirror as any region. */
#define _GNU_SOURCE
#include "host.h"

#if defined(SUITE_THREADS)

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS 2u
#define READERS 2u
#define WRITES ROUNDS(300000u)

static cs_region *source;
static uint64_t region_bytes;
static uint32_t kind;
static cs_handle halves;
static atomic_uint writing, carried;
static cs_mirror_receiver receiver;

typedef struct worker {
    pthread_t thread;
    uint32_t number;
    uint64_t published, wrong, received;
    uint64_t last[WRITERS];
    cs_subscription subscription;
    const char *what;
} worker;

static void expect(worker *w, int holds, const char *what)
{
    if (holds)
        return;
    w->wrong++;
    w->what = what;
}

/* -- the source ----------------------------------------------------------------------------- */

static void write_agent(worker *w, cs_handle *agent, uint64_t dice)
{
    unsigned char bytes[96];
    char name[64];
    uint32_t length = 8 + (uint32_t)(dice >> 20) % 80;
    memset(bytes, (int)(dice & 0xFF), sizeof bytes);
    cs_details details = {.capabilities = bytes,
                          .capabilities_length = length / 2,
                          .metadata = bytes,
                          .metadata_length = length - length / 2};
    if (!*agent)
        expect(w,
               cs_agent_register(source, suite_name(name, "agent", w->number), CS_NUL, w->number, &details, agent) ==
                   CS_OK,
               "registered");
    else if (dice % 32)
        expect(w, cs_agent_set_details(source, *agent, &details) == CS_OK, "details set");
    else if (cs_agent_deregister(source, *agent, 0) == CS_OK)
        *agent = 0;
}

static void *write_source(void *context)
{
    worker *w = context;
    uint64_t seed = w->number + 1;
    cs_handle agent = 0;
    for (uint64_t n = 1; n <= WRITES; n++) {
        uint64_t dice = suite_random(&seed), data[3] = {w->published + 1, ~(w->published + 1), w->number};
        switch (dice >> 60) {
        case 0:
        case 1:
        case 2:
            w->published += cs_event_publish(source, kind, CS_FORMAT_BYTES, data, sizeof data, 0) == CS_OK;
            break;
        case 3:
        case 4:
        case 5:
            write_agent(w, &agent, dice);
            break;
        default:
            if (w->number == 0) { /* one after the other: at no instant is the second ahead */
                (void)cs_engine_set(source, CS_NEURON_COUNT, ++w->received);
                (void)cs_engine_set(source, CS_SYNAPSE_COUNT, w->received);
            } else {
                (void)cs_counter_set(source, halves, n << 32 | n);
            }
        }
    }
    atomic_fetch_sub(&writing, 1);
    return 0;
}

/* -- the mirror's readers ------------------------------------------------------------------- */

static void read_agents(worker *w, const cs_region *mirror)
{
    cs_agent_info info;
    unsigned char bytes[96];
    char name[64];
    uint32_t cursor = 0, length;
    cs_handle handle;
    while (cs_names_next(mirror, CS_SECTION_AGENTS, &cursor, &handle, name, &length) == CS_OK) {
        int result = cs_agent_get(mirror, handle, &info, bytes, sizeof bytes);
        expect(w, result == CS_OK || result == CS_E_STALE || result == CS_E_BUSY, "an agent is read");
        if (result != CS_OK || info.id[0] != 'a')
            continue;
        uint32_t total = info.capabilities_length + info.metadata_length, same = 1;
        for (uint32_t i = 1; i < total; i++)
            same &= bytes[i] == bytes[0];
        expect(w, same && info.capabilities_length == total / 2, "details are whole");
        expect(w, info.type == (uint32_t)(info.id[5] - '0'), "an agent is itself");
    }
    int result = cs_agent_find(mirror, "standing", CS_NUL, &handle);
    expect(w, result == CS_OK || result == CS_E_BUSY, "who never left is found");
}

static void read_events(worker *w, cs_region *mirror)
{
    suite_event taken;
    uint32_t count = 1;
    while (count) {
        expect(w, cs_events_drain(mirror, &w->subscription, &taken, sizeof taken, 1, &count) == CS_OK,
               "events are read");
        w->received += count;
        if (!count || taken.event.kind != kind)
            continue;
        uint64_t data[3];
        memcpy(data, taken.data.bytes, sizeof data);
        expect(w, data[0] == ~data[1] && data[2] < WRITERS, "an event is whole");
        expect(w, data[0] > w->last[data[2] % WRITERS], "each event once, in order");
        w->last[data[2] % WRITERS] = data[0];
    }
}

static void *read_mirror(void *context)
{
    worker *w = context;
    cs_region mirror;
    cs_engine_snapshot engine;
    uint64_t value = 0;
    expect(w, cs_region_attach(&mirror, suite_block[1], region_bytes, CS_READ_ONLY, -1) == CS_OK, "attached");
    expect(w, cs_subscribe(&mirror, &w->subscription, 0) == CS_OK, "subscribed");
    w->subscription.next = 1;
    for (unsigned last = 0; !last;) {
        last = atomic_load(&carried);
        read_agents(w, &mirror);
        read_events(w, &mirror);
        expect(w, cs_engine_read(&mirror, &engine) == CS_OK, "the engine is read");
        uint64_t ahead = engine.cells[CS_NEURON_COUNT] - engine.cells[CS_SYNAPSE_COUNT];
        expect(w, !engine.quiet || ahead <= 1, "the engine is of one instant");
        expect(w, cs_counter_get(&mirror, halves, &value) == CS_OK && value >> 32 == (value & 0xFFFFFFFF),
               "a cell is whole");
    }
    cs_region_detach(&mirror);
    return 0;
}

/* -- the line ------------------------------------------------------------------------------- */

static int carry(void *context, const void *bytes, uint32_t length)
{
    const unsigned char *at = bytes;
    uint32_t used = 0;
    (void)context;
    while (length) {
        int result = cs_mirror_feed(&receiver, at, length, &used);
        at += used;
        length -= used;
        if (result == CS_OK)
            continue;
        cs_region_info info;
        uint64_t workspace = 0;
        CHECK_RESULT(cs_mirror_wanted(&receiver, &info, &workspace), CS_OK);
        CHECK(workspace <= SUITE_BLOCK_BYTES);
        memset(suite_block[1], 0, (size_t)region_bytes);
        CHECK_RESULT(cs_mirror_provide(&receiver, suite_block[1], info.size, suite_block[2], workspace, -1, 0), CS_OK);
    }
    return 0;
}

static void start(worker *workers, uint32_t count, void *(*body)(void *))
{
    for (uint32_t i = 0; i < count; i++) {
        workers[i].number = i;
        if (pthread_create(&workers[i].thread, 0, body, &workers[i]) != 0)
            abort();
    }
}

void case_threads_p2_mirror(void)
{
    static unsigned char sending[400], receiving[1024];
    static uint32_t seen[2048];
    static cs_mirror_sender sender;
    static worker writers[WRITERS], readers[READERS];
    const cs_mirror_options options = {0};
    cs_config config = suite_config();
    cs_handle standing;
    cs_health health;
    config.agents = 3; /* three names in three slots: slots change hands all the time */
    region_bytes = cs_region_size(&config);
    source = suite_open(0, &config);
    NEED(source);
    memset(writers, 0, sizeof writers);
    memset(readers, 0, sizeof readers);
    CHECK_RESULT(cs_counter_open(source, "halves", CS_NUL, &halves), CS_OK);
    CHECK_RESULT(cs_kind_open(source, "tick", CS_NUL, &kind), CS_OK);
    CHECK_RESULT(cs_agent_register(source, "standing", CS_NUL, 4, 0, &standing), CS_OK);
    CHECK_RESULT(cs_mirror_listen(&receiver, receiving, sizeof receiving), CS_OK);
    CHECK_RESULT(cs_mirror_open(&sender, source, &options, seen, 2048, sending, sizeof sending, carry, 0), CS_OK);
    CHECK(cs_mirror_step(&sender) > 0);
    CHECK_RESULT(cs_mirror_apply(&receiver), 1);

    atomic_store(&writing, WRITERS);
    atomic_store(&carried, 0);
    start(readers, READERS, read_mirror);
    start(writers, WRITERS, write_source);
    while (atomic_load(&writing)) {
        CHECK(cs_mirror_step(&sender) >= 0);
        CHECK_RESULT(cs_mirror_apply(&receiver), 1);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, 0);
    uint64_t data[3] = {0, ~0ull, 0};
    for (uint32_t i = 0; i < WRITERS; i++) { /* the last word of each, for the readers to end on */
        data[0] = writers[i].published + 1;
        data[1] = ~data[0];
        data[2] = i;
        CHECK_RESULT(cs_event_publish(source, kind, CS_FORMAT_BYTES, data, sizeof data, 0), CS_OK);
    }
    cs_mirror_picture(&sender);
    CHECK(cs_mirror_step(&sender) > 0);
    CHECK_RESULT(cs_mirror_apply(&receiver), 1);
    atomic_store(&carried, 1);
    for (uint32_t i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, 0);

    for (uint32_t i = 0; i < WRITERS; i++) {
        suite_about(writers[i].what ? writers[i].what : "writer", i);
        CHECK_EQUAL(writers[i].wrong, 0);
    }
    CHECK_RESULT(cs_health_read(source, CS_FOREVER, &health), CS_OK);
    for (uint32_t i = 0; i < READERS; i++) {
        worker *w = &readers[i];
        suite_about(w->what ? w->what : "reader", i);
        CHECK_EQUAL(w->wrong, 0);
        CHECK(w->subscription.holes <= health.events_holes); /* the source has some: its ring is short */
        CHECK_EQUAL(w->received + w->subscription.lost + w->subscription.holes, cs_event_newest(source));
        for (uint32_t k = 0; k < WRITERS; k++)
            CHECK_EQUAL(w->last[k], writers[k].published + 1);
    }
    suite_close(0);
}

#endif
