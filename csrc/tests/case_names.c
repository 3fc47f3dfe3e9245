/* Every table of names: what is a name, full tables, handles that went stale, walking. */
#include "cases.h"

/* One table's functions under one shape. */
typedef struct named {
    const char *label;
    uint32_t table;
    uint32_t capacity; /* in suite_config() */
    int (*open)(cs_region *, const char *, uint32_t, cs_handle *);
    int (*find)(const cs_region *, const char *, uint32_t, cs_handle *);
    int (*remove)(cs_region *, cs_handle);
} named;

static int open_agent(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return cs_agent_register(region, name, length, CS_AGENT_MOTOR, 0, handle);
}
static int remove_agent(cs_region *region, cs_handle handle)
{
    return cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED);
}
static int open_kind(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    uint32_t kind = 0;
    int result = cs_kind_open(region, name, length, &kind);
    *handle = kind;
    return result;
}
static int find_kind(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    uint32_t kind = 0;
    int result = cs_kind_find(region, name, length, &kind);
    *handle = kind;
    return result;
}

static const named tables[] = {
    {"counters", CS_SECTION_COUNTERS, 8, cs_counter_open, cs_counter_find, cs_counter_remove},
    {"gauges", CS_SECTION_GAUGES, 8, cs_gauge_open, cs_gauge_find, cs_gauge_remove},
    {"areas", CS_SECTION_AREAS, 8, cs_area_open, cs_area_find, cs_area_remove},
    {"locks", CS_SECTION_LOCKS, 8, cs_lock_open, cs_lock_find, cs_lock_remove},
    {"agents", CS_SECTION_AGENTS, 16, open_agent, cs_agent_find, remove_agent},
    {"kinds", CS_SECTION_KINDS, 8, open_kind, find_kind, 0}, /* kinds stay */
};
#define TABLES (sizeof tables / sizeof *tables)

static void each(void (*check)(cs_region *, const named *))
{
    for (uint32_t i = 0; i < TABLES; i++) {
        cs_region *region = suite_open(0, 0);
        NEED(region);
        suite_about(tables[i].label, 0);
        check(region, &tables[i]);
        suite_close(0);
    }
}

/* -- what is a name ------------------------------------------------------------------------- */

static const char name_63[] = "123456789012345678901234567890123456789012345678901234567890123";

static void check_good_names(cs_region *region, const named *t)
{
    static const char *const good[] = {"a",
                                       " ",
                                       "\x7F",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       name_63};
    for (uint32_t i = 0; i < sizeof good / sizeof *good; i++) {
        cs_handle handle = 0, found = 0;
        suite_about(t->label, i);
        if (t->remove || i < 6) { /* kinds cannot be removed, so fewer are made */
            CHECK_RESULT(t->open(region, good[i], CS_NUL, &handle), CS_OK);
            CHECK(handle != 0);
            CHECK_RESULT(t->find(region, good[i], suite_length(good[i]), &found), CS_OK);
            CHECK_EQUAL(found, handle);
        }
        if (t->remove)
            CHECK_RESULT(t->remove(region, handle), CS_OK);
    }
}

static void check_bad_names(cs_region *region, const named *t)
{
    static const struct {
        const char *bytes;
        uint32_t length;
    } bad[] = {
        {"", 0},
        {"", CS_NUL},
        {"\0", 1},
        {"a\0b", 3},
        {"\x80", 1}, /* continuation alone */
        {"\xC3", 1}, /* cut short */
        {"\xE2\x82", 2},
        {"\xF0\x9F\x98", 3},
        {"\xC3(", 2},
        {"\xC0\x80", 2}, /* overlong NUL */
        {"\xC1\xBF", 2}, /* overlong */
        {"\xE0\x80\xAF", 3},
        {"\xE0\x9F\xBF", 3},
        {"\xF0\x80\x80\xAF", 4},
        {"\xF0\x8F\xBF\xBF", 4},
        {"\xED\xA0\x80", 3}, /* surrogates */
        {"\xED\xBF\xBF", 3},
        {"\xF4\x90\x80\x80", 4}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", 4},
        {"\xF8\x88\x80\x80\x80", 5},
        {"\xFE", 1},
        {"\xFF", 1},
        {"good\xFF", 5},
    };
    static const char name_64[] = "1234567890123456789012345678901234567890123456789012345678901234";
    cs_handle handle = 77;
    uint32_t change = 0, after = 0;
    CHECK_RESULT(cs_names_change(region, t->table, &change), CS_OK);
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        suite_about(t->label, i);
        CHECK_RESULT(t->open(region, bad[i].bytes, bad[i].length, &handle), CS_E_NAME);
        CHECK_RESULT(t->find(region, bad[i].bytes, bad[i].length, &handle), CS_E_NAME);
    }
    CHECK_RESULT(t->open(region, name_64, 64, &handle), CS_E_NAME);
    CHECK_RESULT(t->open(region, name_64, CS_NUL, &handle), CS_E_NAME);
    CHECK_RESULT(t->find(region, name_64, 64, &handle), CS_E_NAME);
    CHECK_RESULT(t->find(region, name_64, 0x7FFFFFFF, &handle), CS_E_NAME); /* judged before it is read */
    CHECK_RESULT(cs_names_change(region, t->table, &after), CS_OK);
    CHECK_EQUAL(after, change);
}

