/* budgets.h: money by one thread and several participants; the living, the dead and the store that settles. */
#include "cases.h"

static cs_region other;

static void check_money(const cs_region *region, cs_handle budget, uint64_t limit, uint64_t spent, uint64_t reserved)
{
    cs_budget_info info;
    CHECK_RESULT(cs_budget_get(region, budget, &info), CS_OK);
    CHECK_EQUAL(info.limit, limit);
    CHECK_EQUAL(info.spent, spent);
    CHECK_EQUAL(info.reserved, reserved);
}

static cs_region *open_budget(uint64_t limit, cs_handle *budget)
{
    cs_region *region = suite_open(0, 0);
    *budget = 0;
    if (region) {
        CHECK_RESULT(cs_budget_open(region, "budget", CS_NUL, budget), CS_OK);
        CHECK_RESULT(cs_budget_set_limit(region, *budget, limit), CS_OK);
    }
    return region;
}

void case_budget(void)
{
    cs_handle budget, found, a, b, c;
    cs_region *region = open_budget(1000, &budget);
    NEED(region);
    CHECK_RESULT(cs_budget_find(region, "budget", CS_NUL, &found), CS_OK);
    CHECK_EQUAL(found, budget);
    CHECK_RESULT(cs_budget_find(region, "none", CS_NUL, &found), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_budget_open(region, "", 0, &found), CS_E_NAME);
    CHECK_RESULT(cs_budget_reserve(region, budget, 600, &a), CS_OK);
    check_money(region, budget, 1000, 0, 600);
    CHECK_RESULT(cs_budget_reserve(region, budget, 401, &b), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_reserve(region, budget, 0xFFFFFFFFFFFFFFFF, &b), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_reserve(region, budget, 400, &b), CS_OK);
    check_money(region, budget, 1000, 0, 1000);
    CHECK_RESULT(cs_budget_commit(region, a, 601), CS_E_RANGE);
    CHECK_RESULT(cs_budget_commit(region, a, 500), CS_OK);
    check_money(region, budget, 1000, 500, 400);
    CHECK_RESULT(cs_budget_commit(region, a, 1), CS_E_STALE);
    CHECK_RESULT(cs_budget_cancel(region, a), CS_E_STALE);
    CHECK_RESULT(cs_budget_cancel(region, b), CS_OK);
    check_money(region, budget, 1000, 500, 0);
    CHECK_RESULT(cs_budget_reserve(region, budget, 500, &c), CS_OK);
    CHECK(c != a && c != b);
    CHECK_RESULT(cs_budget_prepare(region, c), CS_OK);
    check_money(region, budget, 1000, 500, 500);
    CHECK_RESULT(cs_budget_commit(region, c, 500), CS_OK);
    check_money(region, budget, 1000, 1000, 0);
    CHECK_RESULT(cs_budget_reserve(region, budget, 1, &a), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_reserve(region, budget, 0, &a), CS_OK);
    CHECK_RESULT(cs_budget_cancel(region, a), CS_OK);
    uint64_t total = 0;
    CHECK_RESULT(cs_budget_detect(region, budget, 2, &total), CS_OK);
    CHECK_RESULT(cs_budget_detect(region, budget, 3, &total), CS_OK);
    CHECK_EQUAL(total, 5);
    CHECK_RESULT(cs_budget_remove(region, budget), CS_OK);
    CHECK_RESULT(cs_budget_reserve(region, budget, 1, &a), CS_E_STALE);
    suite_close(0);
}

/* What a prepared reservation did cost more is spent, also beyond the limit; what a store has is marked. */
void case_budget_overrun(void)
{
    cs_handle budget, a, b;
    cs_budget_info info;
    cs_region *region = open_budget(100, &budget);
    NEED(region);
    CHECK_RESULT(cs_budget_get(region, budget, &info), CS_OK);
    CHECK_EQUAL(info.kept, 0);
    CHECK_RESULT(cs_budget_reserve(region, budget, 60, &a), CS_OK);
    CHECK_RESULT(cs_budget_reserve(region, budget, 10, &b), CS_OK);
    CHECK_RESULT(cs_budget_commit(region, a, 61), CS_E_RANGE);
    CHECK_RESULT(cs_budget_prepare(region, a), CS_OK);
    CHECK_RESULT(cs_budget_commit(region, a, 150), CS_OK);
    check_money(region, budget, 100, 150, 10);
    CHECK_RESULT(cs_budget_get(region, budget, &info), CS_OK);
    CHECK_EQUAL(info.warned, 1);
    CHECK_RESULT(cs_budget_reserve(region, budget, 1, &a), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_load(region, budget, 100, 150, 0), CS_E_LIMIT); /* something is reserved */
    CHECK_RESULT(cs_budget_cancel(region, b), CS_OK);
    CHECK_RESULT(cs_budget_load(region, budget, 100, 150, 3), CS_OK);
    check_money(region, budget, 100, 150, 0);
    CHECK_RESULT(cs_budget_get(region, budget, &info), CS_OK);
    CHECK_EQUAL(info.kept, 1);
    CHECK_EQUAL(info.warned, 1);
    CHECK_RESULT(cs_budget_reserve(region, budget, 0, &a), CS_OK); /* for what is spent without asking */
    CHECK_RESULT(cs_budget_cancel(region, a), CS_OK);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 149), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 1000), CS_OK);
    CHECK_RESULT(cs_budget_get(region, budget, &info), CS_OK);
    CHECK_EQUAL(info.kept, 1);
    CHECK_EQUAL(info.warned, 0);
    suite_close(0);
}

