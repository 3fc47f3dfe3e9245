/* What the dead and the stopped leave behind, laid down by hand as they would have left it. */
#include "cases.h"
#include "layout.h"

static cs_region other;
static cs_region *region;

static int open_pair(void)
{
    region = suite_open(0, 0);
    return region && CHECK_RESULT(suite_join(&other, 0, 0), CS_OK);
}

static void *section_at(uint32_t kind)
{
    cs_section_info section;
    CHECK_RESULT(cs_region_section(region, kind, &section), CS_OK);
    return suite_block[0] + section.offset;
}
static struct engine *engine(void) { return section_at(CS_SECTION_ENGINE); }
static struct ring *ring(void) { return section_at(CS_SECTION_EVENTS); }
static struct event *event_at(uint64_t position)
{
    cs_section_info section;
    CHECK_RESULT(cs_region_section(region, CS_SECTION_EVENTS, &section), CS_OK);
    return (struct event *)(void *)(suite_block[0] + section.offset + sizeof(struct ring) +
                                    position % section.count * section.stride);
}
static struct slot *slot_at(uint32_t table, cs_handle handle)
{
    cs_section_info section;
    CHECK_RESULT(cs_region_section(region, table, &section), CS_OK);
    uint64_t slots = section.offset + sizeof(struct table) + CS_PAD_(4u * section.count, 64);
    return (struct slot *)(void *)(suite_block[0] + slots + (handle & 0xFFFFFFFF) * section.stride);
}

/* -- the ring ------------------------------------------------------------------------------- */

static uint32_t kind;

static uint64_t publish(uint64_t number)
{
    uint64_t sequence = 0;
    CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, &number, sizeof number, &sequence), CS_OK);
    return sequence;
}

/* As a producer that took the next position and got no further. */
static uint64_t claim_position(const cs_region *producer)
{
    uint64_t head = load64(&ring()->head);
    uint64_t word = (head / 16 + 1) << 24 | (uint64_t)suite_owner(producer) << 2 | EVENT_CLAIMED;
    store64(&event_at(head)->word, word);
    store64(&ring()->head, head + 1);
    return head + 1;
}

/* Drains until event `last` came; every position is an event, a hole or lost, and each exactly once. */
static uint64_t drain_to(cs_subscription *s, uint64_t last)
{
    suite_event taken;
    uint64_t events = 0, first = s->next, accounted = s->holes + s->lost;
    taken.event.sequence = 0;
    for (uint32_t tries = 0; tries < 2000 && taken.event.sequence != last; tries++) {
        if (suite_take(region, s, &taken))
            events++;
        else
            CHECK(cs_port_sleep(1000000) != CS_E_BUSY);
    }
    CHECK_EQUAL(taken.event.sequence, last);
    CHECK_EQUAL(events + s->holes + s->lost - accounted, last + 1 - first);
    return events;
}