void case_good_names(void) { each(check_good_names); }
void case_bad_names(void) { each(check_bad_names); }

void case_short_keys(void)
{
    cs_config config = suite_config();
    for (config.key_bytes = 16; config.key_bytes <= 64; config.key_bytes += 16) {
        cs_region *region = suite_open(0, &config);
        NEED(region);
        for (uint32_t i = 0; i < TABLES; i++) {
            cs_handle handle = 0;
            suite_about(tables[i].label, config.key_bytes);
            CHECK_RESULT(tables[i].open(region, name_63, config.key_bytes - 1, &handle), CS_OK);
            if (config.key_bytes < 64)
                CHECK_RESULT(tables[i].open(region, name_63, config.key_bytes, &handle), CS_E_NAME);
        }
        suite_close(0);
    }
}

/* -- full, stale, walked -------------------------------------------------------------------- */

static void check_full(cs_region *region, const named *t)
{
    char name[64];
    cs_handle handles[16], again = 0;
    uint32_t count = 99;
    CHECK_RESULT(cs_names_count(region, t->table, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    for (uint32_t i = 0; i < t->capacity; i++) {
        CHECK_RESULT(t->open(region, suite_name(name, "thing", i), CS_NUL, &handles[i]), CS_OK);
        CHECK_RESULT(cs_names_count(region, t->table, &count), CS_OK);
        CHECK_EQUAL(count, i + 1);
    }
    CHECK_RESULT(t->open(region, "one too many", CS_NUL, &again), CS_E_FULL);
    CHECK_RESULT(t->find(region, "one too many", CS_NUL, &again), CS_E_NOT_FOUND);
    for (uint32_t i = 0; i < t->capacity; i++) {
        CHECK_RESULT(t->find(region, suite_name(name, "thing", i), CS_NUL, &again), CS_OK);
        CHECK_EQUAL(again, handles[i]);
        /* Opening what is there finds it, also in a full table; an agent's id is taken. */
        CHECK_RESULT(t->open(region, name, CS_NUL, &again), t->table == CS_SECTION_AGENTS ? CS_E_EXISTS : CS_OK);
        for (uint32_t k = 0; k < i; k++)
            CHECK(handles[k] != handles[i]);
    }
    if (!t->remove)
        return;
    CHECK_RESULT(t->remove(region, handles[3]), CS_OK);
    CHECK_RESULT(t->open(region, "one too many", CS_NUL, &again), CS_OK);
    CHECK_RESULT(t->open(region, "and another", CS_NUL, &again), CS_E_FULL);
}

void case_full(void) { each(check_full); }

void case_none_at_all(void)
{
    cs_config config = suite_config();
    config.agents = config.areas = config.counters = config.gauges = config.locks = config.event_kinds = 0;
    cs_region *region = suite_open(0, &config);
    NEED(region);
    for (uint32_t i = 0; i < TABLES; i++) {
        cs_handle handle = 0;
        uint32_t count = 9, cursor = 0, length = 0;
        char name[64];
        suite_about(tables[i].label, 0);
        CHECK_RESULT(tables[i].open(region, "x", 1, &handle), CS_E_FULL);
        CHECK_RESULT(tables[i].find(region, "x", 1, &handle), CS_E_NOT_FOUND);
        CHECK_RESULT(cs_names_count(region, tables[i].table, &count), CS_OK);
        CHECK_EQUAL(count, 0);
        CHECK_RESULT(cs_names_next(region, tables[i].table, &cursor, &handle, name, &length), CS_E_NOT_FOUND);
        CHECK_RESULT(cs_names_at(region, tables[i].table, 0, &handle), CS_E_NOT_FOUND);
        if (tables[i].remove)
            CHECK_RESULT(tables[i].remove(region, (1ull << 32) | 0), CS_E_STALE);
    }
    suite_close(0);
}

static void check_stale(cs_region *region, const named *t)
{
    cs_handle handle = 0, second = 0, found = 0;
    char name[64];
    uint32_t length = 0;
    if (!t->remove)
        return;
    /* Handles that never were. */
    static const cs_handle never[] = {0,         1, 0xFFFFFFFF, 1ull << 32, (3ull << 32) | 7, (1ull << 32) | 0xFFFFFFFF,
                                      CS_FOREVER};
    for (uint32_t i = 0; i < sizeof never / sizeof *never; i++) {
        suite_about(t->label, i);
        CHECK_RESULT(t->remove(region, never[i]), CS_E_STALE);
        CHECK_RESULT(cs_names_get(region, t->table, never[i], name, &length), CS_E_STALE);
    }
    CHECK_RESULT(t->open(region, "first", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_names_get(region, t->table, handle, name, &length), CS_OK);
    CHECK_TEXT(name, "first");
    CHECK_EQUAL(length, 5);
    CHECK_RESULT(cs_names_at(region, t->table, (uint32_t)handle, &found), CS_OK);
    CHECK_EQUAL(found, handle);
    CHECK_RESULT(t->remove(region, handle), CS_OK);
    CHECK_RESULT(t->remove(region, handle), CS_E_STALE);
    CHECK_RESULT(cs_names_get(region, t->table, handle, name, &length), CS_E_STALE);
    CHECK_RESULT(cs_names_at(region, t->table, (uint32_t)handle, &found), CS_E_NOT_FOUND);
    CHECK_RESULT(t->find(region, "first", CS_NUL, &found), CS_E_NOT_FOUND);
    /* The slot is used again: the old handle is nobody's, also not the new one's. */
    for (uint32_t round = 0; round < 20; round++) {
        CHECK_RESULT(t->open(region, "second", CS_NUL, &second), CS_OK);
        CHECK(second != handle);
        CHECK_RESULT(t->remove(region, handle), CS_E_STALE);
        CHECK_RESULT(cs_names_get(region, t->table, handle, name, &length), CS_E_STALE);
        CHECK_RESULT(t->find(region, "second", CS_NUL, &found), CS_OK);
        CHECK_EQUAL(found, second);
        CHECK_RESULT(t->remove(region, second), CS_OK);
    }
}

void case_stale(void) { each(check_stale); }

static void check_walk(cs_region *region, const named *t)
{
    char name[64], expected[64];
    cs_handle handles[16], handle = 0;
    uint32_t cursor = 0, length = 0, change = 0, moved = 0;
    uint64_t seen = 0;
    CHECK_RESULT(cs_names_change(region, t->table, &change), CS_OK);
    for (uint32_t i = 0; i < t->capacity; i++)
        CHECK_RESULT(t->open(region, suite_name(name, "walk", i), CS_NUL, &handles[i]), CS_OK);
    CHECK_RESULT(cs_names_change(region, t->table, &moved), CS_OK);
    CHECK_EQUAL(moved, change + t->capacity);
    uint32_t gone = t->remove ? 3 : t->capacity;
    if (t->remove) {
        CHECK_RESULT(t->remove(region, handles[gone]), CS_OK);
        CHECK_RESULT(cs_names_change(region, t->table, &moved), CS_OK);
        CHECK_EQUAL(moved, change + t->capacity + 1);
    }
    for (uint32_t steps = 0; steps <= t->capacity; steps++) {
        int result = cs_names_next(region, t->table, &cursor, &handle, name, &length);
        if (result == CS_E_NOT_FOUND)
            break;
        CHECK_RESULT(result, CS_OK);
        uint32_t which = 0;
        while (which < t->capacity && !suite_same(name, suite_name(expected, "walk", which), length + 1))
            which++;
        CHECK(which < t->capacity && which != gone);
        CHECK(!(seen >> which & 1));
        seen |= 1ull << which;
        CHECK_EQUAL(length, suite_length(name));
        if (t->remove && which < t->capacity)
            CHECK_EQUAL(handle, handles[which]);
    }
    uint64_t all = (1ull << t->capacity) - 1;
    CHECK_EQUAL(seen, t->remove ? all & ~(1ull << gone) : all);
    CHECK_RESULT(cs_names_next(region, t->table, &cursor, &handle, name, &length), CS_E_NOT_FOUND);
    cursor = 0xFFFFFFFF;
    CHECK_RESULT(cs_names_next(region, t->table, &cursor, &handle, name, &length), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_names_at(region, t->table, t->capacity, &handle), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_names_at(region, t->table, 0xFFFFFFFF, &handle), CS_E_NOT_FOUND);
}

void case_walk(void) { each(check_walk); }

void case_no_such_table(void)
{
    static const uint32_t none[] = {CS_SECTION_ENGINE,       CS_SECTION_DETAILS, CS_SECTION_EVENTS,
                                    CS_SECTION_PARTICIPANTS, CS_SECTIONS,        0xFFFFFFFF};
    cs_region *region = suite_open(0, 0);
    NEED(region);
    for (uint32_t i = 0; i < sizeof none / sizeof *none; i++) {
        cs_handle handle = 0;
        cs_column column;
        cs_hot_cell cell;
        uint32_t number = 0, length = 0;
        char name[64];
        suite_about("table", none[i]);
        CHECK_RESULT(cs_names_count(region, none[i], &number), CS_E_INVALID);
        CHECK_RESULT(cs_names_change(region, none[i], &number), CS_E_INVALID);
        CHECK_RESULT(cs_names_next(region, none[i], &number, &handle, name, &length), CS_E_INVALID);
        CHECK_RESULT(cs_names_get(region, none[i], handle, name, &length), CS_E_INVALID);
        CHECK_RESULT(cs_names_at(region, none[i], 0, &handle), CS_E_INVALID);
        CHECK_RESULT(cs_names_column(region, none[i], &column), CS_E_INVALID);
        CHECK_RESULT(cs_hot_cell_of(region, none[i], handle, &cell), CS_E_INVALID);
    }
    suite_close(0);
}

/* -- age ------------------------------------------------------------------------------------ */

/* Filled and emptied many times, in orders that change: removal must not rot the index. Were a search to pass over
 * what was removed, as with tombstones, this would take minutes; were a chain cut, a name would be missed. */
static void check_age(cs_region *region, const named *t)
{
    cs_handle handles[16], found = 0;
    char name[64];
    uint64_t state = 42;
    uint32_t count = 0;
    if (!t->remove)
        return;
    for (uint32_t round = 0; round < ROUNDS(100000u) / t->capacity; round++) {
        uint32_t first = (uint32_t)suite_random(&state) % t->capacity;
        for (uint32_t i = 0; i < t->capacity; i++)
            if (t->open(region, suite_name(name, "n", round * 100 + i), CS_NUL, &handles[i]) != CS_OK)
                CHECK_RESULT(t->open(region, name, CS_NUL, &handles[i]), CS_OK);
        for (uint32_t i = 0; i < t->capacity; i++) {
            uint32_t k = (first + i * 5) % t->capacity; /* 5 and the capacities have no common divisor */
            if (t->find(region, suite_name(name, "n", round * 100 + k), CS_NUL, &found) != CS_OK || found != handles[k])
                CHECK_EQUAL(found, handles[k]);
            if (t->remove(region, handles[k]) != CS_OK)
                CHECK_RESULT(CS_E_STALE, CS_OK);
        }
    }
    CHECK_RESULT(cs_names_count(region, t->table, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    check_full(region, t);
}

void case_age(void) { each(check_age); }

/* A large table in which everything hangs in a few chains would show here as minutes. */
void case_many_names(void)
{
    cs_config config = suite_config();
    char name[64];
    cs_handle handle = 0, found = 0;
    config.counters = ROUNDS(1000u);
    cs_region *region = suite_open(0, &config);
    NEED(region);
    for (uint32_t i = 0; i < config.counters; i++) {
        suite_about("name", i);
        CHECK_RESULT(cs_counter_open(region, suite_name(name, "many", i), CS_NUL, &handle), CS_OK);
        CHECK_RESULT(cs_counter_set(region, handle, i), CS_OK);
    }
    for (uint32_t i = 0; i < config.counters; i++) {
        uint64_t value = 0;
        suite_about("name", i);
        CHECK_RESULT(cs_counter_find(region, suite_name(name, "many", i), CS_NUL, &found), CS_OK);
        CHECK_RESULT(cs_counter_get(region, found, &value), CS_OK);
        CHECK_EQUAL(value, i);
    }
    CHECK_RESULT(cs_counter_open(region, "over", CS_NUL, &handle), CS_E_FULL);
    suite_close(0);
}
