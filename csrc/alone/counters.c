/* Counters (u64) and gauges (f64): the same cell under two types. */
#include "corestate/counters.h"

#include "alone.h"
#include "number.h"

static struct number *number_at(const view *v, uint32_t table, cs_handle handle)
{
    return payload_of(slot_at(&v->tables[table], (uint32_t)handle));
}

/* A call each, since the comparison is longer. */
__attribute__((noinline)) static bool refused(uint64_t bits) { return is_nan(bits); }

/* What is done to a number of a table, in one word: the table is its lowest bit. */
enum operation { LOOK, SET, ADD, EXCHANGE };
_Static_assert(TABLE_COUNTERS == 0 && TABLE_GAUGES == 1, "one bit");
static uint32_t to(enum operation how, uint32_t table) { return (uint32_t)how << 1 | table; }

/* Of *n, which is set or added and then what is there; what is n[0] is exchanged for n[1]. While held. */
__attribute__((noinline)) static int step(const view *v, struct slot *slot, uint32_t how, uint64_t *n)
{
    if (!slot)
        return CS_E_STALE;
    struct number *number = payload_of(slot);
    uint64_t now = WIDE(&number->value);
    int result = how == LOOK ? CS_OK : may_write(v);
    if (result != CS_OK)
        return result;
    if (how == ADD)
        return csi_add(&number->value, (int64_t)*n, n);
    if (how == LOOK || (how == EXCHANGE && now != *n)) {
        *n = now;
        return how == LOOK ? CS_OK : CS_E_MISMATCH;
    }
    WIDE(&number->value) = how == SET ? n[0] : n[1];
    return CS_OK;
}

/* One step, and then the news of it. */
static int operate(const cs_region *region, uint32_t what, cs_handle handle, uint64_t *n)
{
    const view *v = const_view_of(region);
    uint32_t how = what >> 1, held = hold();
    struct slot *slot = slot_of(&v->tables[what & 1u], handle);
    int result = step(v, slot, how, n);
    let_go(held);
    if (result == CS_OK && how != LOOK)
        bell_notify(&((struct number *)payload_of(slot))->bell);
    return result;
}

__attribute__((noinline)) static int compare_exchange(cs_region *region, uint32_t table, cs_handle handle,
                                                      void *expected, uint64_t desired)
{
    uint64_t n[2] = {0, desired};
    if (!expected)
        return CS_E_INVALID;
    memcpy(n, expected, sizeof *n);
    if (table == TABLE_GAUGES && (refused(n[0]) || refused(desired)))
        return CS_E_NAN;
    int result = operate(region, to(EXCHANGE, table), handle, n);
    memcpy(expected, n, sizeof *n);
    return result;
}

struct awaited {
    const cs_region *region;
    uint32_t table;
    cs_handle handle;
    uint64_t seen;
    uint64_t now;
    int result;
};

static bool moved(void *context)
{
    struct awaited *a = context;
    a->result = operate(a->region, to(LOOK, a->table), a->handle, &a->now);
    return a->result != CS_OK || a->now != a->seen;
}

__attribute__((noinline)) static int wait(cs_region *region, uint32_t table, cs_handle handle, uint64_t seen,
                                          uint64_t timeout_ns, void *value)
{
    struct awaited a;
    if (!value)
        return CS_E_INVALID;
    if (table == TABLE_GAUGES && refused(seen))
        return CS_E_NAN;
    a.region = region;
    a.table = table;
    a.handle = handle;
    a.seen = seen;
    const view *v = view_of(region);
    if (!slot_of(&v->tables[table], handle))
        return CS_E_STALE;
    int result = csi_await(v, &number_at(v, table, handle)->bell, moved, &a, timeout_ns);
    if (a.result == CS_OK)
        memcpy(value, &a.now, sizeof a.now);
    return result == CS_OK ? a.result : result;
}

__attribute__((noinline)) static int remove_number(cs_region *region, uint32_t table, cs_handle handle)
{
    int result = csi_table_remove(view_of(region), table, handle, 0, 0);
    if (result == CS_OK)
        bell_notify(&number_at(view_of(region), table, handle)->bell);
    return result;
}

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct number *number = payload_of(slot);
    (void)v, (void)index, (void)handle, (void)context;
    WIDE(&number->value) = 0; /* of the bell nothing: sleepers on what was here before must still be woken */
    return CS_OK;
}
static const table_hooks hooks = {.fill = fill};

