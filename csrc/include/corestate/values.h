/*
 * values.h: the current values of hot keys, above a store that has all of them.
 *
 * Keys and values are bytes; what a key means is the caller's. Keys share locks (cs_value_lock takes the one
 * of a key). Who writes: lock, mark, commit in the store, publish or drop, unlock. Who missed: lock, look
 * again, read the store, publish, unlock. A reader that finds a mark reads the store. A writer killed in
 * between leaves a mark, which the next one clears. `epoch` names the store and the boot the values were
 * made under: values of another epoch are not there. Pinned values are kept for who has no store: they are never evicted.
 */
#ifndef CORESTATE_VALUES_H
#define CORESTATE_VALUES_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cs_value_info {
    uint64_t version;
    uint64_t expires_ns; /* since the epoch; 0 never. The caller judges it */
    uint32_t length;     /* of the value */
    uint32_t tag;        /* the caller's: what kind of bytes these are */
} cs_value_info;

/* Read. Errors: NOT_FOUND (not here: ask the store), BUSY (being written: ask the store), TOO_BIG (capacity).
 * Lock-free, bounded. About 50 ns. */
CS_API int cs_value_get(const cs_region *region, uint64_t epoch, const void *key, uint32_t key_length, void *out,
                        uint32_t capacity, cs_value_info *info);

/* Which lock a key is under: 0 to values/8 - 1. Take several in ascending order. */
CS_API int cs_value_lock_of(const cs_region *region, const void *key, uint32_t key_length, uint32_t *lock);
/* As cs_lock_acquire, without inheritance to tell: the dead left marks at most. Errors: TIMEOUT, INTERRUPTED, CLOSED,
 * BUSY, READ_ONLY, DETACHED, UNSUPPORTED (the region has no room for values). */
CS_API int cs_value_lock(cs_region *region, uint32_t lock, uint64_t timeout_ns);
CS_API int cs_value_unlock(cs_region *region, uint32_t lock);

/* Under its lock. mark: readers go to the store until publish or drop. drop: forget it; its bytes are overwritten, and
 * with them whatever former values of it, or of other keys under the same lock, have left behind. Errors: NOT_OWNER. */
CS_API int cs_value_mark(cs_region *region, const void *key, uint32_t key_length);
CS_API int cs_value_drop(cs_region *region, const void *key, uint32_t key_length);

/* Under its lock: from now on this is the value. What is least lately written under the same lock makes room.
 * Errors: TOO_BIG (key and value together above config.value_bytes: the key is dropped instead), FULL (pinned
 * values have all the room under this lock), NOT_OWNER. */
CS_API int cs_value_publish(cs_region *region, uint64_t epoch, const void *key, uint32_t key_length, const void *value,
                            const cs_value_info *info, uint32_t pinned);

/* Walk the pinned values of an epoch (CS_FOREVER: of all, for who takes those of the past away): as cs_names_next; key_length comes back with the key's length. */
CS_API int cs_value_next(const cs_region *region, uint64_t epoch, uint32_t *cursor, void *key, uint32_t key_capacity,
                         uint32_t *key_length);

#ifdef __cplusplus
}
#endif

#endif
