/*
 * work.h: a process that does a little of everything in a region, as fast as it can, and writes down outside the
 * region what it began and what it saw done, so that others can tell afterwards whether anything was lost.
 */
#ifndef PROOF_WORK_H
#define PROOF_WORK_H

#include "rig.h"

#include <stdatomic.h>

#define WORKERS 8u
#define COUNTERS 6u
#define LOCKS 3u
#define BUDGETS 3u

/* Begun is written before the deed and done after it, so what a region says lies between the two. */
typedef struct ledger {
    _Atomic uint64_t begun, done;
} ledger;

typedef struct work_log {
    ledger adds[COUNTERS]; /* of WORK_ADD each */
    ledger spent[BUDGETS];
    ledger published;
    _Atomic uint64_t inherited, busy, deeds;
    _Atomic uint64_t faults;
} work_log;

/* What a lock guards: two numbers that are equal whenever nobody holds it. */
typedef struct guarded {
    volatile uint64_t left, right;
} guarded;

typedef struct work_shared {
    work_log logs[WORKERS];
    guarded guarded[LOCKS];
    _Atomic uint32_t stop;
} work_shared;

typedef struct work_event { /* what a worker publishes */
    uint64_t worker, number, check;
} work_event;

/* The region all of them use. */
cs_config work_config(void);
/* Make the names that workers share; by the supervisor. Returns the kind of their events. */
uint32_t work_prepare(cs_region *region);
/* Work as number `worker` until stop is set; `seed` differs from life to life. */
void work(cs_region *region, work_shared *shared, uint32_t worker, uint64_t seed);

uint64_t work_check(const work_event *event);

#endif
