/* Numbers that are about to run out of bits, and claims whose owner's slot is somebody else's by now. */
#include "cases.h"
#include "crc32c.h"
#include "layout.h"
#include "view.h"

static cs_region *region;
static cs_region other;

static struct slot *slot_of_handle(uint32_t table, cs_handle handle)
{
    return slot_at(csi_table(view_of(region), table), (uint32_t)handle);
}

/* -- laps ------------------------------------------------------------------------------------------------------ */

#define SLOTS 16u
#define LAPS (1ull << 40)

/* As a ring is left by head publications: each slot has a hole of the lap it was last taken in. */
static void age_ring(uint64_t head)
{
    view *v = view_of(region);
    for (uint64_t i = 1; i <= SLOTS; i++) {
        uint64_t position = head - i, lap = (position / SLOTS + 1) & (LAPS - 1);
        struct event *event = (struct event *)(void *)(v->events + (size_t)(position % SLOTS) * v->event_stride);
        store64(&event->word, lap << 24 | EVENT_HOLE);
    }
    store64(&v->ring->head, head);
}

/* From a few steps before the lap's 40 bits are used up to a few after: every event comes, once, in order. */
void case_p4_lap_wraps(void)
{
    cs_config config = suite_config();
    cs_subscription s;
    suite_event taken;
    uint32_t kind = 0;
    config.events = SLOTS;
    region = suite_open(0, &config);
    NEED(region && CHECK_RESULT(cs_kind_open(region, "wrap", CS_NUL, &kind), CS_OK));
    uint64_t head = (LAPS - 1) * SLOTS - 5;
    age_ring(head);
    CHECK_RESULT(cs_subscribe(region, &s, CS_FOREVER), CS_OK);
    for (uint64_t number = 1; number <= 5 * SLOTS; number++) {
        uint64_t sequence = 0;
        CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, &number, sizeof number, &sequence), CS_OK);
        CHECK_EQUAL(sequence, head + number);
        NEED(suite_take(region, &s, &taken));
        CHECK_EQUAL(taken.event.sequence, sequence);
        CHECK(suite_same(taken.data.bytes, &number, sizeof number));
        CHECK(!suite_take(region, &s, &taken));
    }
    CHECK_EQUAL(s.lost + s.holes, 0);
    suite_close(0);
}

/* And whoever falls behind while they wrap is told of each event he lost. */
void case_p4_lost_over_a_wrap(void)
{
    cs_config config = suite_config();
    cs_subscription s;
    suite_event taken;
    uint32_t kind = 0;
    config.events = SLOTS;
    region = suite_open(0, &config);
    NEED(region && CHECK_RESULT(cs_kind_open(region, "wrap", CS_NUL, &kind), CS_OK));
    uint64_t head = (LAPS - 1) * SLOTS - 5, published = 4 * SLOTS, received = 0;
    age_ring(head);
    CHECK_RESULT(cs_subscribe(region, &s, CS_FOREVER), CS_OK);
    for (uint64_t number = 0; number < published; number++)
        CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, &number, sizeof number, 0), CS_OK);
    while (suite_take(region, &s, &taken))
        received++;
    CHECK_EQUAL(received + s.lost, published);
    CHECK_EQUAL(received, SLOTS);
    CHECK_EQUAL(s.holes, 0);
    suite_close(0);
}

/* -- generations and versions ------------------------------------------------------------------------------------ */

