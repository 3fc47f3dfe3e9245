/*
 * reading.c: what reading and waking cost, counted: in a build in which every load and store of the region is a
 * number, on a platform that counts what it is asked. Not a time in it, so nothing here depends on the machine.
 *
 *   reading
 */
#include "fuzz_port.h"
#include "rig.h"

#include "bell.h"
#include "claim.h"

#include <stdio.h>
#include <stdlib.h>

void cs_crash_point(void);
void cs_read_point(void);

static uint64_t stores, loads, checks;

void cs_crash_point(void) { stores++; }
void cs_read_point(void) { loads++; }

static void begin(void)
{
    fuzz_restart();
    stores = loads = 0;
}

/* What came between begin and here: so many loads, and nothing else. */
static void costs(const char *what, uint64_t expected)
{
    checks++;
    EXPECT(loads == expected && stores == 0 && fuzz_calls == 0,
           "%s: %llu loads, %llu stores and %llu calls of the platform, where it is to be %llu loads", what,
           (unsigned long long)loads, (unsigned long long)stores, (unsigned long long)fuzz_calls,
           (unsigned long long)expected);
}

/* A cell is one load; one that has a slot, which may be somebody else's by then, is its generation's two more. */
static void read_cells(cs_region *region, cs_handle counter, cs_handle gauge, cs_handle area)
{
    uint64_t value;
    double real;
    cs_hot_cell cell;
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
        begin();
        (void)cs_engine_get(region, field);
        costs("an engine cell", 1);
    }
    for (uint32_t state = 0; state < CS_STATES; state++) {
        begin();
        (void)cs_engine_state(region, state);
        costs("a state", 1);
    }
    begin();
    (void)cs_counter_get(region, counter, &value);
    costs("a counter", 3);
    begin();
    (void)cs_gauge_get(region, gauge, &real);
    costs("a gauge", 3);
    begin();
    (void)cs_area_get(region, area, 0, &value);
    costs("an area's field", 3);
    begin();
    NEED(cs_hot_cell_of(region, CS_SECTION_COUNTERS, counter, &cell) == CS_OK);
    costs("a cell's address", 1);
}

/* Whatever others are in the middle of, or died of. */
static void spoil(view *v)
{
    for (uint32_t table = 0; table < TABLES; table++) {
        store32(&v->tables[table].head->change, 0xFFFFFFFFu);
        store32(&v->tables[table].head->claim, 0x00000FFFu);
    }
    store32(&v->ring->bell.flag, 1);
}

static void wakes(uint64_t expected, const char *what)
{
    checks++;
    EXPECT(fuzz_wakes == expected, "%s wakes %llu times and not %llu", what, (unsigned long long)fuzz_wakes,
           (unsigned long long)expected);
}

/* A publisher with nobody asleep makes no call; a flag that was raised is answered once, also one a dead waker left. */
static void ring_bells(cs_region *region, uint32_t kind)
{
    view *v = view_of(region);
    static const struct {
        uint32_t flag;
        uint64_t wakes;
        const char *what;
    } cases[] = {{0, 0, "an event nobody waits for"},
                 {1, 1, "an event somebody waits for"},
                 {2, 1, "an event after a waker died"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store32(&v->ring->bell.flag, cases[i].flag);
        begin();
        NEED(cs_event_publish(region, kind, CS_FORMAT_NONE, 0, 0, 0) == CS_OK);
        wakes(cases[i].wakes, cases[i].what);
        EXPECT(load32(&v->ring->bell.flag) == 0, "%s leaves the flag at %u", cases[i].what,
               load32(&v->ring->bell.flag));
    }
}

/* Of two sleepers one is woken, and the flag of one who came meanwhile is left to the next waker. */
static void release_locks(cs_region *region, cs_handle lock)
{
    view *v = view_of(region);
    a32 *word = 0;
    NEED(cs_lock_acquire(region, CS_SECTION_LOCKS, lock, 0) == CS_OK);
    begin();
    NEED(cs_lock_release(region, CS_SECTION_LOCKS, lock) == CS_OK);
    wakes(0, "the release of a lock nobody waits for");
    for (uint32_t table = 0; table < TABLES; table++) {
        uint32_t owner = peek32(&v->owner);
        word = &v->tables[table].head->claim;
        store32(word, owner | CLAIM_WAITERS);
        begin();
        EXPECT(csi_claim_release(word, owner), "release");
        wakes(1, "the release of a claim somebody waits for");
        EXPECT(load32(word) == 0, "a released claim is %#x", load32(word));
    }
}

int main(void)
{
    cs_config config = rig_config();
    uint64_t size = cs_region_size(&config);
    unsigned char *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    cs_region region, reader;
    cs_handle counter, gauge, area, lock;
    uint32_t kind;
    fuzz_living = ~0u;
    NEED(memory && cs_region_format(memory, size, &config, 0) == CS_OK);
    NEED(cs_region_attach(&region, memory, size, 0, -1) == CS_OK);
    NEED(cs_counter_open(&region, "one", CS_NUL, &counter) == CS_OK);
    NEED(cs_gauge_open(&region, "one", CS_NUL, &gauge) == CS_OK);
    NEED(cs_area_open(&region, "one", CS_NUL, &area) == CS_OK);
    NEED(cs_lock_open(&region, "one", CS_NUL, &lock) == CS_OK);
    NEED(cs_kind_open(&region, "one", CS_NUL, &kind) == CS_OK);
    rig_doing("at rest");
    read_cells(&region, counter, gauge, area);
    ring_bells(&region, kind);
    release_locks(&region, lock);
    rig_doing("with a right to read only, and others in the middle of everything");
    NEED(cs_region_attach(&reader, memory, size, CS_READ_ONLY, -1) == CS_OK);
    spoil(view_of(&region));
    read_cells(&reader, counter, gauge, area);
    (void)printf("%llu counts of loads, stores and calls; %llu wrong\n", (unsigned long long)checks,
                 (unsigned long long)rig_faults);
    free(memory);
    return rig_faults ? 1 : 0;
}
