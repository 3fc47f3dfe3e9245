/* preempt.h: what the main loop and the interrupt do to the region, and the books that must balance. */
#ifndef PREEMPT_H
#define PREEMPT_H

#include "corestate/corestate.h"

#define EXPECT(condition) expect_at((condition) ? 1 : 0, #condition, __LINE__)
void expect_at(int holds, const char *what, int line);
uint32_t random_below(uint32_t *seed, uint32_t n);

extern cs_region region;

/* What stands in the region, made by begin(). */
extern cs_handle cell, total, gauge, area, lock;
extern uint32_t kind;

/* A number whose halves say whether it was torn. */
static inline uint64_t halves(uint32_t n) { return (uint64_t)n << 32 | n; }

enum work { WORK_WRITE = 1, WORK_READ = 2, WORK_WAIT = 4 };

/* One of the two. Nobody else touches it. */
typedef struct actor {
    const char *name;
    uint32_t number;
    uint32_t seed;
    uint32_t step;
    uint32_t writes;
    uint64_t added;     /* to the common counter */
    uint64_t published; /* events of its own, that were said to be */
    uint64_t spent;
    uint64_t counted;
    uint64_t bursts;
    cs_handle agent; /* registered by it, 0 when none */
    cs_subscription subscription;
    uint64_t seen[2]; /* number of the last event of each actor */
    uint64_t received;
    uint64_t refused; /* BUSY, where the other was in the middle of the same thing */
} actor;

void begin(actor *one, actor *two);
/* The next of what there is to do. */
void write_something(actor *a);
void read_something(actor *a);
/* The same of functions that are like others, or seldom used. */
void write_the_rest(actor *a);
void read_the_rest(void);
/* Whether it was done; an interrupt may find the other one in the middle of the same thing. */
int done(actor *a, int result);
/* The main loop sleeps until the interrupt has done something; the interrupt is refused what waits. */
void wait_for_something(actor *a);
void never_wait(void);
/* When nobody interrupts any more. */
void balance(actor *one, actor *two);

#endif
