/* events.h: the broadcast log, by one thread. */
#include "cases.h"
#include "layout.h"

static uint32_t open_kind(cs_region *region, const char *name)
{
    uint32_t kind = 0;
    CHECK_RESULT(cs_kind_open(region, name, CS_NUL, &kind), CS_OK);
    return kind;
}

static void publish(cs_region *region, uint32_t kind, uint64_t number)
{
    CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, &number, sizeof number, 0), CS_OK);
}

static uint64_t number_in(const suite_event *taken)
{
    uint64_t number = 0;
    for (uint32_t i = 8; i-- > 0;)
        number = number << 8 | taken->data.bytes[i];
    return number;
}

void case_kinds(void)
{
    static const char *const built_in[] = {"burst_engine_state_changed",
                                           "genome_state_changed",
                                           "connectome_state_changed",
                                           "service_state_changed",
                                           "brain_ready_changed",
                                           "agent_registered",
                                           "agent_deregistered",
                                           "agent_status_changed",
                                           "lock_inherited",
                                           "area_changed"};
    cs_region *region = suite_open(0, 0);
    uint32_t kind = 0, length = 0, kinds[8];
    char name[64], expected[64];
    NEED(region);
    for (uint32_t i = 0; i < 10; i++) {
        suite_about("built in", i + 1);
        CHECK_RESULT(cs_kind_open(region, built_in[i], CS_NUL, &kind), CS_OK);
        CHECK_EQUAL(kind, i + 1);
        CHECK_RESULT(cs_kind_find(region, built_in[i], suite_length(built_in[i]), &kind), CS_OK);
        CHECK_EQUAL(kind, i + 1);
        CHECK_RESULT(cs_kind_name(region, i + 1, name, &length), CS_OK);
        CHECK_TEXT(name, built_in[i]);
        CHECK_EQUAL(length, suite_length(built_in[i]));
        CHECK_RESULT(cs_event_publish(region, i + 1, CS_FORMAT_BYTES, "x", 1, 0), CS_E_INVALID);
    }
    CHECK_RESULT(cs_names_count(region, CS_SECTION_KINDS, &kind), CS_OK);
    CHECK_EQUAL(kind, 0); /* built-in kinds take no slot */
    for (uint32_t i = 0; i < 8; i++) {
        suite_about("kind", i);
        kinds[i] = open_kind(region, suite_name(name, "mine", i));
        CHECK(kinds[i] >= CS_KIND_USER);
        for (uint32_t k = 0; k < i; k++)
            CHECK(kinds[k] != kinds[i]);
        CHECK_EQUAL(open_kind(region, name), kinds[i]);
        CHECK_RESULT(cs_kind_find(region, name, CS_NUL, &kind), CS_OK);
        CHECK_EQUAL(kind, kinds[i]);
        CHECK_RESULT(cs_kind_name(region, kinds[i], expected, &length), CS_OK);
        CHECK_TEXT(expected, name);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_kind_open(region, "ninth", CS_NUL, &kind), CS_E_FULL);
    CHECK_RESULT(cs_kind_find(region, "ninth", CS_NUL, &kind), CS_E_NOT_FOUND);
    static const uint32_t none[] = {0, CS_KIND_USER + 8, 0xFFFFFFFF};
    for (uint32_t i = 0; i < sizeof none / sizeof *none; i++) {
        suite_about("kind", none[i]);
        CHECK_RESULT(cs_kind_name(region, none[i], name, &length), CS_E_NOT_FOUND);
        CHECK_RESULT(cs_event_publish(region, none[i], CS_FORMAT_BYTES, "x", 1, 0), CS_E_INVALID);
    }
    CHECK_EQUAL(cs_event_newest(region), 0);
    suite_about(0, 0);
    if (cs_kind_open(region, "state_changed", CS_NUL, &kind) != CS_E_FULL) { /* needs no room, but where one is alone */
        CHECK_EQUAL(kind, CS_KIND_STATE_CHANGED);
        CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES | CS_AT_ONCE, "x", 1, 0), CS_OK);
        CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_CHANGE | CS_AT_ONCE, "x", 1, 0), CS_E_INVALID);
    }
    CHECK_RESULT(cs_event_publish(region, CS_KIND_BUDGET_WARNING, CS_FORMAT_BYTES, "x", 1, 0), CS_E_INVALID);
    suite_close(0);
}