void case_p4_dead_producer(void)
{
    cs_subscription s;
    cs_health health;
    NEED(open_pair());
    CHECK_RESULT(cs_kind_open(region, "n", CS_NUL, &kind), CS_OK);
    CHECK_RESULT(cs_subscribe(region, &s, 0), CS_OK);
    publish(1);
    CHECK_EQUAL(claim_position(&other), 2);
    CHECK_EQUAL(publish(3), 3);
    suite_kill(&other, 0);
    CHECK_EQUAL(drain_to(&s, 3), 2);
    CHECK_EQUAL(s.holes, 1);
    CHECK_EQUAL(s.lost, 0);
    CHECK_RESULT(cs_health_read(region, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.events_holes, 1);
    for (uint64_t i = 4; i <= 40; i++) { /* the slot is used again */
        CHECK_EQUAL(publish(i), i);
        CHECK_EQUAL(drain_to(&s, i), 1);
    }
    CHECK_EQUAL(s.holes, 1);
    suite_close(0);
}

/* The sweep alone turns it into a hole, for readers who cannot write. */
void case_p4_dead_producer_swept(void)
{
    cs_region reader;
    cs_subscription s;
    suite_event taken;
    NEED(open_pair());
    CHECK_RESULT(cs_kind_open(region, "n", CS_NUL, &kind), CS_OK);
    claim_position(&other);
    suite_kill(&other, 0);
    publish(2);
    CHECK_EQUAL(cs_sweep(region), 1);
    CHECK_EQUAL(cs_sweep(region), 0);
    CHECK_EQUAL((uint32_t)load64(&event_at(0)->word) & 3u, EVENT_HOLE);
    CHECK_RESULT(suite_join(&reader, 0, CS_READ_ONLY), CS_OK);
    CHECK_RESULT(cs_subscribe(&reader, &s, 0), CS_OK);
    NEED(suite_take(&reader, &s, &taken));
    CHECK_EQUAL(taken.event.sequence, 2);
    CHECK_EQUAL(s.holes, 1);
    suite_close(0);
}

/* A producer that is alive and stands still holds nobody up, and its slot is not taken from it. */
void case_p4_stopped_producer(void)
{
    cs_subscription s;
    NEED(open_pair());
    CHECK_RESULT(cs_kind_open(region, "n", CS_NUL, &kind), CS_OK);
    CHECK_RESULT(cs_subscribe(region, &s, 0), CS_OK);
    publish(1);
    uint64_t stopped = claim_position(&other);
    CHECK_EQUAL(publish(3), 3);
    CHECK_EQUAL(drain_to(&s, 3), 2);
    CHECK_EQUAL(s.holes, 1);
    struct event *event = event_at(stopped - 1);
    for (uint64_t i = 0; i < 48; i++) {
        uint64_t sequence = publish(i);
        CHECK(sequence % 16 != stopped % 16); /* passed over in each lap */
        drain_to(&s, sequence);
        CHECK_EQUAL(load64(&event->word) >> 2 & CLAIM_OWNER, suite_owner(&other));
    }
    CHECK_EQUAL(s.lost, 0);
    CHECK(s.holes >= 4);
    /* It dies after all: the slot is everybody's again. */
    suite_kill(&other, 0);
    CHECK_EQUAL(cs_sweep(region), 1);
    uint64_t holes = s.holes;
    uint32_t used = 0;
    for (uint64_t i = 0; i < 48; i++) {
        uint64_t sequence = publish(i);
        used += sequence % 16 == stopped % 16;
        drain_to(&s, sequence);
    }
    CHECK(used >= 2);
    CHECK(s.holes <= holes + 1);
    suite_close(0);
}

/* -- a change and its event ----------------------------------------------------------------- */

/* As a writer killed between its change and telling of it: the event is drafted and its position noted. */
static void change_without_event(struct lane *lane, uint32_t kind_of_it, cs_change change, const char *name)
{
    uint64_t state = load64(&lane->state), position = claim_position(&other) - 1;
    struct event *event = event_at(position);
    unsigned char data[64] = {0};
    uint32_t length = name ? suite_length(name) : 0;
    change.change = (uint32_t)(state >> 16) + 1;
    change.old_value = (uint32_t)state & 0xFF;
    memcpy(data, &change, sizeof change);
    if (length)
        memcpy(data + sizeof change, name, length);
    store32(&event->kind_length, ((uint32_t)sizeof change + length) << 16 | kind_of_it);
    store32(&event->source_format, (uint32_t)CS_FORMAT_CHANGE << 24 | suite_owner(&other));
    copy_in(event + 1, data, (uint32_t)sizeof change + length);
    store32(&lane->claim, suite_owner(&other));
    store32(&lane->promised, (uint32_t)position << 1 | 1u);
    store64(&lane->state, ((state >> 16) + 1) << 16 | (state & 0xFF) << 8 | change.new_value);
}

void case_owed_event(void)
{
    for (uint32_t how = 0; how < 2; how++) { /* 0: the sweep, 1: the next writer */
        cs_subscription s;
        suite_event taken;
        NEED(open_pair());
        suite_about("how", how);
        CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_READY), CS_OK);
        uint64_t version = cs_engine_get(region, CS_VERSION);
        CHECK_RESULT(cs_subscribe(region, &s, CS_FOREVER), CS_OK);
        cs_change change = {.subject = CS_STATE_BURST, .new_value = CS_BURST_RUNNING};
        change_without_event(&engine()->core[CS_STATE_BURST], CS_KIND_BURST_ENGINE_STATE_CHANGED, change, 0);
        suite_kill(&other, 0);
        CHECK_EQUAL(cs_engine_state(region, CS_STATE_BURST), CS_BURST_RUNNING);
        if (how == 0)
            CHECK_EQUAL(cs_sweep(region), 1);
        else
            CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_PAUSED), CS_OK);
        NEED(suite_take(region, &s, &taken));
        CHECK_EQUAL(taken.event.kind, CS_KIND_BURST_ENGINE_STATE_CHANGED);
        CHECK_EQUAL(taken.data.change.old_value, CS_BURST_READY);
        CHECK_EQUAL(taken.data.change.new_value, CS_BURST_RUNNING);
        CHECK_EQUAL(taken.data.change.change, 2);
        CHECK_EQUAL(suite_take(region, &s, &taken), how);
        if (how == 1) {
            CHECK_EQUAL(taken.data.change.old_value, CS_BURST_RUNNING);
            CHECK_EQUAL(taken.data.change.new_value, CS_BURST_PAUSED);
            CHECK_EQUAL(taken.data.change.change, 3);
        }
        CHECK(cs_engine_get(region, CS_VERSION) > version + how);
        suite_close(0);
    }
}

