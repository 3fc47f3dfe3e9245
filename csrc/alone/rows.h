/*
 * rows.h: one slot of a table, for one operation on it, which is held from its beginning to its end.
 */
#ifndef CORESTATE_ROWS_H
#define CORESTATE_ROWS_H

#include "alone.h"

typedef struct row {
    view *v;
    const table_view *table;
    void *payload;
    uint32_t held;
    cs_handle handle;
} row;

/* Hold, and look up the live slot of a handle; let go when it is STALE. */
CS_INTERNAL int csi_row(const cs_region *region, uint32_t table, cs_handle handle, row *r);
/* The same to write it. Errors: also READ_ONLY and DETACHED. */
CS_INTERNAL int csi_row_to_write(const cs_region *region, uint32_t table, cs_handle handle, row *r);

/* May a lock, and what it is a part of, be removed? BUSY while somebody holds it. */
CS_INTERNAL int csi_lock_may_go(view *v, const struct lock *lock);

/* Tell of a change of the row, and let go. */
CS_INTERNAL void csi_row_changed(const row *r, uint32_t kind, uint32_t old_value, uint32_t new_value);

#endif
