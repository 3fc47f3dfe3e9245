/* Counters (u64) and gauges (f64): the same cell under two types. */
#include "corestate/counters.h"

#include "bell.h"
#include "number.h"
#include "table.h"
#include "view.h"

static const table_view *numbers(const view *v, uint32_t table) { return &v->tables[table]; }

static struct number *number_of(const view *v, uint32_t table, cs_handle handle)
{
    struct slot *slot = slot_of(numbers(v, table), handle);
    return slot ? payload_of(slot) : 0;
}

static bool stands(const view *v, uint32_t table, cs_handle handle)
{
    return still(slot_at(numbers(v, table), (uint32_t)handle), handle);
}

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct number *number = payload_of(slot);
    (void)v, (void)index, (void)handle, (void)context;
    poke64(&number->value, 0); /* of the bell nothing: sleepers on what was here before must still be woken */
    return CS_OK;
}

static int open_number(cs_region *region, uint32_t table, const char *name, uint32_t length, cs_handle *handle)
{
    static const table_hooks hooks = {.fill = fill};
    return csi_open(region, name, length, handle, table, &hooks);
}

static int find_number(const cs_region *region, uint32_t table, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, table);
}

static int remove_number(cs_region *region, uint32_t table, cs_handle handle)
{
    int result = csi_table_remove(view_of(region), table, handle, 0, 0);
    if (result == CS_OK) {
        struct number *number = payload_of(slot_at(numbers(view_of(region), table), (uint32_t)handle));
        bell_notify(&number->bell);
    }
    return result;
}

/* The cell to write to, or why not. */
static int writable(view *v, uint32_t table, cs_handle handle, struct number **number)
{
    int result = may_write(v);
    *number = number_of(v, table, handle);
    return *number ? result : CS_E_STALE;
}

/* Notify, and say whether the handle stood until after the write. Where the slot changed hands between the look
 * and the write, nobody can tell any more: the caller is told that its handle is stale. */
static int written(view *v, uint32_t table, cs_handle handle, struct number *number)
{
    bell_notify(&number->bell);
    return LIKELY(stands(v, table, handle)) ? CS_OK : CS_E_STALE;
}

static int set_number(view *v, uint32_t table, cs_handle handle, uint64_t bits)
{
    struct number *number;
    int result = writable(v, table, handle, &number);
    if (result != CS_OK)
        return result;
    (void)swap64(&number->value, bits); /* sequentially consistent, for the bell */
    return written(v, table, handle, number);
}

static int store_number(view *v, uint32_t table, cs_handle handle, uint64_t bits)
{
    struct number *number;
    int result = writable(v, table, handle, &number);
    if (LIKELY(result == CS_OK))
        store64(&number->value, bits);
    return result;
}

static int exchange_number(view *v, uint32_t table, cs_handle handle, uint64_t *expected, uint64_t desired)
{
    struct number *number;
    int result = writable(v, table, handle, &number);
    if (result != CS_OK)
        return result;
    if (!cas64(&number->value, expected, desired))
        return stands(v, table, handle) ? CS_E_MISMATCH : CS_E_STALE;
    return written(v, table, handle, number);
}

struct awaited {
    const struct slot *slot;
    struct number *number;
    cs_handle handle;
    uint64_t seen;
};

static bool moved(void *context)
{
    const struct awaited *a = context;
    return load64_sc(&a->number->value) != a->seen || !still(a->slot, a->handle);
}

static int wait_number(view *v, uint32_t table, cs_handle handle, uint64_t seen, uint64_t timeout_ns, uint64_t *bits)
{
    struct number *number = number_of(v, table, handle);
    if (!number)
        return CS_E_STALE;
    struct awaited awaited = {slot_at(numbers(v, table), (uint32_t)handle), number, handle, seen};
    deadline until = deadline_in(timeout_ns);
    for (;;) {
        *bits = load64(&number->value);
        if (!stands(v, table, handle))
            return CS_E_STALE;
        if (load32(&v->closed))
            return CS_E_CLOSED;
        if (*bits != seen)
            return CS_OK;
        int result = csi_bell_wait(v, &number->bell, until, BELL_SLICE_NS, moved, &awaited);
        if (result != CS_OK)
            return result;
    }
}

/* -- counters ------------------------------------------------------------------------------- */

int cs_counter_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return open_number(region, TABLE_COUNTERS, name, length, handle);
}

int cs_counter_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return find_number(region, TABLE_COUNTERS, name, length, handle);
}

int cs_counter_remove(cs_region *region, cs_handle handle) { return remove_number(region, TABLE_COUNTERS, handle); }

