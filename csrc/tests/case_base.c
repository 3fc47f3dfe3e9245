/* base.h and the names of things. */
#include "cases.h"

static int same_text(const char *a, const char *b)
{
    uint32_t length = suite_length(a);
    return length == suite_length(b) && suite_same(a, b, length);
}

void case_strerror(void)
{
    const char *unknown = cs_strerror(2);
    NEED(unknown != 0);
    CHECK(unknown[0] != 0);
    CHECK_TEXT(cs_strerror(-2147483647 - 1), unknown);
    CHECK_TEXT(cs_strerror(2147483647), unknown);
    int last = CS_OK; /* the lowest code that has a text of its own */
    while (last > -1000 && !same_text(cs_strerror(last - 1), unknown))
        last--;
    CHECK(last <= CS_E_DETACHED);
    CHECK(last > -1000);
    for (int code = CS_INHERITED; code >= last; code--) {
        suite_about("code", (uint64_t)-code);
        const char *text = cs_strerror(code);
        NEED(text != 0);
        CHECK(text[0] != 0);
        CHECK(!same_text(text, unknown));
        for (int other = code - 1; other >= last; other--)
            CHECK(!same_text(text, cs_strerror(other)));
    }
}

void case_names_of_things(void)
{
    static const char *const sections[CS_SECTIONS] = {"engine",  "counters",     "gauges", "areas",  "agents",
                                                      "details", "locks",        "kinds",  "events", "participants",
                                                      "budgets", "reservations", "values"};
    for (uint32_t i = 0; i < CS_SECTIONS; i++)
        CHECK_TEXT(cs_section_name(i), sections[i]);
    CHECK(cs_section_name(CS_SECTIONS) == 0);
    CHECK(cs_section_name(0xFFFFFFFF) == 0);

    static const char *const areas[CS_AREA_FIELDS] = {"neuron_count", "incoming_synapse_count",
                                                      "outgoing_synapse_count", "fcl_window"};
    for (uint32_t i = 0; i < CS_AREA_FIELDS; i++)
        CHECK_TEXT(cs_area_field_name(i), areas[i]);
    CHECK(cs_area_field_name(CS_AREA_FIELDS) == 0);
    CHECK(cs_area_field_name(0xFFFFFFFF) == 0);

    static const char *const states[CS_STATES] = {"burst_state",      "genome_state", "connectome_state", "brain_ready",
                                                  "fq_sampler_state", "api_state",    "zmq_state"};
    static const uint32_t highest[CS_STATES] = {7, 4, 5, 1, 4, 4, 4};
    for (uint32_t i = 0; i < CS_STATES; i++) {
        CHECK_TEXT(cs_engine_state_name(i), states[i]);
        CHECK_EQUAL(cs_engine_state_max(i), highest[i]);
    }
    CHECK(cs_engine_state_name(CS_STATES) == 0);
    CHECK_EQUAL(cs_engine_state_max(CS_STATES), 0);

    uint32_t named = 0;
    for (uint32_t i = 0; i < CS_ENGINE_FIELDS + 4u; i++) {
        suite_about("field", i);
        const char *name = cs_engine_field_name(i);
        uint32_t type = cs_engine_field_type(i);
        CHECK((name != 0) == (type != CS_TYPE_NONE));
        named += name != 0;
    }
    suite_about(0, 0);
    CHECK_EQUAL(named, 22); /* 13 numbers, 7 hashes, version, last_modified */
    CHECK_TEXT(cs_engine_field_name(CS_NEURON_COUNT), "neuron_count");
    CHECK_TEXT(cs_engine_field_name(CS_VERSION), "version");
    CHECK(cs_engine_field_name(0xFFFFFFFF) == 0);
    CHECK_EQUAL(cs_engine_field_type(0xFFFFFFFF), CS_TYPE_NONE);
    CHECK_EQUAL(cs_engine_field_type(CS_NEURON_COUNT), CS_TYPE_U64);
    CHECK_EQUAL(cs_engine_field_type(CS_BURST_FREQUENCY), CS_TYPE_F64);
    CHECK_EQUAL(cs_engine_field_type(CS_FATIGUE_INDEX), CS_TYPE_PERCENT);
    CHECK_EQUAL(cs_engine_field_type(CS_SYNAPSE_UTIL), CS_TYPE_PERCENT);
    CHECK_EQUAL(cs_engine_field_type(CS_FATIGUE_ACTIVE), CS_TYPE_BOOL);
    CHECK_EQUAL(cs_engine_field_type(CS_HASH_AGENT_DATA), CS_TYPE_U64);

    for (uint32_t bit = 1; bit <= CS_WHY_LINK_SILENT; bit *= 2) {
        suite_about("reason", bit);
        const char *name = cs_health_reason_name(bit);
        NEED(name != 0);
        CHECK(name[0] != 0);
    }
    suite_about(0, 0);
    CHECK(cs_health_reason_name(0) == 0);
    CHECK(cs_health_reason_name(CS_WHY_LINK_SILENT * 2) == 0);
}

