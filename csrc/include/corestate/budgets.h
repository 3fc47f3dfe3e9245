/*
 * budgets.h: money, in integer micro-units, that many processes spend and none overspends.
 *
 * A budget has a limit, what is spent and what is reserved; spent + reserved never exceeds the limit, but
 * by what a prepared reservation did cost more (cs_budget_commit). A reservation belongs to the process that made it and is given back when that dies, unless it was being
 * committed: what is committed is written to a store first, so only the store knows, and whoever asks it
 * settles the reservation (cs_budget_next_unsettled, cs_budget_settle).
 *
 * When nine tenths of the limit are spent, budget_warning tells how many hundredths are, rounded down: whether by spending
 * more, by a limit that came down, or by what cs_budget_load brings. It is told once, and again only after a limit was set
 * of which less than nine tenths are spent.
 *
 * Whoever changes a budget has it alone meanwhile, for some 100 ns: all below that are not reads may block behind
 * another who changes the same budget, and are BUSY when one alive has been stopped in it for a second.
 */
#ifndef CORESTATE_BUDGETS_H
#define CORESTATE_BUDGETS_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cs_budget_info {
    uint64_t limit;
    uint64_t spent;
    uint64_t reserved;
    uint64_t detections; /* a tally kept beside the money: cs_budget_detect */
    uint32_t warned;     /* 1: nine tenths are spent, and budget_warning is out */
    uint32_t kept;       /* 1: a store has it (cs_budget_load) */
} cs_budget_info;

/* Open a budget by name, creating it with limit 0. Errors: INVALID, NAME, FULL, READ_ONLY, DETACHED, BUSY. O(length of
 * the name) when it is there; creating may block behind another creator. */
CS_API int cs_budget_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle);
/* The same without creating. Errors: INVALID, NAME, NOT_FOUND, BUSY. Lock-free. */
CS_API int cs_budget_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle);

/* Remove; its reservations lapse. Errors: STALE, READ_ONLY, DETACHED, BUSY. */
CS_API int cs_budget_remove(cs_region *region, cs_handle handle);

/* Read. limit, spent and reserved are of one instant. Errors: STALE, BUSY (its writers never paused). */
CS_API int cs_budget_get(const cs_region *region, cs_handle handle, cs_budget_info *info);

/* Set the limit: not below what is spent and reserved (CS_E_LIMIT). May publish budget_warning. Errors: LIMIT, STALE,
 * READ_ONLY, DETACHED, BUSY. */
CS_API int cs_budget_set_limit(cs_region *region, cs_handle handle, uint64_t limit);

/* Say what the store knows to be spent and detected, when a budget comes back from it. That may be more than the limit
 * while nothing is reserved. Errors: as set_limit. */
CS_API int cs_budget_load(cs_region *region, cs_handle handle, uint64_t limit, uint64_t spent, uint64_t detections);

/*
 * Reserve. Errors: LIMIT (it would exceed the limit; nothing is reserved), FULL (no free reservation),
 * STALE, READ_ONLY, DETACHED, BUSY. About 100 ns. Before it says LIMIT or FULL it gives back what the dead held.
 */
CS_API int cs_budget_reserve(cs_region *region, cs_handle handle, uint64_t amount, cs_handle *reservation);

/* A commit is about to be written to a store: from now on the reservation outlives this process.
 * Errors: STALE (not reserved any more), NOT_OWNER, READ_ONLY, DETACHED, BUSY. */
CS_API int cs_budget_prepare(cs_region *region, cs_handle reservation);

/* Spend `amount` and give back the rest. One atomic step. It is at most what was reserved (RANGE), unless that was
 * prepared: what is spent by then is recorded, also beyond the limit. May publish budget_warning. Errors: STALE, NOT_OWNER, RANGE, READ_ONLY, DETACHED, BUSY. */
CS_API int cs_budget_commit(cs_region *region, cs_handle reservation, uint64_t amount);

/* Give the reservation back. Errors: STALE, NOT_OWNER, READ_ONLY, DETACHED, BUSY. */
CS_API int cs_budget_cancel(cs_region *region, cs_handle reservation);

/* Add to the tally of detections; *total, if not null, is the new one. Errors: STALE, RANGE (it would pass 64 bits),
 * READ_ONLY, DETACHED. */
CS_API int cs_budget_detect(cs_region *region, cs_handle handle, uint64_t n, uint64_t *total);

/* Prepared reservations of the dead, which only the store can settle: as cs_names_next. */
CS_API int cs_budget_next_unsettled(const cs_region *region, uint32_t *cursor, cs_handle *reservation,
                                    cs_handle *budget, uint64_t *amount);
/* Settle one by what the store says: `spent` is what was committed, 0 for nothing. Errors: as commit. */
CS_API int cs_budget_settle(cs_region *region, cs_handle reservation, uint64_t spent);

#ifdef __cplusplus
}
#endif

#endif
