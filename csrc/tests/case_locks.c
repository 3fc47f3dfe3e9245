/* locks.h: named locks and the locks of areas, by one thread and several participants. */
#include "cases.h"

static cs_region other;

static int open_area_lock(cs_region *region, cs_handle *handle) { return cs_area_open(region, "area", CS_NUL, handle); }
static int open_named_lock(cs_region *region, cs_handle *handle)
{
    return cs_lock_open(region, "lock", CS_NUL, handle);
}
static const struct {
    uint32_t table;
    int (*open)(cs_region *, cs_handle *);
    const char *name;
} kinds[] = {{CS_SECTION_LOCKS, open_named_lock, "lock"}, {CS_SECTION_AREAS, open_area_lock, "area"}};

static void check_info(cs_region *region, uint32_t table, cs_handle handle, uint32_t holder, uint32_t inherited,
                       uint32_t alive, uint32_t mine)
{
    cs_lock_info info;
    suite_fill(&info, 0xFF, sizeof info);
    CHECK_RESULT(cs_lock_get(region, table, handle, &info), CS_OK);
    CHECK_EQUAL(info.holder, holder);
    CHECK_EQUAL(info.inherited, inherited);
    CHECK_EQUAL(info.alive, alive);
    CHECK_EQUAL(info.mine, mine);
}

static void each(void (*check)(cs_region *, uint32_t, cs_handle, const char *))
{
    for (uint32_t i = 0; i < 2; i++) {
        cs_region *region = suite_open(0, 0);
        cs_handle handle = 0;
        NEED(region);
        suite_about(kinds[i].name, 0);
        NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
        NEED(CHECK_RESULT(kinds[i].open(region, &handle), CS_OK));
        check(region, kinds[i].table, handle, kinds[i].name);
        cs_region_detach(&other);
        suite_close(0);
    }
}

static void check_lock(cs_region *region, uint32_t table, cs_handle handle, const char *name)
{
    uint32_t self = cs_participant_self(region);
    (void)name;
    check_info(region, table, handle, 0, 0, 0, 0);
    CHECK_RESULT(cs_lock_release(region, table, handle), CS_E_NOT_OWNER);
    for (uint32_t round = 0; round < 3; round++) {
        CHECK_RESULT(round == 1 ? cs_lock_acquire(region, table, handle, CS_FOREVER)
                                : cs_lock_try(region, table, handle),
                     CS_OK);
        check_info(region, table, handle, self, 0, 1, 1);
        check_info(&other, table, handle, self, 0, 1, 0);
        CHECK_RESULT(cs_lock_try(region, table, handle), CS_E_DEADLOCK);
        CHECK_RESULT(cs_lock_acquire(region, table, handle, CS_FOREVER), CS_E_DEADLOCK);
        CHECK_RESULT(cs_lock_try(&other, table, handle), CS_E_BUSY);
        CHECK_RESULT(cs_lock_acquire(&other, table, handle, 0), CS_E_TIMEOUT);
        uint64_t before = cs_port_monotonic_ns();
        CHECK_RESULT(cs_lock_acquire(&other, table, handle, 4000000), CS_E_TIMEOUT);
        CHECK(cs_port_monotonic_ns() - before >= 4000000);
        CHECK_RESULT(cs_lock_release(&other, table, handle), CS_E_NOT_OWNER);
        check_info(region, table, handle, self, 0, 1, 1);
        CHECK_RESULT(cs_lock_release(region, table, handle), CS_OK);
        CHECK_RESULT(cs_lock_release(region, table, handle), CS_E_NOT_OWNER);
    }
    CHECK_RESULT(cs_lock_acquire(&other, table, handle, CS_FOREVER), CS_OK);
    check_info(region, table, handle, cs_participant_self(&other), 0, 1, 0);
    CHECK_RESULT(cs_lock_release(&other, table, handle), CS_OK);
    check_info(region, table, handle, 0, 0, 0, 0);
}

void case_lock(void) { each(check_lock); }

