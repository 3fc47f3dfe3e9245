/* snapshot.h: a picture, what is refused as one, and back. */
#include "cases.h"

static cs_snapshot_info info;
static uint64_t written;
static uint64_t room;

static int keep(void *context, const void *bytes, uint32_t length)
{
    const unsigned char *from = bytes;
    unsigned char *to = context;
    if (length > room - written)
        return 1;
    for (uint32_t i = 0; i < length; i++)
        to[written++] = from[i];
    return 0;
}

/* The picture in block 2 of the region in block 0. */
static uint64_t take(const cs_region *region)
{
    written = 0;
    room = SUITE_BLOCK_BYTES;
    suite_fill(&info, 0xFF, sizeof info);
    CHECK_RESULT(cs_snapshot_write(region, keep, suite_block[2], &info), CS_OK);
    CHECK_EQUAL(info.bytes, written);
    return written;
}

static const char *const words[] = {"a", "b", "caf\xC3\xA9",
                                    "a name of sixty-three bytes, which is the longest that any has..."};

static void fill_region(cs_region *region)
{
    cs_handle handle = 0;
    uint32_t kind = 0;
    char name[64];
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_RUNNING), CS_OK);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_ZMQ, CS_SERVICE_DEGRADED), CS_OK);
    for (uint32_t field = 1; field < CS_ENGINE_CELLS; field++) {
        uint32_t type = cs_engine_field_type(field);
        if (type == CS_TYPE_U64)
            CHECK_RESULT(cs_engine_set(region, field, 0xFFFFFFFFFFFFFFFFu - field), CS_OK);
        else if (type == CS_TYPE_BOOL)
            CHECK_RESULT(cs_engine_set(region, field, 1), CS_OK);
        else if (type != CS_TYPE_NONE)
            CHECK_RESULT(cs_engine_set_f64(region, field, field + 0.125), CS_OK);
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t length = suite_length(words[i]) < 63 ? suite_length(words[i]) : 63;
        CHECK_RESULT(cs_counter_open(region, words[i], length, &handle), CS_OK);
        CHECK_RESULT(cs_counter_set(region, handle, 1ull << 21 * i), CS_OK);
        CHECK_RESULT(cs_gauge_open(region, words[i], length, &handle), CS_OK);
        CHECK_RESULT(cs_gauge_set(region, handle, -1.5 * i), CS_OK);
        CHECK_RESULT(cs_area_open(region, words[i], length, &handle), CS_OK);
        for (uint32_t field = 0; field < CS_AREA_FIELDS; field++)
            CHECK_RESULT(cs_area_set(region, handle, field, 1000 * i + field), CS_OK);
        CHECK_RESULT(cs_lock_open(region, words[i], length, &handle), CS_OK);
        CHECK_RESULT(cs_kind_open(region, words[i], length, &kind), CS_OK);
        cs_details details = {"capable", "transport!", "meta", i, 2 * i, i};
        CHECK_RESULT(cs_agent_register(region, words[i], length, i, &details, &handle), CS_OK);
        if (i)
            CHECK_RESULT(cs_agent_set_status(region, handle, i == 1 ? CS_AGENT_RUNNING : CS_AGENT_FAILED, 0), CS_OK);
    }
    for (uint32_t i = 0; i < 8; i++)
        CHECK_RESULT(cs_event_publish(region, kind, CS_FORMAT_BYTES, suite_name(name, "event", i), 6, 0), CS_OK);
}