/* Killed with the event out and the lane not given back yet: it is not told twice, not even when the ring has turned over. */
void case_event_not_twice(void)
{
    cs_subscription s;
    suite_event taken;
    NEED(open_pair());
    CHECK_RESULT(cs_kind_open(region, "n", CS_NUL, &kind), CS_OK);
    CHECK_RESULT(cs_subscribe(region, &s, 0), CS_OK);
    CHECK_RESULT(cs_engine_set_state(&other, CS_STATE_API, CS_SERVICE_READY), CS_OK);
    struct lane *lane = &engine()->service[CS_STATE_API - CS_STATE_FQ_SAMPLER].lane;
    store32(&lane->claim, suite_owner(&other));
    suite_kill(&other, 0);
    NEED(suite_take(region, &s, &taken));
    CHECK_EQUAL(taken.event.kind, CS_KIND_SERVICE_STATE_CHANGED);
    for (uint64_t i = 2; i <= 40; i++) {
        CHECK_EQUAL(publish(i), i);
        CHECK_EQUAL(drain_to(&s, i), 1);
    }
    CHECK_EQUAL(cs_sweep(region), 1);
    CHECK_EQUAL(load32(&lane->claim), 0);
    CHECK(!suite_take(region, &s, &taken));
    suite_close(0);
}

/* Nothing is told of a change that its writer did not live to make. */
void case_event_of_nothing(void)
{
    cs_subscription s;
    suite_event taken;
    NEED(open_pair());
    CHECK_RESULT(cs_subscribe(region, &s, 0), CS_OK);
    struct lane *lane = &engine()->core[CS_STATE_GENOME];
    uint64_t state = load64(&lane->state);
    cs_change change = {.subject = CS_STATE_GENOME, .new_value = CS_GENOME_LOADING};
    change_without_event(lane, CS_KIND_GENOME_STATE_CHANGED, change, 0);
    store64(&lane->state, state);
    suite_kill(&other, 0);
    CHECK(!suite_take(region, &s, &taken));
    CHECK_EQUAL(s.holes, 1);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_GENOME, CS_GENOME_LOADING), CS_OK);
    NEED(suite_take(region, &s, &taken));
    CHECK_EQUAL(taken.data.change.change, 1);
    CHECK(!suite_take(region, &s, &taken));
    suite_close(0);
}