/* -- configurations ------------------------------------------------------------------------- */

static void check_bound(cs_config *config, uint32_t *field, const char *name, uint32_t wrong)
{
    uint32_t right = *field;
    const char *found = 0;
    *field = wrong;
    suite_about(name, wrong);
    CHECK_RESULT(cs_config_check(config, &found), CS_E_RANGE);
    CHECK_TEXT(found, name);
    CHECK_RESULT(cs_config_check(config, 0), CS_E_RANGE);
    CHECK_EQUAL(cs_region_size(config), 0);
    suite_fill(suite_block[0], 0x5A, 512);
    uint64_t before = suite_sum(suite_block[0], 512);
    CHECK_RESULT(cs_region_format(suite_block[0], SUITE_BLOCK_BYTES, config, 0), CS_E_RANGE);
    CHECK_EQUAL(suite_sum(suite_block[0], 512), before);
    *field = right;
}

static void check_good(cs_config *config, uint32_t *field, const char *name, uint32_t good)
{
    uint32_t was = *field;
    *field = good;
    suite_about(name, good);
    CHECK_RESULT(cs_config_check(config, 0), CS_OK);
    CHECK(cs_region_size(config) != 0);
    *field = was;
}

void case_config_bounds(void)
{
    const uint32_t most = 1u << 24;
    cs_config c;
    cs_config_default(&c);
    const char *field = "unset";
    CHECK_RESULT(cs_config_check(&c, &field), CS_OK);
    CHECK_EQUAL(c.agents, 1024);
    CHECK_EQUAL(c.areas, 256);
    CHECK_EQUAL(c.counters, 256);
    CHECK_EQUAL(c.gauges, 64);
    CHECK_EQUAL(c.locks, 256);
    CHECK_EQUAL(c.events, 1024);
    CHECK_EQUAL(c.event_bytes, 128);
    CHECK_EQUAL(c.event_kinds, 64);
    CHECK_EQUAL(c.participants, 256);
    CHECK_EQUAL(c.agent_details_bytes, 256);
    CHECK_EQUAL(c.fcl_window, 20);

    check_bound(&c, &c.agents, "agents", most + 1);
    check_bound(&c, &c.areas, "areas", most + 1);
    check_bound(&c, &c.counters, "counters", 0xFFFFFFFF);
    check_bound(&c, &c.gauges, "gauges", most + 1);
    check_bound(&c, &c.locks, "locks", most + 1);
    static const uint32_t bad_events[] = {0, 1, 3, 1023, 0xFFFFFFFF, 1u << 25};
    for (uint32_t i = 0; i < sizeof bad_events / sizeof *bad_events; i++)
        check_bound(&c, &c.events, "events", bad_events[i]);
    static const uint32_t bad_event_bytes[] = {0, 7, 12, 129, 32776, 0xFFFFFFF8};
    for (uint32_t i = 0; i < sizeof bad_event_bytes / sizeof *bad_event_bytes; i++)
        check_bound(&c, &c.event_bytes, "event_bytes", bad_event_bytes[i]);
    check_bound(&c, &c.event_kinds, "event_kinds", 4097);
    check_bound(&c, &c.participants, "participants", 0);
    check_bound(&c, &c.participants, "participants", 4096);
    check_bound(&c, &c.agent_details_bytes, "agent_details_bytes", 4);
    check_bound(&c, &c.agent_details_bytes, "agent_details_bytes", 65536);
    static const uint32_t bad_keys[] = {0, 8, 24, 63, 80, 128};
    for (uint32_t i = 0; i < sizeof bad_keys / sizeof *bad_keys; i++)
        check_bound(&c, &c.key_bytes, "key_bytes", bad_keys[i]);
    static const uint32_t bad_lines[] = {0, 1, 4, 7, 24, 96};
    for (uint32_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++)
        check_bound(&c, &c.line_bytes, "line_bytes", bad_lines[i]);

    check_bound(&c, &c.budgets, "budgets", most + 1);
    check_bound(&c, &c.reservations, "reservations", (1u << 20) + 1);
    check_bound(&c, &c.values, "values", 9);
    check_bound(&c, &c.values, "values", most + 8);
    check_bound(&c, &c.value_bytes, "value_bytes", 12);
    check_bound(&c, &c.value_bytes, "value_bytes", 32776);
    check_bound(&c, &c.value_bytes, "value_bytes", 0);

    check_good(&c, &c.agents, "agents", 0);
    check_good(&c, &c.agents, "agents", most);
    check_good(&c, &c.areas, "areas", 0);
    check_good(&c, &c.counters, "counters", most);
    check_good(&c, &c.gauges, "gauges", 0);
    check_good(&c, &c.locks, "locks", 0);
    check_good(&c, &c.events, "events", 2);
    check_good(&c, &c.events, "events", most);
    check_good(&c, &c.event_bytes, "event_bytes", 24);
    check_good(&c, &c.event_bytes, "event_bytes", 32768);
    check_good(&c, &c.event_kinds, "event_kinds", 0);
    check_good(&c, &c.event_kinds, "event_kinds", 4096);
    check_good(&c, &c.participants, "participants", 1);
    check_good(&c, &c.participants, "participants", 4095);
    check_good(&c, &c.agent_details_bytes, "agent_details_bytes", 0);
    check_good(&c, &c.agent_details_bytes, "agent_details_bytes", 65528);
    for (uint32_t key = 16; key <= 64; key += 16)
        check_good(&c, &c.key_bytes, "key_bytes", key);
    check_good(&c, &c.line_bytes, "line_bytes", 8);
    check_good(&c, &c.budgets, "budgets", 0);
    check_good(&c, &c.reservations, "reservations", 0);
    check_good(&c, &c.values, "values", 0);
    check_good(&c, &c.value_bytes, "value_bytes", 32768);
    check_good(&c, &c.fcl_window, "fcl_window", 0);
    check_good(&c, &c.fcl_window, "fcl_window", 0xFFFFFFFF);

    suite_about(0, 0);
    c.event_bytes = 32768; /* each within its bounds, together above what a region may be */
    c.events = most;
    CHECK_RESULT(cs_config_check(&c, &field), CS_E_RANGE);
    CHECK(field != 0);
    CHECK_EQUAL(cs_region_size(&c), 0);
    CHECK_RESULT(cs_config_check(0, &field), CS_E_INVALID);
    CHECK_EQUAL(cs_region_size(0), 0);
}