void case_budget_limits(void)
{
    cs_handle budget, a;
    cs_region *region = open_budget(100, &budget);
    NEED(region);
    CHECK_RESULT(cs_budget_reserve(region, budget, 60, &a), CS_OK);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 59), CS_E_LIMIT);
    check_money(region, budget, 100, 0, 60);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 60), CS_OK);
    CHECK_RESULT(cs_budget_load(region, budget, 100, 41, 7), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_load(region, budget, 10, 11, 7), CS_E_LIMIT);
    check_money(region, budget, 60, 0, 60);
    CHECK_RESULT(cs_budget_load(region, budget, 100, 40, 7), CS_OK);
    check_money(region, budget, 100, 40, 60);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_budget_commit(&other, a, 1), CS_E_NOT_OWNER);
    CHECK_RESULT(cs_budget_cancel(&other, a), CS_E_NOT_OWNER);
    CHECK_RESULT(cs_budget_prepare(&other, a), CS_E_NOT_OWNER);
    CHECK_RESULT(cs_budget_settle(&other, a, 1), CS_E_NOT_OWNER); /* its owner lives */
    check_money(&other, budget, 100, 40, 60);
    cs_region_detach(&other);
    suite_close(0);
}

static uint32_t count_warnings(cs_region *region, cs_subscription *subscription, uint32_t *percent)
{
    suite_event taken;
    uint32_t count = 0;
    while (suite_take(region, subscription, &taken))
        if (taken.event.kind == CS_KIND_BUDGET_WARNING) {
            *percent = taken.data.change.new_value;
            count++;
        }
    return count;
}

void case_budget_warning(void)
{
    cs_handle budget, a;
    cs_subscription subscription;
    uint32_t percent = 0;
    cs_region *region = open_budget(1000, &budget);
    NEED(region);
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    CHECK_RESULT(cs_budget_reserve(region, budget, 899, &a), CS_OK);
    CHECK_RESULT(cs_budget_commit(region, a, 899), CS_OK);
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 0);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_RESULT(cs_budget_reserve(region, budget, 1, &a), CS_OK);
        CHECK_RESULT(cs_budget_commit(region, a, 1), CS_OK);
    }
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 1);
    CHECK_EQUAL(percent, 90);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 10000), CS_OK); /* off again, */
    CHECK_RESULT(cs_budget_reserve(region, budget, 9098, &a), CS_OK);
    CHECK_RESULT(cs_budget_commit(region, a, 9098), CS_OK); /* and on once more */
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 1);
    CHECK_EQUAL(percent, 100);
    suite_close(0);
}

/* The tally does not pass its end. */
void case_field_v10_detections(void)
{
    cs_handle budget;
    cs_budget_info info;
    uint64_t total = 0;
    cs_region *region = open_budget(0, &budget);
    NEED(region);
    CHECK_RESULT(cs_budget_detect(region, budget, 3, &total), CS_OK);
    CHECK_RESULT(cs_budget_detect(region, budget, UINT64_MAX, &total), CS_E_RANGE);
    CHECK_RESULT(cs_budget_detect(region, budget, UINT64_MAX - 2, 0), CS_E_RANGE);
    CHECK_EQUAL(total, 3);
    CHECK_RESULT(cs_budget_get(region, budget, &info), CS_OK);
    CHECK_EQUAL(info.detections, 3);
    CHECK_RESULT(cs_budget_detect(region, budget, UINT64_MAX - 3, &total), CS_OK);
    CHECK_EQUAL(total, UINT64_MAX);
    CHECK_RESULT(cs_budget_detect(region, budget, 0, &total), CS_OK);
    CHECK_RESULT(cs_budget_detect(region, budget, 1, 0), CS_E_RANGE);
    suite_close(0);
}