/* A slot's generation has 32 bits: the last of them is followed by the first, and an old handle stays stale. */
void case_generation_wraps(void)
{
    cs_handle handle = 0, last = 0, found = 0;
    uint64_t value = 0;
    region = suite_open(0, 0);
    NEED(region && CHECK_RESULT(cs_counter_open(region, "a", 1, &handle), CS_OK));
    NEED(CHECK_RESULT(cs_counter_remove(region, handle), CS_OK));
    store32(&slot_of_handle(CS_SECTION_COUNTERS, handle)->generation, 0xFFFFFFF8u);
    for (uint32_t round = 0; round < 12; round++) {
        suite_about("round", round);
        NEED(CHECK_RESULT(cs_counter_open(region, "a", 1, &handle), CS_OK));
        CHECK((handle >> 32) % 2 == 1);
        CHECK_RESULT(cs_counter_add(region, handle, round, &value), CS_OK);
        CHECK_EQUAL(value, round);
        CHECK_RESULT(cs_counter_find(region, "a", 1, &found), CS_OK);
        CHECK_EQUAL(found, handle);
        if (last)
            CHECK_RESULT(cs_counter_get(region, last, &value), CS_E_STALE);
        last = handle;
        CHECK_RESULT(cs_counter_remove(region, handle), CS_OK);
        CHECK_RESULT(cs_counter_get(region, handle, &value), CS_E_STALE);
    }
    suite_about(0, 0);
    suite_close(0);
}

/* The table's own change number wraps between two looks and is still a change. */
void case_change_wraps(void)
{
    cs_handle handle = 0, found = 0;
    uint32_t before = 0, after = 0;
    region = suite_open(0, 0);
    NEED(region);
    store32(&view_of(region)->tables[TABLE_COUNTERS].head->change, 0xFFFFFFFCu);
    for (uint32_t round = 0; round < 4; round++) {
        CHECK_RESULT(cs_names_change(region, CS_SECTION_COUNTERS, &before), CS_OK);
        NEED(CHECK_RESULT(cs_counter_open(region, "a", 1, &handle), CS_OK));
        CHECK_RESULT(cs_names_change(region, CS_SECTION_COUNTERS, &after), CS_OK);
        CHECK(before != after);
        CHECK_RESULT(cs_counter_find(region, "b", 1, &found), CS_E_NOT_FOUND);
        CHECK_RESULT(cs_counter_remove(region, handle), CS_OK);
    }
    suite_close(0);
}

/* A record's version has 40 bits; over its wrap the details stay whole and new. */
void case_p2_record_version_wraps(void)
{
    cs_handle handle = 0;
    cs_agent_info info;
    unsigned char bytes[64];
    region = suite_open(0, 0);
    NEED(region && CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, &handle), CS_OK));
    struct agent *agent = payload_of(slot_of_handle(CS_SECTION_AGENTS, handle));
    store64(&agent->details, 0xFFFFFFFFFCull << RECORD_VERSION_SHIFT);
    for (unsigned char round = 0; round < 8; round++) {
        unsigned char text[8];
        suite_about("round", round);
        suite_fill(text, (unsigned char)('a' + round), sizeof text);
        cs_details details = {text, text, text, 8, 5, round};
        CHECK_RESULT(cs_agent_set_details(region, handle, &details), CS_OK);
        NEED(CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, sizeof bytes), CS_OK));
        CHECK_EQUAL(info.details_version, (0xFFFFFFFFFDull + round) & 0xFFFFFFFFFFull);
        CHECK_EQUAL(info.capabilities_length, 8);
        CHECK_EQUAL(info.transport_length, 5);
        CHECK_EQUAL(info.metadata_length, round);
        CHECK(suite_same(bytes, text, 8) && suite_same(bytes + 8, text, 5));
    }
    suite_about(0, 0);
    suite_close(0);
}

/* A status's number of changes goes on past 32 bits, of which its event tells the lower. */
void case_changes_wrap(void)
{
    cs_handle handle = 0;
    cs_agent_info info;
    cs_subscription s;
    suite_event taken;
    region = suite_open(0, 0);
    NEED(region && CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, &handle), CS_OK));
    struct agent *agent = payload_of(slot_of_handle(CS_SECTION_AGENTS, handle));
    store64(&agent->status.state, 0xFFFFFFFEull << 16 | (load64(&agent->status.state) & 0xFFFFu));
    CHECK_RESULT(cs_subscribe(region, &s, CS_FOREVER), CS_OK);
    for (uint32_t round = 1; round <= 4; round++) {
        uint32_t status = round % 2 ? CS_AGENT_RUNNING : CS_AGENT_PAUSED, changed = 0;
        CHECK_RESULT(cs_agent_set_status(region, handle, status, &changed), CS_OK);
        CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_OK);
        CHECK_EQUAL(info.changes, 0xFFFFFFFEull + round);
        CHECK_EQUAL(info.status, status);
        NEED(suite_take(region, &s, &taken));
        CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_STATUS_CHANGED);
        CHECK_EQUAL(taken.data.change.change, (uint32_t)(0xFFFFFFFEull + round));
        CHECK(!suite_take(region, &s, &taken));
    }
    suite_close(0);
}