static uint64_t macro_size(const cs_config *c)
{
    return CS_REGION_BYTES(c->agents, c->areas, c->counters, c->gauges, c->locks, c->events, c->event_bytes,
                           c->event_kinds, c->participants, c->agent_details_bytes, c->key_bytes, c->line_bytes);
}

/* A million agents without details take at most 160 bytes each: a promise of the layout, so it is checked here. */
static void check_million(void)
{
    cs_config none, million;
    cs_config_default(&none);
    none.agent_details_bytes = 0;
    none.agents = 0;
    million = none;
    million.agents = 1000000;
    uint64_t bytes = cs_region_size(&million) - cs_region_size(&none);
    CHECK(bytes <= 160000000u);
}

void case_config_size(void)
{
    cs_config c;
    cs_config_default(&c);
    c.budgets = c.reservations = c.values = 0; /* which the macro leaves out */
    CHECK_EQUAL(cs_region_size(&c), macro_size(&c));
    static const uint32_t keys[] = {16, 32, 48, 64}, lines[] = {8, 16, 32, 64, 128};
    uint64_t state = 1;
    for (uint32_t round = 0; round < ROUNDS(20000u); round++) {
        uint64_t bits = suite_random(&state);
        uint32_t most = 1u << (bits % 12);
        c.agents = (uint32_t)(suite_random(&state) % (most + 1));
        c.areas = (uint32_t)(suite_random(&state) % (most + 1));
        c.counters = (uint32_t)(suite_random(&state) % (most + 1));
        c.gauges = (uint32_t)(suite_random(&state) % (most + 1));
        c.locks = (uint32_t)(suite_random(&state) % (most + 1));
        c.event_kinds = (uint32_t)(suite_random(&state) % (most + 1));
        c.events = 2u << (bits >> 8) % 11;
        c.event_bytes = 24 + 8 * (uint32_t)((bits >> 16) % 64);
        c.participants = 1 + (uint32_t)((bits >> 24) % 600);
        c.agent_details_bytes = 8 * (uint32_t)((bits >> 36) % 64);
        c.key_bytes = keys[(bits >> 44) % 4];
        c.line_bytes = lines[(bits >> 46) % 5];
        uint64_t size = cs_region_size(&c);
        suite_about("round", round);
        CHECK_EQUAL(size, macro_size(&c));
        CHECK_EQUAL(size % 64, 0);
    }
    suite_about(0, 0);
    check_million();
    /* What a board is promised: 12 KiB and 4 KiB of RAM. */
    CHECK(CS_REGION_BYTES(16, 16, 16, 0, 8, 64, 32, 8, 4, 0, 32, 8) <= 12288);
    CHECK(CS_REGION_BYTES(4, 4, 8, 0, 4, 16, 24, 4, 4, 0, 16, 8) <= 4096);
}