/* A participant that leaves with a lock held is a dead holder to the rest. */
static void check_inherit(cs_region *region, uint32_t table, cs_handle handle, const char *name)
{
    cs_subscription subscription;
    suite_event taken;
    uint32_t self = cs_participant_self(region), dead = cs_participant_self(&other);
    CHECK_RESULT(cs_lock_try(&other, table, handle), CS_OK);
    cs_region_detach(&other);
    CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_lock_try(region, table, handle), CS_INHERITED);
    check_info(region, table, handle, self, 1, 1, 1);
    NEED(suite_take(region, &subscription, &taken));
    CHECK_EQUAL(taken.event.kind, CS_KIND_LOCK_INHERITED);
    CHECK_EQUAL(taken.data.change.subject, handle);
    CHECK_EQUAL(taken.data.change.table, table);
    CHECK_EQUAL(taken.data.change.new_value, self);
    CHECK(taken.data.change.old_value == dead || taken.data.change.old_value == 0);
    CHECK_EQUAL(taken.event.length, sizeof(cs_change) + 4);
    CHECK(suite_same(taken.data.bytes + sizeof(cs_change), name, 4));
    CHECK(!suite_take(region, &subscription, &taken));
    CHECK_RESULT(cs_lock_try(region, table, handle), CS_E_DEADLOCK);
    CHECK_RESULT(cs_lock_release(region, table, handle), CS_OK);
    CHECK_RESULT(cs_lock_try(region, table, handle), CS_OK); /* what is wrong has been told once */
    check_info(region, table, handle, self, 0, 1, 1);
    CHECK_RESULT(cs_lock_release(region, table, handle), CS_OK);
    /* The same by waiting for it. */
    CHECK_RESULT(suite_join(&other, 0, 0), CS_OK);
    CHECK_RESULT(cs_lock_acquire(&other, table, handle, CS_FOREVER), CS_OK);
    cs_region_detach(&other);
    CHECK_RESULT(cs_lock_acquire(region, table, handle, CS_FOREVER), CS_INHERITED);
    CHECK_RESULT(cs_lock_release(region, table, handle), CS_OK);
}

void case_lock_inherit(void) { each(check_inherit); }

static void check_version(cs_region *region, uint32_t table, cs_handle handle, const char *name)
{
    uint64_t version = cs_engine_get(region, CS_VERSION);
    (void)name;
    /* Taking and giving back is traffic, not change; a hot lock would else make everybody fetch everything anew. */
    CHECK_RESULT(cs_lock_try(region, table, handle), CS_OK);
    CHECK_RESULT(cs_lock_release(region, table, handle), CS_OK);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version);
}

void case_lock_version(void) { each(check_version); }

void case_lock_refusals(void)
{
    static const uint32_t none[] = {CS_SECTION_ENGINE, CS_SECTION_COUNTERS, CS_SECTION_AGENTS, CS_SECTIONS, 0xFFFFFFFF};
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0, area = 0;
    cs_lock_info info;
    NEED(region);
    CHECK_RESULT(cs_lock_open(region, "lock", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_area_open(region, "area", CS_NUL, &area), CS_OK);
    for (uint32_t i = 0; i < sizeof none / sizeof *none; i++) {
        suite_about("table", none[i]);
        CHECK_RESULT(cs_lock_try(region, none[i], handle), CS_E_INVALID);
        CHECK_RESULT(cs_lock_acquire(region, none[i], handle, 0), CS_E_INVALID);
        CHECK_RESULT(cs_lock_release(region, none[i], handle), CS_E_INVALID);
        CHECK_RESULT(cs_lock_get(region, none[i], handle, &info), CS_E_INVALID);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, handle), CS_OK);
    CHECK_RESULT(cs_lock_remove(region, handle), CS_E_BUSY);
    CHECK_RESULT(cs_lock_release(region, CS_SECTION_LOCKS, handle), CS_OK);
    CHECK_RESULT(cs_lock_remove(region, handle), CS_OK);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, handle), CS_E_STALE);
    CHECK_RESULT(cs_lock_acquire(region, CS_SECTION_LOCKS, handle, CS_FOREVER), CS_E_STALE);
    CHECK_RESULT(cs_lock_release(region, CS_SECTION_LOCKS, handle), CS_E_STALE);
    CHECK_RESULT(cs_lock_get(region, CS_SECTION_LOCKS, handle, &info), CS_E_STALE);
    CHECK_RESULT(cs_lock_remove(region, handle), CS_E_STALE);
    CHECK_RESULT(cs_lock_open(region, "lock", CS_NUL, &handle), CS_OK); /* free, whatever its slot was */
    check_info(region, CS_SECTION_LOCKS, handle, 0, 0, 0, 0);
    suite_close(0);
}

void case_lock_dead_removed(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_lock_open(region, "orphan", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_lock_try(&other, CS_SECTION_LOCKS, handle), CS_OK);
    cs_region_detach(&other);
    CHECK_RESULT(cs_lock_remove(region, handle), CS_OK); /* nobody alive holds it */
    suite_close(0);
}

void case_lock_closed(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_lock_open(region, "lock", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_lock_try(&other, CS_SECTION_LOCKS, handle), CS_OK);
    cs_region_close(region);
    CHECK_RESULT(cs_lock_acquire(region, CS_SECTION_LOCKS, handle, CS_FOREVER), CS_E_CLOSED);
    CHECK_RESULT(cs_lock_release(&other, CS_SECTION_LOCKS, handle), CS_OK);
    cs_region_detach(&other);
    suite_close(0);
}
