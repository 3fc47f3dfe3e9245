/*
 * counters.h: named counters (u64) and gauges (f64), created on first use by whoever comes first.
 *
 * Each has a cache line of its own on a host. Writing one notifies who waits for it; with nobody
 * asleep that costs one load.
 */
#ifndef CORESTATE_COUNTERS_H
#define CORESTATE_COUNTERS_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Open a counter by name, creating it at 0. Finding an existing one takes no lock.
 * Errors: NAME, FULL, READ_ONLY (not there, and cannot be created), DETACHED, BUSY. O(length of the name).
 * Creating may block behind another creator.
 */
CS_API int cs_counter_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle);

/* The same without creating. Errors: NAME, NOT_FOUND, BUSY. Lock-free. */
CS_API int cs_counter_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle);

/* Remove a counter; handles to it become stale, waiters return CS_E_STALE. Errors: STALE, READ_ONLY, DETACHED, BUSY.
 * May block behind another who creates or removes a counter. */
CS_API int cs_counter_remove(cs_region *region, cs_handle handle);

/* Read. Errors: STALE. Two loads. */
CS_API int cs_counter_get(const cs_region *region, cs_handle handle, uint64_t *value);

/* Set, and wake who waits. Errors: STALE, READ_ONLY, DETACHED. Wait-free. */
CS_API int cs_counter_set(cs_region *region, cs_handle handle, uint64_t value);

/* Set without waking anybody: who waits sees it at its next look, 50 ms later at most. One plain store.
 * Errors: STALE, READ_ONLY, DETACHED. Wait-free. */
CS_API int cs_counter_store(cs_region *region, cs_handle handle, uint64_t value);

/* Add n (which may be negative) and wake who waits; *value, if not null, is the new value.
 * Errors: STALE, READ_ONLY, DETACHED, RANGE (below zero or beyond 64 bits; nothing changed). Wait-free
 * for n >= 0 and values below 2^63, else lock-free. One atomic addition. */
CS_API int cs_counter_add(cs_region *region, cs_handle handle, int64_t n, uint64_t *value);

/* Set to desired if it is *expected, and wake who waits; else CS_E_MISMATCH with *expected the value found.
 * Errors: MISMATCH, INVALID, STALE, READ_ONLY, DETACHED. One compare-and-swap; wait-free. */
CS_API int cs_counter_compare_exchange(cs_region *region, cs_handle handle, uint64_t *expected, uint64_t desired);

/* Sleep until the value is not `seen`; *value is what it is then. Errors: TIMEOUT, INTERRUPTED,
 * STALE, CLOSED. A read-only view looks every 10 ms. Blocks. */
CS_API int cs_counter_wait(cs_region *region, cs_handle handle, uint64_t seen, uint64_t timeout_ns, uint64_t *value);

/* The same for gauges, each with the errors of its counterpart; NaN, also as the result of adding two infinities, is
 * CS_E_NAN. Compared bit for bit. cs_gauge_add is lock-free. */
CS_API int cs_gauge_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle);
CS_API int cs_gauge_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle);
CS_API int cs_gauge_remove(cs_region *region, cs_handle handle);
CS_API int cs_gauge_get(const cs_region *region, cs_handle handle, double *value);
CS_API int cs_gauge_set(cs_region *region, cs_handle handle, double value);
CS_API int cs_gauge_store(cs_region *region, cs_handle handle, double value);
CS_API int cs_gauge_add(cs_region *region, cs_handle handle, double n, double *value);
CS_API int cs_gauge_compare_exchange(cs_region *region, cs_handle handle, double *expected, double desired);
CS_API int cs_gauge_wait(cs_region *region, cs_handle handle, double seen, uint64_t timeout_ns, double *value);

/* -- every named thing --------------------------------------------------------------------- */

/* A table of names: CS_SECTION_COUNTERS, _GAUGES, _AREAS, _AGENTS, _LOCKS, _KINDS or _BUDGETS. */

/* How many it holds; its change number, one more for each insertion and removal. Errors: INVALID. One load. */
CS_API int cs_names_count(const cs_region *region, uint32_t table, uint32_t *count);
CS_API int cs_names_change(const cs_region *region, uint32_t table, uint32_t *change);

/*
 * Walk a table: *cursor starts at 0; each call gives the next live slot's handle and name (up to 64
 * bytes, NUL-terminated) and moves the cursor. CS_E_NOT_FOUND at the end. What is inserted or removed
 * meanwhile may or may not be seen. O(1) for each slot ever used.
 */
CS_API int cs_names_next(const cs_region *region, uint32_t table, uint32_t *cursor, cs_handle *handle, char name[64],
                         uint32_t *length);

/* The name of what handle stands for. Errors: STALE, INVALID. */
CS_API int cs_names_get(const cs_region *region, uint32_t table, cs_handle handle, char name[64], uint32_t *length);

/* The handle of a live slot by index. Errors: NOT_FOUND, INVALID. */
CS_API int cs_names_at(const cs_region *region, uint32_t table, uint32_t index, cs_handle *handle);

/* For views over all values at once (counters and gauges): where slot 0's generation (u32, odd while
 * live) and value (u64 or f64) are, the bytes from slot to slot, and how many slots were ever used. */
typedef struct cs_column {
    const void *generation;
    const void *value;
    uint32_t stride;
    uint32_t used;
    uint32_t capacity;
} cs_column;
/* Errors: INVALID. O(1); the addresses are good until the memory is unmapped. */
CS_API int cs_names_column(const cs_region *region, uint32_t table, cs_column *column);

/* What a hot reader of one counter or gauge needs, as addresses good until the memory is unmapped:
 * believe *value only while *generation is the handle's upper 32 bits. Errors: STALE, INVALID. */
typedef struct cs_hot_cell {
    const void *generation; /* u32 */
    const void *value;      /* u64 or f64 */
} cs_hot_cell;
CS_API int cs_hot_cell_of(const cs_region *region, uint32_t table, cs_handle handle, cs_hot_cell *cell);

#ifdef __cplusplus
}
#endif

#endif