/* The event carries how many hundredths of the limit are spent, rounded down, whatever the limit. */
void case_field_v8_percent(void)
{
    static const struct {
        uint64_t limit, spent;
        uint32_t percent;
    } of[] = {{150, 135, 90},
              {199, 180, 90},
              {250, 225, 90},
              {999, 900, 90},
              {1999, 1800, 90},
              {15, 14, 93},
              {10, 9, 90},
              {101, 91, 90},
              {1, 1, 100},
              {1000, 999, 99},
              {1ull << 63, (1ull << 63) - 1, 99},
              {1ull << 63, 1ull << 63, 100},
              {UINT64_MAX, UINT64_MAX / 10 * 9 + 5, 90},
              {UINT64_MAX, UINT64_MAX / 100 * 95, 94},
              {UINT64_MAX, UINT64_MAX - 1, 99},
              {UINT64_MAX, UINT64_MAX, 100}};
    cs_handle budget, a;
    cs_subscription subscription;
    cs_region *region = open_budget(0, &budget);
    NEED(region);
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    for (uint32_t i = 0; i < sizeof of / sizeof *of; i++) {
        uint32_t percent = 0;
        suite_about("limit", of[i].limit);
        CHECK_RESULT(cs_budget_load(region, budget, of[i].limit, 0, 0), CS_OK);
        CHECK_RESULT(cs_budget_reserve(region, budget, of[i].spent, &a), CS_OK);
        CHECK_RESULT(cs_budget_commit(region, a, of[i].spent), CS_OK);
        CHECK_EQUAL(count_warnings(region, &subscription, &percent), 1);
        CHECK_EQUAL(percent, of[i].percent);
    }
    /* Told when the limit comes down to what is spent as well; once, until less than nine tenths are spent again. */
    uint32_t percent = 0;
    suite_about("lowered", 0);
    CHECK_RESULT(cs_budget_load(region, budget, 1000, 80, 0), CS_OK);
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 0);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 85), CS_OK);
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 1);
    CHECK_EQUAL(percent, 94);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 84), CS_OK);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 88), CS_OK);
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 0);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 89), CS_OK); /* 80 is less than nine tenths of it */
    CHECK_RESULT(cs_budget_set_limit(region, budget, 88), CS_OK);
    CHECK_EQUAL(count_warnings(region, &subscription, &percent), 1);
    CHECK_EQUAL(percent, 90);
    suite_about(0, 0);
    suite_close(0);
}

void case_p3_dead_spender(void)
{
    cs_handle budget, held, prepared, mine, found, of;
    uint64_t amount = 0;
    uint32_t cursor = 0;
    cs_region *region = open_budget(100, &budget);
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_budget_reserve(&other, budget, 50, &held), CS_OK);
    CHECK_RESULT(cs_budget_reserve(&other, budget, 30, &prepared), CS_OK);
    CHECK_RESULT(cs_budget_prepare(&other, prepared), CS_OK);
    CHECK_RESULT(cs_budget_next_unsettled(region, &cursor, &found, &of, &amount), CS_E_NOT_FOUND);
    suite_kill(&other, 0);
    /* What was only reserved comes back to who needs it; what was being committed is the store's to say. */
    CHECK_RESULT(cs_budget_reserve(region, budget, 71, &mine), CS_E_LIMIT);
    CHECK_RESULT(cs_budget_reserve(region, budget, 70, &mine), CS_OK);
    check_money(region, budget, 100, 0, 100);
    CHECK(cs_sweep(region) >= 0);
    cursor = 0;
    CHECK_RESULT(cs_budget_next_unsettled(region, &cursor, &found, &of, &amount), CS_OK);
    CHECK_EQUAL(found, prepared);
    CHECK_EQUAL(of, budget);
    CHECK_EQUAL(amount, 30);
    CHECK_RESULT(cs_budget_settle(region, found, 20), CS_OK);
    check_money(region, budget, 100, 20, 70);
    CHECK_RESULT(cs_budget_settle(region, found, 20), CS_E_STALE);
    CHECK_RESULT(cs_budget_cancel(region, mine), CS_OK);
    check_money(region, budget, 100, 20, 0);

    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_budget_reserve(&other, budget, 80, &held), CS_OK);
    suite_kill(&other, 0);
    CHECK(cs_sweep(region) >= 1); /* the sweep gives it back too */
    check_money(region, budget, 100, 20, 0);
    suite_close(0);
}

void case_budget_full(void)
{
    cs_config c = suite_config();
    cs_handle budget, held[8], one;
    cs_region *region = open_budget(100, &budget);
    NEED(region);
    for (uint32_t i = 0; i < c.reservations; i++)
        CHECK_RESULT(cs_budget_reserve(region, budget, 1, &held[i]), CS_OK);
    CHECK_RESULT(cs_budget_reserve(region, budget, 1, &one), CS_E_FULL);
    check_money(region, budget, 100, 0, c.reservations);
    CHECK_RESULT(cs_budget_cancel(region, held[3]), CS_OK);
    CHECK_RESULT(cs_budget_reserve(region, budget, 1, &one), CS_OK);
    CHECK(one != held[3]);
    CHECK_RESULT(cs_budget_remove(region, budget), CS_OK); /* and the reservations with it */
    CHECK_RESULT(cs_budget_open(region, "another", CS_NUL, &budget), CS_OK);
    CHECK_RESULT(cs_budget_set_limit(region, budget, 100), CS_OK);
    for (uint32_t i = 0; i < c.reservations; i++)
        CHECK_RESULT(cs_budget_reserve(region, budget, 1, &held[i]), CS_OK);
    CHECK_RESULT(cs_budget_commit(region, one, 1), CS_E_STALE);
    suite_close(0);
}