void case_publish(void)
{
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    suite_event taken;
    unsigned char data[136];
    uint64_t sequence = 0;
    NEED(region);
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i + 1);
    uint32_t kind = open_kind(region, "blob");
    CHECK_EQUAL(cs_event_newest(region), 0);
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    CHECK(!suite_take(region, &subscription, &taken));
    for (uint32_t length = 0; length <= 128; length++) {
        uint64_t before = cs_port_now_ns();
        suite_about("length", length);
        CHECK_RESULT(cs_event_publish(region, kind, length % 3, data, length, &sequence), CS_OK);
        CHECK_EQUAL(sequence, length + 1);
        CHECK_EQUAL(cs_event_newest(region), sequence);
        suite_fill(&taken, 0xEE, sizeof taken);
        NEED(suite_take(region, &subscription, &taken));
        CHECK_EQUAL(taken.event.sequence, sequence);
        CHECK(taken.event.time_ns >= before && taken.event.time_ns <= cs_port_now_ns());
        CHECK_EQUAL(taken.event.kind, kind);
        CHECK_EQUAL(taken.event.source, cs_participant_self(region) & 0x3FFFFF);
        CHECK_EQUAL(taken.event.format, length % 3);
        CHECK_EQUAL(taken.event.length, length);
        CHECK(suite_same(taken.data.bytes, data, length));
        for (uint32_t i = length; i < sizeof taken.data; i++)
            CHECK_EQUAL(taken.data.bytes[i], 0); /* zeros behind the data, whatever the slot held */
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, data, 129, &sequence), CS_E_TOO_BIG);
    CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, data, 0xFFFFFFFF, 0), CS_E_TOO_BIG);
    CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, 0, 1, 0), CS_E_INVALID);
    CHECK_RESULT(cs_event_publish(region, kind, 256, data, 1, 0), CS_E_INVALID);
    CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_NONE, 0, 0, 0), CS_OK);
    CHECK_EQUAL(cs_event_newest(region), 130);
    CHECK_EQUAL(subscription.lost + subscription.holes, 0);
    suite_close(0);
}