/* -- counters ------------------------------------------------------------------------------- */

int cs_counter_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_open(region, name, length, handle, TABLE_COUNTERS, &hooks);
}

int cs_counter_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, TABLE_COUNTERS);
}

int cs_counter_remove(cs_region *region, cs_handle handle) { return remove_number(region, TABLE_COUNTERS, handle); }

int cs_counter_get(const cs_region *region, cs_handle handle, uint64_t *value)
{
    return operate(region, to(LOOK, TABLE_COUNTERS), handle, value);
}

__attribute__((noinline)) int cs_counter_set(cs_region *region, cs_handle handle, uint64_t value)
{
    return operate(region, to(SET, TABLE_COUNTERS), handle, &value);
}

/* To look for sleepers costs nothing here. */
int cs_counter_store(cs_region *region, cs_handle handle, uint64_t value)
{
    return cs_counter_set(region, handle, value);
}

int cs_counter_add(cs_region *region, cs_handle handle, int64_t n, uint64_t *value)
{
    uint64_t *sum = (uint64_t *)&n;
    int result = operate(region, to(ADD, TABLE_COUNTERS), handle, sum);
    if (result == CS_OK && value)
        *value = *sum;
    return result;
}

int cs_counter_compare_exchange(cs_region *region, cs_handle handle, uint64_t *expected, uint64_t desired)
{
    return compare_exchange(region, TABLE_COUNTERS, handle, expected, desired);
}

int cs_counter_wait(cs_region *region, cs_handle handle, uint64_t seen, uint64_t timeout_ns, uint64_t *value)
{
    return wait(region, TABLE_COUNTERS, handle, seen, timeout_ns, value);
}

/* -- gauges --------------------------------------------------------------------------------- */

int cs_gauge_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_open(region, name, length, handle, TABLE_GAUGES, &hooks);
}

int cs_gauge_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, TABLE_GAUGES);
}

int cs_gauge_remove(cs_region *region, cs_handle handle) { return remove_number(region, TABLE_GAUGES, handle); }

int cs_gauge_get(const cs_region *region, cs_handle handle, double *value)
{
    uint64_t bits;
    int result = operate(region, to(LOOK, TABLE_GAUGES), handle, &bits);
    if (result == CS_OK)
        *value = value_of(bits);
    return result;
}

int cs_gauge_set(cs_region *region, cs_handle handle, double value)
{
    uint64_t bits = bits_of(value);
    return refused(bits) ? CS_E_NAN : operate(region, to(SET, TABLE_GAUGES), handle, &bits);
}

int cs_gauge_store(cs_region *region, cs_handle handle, double value) { return cs_gauge_set(region, handle, value); }

/* Interrupts are not held off while two doubles are added. */
int cs_gauge_add(cs_region *region, cs_handle handle, double n, double *value)
{
    uint64_t both[2]; /* what is there, and what is to be */
    int result;
    if (refused(bits_of(n)))
        return CS_E_NAN;
    do {
        result = operate(region, to(LOOK, TABLE_GAUGES), handle, both);
        if (result != CS_OK)
            return result;
        both[1] = csi_add_f64(both[0], bits_of(n));
        if (refused(both[1]))
            return CS_E_NAN; /* an infinity met the other one */
        result = operate(region, to(EXCHANGE, TABLE_GAUGES), handle, both);
    } while (result == CS_E_MISMATCH);
    if (result == CS_OK && value)
        *value = value_of(both[1]);
    return result;
}

int cs_gauge_compare_exchange(cs_region *region, cs_handle handle, double *expected, double desired)
{
    return compare_exchange(region, TABLE_GAUGES, handle, expected, bits_of(desired));
}

int cs_gauge_wait(cs_region *region, cs_handle handle, double seen, uint64_t timeout_ns, double *value)
{
    return wait(region, TABLE_GAUGES, handle, bits_of(seen), timeout_ns, value);
}
