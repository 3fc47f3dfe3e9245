/*
 * locks.h: locks that survive their holders.
 *
 * A lock's word names its holder in the same atomic step that takes it. A lock whose holder died is
 * inherited: the next taker gets it with CS_INHERITED and knows that what the lock guards may be
 * half done. Any thread of the holding process may release.
 *
 * table is CS_SECTION_LOCKS for named locks, CS_SECTION_AREAS for the lock of an area.
 */
#ifndef CORESTATE_LOCKS_H
#define CORESTATE_LOCKS_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Open a named lock, creating it free. Errors: INVALID, NAME, FULL, READ_ONLY, DETACHED, BUSY. O(length of the name)
 * when it is there; creating may block behind another creator. */
CS_API int cs_lock_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle);
/* The same without creating. Errors: INVALID, NAME, NOT_FOUND, BUSY. Lock-free. */
CS_API int cs_lock_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle);

/* Remove a named lock. Errors: STALE, READ_ONLY, DETACHED, BUSY (held by somebody alive). May block behind another who
 * creates or removes one. */
CS_API int cs_lock_remove(cs_region *region, cs_handle handle);

/*
 * Try once: CS_OK, CS_INHERITED, or CS_E_BUSY (held by somebody alive), CS_E_DEADLOCK (by the calling
 * thread), STALE, READ_ONLY, DETACHED. One compare-and-swap when free; when not, one more look at
 * whether the holder lives. Wait-free, but for the event of an inheritance: see cs_event_publish.
 */
CS_API int cs_lock_try(cs_region *region, uint32_t table, cs_handle handle);

/*
 * Wait up to timeout_ns. As cs_lock_try, and TIMEOUT, INTERRUPTED, CLOSED instead of BUSY. Sleeps in
 * the kernel; looks every 3 ms whether the holder lives, so a dead one costs at most 10 ms.
 */
CS_API int cs_lock_acquire(cs_region *region, uint32_t table, cs_handle handle, uint64_t timeout_ns);

/* Release. Errors: NOT_OWNER (this process does not hold it), STALE, READ_ONLY, DETACHED. One compare-and-swap, two if
 * a waiter came meanwhile; wakes one waiter. Wait-free. */
CS_API int cs_lock_release(cs_region *region, uint32_t table, cs_handle handle);

typedef struct cs_lock_info {
    uint32_t holder;    /* participant id, 0 when free */
    uint32_t inherited; /* 1 when the present holder took it from a dead one */
    uint32_t alive;     /* 1 when the holder lives; 0 when free or dead */
    uint32_t mine;      /* 1 when this process holds it */
} cs_lock_info;

/* Who holds it, now. Errors: STALE. A system call when somebody else holds it. */
CS_API int cs_lock_get(const cs_region *region, uint32_t table, cs_handle handle, cs_lock_info *info);

#ifdef __cplusplus
}
#endif

#endif
