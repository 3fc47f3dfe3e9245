/* Counters (u64) and gauges (f64): the same cell under two types. */
#include "corestate/counters.h"

#include "alone.h"
#include "number.h"

/* The number of a live handle, or null. While held. */
static struct number *number_of(const view *v, uint32_t table, cs_handle handle)
{
    struct slot *slot = slot_of(&v->tables[table], handle);
    return slot ? payload_of(slot) : 0;
}

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct number *number = payload_of(slot);
    (void)v, (void)index, (void)handle, (void)context;
    WIDE(&number->value) = 0; /* of the bell nothing: sleepers on what was here before must still be woken */
    return CS_OK;
}
static const table_hooks hooks = {.fill = fill};

static int get(const cs_region *region, uint32_t table, cs_handle handle, uint64_t *bits)
{
    uint32_t held = hold();
    const struct number *number = number_of(const_view_of(region), table, handle);
    if (number)
        *bits = WIDE(&number->value);
    let_go(held);
    return number ? CS_OK : CS_E_STALE;
}

/* A write: held from begin to end. */
typedef struct writing {
    struct number *number;
    uint32_t held;
} writing;

static int begin(cs_region *region, uint32_t table, cs_handle handle, writing *w)
{
    view *v = view_of(region);
    w->held = hold();
    w->number = number_of(v, table, handle);
    return w->number ? may_write(v) : CS_E_STALE;
}

static int end(const writing *w, int result)
{
    let_go(w->held);
    if (result == CS_OK)
        bell_notify(&w->number->bell);
    return result;
}

static int set(cs_region *region, uint32_t table, cs_handle handle, uint64_t bits)
{
    writing w;
    int result = begin(region, table, handle, &w);
    if (result == CS_OK)
        WIDE(&w.number->value) = bits;
    return end(&w, result);
}

static int exchange(cs_region *region, uint32_t table, cs_handle handle, uint64_t *expected, uint64_t desired)
{
    writing w;
    int result = begin(region, table, handle, &w);
    if (result == CS_OK && !cas64(&w.number->value, expected, desired))
        result = CS_E_MISMATCH;
    return end(&w, result);
}

struct awaited {
    cs_region *region;
    cs_handle handle;
    uint64_t seen;
    uint64_t bits;
    uint32_t table;
    int result;
};

static bool moved(void *context)
{
    struct awaited *a = context;
    a->result = get(a->region, a->table, a->handle, &a->bits);
    return a->result != CS_OK || a->bits != a->seen;
}

static int wait(struct awaited *a, uint64_t timeout_ns)
{
    view *v = view_of(a->region);
    deadline until = deadline_in(timeout_ns);
    int result = CS_OK;
    while (result == CS_OK && !moved(a)) { /* and so the index is one of the table's */
        struct number *number = payload_of(slot_at(&v->tables[a->table], (uint32_t)a->handle));
        result = csi_bell_wait(v, &number->bell, until, BELL_SLICE_NS, moved, a);
    }
    return result == CS_OK ? a->result : result;
}

/* -- counters ------------------------------------------------------------------------------- */

int cs_counter_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_open(region, name, length, handle, TABLE_COUNTERS, &hooks);
}

int cs_counter_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, TABLE_COUNTERS);
}

static int remove_number(cs_region *region, uint32_t table, cs_handle handle)
{
    int result = csi_table_remove(view_of(region), table, handle, 0, 0);
    if (result == CS_OK) {
        struct number *number = payload_of(slot_at(&view_of(region)->tables[table], (uint32_t)handle));
        bell_notify(&number->bell);
    }
    return result;
}

int cs_counter_remove(cs_region *region, cs_handle handle) { return remove_number(region, TABLE_COUNTERS, handle); }

int cs_counter_get(const cs_region *region, cs_handle handle, uint64_t *value)
{
    return get(region, TABLE_COUNTERS, handle, value);
}

int cs_counter_set(cs_region *region, cs_handle handle, uint64_t value)
{
    return set(region, TABLE_COUNTERS, handle, value);
}

/* To look for sleepers costs nothing here. */
int cs_counter_store(cs_region *region, cs_handle handle, uint64_t value)
{
    return cs_counter_set(region, handle, value);
}

int cs_counter_add(cs_region *region, cs_handle handle, int64_t n, uint64_t *value)
{
    writing w;
    int result = begin(region, TABLE_COUNTERS, handle, &w);
    if (result == CS_OK)
        result = csi_add(&w.number->value, n, value);
    return end(&w, result);
}

int cs_counter_compare_exchange(cs_region *region, cs_handle handle, uint64_t *expected, uint64_t desired)
{
    return expected ? exchange(region, TABLE_COUNTERS, handle, expected, desired) : CS_E_INVALID;
}

int cs_counter_wait(cs_region *region, cs_handle handle, uint64_t seen, uint64_t timeout_ns, uint64_t *value)
{
    struct awaited a = {.region = region, .handle = handle, .seen = seen, .table = TABLE_COUNTERS};
    if (!value)
        return CS_E_INVALID;
    int result = wait(&a, timeout_ns);
    *value = a.bits;
    return result;
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
    int result = get(region, TABLE_GAUGES, handle, &bits);
    if (result == CS_OK)
        *value = value_of(bits);
    return result;
}

int cs_gauge_set(cs_region *region, cs_handle handle, double value)
{
    uint64_t bits = bits_of(value);
    return is_nan(bits) ? CS_E_NAN : set(region, TABLE_GAUGES, handle, bits);
}

int cs_gauge_store(cs_region *region, cs_handle handle, double value) { return cs_gauge_set(region, handle, value); }

int cs_gauge_add(cs_region *region, cs_handle handle, double n, double *value)
{
    writing w;
    if (is_nan(bits_of(n)))
        return CS_E_NAN;
    int result = begin(region, TABLE_GAUGES, handle, &w);
    if (result == CS_OK) {
        uint64_t sum = csi_add_f64(WIDE(&w.number->value), bits_of(n));
        if (is_nan(sum)) {
            result = CS_E_NAN; /* an infinity met the other one */
        } else {
            WIDE(&w.number->value) = sum;
            if (value)
                *value = value_of(sum);
        }
    }
    return end(&w, result);
}

int cs_gauge_compare_exchange(cs_region *region, cs_handle handle, double *expected, double desired)
{
    if (!expected)
        return CS_E_INVALID;
    if (is_nan(bits_of(desired)) || is_nan(bits_of(*expected)))
        return CS_E_NAN;
    uint64_t bits = bits_of(*expected);
    int result = exchange(region, TABLE_GAUGES, handle, &bits, bits_of(desired));
    *expected = value_of(bits);
    return result;
}

int cs_gauge_wait(cs_region *region, cs_handle handle, double seen, uint64_t timeout_ns, double *value)
{
    struct awaited a = {.region = region, .handle = handle, .seen = bits_of(seen), .table = TABLE_GAUGES};
    if (!value)
        return CS_E_INVALID;
    if (is_nan(a.seen))
        return CS_E_NAN;
    int result = wait(&a, timeout_ns);
    if (result == CS_OK)
        *value = value_of(a.bits);
    return result;
}