/* -- seats ------------------------------------------------------------------------------------------------------- */

/* Who sits down where a dead one sat does not own what that one held, also when the generation's bits wrap between. */
void case_p3_seat_used_again(void)
{
    static const uint32_t generations[] = {0, 0x3FE, 0x3FF, 0xFFFFE, 0xFFFFF};
    for (uint32_t i = 0; i < sizeof generations / sizeof *generations; i++) {
        cs_handle lock = 0;
        suite_about("generation", generations[i]);
        region = suite_open(0, 0);
        NEED(region && CHECK_RESULT(cs_lock_open(region, "l", 1, &lock), CS_OK));
        a64 *word = &participant_at(view_of(region), 1)->word;
        store64(word, (uint64_t)generations[i] << 32);
        NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
        uint32_t tag = suite_owner(&other);
        CHECK_RESULT(cs_lock_acquire(&other, CS_SECTION_LOCKS, lock, 0), CS_OK);
        suite_kill(&other, 0);
        CHECK_EQUAL(cs_sweep(region), 1);
        NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK)); /* in the same seat */
        CHECK(suite_owner(&other) != tag);
        CHECK_EQUAL((suite_owner(&other) ^ tag) & 0xFFFu, 0);
        CHECK_RESULT(cs_lock_release(&other, CS_SECTION_LOCKS, lock), CS_E_NOT_OWNER);
        CHECK_RESULT(cs_lock_acquire(&other, CS_SECTION_LOCKS, lock, 0), CS_INHERITED);
        CHECK_RESULT(cs_lock_release(&other, CS_SECTION_LOCKS, lock), CS_OK);
        cs_region_detach(&other);
        suite_close(0);
    }
    suite_about(0, 0);
}

/* -- versions ---------------------------------------------------------------------------------------------------- */

static unsigned char *const picture = suite_block[1];
static uint32_t picture_bytes;

static int keep(void *context, const void *bytes, uint32_t length)
{
    (void)context;
    if (length > SUITE_BLOCK_BYTES - picture_bytes)
        return -1;
    memcpy(picture + picture_bytes, bytes, length);
    picture_bytes += length;
    return 0;
}

/* A picture of the next version, whole by its checksum, is refused by that, and nothing is restored of it. */
void case_p9_picture_version(void)
{
    cs_snapshot_info info;
    cs_config config = {
        .counters = 2, .events = 2, .event_bytes = 24, .participants = 1, .key_bytes = 16, .line_bytes = 8};
    region = suite_open(0, &config);
    NEED(region);
    picture_bytes = 0;
    NEED(CHECK_RESULT(cs_snapshot_write(region, keep, 0, &info), CS_OK));
    CHECK_RESULT(cs_snapshot_probe(picture, picture_bytes, &info), CS_OK);
    uint32_t at = 0;
    while (at + 11 < picture_bytes && !suite_same(picture + at, "corestate", 9)) /* the version follows */
        at++;
    NEED(CHECK_EQUAL(picture[at + 9], CS_SNAPSHOT_VERSION));
    picture[at + 9]++;
    uint32_t crc = csi_crc32c(0, picture, picture_bytes - 5);
    for (uint32_t i = 0; i < 4; i++)
        picture[picture_bytes - 4 + i] = (unsigned char)(crc >> (24 - 8 * i));
    CHECK_RESULT(cs_snapshot_probe(picture, picture_bytes, &info), CS_E_VERSION);
    CHECK_EQUAL(info.version, CS_SNAPSHOT_VERSION + 1);
    CHECK_RESULT(cs_snapshot_restore(region, picture, picture_bytes), CS_E_VERSION);
    suite_close(0);
}
