/*
 * rows.h: one slot of a table, for one operation on it, which is held from its beginning to its end.
 */
#ifndef CORESTATE_ROWS_H
#define CORESTATE_ROWS_H

#include "alone.h"

typedef struct row {
    view *v;
    void *payload;
    uint32_t held;
    cs_change change; /* for who tells of what he changes; of the row's slot already */
} row;

/* Hold, and look up the live slot of a handle; let go when it is STALE. */
CS_INTERNAL int csi_row(const cs_region *region, uint32_t table, cs_handle handle, row *r);
/* The same to write it. Errors: also READ_ONLY and DETACHED. */
CS_INTERNAL int csi_row_to_write(const cs_region *region, uint32_t table, cs_handle handle, row *r);

/* Tell of a change of the row, and let go. */
CS_INTERNAL void csi_row_changed(row *r, uint32_t kind, uint32_t old_value, uint32_t new_value);

/* May a lock, and what it is a part of, be removed? BUSY while somebody holds it. */
CS_INTERNAL int csi_lock_may_go(view *v, struct lock *lock);

#endif
