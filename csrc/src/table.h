/*
 * table.h: string key -> slot. Lookup takes no lock; insertion and removal are one at a time.
 *
 * Readers follow a bucket's chain and believe only live slots. A removed slot keeps its `next` until it is
 * inserted anew, and that first moves `change`; so a reader that found nothing while `change` stood still
 * has walked true chains, and its miss is believed. A writer first notes what it is about to do (intent);
 * storing the slot's generation is the step that does it. Who takes the table from a dead writer rolls
 * back what did not get that far and finishes what did.
 */
#ifndef CORESTATE_TABLE_H
#define CORESTATE_TABLE_H

#include "promise.h"
#include "view.h"

/* Called in the middle of an insertion; null where a payload needs nothing. */
typedef struct table_hooks {
    /* Fill the payload of a slot that is not live yet. CS_OK, or an error that undoes the insertion. */
    int (*fill)(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context);
    void *context;
} table_hooks;

/* Insert. EXISTS sets *handle to what is there. Errors: EXISTS, FULL, BUSY, and what fill returns. */
CS_INTERNAL int csi_table_insert(view *v, uint32_t table, const char *key, uint32_t length, const table_hooks *hooks,
                                 cs_handle *handle);

/*
 * Remove; `note` (6 bits) is for csi_table_announce. `may` (or null) is asked under the table's claim and takes what
 * must stand still while the slot goes; csi_table_let_go gives that back. Errors: STALE, BUSY, and what may returns.
 */
CS_INTERNAL int csi_table_remove(view *v, uint32_t table, cs_handle handle, uint32_t note,
                                 int (*may)(view *v, struct slot *slot));

/* Errors: NAME, NOT_FOUND, BUSY (the table never stood still). */
CS_INTERNAL int csi_table_find(const view *v, uint32_t table, const char *key, uint32_t length, cs_handle *handle);

/* Find, or insert. */
CS_INTERNAL int csi_table_open(view *v, uint32_t table, const char *key, uint32_t length, const table_hooks *hooks,
                               cs_handle *handle);

/* csi_name and csi_table_open or csi_table_find: what the cs_..._open and cs_..._find of every table do. */
CS_INTERNAL int csi_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle, uint32_t table,
                         const table_hooks *hooks);
CS_INTERNAL int csi_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle, uint32_t table);

/* The key of a slot that stays live meanwhile; false when it did not. `name` has 64 bytes. */
CS_INTERNAL bool csi_table_key(const view *v, const table_view *t, cs_handle handle, char *name, uint32_t *length);

/* How many slots were ever used: where walks over all slots end. */
CS_INTERNAL uint32_t csi_table_used(const table_view *t);

/*
 * What an insertion or removal entails beyond the table (announce.c): its event, promised before the generation is
 * stored; then count, version and the event told, before its intent is cleared. Without a promise it is told for a
 * dead writer, if it still is to be.
 */
CS_INTERNAL int csi_table_promise(view *v, uint32_t table, cs_handle handle, uint32_t intent, promise *told);
CS_INTERNAL void csi_table_announce(view *v, uint32_t table, uint32_t index, uint32_t intent, uint32_t count,
                                    const promise *told);
/* Gives back what the removal's `may` took. */
CS_INTERNAL void csi_table_let_go(view *v, uint32_t table, struct slot *slot);

#endif
