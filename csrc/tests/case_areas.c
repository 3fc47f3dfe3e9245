/* areas.h: cortical areas. */
#include "cases.h"

void case_area(void)
{
    cs_config config = suite_config();
    config.fcl_window = 35;
    cs_region *region = suite_open(0, &config);
    cs_handle v1 = 0, v2 = 0;
    uint64_t value = 9;
    NEED(region);
    CHECK_RESULT(cs_area_open(region, "v1", CS_NUL, &v1), CS_OK);
    CHECK_RESULT(cs_area_open(region, "v2", CS_NUL, &v2), CS_OK);
    for (uint32_t field = 0; field < CS_AREA_FIELDS; field++) {
        suite_about("field", field);
        CHECK_RESULT(cs_area_get(region, v1, field, &value), CS_OK);
        CHECK_EQUAL(value, field == CS_AREA_FCL_WINDOW ? 35 : 0);
        CHECK_RESULT(cs_area_set(region, v1, field, 100 + field), CS_OK);
    }
    for (uint32_t field = 0; field < CS_AREA_FIELDS; field++) {
        suite_about("field", field);
        CHECK_RESULT(cs_area_get(region, v1, field, &value), CS_OK);
        CHECK_EQUAL(value, 100 + field);
        CHECK_RESULT(cs_area_get(region, v2, field, &value), CS_OK);
        CHECK_EQUAL(value, field == CS_AREA_FCL_WINDOW ? 35 : 0);
        CHECK_RESULT(cs_area_add(region, v1, field, -1, &value), CS_OK);
        CHECK_EQUAL(value, 99 + field);
        CHECK_RESULT(cs_area_add(region, v1, field, 11, 0), CS_OK);
        CHECK_RESULT(cs_area_add(region, v1, field, -111 - (int64_t)field, &value), CS_E_RANGE); /* one below zero */
        CHECK_RESULT(cs_area_get(region, v1, field, &value), CS_OK);
        CHECK_EQUAL(value, 110 + field);
        CHECK_RESULT(cs_area_add(region, v1, field, -110 - (int64_t)field, &value), CS_OK);
        CHECK_EQUAL(value, 0);
        CHECK_RESULT(cs_area_add(region, v1, field, INT64_MIN, &value), CS_E_RANGE);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_area_set(region, v1, CS_AREA_NEURON_COUNT, 0xFFFFFFFFFFFFFFFFu), CS_OK);
    CHECK_RESULT(cs_area_add(region, v1, CS_AREA_NEURON_COUNT, 1, &value), CS_E_RANGE);
    CHECK_RESULT(cs_area_set(region, v1, CS_AREA_FCL_WINDOW, 0xFFFFFFFF), CS_OK);
    CHECK_RESULT(cs_area_set(region, v1, CS_AREA_FCL_WINDOW, 0x100000000u), CS_E_RANGE);
    CHECK_RESULT(cs_area_add(region, v1, CS_AREA_FCL_WINDOW, 1, &value), CS_E_RANGE);
    CHECK_RESULT(cs_area_add(region, v1, CS_AREA_FCL_WINDOW, INT64_MAX, &value), CS_E_RANGE);
    CHECK_RESULT(cs_area_get(region, v1, CS_AREA_FCL_WINDOW, &value), CS_OK);
    CHECK_EQUAL(value, 0xFFFFFFFF);
    static const uint32_t none[] = {CS_AREA_FIELDS, 0xFFFFFFFF};
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_RESULT(cs_area_get(region, v1, none[i], &value), CS_E_INVALID);
        CHECK_RESULT(cs_area_set(region, v1, none[i], 1), CS_E_INVALID);
        CHECK_RESULT(cs_area_add(region, v1, none[i], 1, &value), CS_E_INVALID);
    }
    CHECK_RESULT(cs_area_remove(region, v1), CS_OK);
    CHECK_RESULT(cs_area_get(region, v1, 0, &value), CS_E_STALE);
    CHECK_RESULT(cs_area_set(region, v1, 0, 1), CS_E_STALE);
    CHECK_RESULT(cs_area_add(region, v1, 0, 1, &value), CS_E_STALE);
    CHECK_RESULT(cs_area_open(region, "v1", CS_NUL, &v1), CS_OK); /* made anew it starts anew */
    CHECK_RESULT(cs_area_get(region, v1, CS_AREA_NEURON_COUNT, &value), CS_OK);
    CHECK_EQUAL(value, 0);
    CHECK_RESULT(cs_area_get(region, v1, CS_AREA_FCL_WINDOW, &value), CS_OK);
    CHECK_EQUAL(value, 35);
    suite_close(0);
}

void case_area_event(void)
{
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    suite_event taken;
    cs_handle v1 = 0;
    NEED(region);
    CHECK_RESULT(cs_area_open(region, "primary visual", CS_NUL, &v1), CS_OK);
    for (uint32_t field = 0; field < CS_AREA_FIELDS; field++) {
        uint64_t version = cs_engine_get(region, CS_VERSION);
        suite_about("field", field);
        CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
        CHECK_RESULT(cs_area_set(region, v1, field, 7), CS_OK);
        CHECK_RESULT(cs_area_add(region, v1, field, 1, 0), CS_OK);
        CHECK_RESULT(cs_area_add(region, v1, field, -9, 0), CS_E_RANGE);
        CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 2);
        for (uint32_t i = 0; i < 2; i++) {
            NEED(suite_take(region, &subscription, &taken));
            CHECK_EQUAL(taken.event.kind, CS_KIND_AREA_CHANGED);
            CHECK_EQUAL(taken.event.format, CS_FORMAT_CHANGE);
            CHECK_EQUAL(taken.data.change.subject, v1);
            CHECK_EQUAL(taken.data.change.old_value, field);
            CHECK_EQUAL(taken.data.change.table, CS_SECTION_AREAS);
            CHECK_EQUAL(taken.event.length, sizeof(cs_change) + 14);
            CHECK(suite_same(taken.data.bytes + sizeof(cs_change), "primary visual", 14));
        }
        CHECK(!suite_take(region, &subscription, &taken));
    }
    suite_close(0);
}

/* Opening and removing an area is a change too: it counts in the version. */
void case_area_version(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle area = 0;
    NEED(region);
    uint64_t version = cs_engine_get(region, CS_VERSION);
    CHECK_RESULT(cs_area_open(region, "a", CS_NUL, &area), CS_OK);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 1);
    CHECK_RESULT(cs_area_open(region, "a", CS_NUL, &area), CS_OK); /* found, not made */
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 1);
    CHECK_RESULT(cs_area_remove(region, area), CS_OK);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 2);
    suite_close(0);
}

void case_area_locked(void)
{
    cs_region *region = suite_open(0, 0), other;
    cs_handle area = 0;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_area_open(region, "held", CS_NUL, &area), CS_OK);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_AREAS, area), CS_OK);
    CHECK_RESULT(cs_area_remove(region, area), CS_E_BUSY);
    CHECK_RESULT(cs_area_remove(&other, area), CS_E_BUSY);
    CHECK_RESULT(cs_area_set(&other, area, CS_AREA_NEURON_COUNT, 3), CS_OK); /* numbers are free for all */
    CHECK_RESULT(cs_lock_release(region, CS_SECTION_AREAS, area), CS_OK);
    CHECK_RESULT(cs_area_remove(&other, area), CS_OK);
    cs_region_detach(&other);
    suite_close(0);
}