void case_owed_status_event(void)
{
    cs_subscription s;
    suite_event taken;
    cs_handle handle = 0;
    NEED(open_pair());
    CHECK_RESULT(cs_agent_register(region, "worker", CS_NUL, CS_AGENT_MOTOR, 0, &handle), CS_OK);
    CHECK_RESULT(cs_subscribe(region, &s, CS_FOREVER), CS_OK);
    struct agent *agent = (struct agent *)(void *)(slot_at(CS_SECTION_AGENTS, handle) + 1);
    cs_change change = {.subject = handle, .new_value = CS_AGENT_RUNNING, .table = CS_SECTION_AGENTS};
    change_without_event(&agent->status, CS_KIND_AGENT_STATUS_CHANGED, change, "worker");
    suite_kill(&other, 0);
    CHECK_EQUAL(cs_sweep(region), 1);
    NEED(suite_take(region, &s, &taken));
    CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_STATUS_CHANGED);
    CHECK_EQUAL(taken.data.change.subject, handle);
    CHECK_EQUAL(taken.data.change.old_value, CS_AGENT_STARTING);
    CHECK_EQUAL(taken.data.change.new_value, CS_AGENT_RUNNING);
    CHECK(suite_same(taken.data.bytes + sizeof(cs_change), "worker", 6));
    CHECK(!suite_take(region, &s, &taken));
    CHECK_RESULT(cs_agent_set_status(region, handle, CS_AGENT_PAUSED, 0), CS_OK);
    suite_close(0);
}

/* -- claims --------------------------------------------------------------------------------- */

void case_dead_table_writer(void)
{
    static const uint32_t tables[] = {CS_SECTION_COUNTERS, CS_SECTION_GAUGES, CS_SECTION_AREAS,
                                      CS_SECTION_LOCKS,    CS_SECTION_AGENTS, CS_SECTION_KINDS};
    for (uint32_t how = 0; how < 2; how++) { /* 0: nobody swept yet, 1: swept */
        cs_handle handle;
        uint32_t found;
        NEED(open_pair());
        for (uint32_t i = 0; i < 6; i++)
            store32(&((struct table *)section_at(tables[i]))->claim, suite_owner(&other));
        suite_kill(&other, 0);
        if (how)
            CHECK_EQUAL(cs_sweep(region), 1);
        suite_about("how", how);
        CHECK_RESULT(cs_counter_open(region, "x", 1, &handle), CS_OK);
        CHECK_RESULT(cs_gauge_open(region, "x", 1, &handle), CS_OK);
        CHECK_RESULT(cs_area_open(region, "x", 1, &handle), CS_OK);
        CHECK_RESULT(cs_lock_open(region, "x", 1, &handle), CS_OK);
        CHECK_RESULT(cs_agent_register(region, "x", 1, 0, 0, &handle), CS_OK);
        CHECK_RESULT(cs_kind_open(region, "x", 1, &found), CS_OK);
        suite_close(0);
    }
}

