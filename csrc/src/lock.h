/*
 * lock.h: the user's locks inside the core: named ones, and each area's. One claim word, and beside it
 * which thread holds it, so that a thread that would wait for itself gets an error instead.
 */
#ifndef CORESTATE_LOCK_H
#define CORESTATE_LOCK_H

#include "view.h"

/* The lock in a slot of the locks' or areas' table. */
static inline struct lock *lock_in(const table_view *t, struct slot *slot)
{
    unsigned char *payload = payload_of(slot);
    return (struct lock *)(void *)(t->section == CS_SECTION_AREAS ? payload + offsetof(struct area, lock) : payload);
}

/* For csi_table_remove: hold the lock while its slot goes. BUSY when somebody alive holds it. */
CS_INTERNAL int csi_lock_seize(view *v, const table_view *t, struct slot *slot);
/* And after it: let go, when this view holds it. */
CS_INTERNAL void csi_lock_let_go(view *v, const table_view *t, struct slot *slot);
/* For a slot about to be used: free, unless somebody with a stale handle holds it for a moment. */
CS_INTERNAL void csi_lock_reset(view *v, struct lock *lock);

/* Add how many locks are held, named and areas', to the first number, and how many of those by the dead to the second. */
CS_INTERNAL void csi_locks_count(const view *v, uint32_t *held_dead);

#endif
