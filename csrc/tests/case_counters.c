/* counters.h: counters, gauges, and the addresses of their cells. */
#include "cases.h"

#define MOST 0xFFFFFFFFFFFFFFFFu

void case_counter(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0, same = 0;
    uint64_t value = 99, expected;
    NEED(region);
    CHECK_RESULT(cs_counter_find(region, "spikes", CS_NUL, &handle), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_counter_open(region, "spikes", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_counter_open(region, "spikes", 6, &same), CS_OK);
    CHECK_EQUAL(same, handle);
    CHECK_RESULT(cs_counter_get(region, handle, &value), CS_OK);
    CHECK_EQUAL(value, 0);
    CHECK_RESULT(cs_counter_add(region, handle, 5, &value), CS_OK);
    CHECK_EQUAL(value, 5);
    CHECK_RESULT(cs_counter_add(region, handle, -2, 0), CS_OK);
    CHECK_RESULT(cs_counter_add(region, handle, 0, &value), CS_OK);
    CHECK_EQUAL(value, 3);
    CHECK_RESULT(cs_counter_store(region, handle, 999), CS_OK);
    CHECK_RESULT(cs_counter_get(region, handle, &value), CS_OK);
    CHECK_EQUAL(value, 999);
    CHECK_RESULT(cs_counter_set(region, handle, 1000), CS_OK);

    expected = 999;
    CHECK_RESULT(cs_counter_compare_exchange(region, handle, &expected, 1), CS_E_MISMATCH);
    CHECK_EQUAL(expected, 1000);
    CHECK_RESULT(cs_counter_compare_exchange(region, handle, &expected, 7), CS_OK);
    CHECK_RESULT(cs_counter_get(region, handle, &value), CS_OK);
    CHECK_EQUAL(value, 7);

    CHECK_RESULT(cs_counter_remove(region, handle), CS_OK);
    value = expected = 5;
    CHECK_RESULT(cs_counter_get(region, handle, &value), CS_E_STALE);
    CHECK_RESULT(cs_counter_set(region, handle, 1), CS_E_STALE);
    CHECK_RESULT(cs_counter_store(region, handle, 1), CS_E_STALE);
    CHECK_RESULT(cs_counter_add(region, handle, 1, &value), CS_E_STALE);
    CHECK_RESULT(cs_counter_compare_exchange(region, handle, &expected, 1), CS_E_STALE);
    CHECK_RESULT(cs_counter_wait(region, handle, 0, 0, &value), CS_E_STALE);
    /* Made again it starts at 0, whatever the slot held. */
    CHECK_RESULT(cs_counter_open(region, "spikes", CS_NUL, &same), CS_OK);
    CHECK_RESULT(cs_counter_get(region, same, &value), CS_OK);
    CHECK_EQUAL(value, 0);
    suite_close(0);
}

void case_counter_range(void)
{
    static const struct {
        uint64_t from;
        int64_t n;
        int result;
        uint64_t to;
    } steps[] = {
        {0, -1, CS_E_RANGE, 0},
        {0, INT64_MIN, CS_E_RANGE, 0},
        {4, -5, CS_E_RANGE, 4},
        {4, -4, CS_OK, 0},
        {MOST, 1, CS_E_RANGE, MOST},
        {MOST, INT64_MAX, CS_E_RANGE, MOST},
        {MOST - 1, 1, CS_OK, MOST},
        {MOST, 0, CS_OK, MOST},
        {MOST, -1, CS_OK, MOST - 1},
        {1ull << 63, INT64_MIN, CS_OK, 0},
        {(1ull << 63) - 1, INT64_MIN, CS_E_RANGE, (1ull << 63) - 1},
        {(1ull << 63) - 1, 1, CS_OK, 1ull << 63},
        {(1ull << 63) - 1, INT64_MAX, CS_OK, MOST - 1},
        {1ull << 63, INT64_MAX, CS_OK, MOST},
        {(1ull << 63) + 1, INT64_MAX, CS_E_RANGE, (1ull << 63) + 1},
        {INT64_MAX, -INT64_MAX, CS_OK, 0},
    };
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    NEED(region);
    NEED(CHECK_RESULT(cs_counter_open(region, "edge", CS_NUL, &handle), CS_OK));
    for (uint32_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint64_t value = 0;
        suite_about("step", i);
        CHECK_RESULT(cs_counter_set(region, handle, steps[i].from), CS_OK);
        CHECK_RESULT(cs_counter_add(region, handle, steps[i].n, &value), steps[i].result);
        if (steps[i].result == CS_OK)
            CHECK_EQUAL(value, steps[i].to);
        CHECK_RESULT(cs_counter_get(region, handle, &value), CS_OK);
        CHECK_EQUAL(value, steps[i].to);
    }
    suite_close(0);
}

/* Named counters leave the engine section's version alone. */
void case_counter_version(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    NEED(region);
    uint64_t version = cs_engine_get(region, CS_VERSION);
    CHECK_RESULT(cs_counter_open(region, "quiet", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_counter_add(region, handle, 5, 0), CS_OK);
    CHECK_RESULT(cs_counter_remove(region, handle), CS_OK);
    CHECK_RESULT(cs_gauge_open(region, "quiet", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_gauge_set(region, handle, 5), CS_OK);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version);
    suite_close(0);
}

void case_counter_wait(void)
{
    cs_region *region = suite_open(0, 0), reader;
    cs_handle handle = 0;
    uint64_t value = 0;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&reader, 0, CS_READ_ONLY), CS_OK));
    CHECK_RESULT(cs_counter_open(region, "awaited", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_counter_set(region, handle, 8), CS_OK);
    CHECK_RESULT(cs_counter_wait(region, handle, 7, CS_FOREVER, &value), CS_OK); /* not what was seen: at once */
    CHECK_EQUAL(value, 8);
    value = 0;
    CHECK_RESULT(cs_counter_wait(&reader, handle, 7, CS_FOREVER, &value), CS_OK);
    CHECK_EQUAL(value, 8);
    CHECK_RESULT(cs_counter_wait(region, handle, 8, 0, &value), CS_E_TIMEOUT);
    uint64_t before = cs_port_monotonic_ns();
    CHECK_RESULT(cs_counter_wait(region, handle, 8, 2000000, &value), CS_E_TIMEOUT);
    CHECK(cs_port_monotonic_ns() - before >= 2000000); /* never too early */
    before = cs_port_monotonic_ns();
    CHECK_RESULT(cs_counter_wait(&reader, handle, 8, 2000000, &value), CS_E_TIMEOUT);
    CHECK(cs_port_monotonic_ns() - before >= 2000000);
    cs_region_close(region);
    CHECK_RESULT(cs_counter_wait(region, handle, 8, CS_FOREVER, &value), CS_E_CLOSED);
    cs_region_close(&reader);
    CHECK_RESULT(cs_counter_wait(&reader, handle, 8, CS_FOREVER, &value), CS_E_CLOSED);
    suite_close(0);
}