void case_drain(void)
{
    static unsigned char rows[40 * 168];
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    uint32_t count = 9;
    NEED(region);
    uint32_t kind = open_kind(region, "n");
    for (uint64_t i = 1; i <= 10; i++)
        publish(region, kind, i);
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    CHECK_RESULT(cs_events_drain(region, &subscription, rows, 159, 4, &count), CS_E_INVALID);
    CHECK_RESULT(cs_events_drain(region, &subscription, 0, 160, 4, &count), CS_E_INVALID);
    CHECK_RESULT(cs_events_drain(region, &subscription, rows, 160, 4, 0), CS_E_INVALID);
    CHECK_RESULT(cs_events_drain(region, 0, rows, 160, 4, &count), CS_E_INVALID);
    CHECK_RESULT(cs_events_drain(region, &subscription, 0, 160, 0, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    suite_fill(rows, 0xEE, sizeof rows);
    CHECK_RESULT(cs_events_drain(region, &subscription, rows, 168, 4, &count), CS_OK); /* longer rows than needed */
    CHECK_EQUAL(count, 4);
    CHECK_EQUAL(rows[4 * 168], 0xEE);
    for (uint32_t i = 0; i < 4; i++) {
        const cs_event *event = (const cs_event *)(const void *)(rows + i * 168);
        CHECK_EQUAL(event->sequence, i + 1);
        CHECK_EQUAL(rows[i * 168 + 32], i + 1);
        CHECK_EQUAL(rows[i * 168 + 167], 0);
    }
    CHECK_RESULT(cs_events_drain(region, &subscription, rows, 168, 40, &count), CS_OK);
    CHECK_EQUAL(count, 6);
    CHECK_EQUAL(((const cs_event *)(const void *)rows)->sequence, 5);
    CHECK_RESULT(cs_events_drain(region, &subscription, rows, 168, 40, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    suite_close(0);
}

void case_subscribe(void)
{
    static const struct {
        uint64_t since, first; /* first 0: nothing */
    } cases[] = {{0, 5}, {1, 5}, {4, 5}, {5, 6}, {19, 20}, {20, 0}, {21, 0}, {CS_FOREVER, 0}, {CS_FOREVER - 1, 0}};
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    suite_event taken;
    NEED(region);
    uint32_t kind = open_kind(region, "n");
    for (uint64_t i = 1; i <= 20; i++) /* 16 slots: 1 to 4 are overwritten */
        publish(region, kind, i);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        suite_about("since", cases[i].since);
        CHECK_RESULT(cs_subscribe(region, &subscription, cases[i].since), CS_OK);
        CHECK_EQUAL(suite_take(region, &subscription, &taken), cases[i].first != 0);
        if (cases[i].first)
            CHECK_EQUAL(taken.event.sequence, cases[i].first);
        /* Asked to go on after an event that is gone, it says what is missing. */
        CHECK_EQUAL(subscription.lost, cases[i].since == 1 ? 3 : 0);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
    publish(region, kind, 21);
    NEED(suite_take(region, &subscription, &taken));
    CHECK_EQUAL(taken.event.sequence, 21);
    CHECK_RESULT(cs_subscribe(region, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_subscribe(0, &subscription, 0), CS_E_INVALID);
    suite_close(0);
}

/* P4: what was overwritten before it was read is counted exactly, and named. */
void case_p4_overrun(void)
{
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    suite_event taken;
    NEED(region);
    uint32_t kind = open_kind(region, "n");
    uint64_t published = 0, total_lost = 0;
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    for (uint64_t burst = 0; burst <= 70; burst++) {
        uint64_t first = published + 1;
        for (uint64_t i = 0; i < burst; i++)
            publish(region, kind, ++published);
        uint64_t lost = burst > 16 ? burst - 16 : 0;
        uint64_t expected = first + lost;
        suite_about("burst", burst);
        while (suite_take(region, &subscription, &taken)) {
            CHECK_EQUAL(taken.event.sequence, expected);
            CHECK_EQUAL(number_in(&taken), expected);
            expected++;
        }
        CHECK_EQUAL(expected, published + 1);
        total_lost += lost;
        CHECK_EQUAL(subscription.lost, total_lost);
        if (lost) {
            CHECK_EQUAL(subscription.lost_from, first);
            CHECK_EQUAL(subscription.lost_to, first + lost - 1);
        }
    }
    suite_about(0, 0);
    CHECK_EQUAL(subscription.holes, 0);
    suite_close(0);
}

/* P5: a head that is anything at all is come to in a few steps, and what lies on the way is counted. */
void case_field_p5_a_head_far_ahead(void)
{
    for (uint32_t bit = 0; bit < 64; bit++) {
        cs_region *region = suite_open(0, 0);
        cs_section_info section;
        cs_subscription subscription;
        suite_event taken;
        NEED(region);
        NEED(CHECK_RESULT(cs_region_section(region, CS_SECTION_EVENTS, &section), CS_OK));
        struct ring *ring = (struct ring *)(void *)(suite_block[0] + section.offset);
        uint32_t kind = open_kind(region, "n");
        for (uint64_t i = 1; i <= 20; i++) /* 16 slots */
            publish(region, kind, i);
        CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
        uint64_t head = 20 ^ 1ull << bit, received = 0;
        store64(&ring->head, head);
        suite_about("bit", bit);
        for (uint32_t call = 0; call < 64; call++) /* one in 16 that find nothing looks at the head */
            received += (uint64_t)suite_take(region, &subscription, &taken);
        CHECK_EQUAL(subscription.next, 5 + received + subscription.lost + subscription.holes);
        if (subscription.lost) {
            CHECK_EQUAL(subscription.lost_to, head - 16);
            CHECK_EQUAL(subscription.lost, subscription.lost_to - subscription.lost_from + 1);
        }
        if ((int64_t)(head - 20) > 0)
            CHECK_EQUAL(subscription.next, head + 1);
        CHECK(subscription.lost || (int64_t)(head - 20) <= 16);
        CHECK(received <= 32 && subscription.holes <= 16);
        CHECK_RESULT(cs_events_wait(region, &subscription, 0), CS_E_TIMEOUT);
        store64(&ring->head, 20); /* and back: nothing new, until the head has come by */
        if (subscription.next > 20) {
            CHECK(!suite_take(region, &subscription, &taken));
            CHECK_RESULT(cs_events_wait(region, &subscription, 0), CS_E_TIMEOUT);
        }
        suite_close(0);
    }
    suite_about(0, 0);
}

void case_filter(void)
{
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    suite_event taken;
    uint32_t wanted[4] = {0, 0, 0, 0};
    NEED(region);
    uint32_t a = open_kind(region, "a"), b = open_kind(region, "b"), c = open_kind(region, "c");
    NEED(c < 128);
    wanted[b / 32] |= 1u << b % 32;
    wanted[CS_KIND_BURST_ENGINE_STATE_CHANGED / 32] |= 1u << CS_KIND_BURST_ENGINE_STATE_CHANGED % 32;
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    subscription.kinds = wanted;
    subscription.kind_bits = 128;
    publish(region, a, 1);
    publish(region, b, 2);
    publish(region, c, 3);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_READY), CS_OK);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_GENOME, CS_GENOME_LOADED), CS_OK);
    publish(region, b, 6);
    static const uint64_t expected[] = {2, 4, 6};
    for (uint32_t i = 0; i < 3; i++) {
        NEED(suite_take(region, &subscription, &taken));
        CHECK_EQUAL(taken.event.sequence, expected[i]);
    }
    CHECK(!suite_take(region, &subscription, &taken));
    CHECK_EQUAL(subscription.lost, 0); /* what is not wanted is not lost */
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    subscription.kinds = wanted;
    subscription.kind_bits = b; /* the bit of b is outside the bitmap */
    NEED(suite_take(region, &subscription, &taken));
    CHECK_EQUAL(taken.event.sequence, 4);
    CHECK(!suite_take(region, &subscription, &taken));
    suite_close(0);
}

void case_events_wait(void)
{
    cs_region *region = suite_open(0, 0), reader;
    cs_subscription subscription;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&reader, 0, CS_READ_ONLY), CS_OK));
    uint32_t kind = open_kind(region, "n");
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    CHECK_RESULT(cs_events_wait(region, &subscription, 0), CS_E_TIMEOUT);
    uint64_t before = cs_port_monotonic_ns();
    CHECK_RESULT(cs_events_wait(region, &subscription, 3000000), CS_E_TIMEOUT);
    CHECK(cs_port_monotonic_ns() - before >= 3000000);
    before = cs_port_monotonic_ns();
    CHECK_RESULT(cs_events_wait(&reader, &subscription, 3000000), CS_E_TIMEOUT);
    CHECK(cs_port_monotonic_ns() - before >= 3000000);
    publish(region, kind, 1);
    CHECK_RESULT(cs_events_wait(region, &subscription, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_events_wait(&reader, &subscription, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_events_wait(region, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
    cs_region_close(region);
    CHECK_RESULT(cs_events_wait(region, &subscription, CS_FOREVER), CS_E_CLOSED);
    cs_region_close(&reader);
    CHECK_RESULT(cs_events_wait(&reader, &subscription, CS_FOREVER), CS_E_CLOSED);
    suite_close(0);
}

/* A name that does not fit behind a change is cut between characters. */
void case_event_name_cut(void)
{
    cs_config config = suite_config();
    cs_region *region;
    cs_subscription subscription;
    suite_event taken;
    cs_handle handle = 0;
    for (config.event_bytes = 24; config.event_bytes <= 64; config.event_bytes += 8) {
        region = suite_open(0, &config);
        NEED(region);
        suite_about("event_bytes", config.event_bytes);
        CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
        CHECK_RESULT(cs_agent_register(region, "a\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", CS_NUL,
                                       0, 0, &handle),
                     CS_OK);
        NEED(suite_take(region, &subscription, &taken));
        CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_REGISTERED);
        CHECK_EQUAL(taken.data.change.subject, handle);
        uint32_t room = config.event_bytes - 24;
        uint32_t fits = room >= 16 ? 16 : room ? 1 + (room - 1) / 3 * 3 : 0;
        CHECK_EQUAL(taken.event.length, 24 + fits);
        suite_close(0);
    }
}
