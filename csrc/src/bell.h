/*
 * bell.h: how a writer finds out whether anybody sleeps, and how sleepers and wakers miss nobody.
 *
 * Writer:  data (sequentially consistent), then look at flag; nonzero: bell_ring.
 * Sleeper: ticket = change, flag = 1, look at the data once more, wait while change is the ticket.
 *
 * Data and flag are two words in two orders; with both sequentially consistent, either the writer sees
 * the flag or the sleeper sees the data. In bell_ring flag = 2 comes before change: a sleeper whose 1 was
 * overwritten took its ticket before change moved and so does not sleep; one that came later keeps its 1,
 * because only a 2 is swapped back to 0. A waker killed halfway leaves the flag nonzero, and the next
 * writer wakes instead; each wait has a slice because there may be no next writer.
 */
#ifndef CORESTATE_BELL_H
#define CORESTATE_BELL_H

#include "view.h"

#define BELL_SLICE_NS 50000000ull
#define READER_SLICE_NS 10000000ull /* of a view that may not write, and so cannot ask to be woken */

#if CORESTATE_ALONE
CS_INTERNAL void bell_ring(struct bell *bell);
CS_INTERNAL void bell_notify(struct bell *bell);
#else
static inline void bell_ring(struct bell *bell)
{
    (void)swap32(&bell->flag, 2);
    (void)add32(&bell->change, 1);
    cs_port_wake(&bell->change, 1);
    uint32_t ringing = 2;
    (void)cas32(&bell->flag, &ringing, 0);
}

/* After a sequentially consistent change of what the bell belongs to. */
static inline void bell_notify(struct bell *bell)
{
    if (!LIKELY(load32_sc(&bell->flag) == 0))
        bell_ring(bell);
}
#endif

/* A deadline on the monotonic clock, for a wait of any kind. */
typedef struct deadline {
    uint64_t at; /* CS_FOREVER: none */
} deadline;

static inline deadline deadline_in(uint64_t timeout_ns)
{
    uint64_t now = timeout_ns && timeout_ns != CS_FOREVER ? cs_port_monotonic_ns() : 0;
    return (deadline){timeout_ns > CS_FOREVER - now ? CS_FOREVER : now + timeout_ns};
}

/* The next slice of a wait, at most `slice`; 0 when the time has passed. */
static inline uint64_t deadline_slice(deadline until, uint64_t slice)
{
    if (until.at == CS_FOREVER)
        return slice;
    if (until.at == 0)
        return 0;
    uint64_t now = cs_port_monotonic_ns();
    uint64_t left = until.at > now ? until.at - now : 0;
    return left < slice ? left : slice;
}

#if !CORESTATE_ALONE /* which has csi_await */
/*
 * One slice of sleep, after which the caller looks again: CS_OK, or TIMEOUT, INTERRUPTED, CLOSED, BUSY.
 * `ready(context)` is the look between raising the flag and going to sleep.
 */
CS_INTERNAL int csi_bell_wait(const view *v, struct bell *bell, deadline until, uint64_t slice_ns,
                              bool (*ready)(void *), void *context);
#endif

#endif