/* -- gauges --------------------------------------------------------------------------------- */

static double bits_to_f64(uint64_t bits)
{
    union {
        uint64_t bits;
        double number;
    } both = {bits};
    return both.number;
}
static uint64_t f64_to_bits(double number)
{
    union {
        double number;
        uint64_t bits;
    } both = {number};
    return both.bits;
}
#define CHECK_F64(found, expected) CHECK_EQUAL(f64_to_bits(found), f64_to_bits(expected))

void case_gauge(void)
{
    const double nan = bits_to_f64(0x7FF8000000000000u), infinity = bits_to_f64(0x7FF0000000000000u);
    const double signalling = bits_to_f64(0xFFF0000000000001u), minus_zero = bits_to_f64(1ull << 63);
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    double value = 9, expected;
    NEED(region);
    CHECK_RESULT(cs_gauge_open(region, "rate", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_gauge_get(region, handle, &value), CS_OK);
    CHECK_F64(value, 0.0);
    CHECK_RESULT(cs_gauge_set(region, handle, -1.5), CS_OK);
    CHECK_RESULT(cs_gauge_add(region, handle, 0.25, &value), CS_OK);
    CHECK_F64(value, -1.25);
    CHECK_RESULT(cs_gauge_add(region, handle, 0.25, 0), CS_OK);

    CHECK_RESULT(cs_gauge_set(region, handle, nan), CS_E_NAN);
    CHECK_RESULT(cs_gauge_store(region, handle, nan), CS_E_NAN);
    CHECK_RESULT(cs_gauge_set(region, handle, signalling), CS_E_NAN);
    CHECK_RESULT(cs_gauge_add(region, handle, nan, &value), CS_E_NAN);
    expected = nan;
    CHECK_RESULT(cs_gauge_compare_exchange(region, handle, &expected, 1), CS_E_NAN);
    expected = -1.0;
    CHECK_RESULT(cs_gauge_compare_exchange(region, handle, &expected, nan), CS_E_NAN);
    CHECK_RESULT(cs_gauge_wait(region, handle, nan, 0, &value), CS_E_NAN);
    CHECK_RESULT(cs_gauge_get(region, handle, &value), CS_OK);
    CHECK_F64(value, -1.0);

    expected = 3;
    CHECK_RESULT(cs_gauge_compare_exchange(region, handle, &expected, 1), CS_E_MISMATCH);
    CHECK_F64(expected, -1.0);
    CHECK_RESULT(cs_gauge_compare_exchange(region, handle, &expected, minus_zero), CS_OK);
    expected = 0.0; /* equal as a number, other bits */
    CHECK_RESULT(cs_gauge_compare_exchange(region, handle, &expected, 1), CS_E_MISMATCH);
    CHECK_F64(expected, minus_zero);

    CHECK_RESULT(cs_gauge_set(region, handle, infinity), CS_OK);
    CHECK_RESULT(cs_gauge_add(region, handle, -infinity, &value), CS_E_NAN); /* the sum is no number */
    CHECK_RESULT(cs_gauge_get(region, handle, &value), CS_OK);
    CHECK_F64(value, infinity);

    CHECK_RESULT(cs_gauge_store(region, handle, 2), CS_OK);
    CHECK_RESULT(cs_gauge_wait(region, handle, 1, CS_FOREVER, &value), CS_OK);
    CHECK_F64(value, 2.0);
    CHECK_RESULT(cs_gauge_wait(region, handle, 2, 0, &value), CS_E_TIMEOUT);
    CHECK_RESULT(cs_gauge_remove(region, handle), CS_OK);
    CHECK_RESULT(cs_gauge_get(region, handle, &value), CS_E_STALE);
    CHECK_RESULT(cs_gauge_set(region, handle, 1), CS_E_STALE);
    CHECK_RESULT(cs_gauge_store(region, handle, 1), CS_E_STALE);
    CHECK_RESULT(cs_gauge_add(region, handle, 1, &value), CS_E_STALE);
    CHECK_RESULT(cs_gauge_compare_exchange(region, handle, &expected, 1), CS_E_STALE);
    CHECK_RESULT(cs_gauge_wait(region, handle, 0, 0, &value), CS_E_STALE);
    suite_close(0);
}

/* A number whose sums are hard: of few bits, or of nearly all. */
static uint64_t hard_f64(uint64_t *state, uint32_t exponent)
{
    uint64_t random = suite_random(state), bit = 1ull << (random & 0xFF) % 52;
    uint64_t fractions[4] = {suite_random(state) >> 12, bit, bit - 1, ~(bit - 1) << 12 >> 12};
    uint64_t fraction = exponent < 0x7FF ? fractions[random >> 8 & 3] : 0;
    return (random >> 63) << 63 | (uint64_t)exponent << 52 | fraction;
}

/* Of b added to a: what is there then. */
static uint64_t f64_sum(cs_region *region, cs_handle handle, uint64_t a, uint64_t b)
{
    double sum = 0, left = 0;
    CHECK_RESULT(cs_gauge_set(region, handle, bits_to_f64(a)), CS_OK);
    int result = cs_gauge_add(region, handle, bits_to_f64(b), &sum);
    CHECK_RESULT(cs_gauge_get(region, handle, &left), CS_OK);
    CHECK_EQUAL(f64_to_bits(result == CS_OK ? sum : left), f64_to_bits(left));
    return f64_to_bits(left);
}

/* Sums are the same everywhere, also where the processor cannot add doubles. */
void case_f64_sums(void)
{
    static const uint64_t known[][3] = {
        {0x3FF0000000000000, 0x3CA0000000000000, 0x3FF0000000000000}, /* a half goes to the even one */
        {0x3FF0000000000001, 0x3CA0000000000000, 0x3FF0000000000002},
        {0x3FF0000000000000, 0x3CA0000000000001, 0x3FF0000000000001},
        {0x3FF0000000000000, 0x3C90000000000001, 0x3FF0000000000000},
        {0x4890000000000001, 0xC680000040000000, 0x488FFFFFFFF00002}, /* what fell out still counts */
        {0x7FEFFFFFFFFFFFFF, 0x7C90000000000000, 0x7FF0000000000000}, /* beyond the greatest */
        {0x7FEFFFFFFFFFFFFF, 0x7C8FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF},
        {0xFFE0000000000000, 0xFFE0000000000000, 0xFFF0000000000000},
        {0x000FFFFFFFFFFFFF, 0x0000000000000001, 0x0010000000000000}, /* around the least */
        {0x0010000000000000, 0x8000000000000001, 0x000FFFFFFFFFFFFF},
        {0x3FF0000000000000, 0xBFF0000000000000, 0}, /* zeros */
        {0x8000000000000000, 0x8000000000000000, 0x8000000000000000},
        {0x8000000000000000, 0, 0},
        {0xFFF0000000000000, 0x7FEFFFFFFFFFFFFF, 0xFFF0000000000000},
    };
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    uint64_t state = 1, digest = 0;
    NEED(region);
    CHECK_RESULT(cs_gauge_open(region, "sum", CS_NUL, &handle), CS_OK);
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++) {
        suite_about("known sum", i);
        CHECK_EQUAL(f64_sum(region, handle, known[i][0], known[i][1]), known[i][2]);
        CHECK_EQUAL(f64_sum(region, handle, known[i][1], known[i][0]), known[i][2]);
    }
    for (uint32_t i = 0; i < 100000; i++) {
        static const uint32_t ends[] = {0, 1, 2, 63, 0x7FD, 0x7FE, 0x7FE, 0x7FF};
        uint64_t random = suite_random(&state);
        uint32_t apart = (uint32_t)(random >> 8) % (random & 1 ? 3 : 61);
        uint32_t greater = random & 2 ? ends[random >> 4 & 7] : (uint32_t)(random >> 16) % 0x7FF;
        uint64_t a = hard_f64(&state, greater), b = hard_f64(&state, greater > apart ? greater - apart : 0);
        suite_about("sum", i);
        digest = digest * 0x9E3779B97F4A7C15u + f64_sum(region, handle, random & 4 ? a : b, random & 4 ? b : a);
    }
    CHECK_EQUAL(digest, 15939418916940667629u); /* of processors that can */
    suite_close(0);
}