int cs_counter_get(const cs_region *region, cs_handle handle, uint64_t *value)
{
    const view *v = const_view_of(region);
    const struct number *number = number_of(v, TABLE_COUNTERS, handle);
    if (!number)
        return CS_E_STALE;
    *value = load64(&number->value);
    return stands(v, TABLE_COUNTERS, handle) ? CS_OK : CS_E_STALE;
}

int cs_counter_set(cs_region *region, cs_handle handle, uint64_t value)
{
    return set_number(view_of(region), TABLE_COUNTERS, handle, value);
}

int cs_counter_store(cs_region *region, cs_handle handle, uint64_t value)
{
    return store_number(view_of(region), TABLE_COUNTERS, handle, value);
}

int cs_counter_add(cs_region *region, cs_handle handle, int64_t n, uint64_t *value)
{
    view *v = view_of(region);
    struct number *number;
    int result = writable(v, TABLE_COUNTERS, handle, &number);
    if (result == CS_OK)
        result = csi_add(&number->value, n, value);
    return result == CS_OK ? written(v, TABLE_COUNTERS, handle, number) : result;
}

int cs_counter_compare_exchange(cs_region *region, cs_handle handle, uint64_t *expected, uint64_t desired)
{
    return expected ? exchange_number(view_of(region), TABLE_COUNTERS, handle, expected, desired) : CS_E_INVALID;
}

int cs_counter_wait(cs_region *region, cs_handle handle, uint64_t seen, uint64_t timeout_ns, uint64_t *value)
{
    return value ? wait_number(view_of(region), TABLE_COUNTERS, handle, seen, timeout_ns, value) : CS_E_INVALID;
}

/* -- gauges --------------------------------------------------------------------------------- */

int cs_gauge_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return open_number(region, TABLE_GAUGES, name, length, handle);
}

int cs_gauge_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return find_number(region, TABLE_GAUGES, name, length, handle);
}

int cs_gauge_remove(cs_region *region, cs_handle handle) { return remove_number(region, TABLE_GAUGES, handle); }

int cs_gauge_get(const cs_region *region, cs_handle handle, double *value)
{
    const view *v = const_view_of(region);
    const struct number *number = number_of(v, TABLE_GAUGES, handle);
    if (!number)
        return CS_E_STALE;
    *value = value_of(load64(&number->value));
    return stands(v, TABLE_GAUGES, handle) ? CS_OK : CS_E_STALE;
}

int cs_gauge_set(cs_region *region, cs_handle handle, double value)
{
    uint64_t bits = bits_of(value);
    return is_nan(bits) ? CS_E_NAN : set_number(view_of(region), TABLE_GAUGES, handle, bits);
}

int cs_gauge_store(cs_region *region, cs_handle handle, double value)
{
    uint64_t bits = bits_of(value);
    return is_nan(bits) ? CS_E_NAN : store_number(view_of(region), TABLE_GAUGES, handle, bits);
}

int cs_gauge_add(cs_region *region, cs_handle handle, double n, double *value)
{
    view *v = view_of(region);
    struct number *number;
    int result = n == n ? writable(v, TABLE_GAUGES, handle, &number) : CS_E_NAN;
    if (result != CS_OK)
        return result;
    uint64_t now = peek64(&number->value), sum;
    do {
        sum = csi_add_f64(now, bits_of(n));
        if (is_nan(sum))
            return CS_E_NAN; /* an infinity met the other one */
    } while (!cas64(&number->value, &now, sum));
    if (value)
        *value = value_of(sum);
    return written(v, TABLE_GAUGES, handle, number);
}

int cs_gauge_compare_exchange(cs_region *region, cs_handle handle, double *expected, double desired)
{
    if (!expected)
        return CS_E_INVALID;
    if (is_nan(bits_of(desired)) || is_nan(bits_of(*expected)))
        return CS_E_NAN;
    uint64_t bits = bits_of(*expected);
    int result = exchange_number(view_of(region), TABLE_GAUGES, handle, &bits, bits_of(desired));
    if (result == CS_E_MISMATCH)
        *expected = value_of(bits);
    return result;
}

int cs_gauge_wait(cs_region *region, cs_handle handle, double seen, uint64_t timeout_ns, double *value)
{
    uint64_t bits;
    if (!value)
        return CS_E_INVALID;
    if (is_nan(bits_of(seen)))
        return CS_E_NAN;
    int result = wait_number(view_of(region), TABLE_GAUGES, handle, bits_of(seen), timeout_ns, &bits);
    if (result == CS_OK)
        *value = value_of(bits);
    return result;
}