/* Everything a picture holds is the same in two regions; handles may differ, names are what counts. */
static void same_tables(cs_region *a, cs_region *b)
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t length = suite_length(words[i]) < 63 ? suite_length(words[i]) : 63;
        cs_handle left = 0, right = 0;
        uint64_t number[2] = {1, 2};
        double real[2] = {1, 2};
        uint32_t kind[2] = {1, 2};
        cs_agent_info agent[2];
        char details[2][96];
        suite_about("word", i);
        CHECK_RESULT(cs_counter_find(a, words[i], length, &left), CS_OK);
        CHECK_RESULT(cs_counter_find(b, words[i], length, &right), CS_OK);
        CHECK_RESULT(cs_counter_get(a, left, &number[0]), CS_OK);
        CHECK_RESULT(cs_counter_get(b, right, &number[1]), CS_OK);
        CHECK_EQUAL(number[1], number[0]);
        CHECK_RESULT(cs_gauge_find(a, words[i], length, &left), CS_OK);
        CHECK_RESULT(cs_gauge_find(b, words[i], length, &right), CS_OK);
        CHECK_RESULT(cs_gauge_get(a, left, &real[0]), CS_OK);
        CHECK_RESULT(cs_gauge_get(b, right, &real[1]), CS_OK);
        CHECK(suite_same(&real[0], &real[1], sizeof real[0]));
        CHECK_RESULT(cs_area_find(a, words[i], length, &left), CS_OK);
        CHECK_RESULT(cs_area_find(b, words[i], length, &right), CS_OK);
        for (uint32_t field = 0; field < CS_AREA_FIELDS; field++) {
            CHECK_RESULT(cs_area_get(a, left, field, &number[0]), CS_OK);
            CHECK_RESULT(cs_area_get(b, right, field, &number[1]), CS_OK);
            CHECK_EQUAL(number[1], number[0]);
        }
        CHECK_RESULT(cs_lock_find(b, words[i], length, &right), CS_OK);
        CHECK_RESULT(cs_kind_find(a, words[i], length, &kind[0]), CS_OK);
        CHECK_RESULT(cs_kind_find(b, words[i], length, &kind[1]), CS_OK);
        CHECK_EQUAL(kind[1], kind[0]); /* events name their kind by number */
        CHECK_RESULT(cs_agent_find(a, words[i], length, &left), CS_OK);
        CHECK_RESULT(cs_agent_find(b, words[i], length, &right), CS_OK);
        suite_fill(details, 0, sizeof details);
        CHECK_RESULT(cs_agent_get(a, left, &agent[0], details[0], 96), CS_OK);
        CHECK_RESULT(cs_agent_get(b, right, &agent[1], details[1], 96), CS_OK);
        CHECK_EQUAL(agent[1].registered_ns, agent[0].registered_ns);
        CHECK_EQUAL(agent[1].last_seen_ns, agent[0].last_seen_ns);
        CHECK_EQUAL(agent[1].type, agent[0].type);
        CHECK_EQUAL(agent[1].status, agent[0].status);
        CHECK_EQUAL(agent[1].changes, agent[0].changes);
        CHECK_EQUAL(agent[1].capabilities_length, agent[0].capabilities_length);
        CHECK_EQUAL(agent[1].transport_length, agent[0].transport_length);
        CHECK_EQUAL(agent[1].metadata_length, agent[0].metadata_length);
        CHECK(suite_same(details[0], details[1], 96));
    }
    suite_about(0, 0);
}

static void same_regions(cs_region *a, cs_region *b)
{
    static cs_engine_snapshot left, right;
    cs_subscription from[2];
    suite_event taken[2];
    CHECK_RESULT(cs_engine_read(a, &left), CS_OK);
    CHECK_RESULT(cs_engine_read(b, &right), CS_OK);
    for (uint32_t field = 0; field < CS_ENGINE_CELLS; field++) {
        suite_about("field", field);
        CHECK_EQUAL(right.cells[field], left.cells[field]);
    }
    for (uint32_t state = 0; state < CS_STATES; state++) {
        suite_about("state", state);
        CHECK_EQUAL(right.states[state], left.states[state]);
        CHECK_EQUAL(right.changes[state], left.changes[state]);
    }
    same_tables(a, b);
    CHECK_EQUAL(cs_event_newest(b), cs_event_newest(a));
    CHECK_RESULT(cs_subscribe(a, &from[0], 0), CS_OK);
    CHECK_RESULT(cs_subscribe(b, &from[1], 0), CS_OK);
    while (suite_take(a, &from[0], &taken[0])) {
        NEED(suite_take(b, &from[1], &taken[1]));
        CHECK(suite_same(&taken[0], &taken[1], sizeof taken[0]));
    }
    CHECK(!suite_take(b, &from[1], &taken[1]));
}