/* -- addresses ------------------------------------------------------------------------------ */

void case_column(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handles[4];
    cs_column column;
    char name[64];
    NEED(region);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_RESULT(cs_counter_open(region, suite_name(name, "c", i), CS_NUL, &handles[i]), CS_OK);
        CHECK_RESULT(cs_counter_set(region, handles[i], 100 + i), CS_OK);
    }
    CHECK_RESULT(cs_counter_remove(region, handles[2]), CS_OK);
    CHECK_RESULT(cs_names_column(region, CS_SECTION_COUNTERS, &column), CS_OK);
    CHECK_EQUAL(column.capacity, 8);
    CHECK_EQUAL(column.used, 4);
    CHECK(column.stride >= 64);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t slot = (uint32_t)handles[i];
        NEED(slot < column.used);
        const unsigned char *generation = column.generation, *value = column.value;
        uint32_t live =
            *(const volatile uint32_t *)(const volatile void *)(generation + (uint64_t)slot * column.stride);
        suite_about("counter", i);
        CHECK_EQUAL(live & 1, i != 2);
        if (i == 2)
            continue;
        CHECK_EQUAL(live, handles[i] >> 32);
        CHECK_EQUAL(*(const volatile uint64_t *)(const volatile void *)(value + (uint64_t)slot * column.stride),
                    100 + i);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_names_column(region, CS_SECTION_GAUGES, &column), CS_OK);
    CHECK_EQUAL(column.used, 0);
    CHECK_RESULT(cs_names_column(region, CS_SECTION_AGENTS, &column), CS_E_INVALID);
    suite_close(0);
}

void case_hot_cell(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    cs_hot_cell cell;
    NEED(region);
    CHECK_RESULT(cs_gauge_open(region, "hot", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_gauge_set(region, handle, 0.5), CS_OK);
    CHECK_RESULT(cs_hot_cell_of(region, CS_SECTION_GAUGES, handle, &cell), CS_OK);
    CHECK_EQUAL(*(const volatile uint32_t *)cell.generation, handle >> 32);
    CHECK_F64(*(const volatile double *)cell.value, 0.5);
    CHECK_RESULT(cs_gauge_remove(region, handle), CS_OK);
    CHECK(*(const volatile uint32_t *)cell.generation != handle >> 32);
    CHECK_RESULT(cs_hot_cell_of(region, CS_SECTION_GAUGES, handle, &cell), CS_E_STALE);
    CHECK_RESULT(cs_hot_cell_of(region, CS_SECTION_LOCKS, handle, &cell), CS_E_INVALID);
    suite_close(0);
}