/* P2: a writer killed in the middle of an agent's details has spoiled only the copy nobody reads. */
void case_p2_dead_details_writer(void)
{
    cs_handle handle = 0;
    cs_agent_info info;
    char bytes[96];
    cs_details first = {"aaaa", "bbbb", "cccc", 4, 4, 4}, second = {"dd", "ee", "ff", 2, 2, 2};
    cs_section_info section;
    NEED(open_pair());
    CHECK_RESULT(cs_agent_register(region, "worker", CS_NUL, CS_AGENT_MOTOR, &first, &handle), CS_OK);
    struct agent *agent = (struct agent *)(void *)(slot_at(CS_SECTION_AGENTS, handle) + 1);
    uint64_t word = load64(&agent->details);
    NEED(CHECK_RESULT(cs_region_section(region, CS_SECTION_DETAILS, &section), CS_OK));
    unsigned char *buffers = suite_block[0] + section.offset + (handle & 0xFFFFFFFF) * section.stride;
    suite_fill(buffers + (((word >> 24) & 1) ? 0 : 8 + 96), 0xEE, 8 + 96); /* the idle one */
    store64(&agent->details, word | suite_owner(&other));
    CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, sizeof bytes), CS_OK);
    CHECK(suite_same(bytes, "aaaabbbbcccc", 12));
    suite_kill(&other, 0);
    CHECK_RESULT(cs_agent_set_details(region, handle, &second), CS_OK);
    CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, sizeof bytes), CS_OK);
    CHECK_EQUAL(info.capabilities_length, 2);
    CHECK(suite_same(bytes, "ddeeff", 6));
    suite_close(0);
}

/* Lengths nobody of ours wrote are refused, not followed. */
void case_p5_details_lengths(void)
{
    cs_handle handle = 0;
    cs_agent_info info;
    char bytes[96];
    cs_details details = {"aaaa", "bbbb", "cccc", 4, 4, 4};
    cs_section_info section;
    NEED(open_pair());
    CHECK_RESULT(cs_agent_register(region, "worker", CS_NUL, CS_AGENT_MOTOR, &details, &handle), CS_OK);
    NEED(CHECK_RESULT(cs_region_section(region, CS_SECTION_DETAILS, &section), CS_OK));
    unsigned char *buffers = suite_block[0] + section.offset + (handle & 0xFFFFFFFF) * section.stride;
    suite_fill(buffers, 0xFF, 8);
    suite_fill(buffers + 8 + 96, 0xFF, 8);
    CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, sizeof bytes), CS_E_CORRUPT);
    CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_E_CORRUPT);
    CHECK_RESULT(cs_agent_set_details(region, handle, &details), CS_OK); /* and written over */
    CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, sizeof bytes), CS_OK);
    cs_region_detach(&other);
    suite_close(0);
}

void case_sweep_frees_slots(void)
{
    cs_participant_info info;
    cs_region more[8];
    cs_config config = suite_config();
    NEED(open_pair());
    uint32_t attached = 2;
    while (attached < config.participants && suite_join(&more[attached], 0, 0) == CS_OK)
        attached++;
    CHECK_EQUAL(attached, config.participants);
    CHECK_RESULT(suite_join(&more[6], 0, 0), CS_E_NO_SLOT);
    CHECK_EQUAL(cs_sweep(region), 0);
    uint32_t dead = cs_participant_self(&more[3]);
    suite_kill(&more[3], 0);
    for (uint32_t slot = 0; slot < config.participants; slot++) {
        CHECK_RESULT(cs_participant_get(region, slot, &info), CS_OK);
        CHECK_EQUAL(info.state, info.id == dead ? CS_PARTICIPANT_DEAD : CS_PARTICIPANT_LIVE);
    }
    CHECK_RESULT(suite_join(&more[6], 0, 0), CS_OK); /* attach sweeps by itself */
    CHECK(cs_participant_self(&more[6]) != dead);
    CHECK_RESULT(suite_join(&more[7], 0, 0), CS_E_NO_SLOT);
    suite_kill(&more[4], 0);
    suite_kill(&more[5], 0);
    CHECK_EQUAL(cs_sweep(region), 2);
    for (uint32_t slot = 0, live = 0; slot < config.participants; slot++) {
        CHECK_RESULT(cs_participant_get(region, slot, &info), CS_OK);
        live += info.state == CS_PARTICIPANT_LIVE;
        if (slot == config.participants - 1)
            CHECK_EQUAL(live, 4);
    }
    suite_close(0);
}