/* CRC-32C a bit at a time, as its definition has it, so that other programs' pictures fit ours. */
static uint32_t crc32c(const unsigned char *bytes, uint64_t length)
{
    uint32_t crc = 0xFFFFFFFF;
    for (uint64_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (uint32_t bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
    }
    return ~crc;
}

void case_snapshot_crc(void)
{
    CHECK_EQUAL(crc32c((const unsigned char *)"123456789", 9), 0xE3069283); /* its published check value */
    cs_region *region = suite_open(0, 0);
    NEED(region);
    fill_region(region);
    uint64_t bytes = take(region);
    uint32_t crc = crc32c(suite_block[2], bytes - 5);
    const unsigned char *end = suite_block[2] + bytes - 5;
    CHECK_EQUAL(info.crc, crc);
    CHECK_EQUAL(end[0], 0xCE);
    CHECK_EQUAL((uint32_t)end[1] << 24 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 8 | end[4], crc);
    suite_close(0);
}

void case_snapshot(void)
{
    cs_config config = suite_config();
    cs_region *region = suite_open(0, 0), *copy;
    NEED(region);
    fill_region(region);
    uint64_t before = cs_port_now_ns(), size = cs_region_size(&config), sum = suite_sum(suite_block[0], size);
    uint64_t bytes = take(region);
    CHECK_EQUAL(suite_sum(suite_block[0], size), sum); /* taking a picture writes nothing */
    CHECK(bytes > 0);
    CHECK(info.time_ns >= before && info.time_ns <= cs_port_now_ns());
    CHECK_EQUAL(info.changed, 0);
    CHECK_EQUAL(info.version, CS_SNAPSHOT_VERSION);
    CHECK(suite_same(&info.config, &config, sizeof config));
    cs_snapshot_info probed;
    CHECK_RESULT(cs_snapshot_probe(suite_block[2], bytes, &probed), CS_OK);
    CHECK(suite_same(&probed, &info, offsetof(cs_snapshot_info, config) + sizeof config)); /* padding may differ */
    CHECK_RESULT(cs_snapshot_probe(suite_block[2], bytes, 0), CS_OK);
    CHECK_RESULT(cs_snapshot_probe(0, bytes, 0), CS_E_INVALID);
    copy = suite_open(1, &info.config);
    NEED(copy);
    CHECK_RESULT(cs_snapshot_restore(copy, suite_block[2], bytes), CS_OK);
    same_regions(region, copy);
    /* It is a region like any other: everything goes on from there. */
    uint32_t kind = 0;
    uint64_t sequence = 0, newest = cs_event_newest(copy);
    cs_handle handle = 0;
    CHECK_RESULT(cs_kind_find(copy, "a", 1, &kind), CS_OK);
    CHECK_RESULT(cs_event_publish(copy, kind, 0, 0, 0, &sequence), CS_OK);
    CHECK_EQUAL(sequence, newest + 1);
    CHECK_RESULT(cs_agent_find(copy, "b", 1, &handle), CS_OK);
    CHECK_RESULT(cs_agent_set_status(copy, handle, CS_AGENT_PAUSED, 0), CS_OK);
    CHECK_RESULT(cs_agent_deregister(copy, handle, 0), CS_OK);
    CHECK_EQUAL(cs_engine_get(copy, CS_AGENT_COUNT), 3);
    CHECK_RESULT(cs_snapshot_restore(0, suite_block[2], bytes), CS_E_INVALID);
    suite_close(1);
    suite_close(0);
}

void case_snapshot_empty(void)
{
    cs_region *region = suite_open(0, 0), *copy;
    NEED(region);
    uint64_t bytes = take(region);
    copy = suite_open(1, 0);
    NEED(copy);
    CHECK_RESULT(cs_snapshot_restore(copy, suite_block[2], bytes), CS_OK);
    CHECK_EQUAL(cs_event_newest(copy), 0);
    CHECK_EQUAL(cs_engine_get(copy, CS_AGENT_COUNT), 0);
    suite_close(1);
    suite_close(0);
}

/* What is of the moment is left out: held locks, participants. */
void case_snapshot_moment(void)
{
    cs_region *region = suite_open(0, 0), *copy;
    cs_handle handle = 0;
    cs_lock_info lock;
    NEED(region);
    CHECK_RESULT(cs_lock_open(region, "held", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, handle), CS_OK);
    uint64_t bytes = take(region);
    copy = suite_open(1, 0);
    NEED(copy);
    CHECK_RESULT(cs_snapshot_restore(copy, suite_block[2], bytes), CS_OK);
    CHECK_RESULT(cs_lock_find(copy, "held", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_lock_get(copy, CS_SECTION_LOCKS, handle, &lock), CS_OK);
    CHECK_EQUAL(lock.holder, 0);
    CHECK_RESULT(cs_lock_try(copy, CS_SECTION_LOCKS, handle), CS_OK);
    suite_close(1);
    suite_close(0);
}

void case_snapshot_io(void)
{
    cs_region *region = suite_open(0, 0);
    NEED(region);
    fill_region(region);
    uint64_t bytes = take(region);
    for (uint64_t limit = 0; limit < bytes; limit += 1 + bytes / 50) {
        suite_about("room", limit);
        written = 0;
        room = limit;
        CHECK_RESULT(cs_snapshot_write(region, keep, suite_block[2], 0), CS_E_IO);
        CHECK(written <= limit);
    }
    CHECK_RESULT(cs_snapshot_write(region, 0, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_snapshot_write(0, keep, suite_block[2], 0), CS_E_INVALID);
    suite_close(0);
}

/* -- what is no picture --------------------------------------------------------------------- */

static int refusal(int result)
{
    return result == CS_E_NOT_REGION || result == CS_E_VERSION || result == CS_E_TRUNCATED || result == CS_E_CORRUPT;
}

void case_snapshot_corrupt(void)
{
    cs_config config = suite_config();
    cs_region *region = suite_open(0, 0), *copy;
    NEED(region);
    fill_region(region);
    uint64_t bytes = take(region);
    copy = suite_open(1, 0);
    NEED(copy);
    uint64_t size = cs_region_size(&config), before = suite_sum(suite_block[1], size);
    /* Any one bit of it: the CRC sees it, whatever it is. */
    uint64_t state = 3;
    for (uint64_t at = 0; at < bytes; at += SUITE_DIVIDE) {
        unsigned char flip = (unsigned char)(1u << suite_random(&state) % 8);
        suite_block[2][at] ^= flip;
        suite_about("byte", at);
        CHECK(refusal(cs_snapshot_probe(suite_block[2], bytes, &info)));
        if (at % 16 == 0)
            CHECK(refusal(cs_snapshot_restore(copy, suite_block[2], bytes)));
        suite_block[2][at] ^= flip;
    }
    /* Cut anywhere, or with something behind it. */
    for (uint64_t length = 0; length < bytes; length++) {
        suite_about("length", length);
        CHECK(refusal(cs_snapshot_probe(suite_block[2], length, &info)));
        if (length % 16 == 0)
            CHECK(refusal(cs_snapshot_restore(copy, suite_block[2], length)));
    }
    suite_about(0, 0);
    suite_block[2][bytes] = 0;
    CHECK(refusal(cs_snapshot_probe(suite_block[2], bytes + 1, &info)));
    for (uint64_t i = 0; i < 64; i++)
        suite_block[2][i] = (unsigned char)i;
    CHECK_RESULT(cs_snapshot_probe(suite_block[2], 64, &info), CS_E_NOT_REGION);
    CHECK_RESULT(cs_snapshot_probe(suite_block[0], size, &info), CS_E_NOT_REGION); /* a region is no picture */
    CHECK_EQUAL(suite_sum(suite_block[1], size), before);                          /* and nothing was written */
    suite_close(1);
    suite_close(0);
}

void case_snapshot_too_small(void)
{
    static const struct {
        int result;
        uint32_t agents, areas, counters, gauges, locks, event_kinds, details, key_bytes;
    } cases[] = {
        {CS_OK, 4, 4, 4, 4, 4, 4, 8, 64},        {CS_E_FULL, 3, 4, 4, 4, 4, 4, 96, 64},
        {CS_E_FULL, 4, 3, 4, 4, 4, 4, 96, 64},   {CS_E_FULL, 4, 4, 3, 4, 4, 4, 96, 64},
        {CS_E_FULL, 4, 4, 4, 3, 4, 4, 96, 64},   {CS_E_FULL, 4, 4, 4, 4, 3, 4, 96, 64},
        {CS_E_FULL, 4, 4, 4, 4, 4, 3, 96, 64},   {CS_E_NAME, 16, 16, 16, 16, 16, 16, 96, 32},
        {CS_E_TOO_BIG, 4, 4, 4, 4, 4, 4, 0, 64},
    };
    cs_region *region = suite_open(0, 0), *copy;
    NEED(region);
    fill_region(region);
    uint64_t bytes = take(region);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cs_config config = suite_config();
        config.agents = cases[i].agents;
        config.areas = cases[i].areas;
        config.counters = cases[i].counters;
        config.gauges = cases[i].gauges;
        config.locks = cases[i].locks;
        config.event_kinds = cases[i].event_kinds;
        config.agent_details_bytes = cases[i].details ? cases[i].details + 8 : 0;
        config.key_bytes = cases[i].key_bytes;
        suite_about("case", i);
        copy = suite_open(1, &config);
        NEED(copy);
        uint64_t size = cs_region_size(&config), before = suite_sum(suite_block[1], size);
        CHECK_RESULT(cs_snapshot_restore(copy, suite_block[2], bytes), cases[i].result);
        if (cases[i].result != CS_OK)
            CHECK_EQUAL(suite_sum(suite_block[1], size), before);
        else
            same_tables(region, copy);
        suite_close(1);
    }
    suite_about(0, 0);
    /* Too few or too small event slots are no error: a log keeps what it has room for. */
    cs_config config = suite_config();
    config.events = 4;
    copy = suite_open(1, &config);
    NEED(copy);
    CHECK_RESULT(cs_snapshot_restore(copy, suite_block[2], bytes), CS_OK);
    CHECK_EQUAL(cs_event_newest(copy), cs_event_newest(region));
    same_tables(region, copy);
    suite_close(1);
    suite_close(0);
}
