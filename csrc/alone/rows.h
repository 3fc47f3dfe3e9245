/*
 * rows.h: one slot of a table, for one operation on it, which is held from its beginning to its end.
 */
#ifndef CORESTATE_ROWS_H
#define CORESTATE_ROWS_H

#include "alone.h"

typedef struct row {
    view *v;
    const table_view *t;
    void *payload;
    uint32_t held;
    cs_change change; /* for who tells of what he changes; of the row's slot already */
} row;

/* Hold, and look up the live slot of a handle in r->v; let go when it is STALE. Errors: INVALID (no view); with TO_WRITE
 * beside the table also READ_ONLY and DETACHED. */
#define TO_WRITE 8u
CS_INTERNAL int csi_row_of(row *r, uint32_t table, cs_handle handle);

static inline int csi_row(const cs_region *region, uint32_t table, cs_handle handle, row *r)
{
    r->v = view_of((cs_region *)(uintptr_t)region); /* whoever writes came with one that is not const */
    return csi_row_of(r, table, handle);
}

static inline int csi_row_to_write(cs_region *region, uint32_t table, cs_handle handle, row *r)
{
    return csi_row(region, table | TO_WRITE, handle, r);
}

/* Tell of a change of the row, and let go. */
CS_INTERNAL void csi_row_changed(row *r, uint32_t kind, uint32_t old_value, uint32_t new_value);

/* May a lock, and what it is a part of, be removed? BUSY while somebody holds it. */
CS_INTERNAL int csi_lock_may_go(view *v, struct lock *lock);

#endif
