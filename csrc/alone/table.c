#include "table.h"

#include "alone.h"

static uint32_t bucket_of(const table_view *t, uint32_t hash) { return (uint32_t)((uint64_t)hash * t->count >> 32); }

/* -- lookup --------------------------------------------------------------------------------- */

/* One walk of a chain: at most as many steps as there are slots, whatever the links say. While held. */
static bool walk(const table_view *t, const char *key, uint32_t length, uint32_t hash, cs_handle *handle)
{
    uint32_t link = peek32(&t->buckets[bucket_of(t, hash)]);
    for (uint32_t steps = t->count; link - 1 < t->count && steps; steps--) {
        struct slot *slot = slot_at(t, link - 1);
        uint32_t generation = peek32(&slot->generation);
        if ((generation & 1u) && peek32(&slot->hash) == hash && peek32(&slot->key_length) == length &&
            memcmp(key_of(t, slot), key, length) == 0) {
            *handle = handle_of(generation, link - 1);
            return true;
        }
        link = peek32(&slot->next);
    }
    return false;
}

bool csi_table_key(const view *v, const table_view *t, cs_handle handle, char *name, uint32_t *length)
{
    memset(name, 0, 64);
    uint32_t held = hold();
    struct slot *slot = slot_of(t, handle);
    if (slot) {
        *length = key_length(v, slot);
        memcpy(name, key_of(t, slot), *length);
    }
    let_go(held);
    while (slot && !csi_utf8((const unsigned char *)name, *length)) /* bytes nobody checked */
        name[--*length] = 0;
    return slot != 0;
}

/* -- insertion and removal, while held ------------------------------------------------------- */

/* What comes with them beyond the table (the version, an agent's event) is up to who inserts and removes. */

static void unlink_slot(const table_view *t, uint32_t bucket, uint32_t index)
{
    a32 *link = &t->buckets[bucket];
    for (uint32_t steps = t->count; steps; steps--) {
        uint32_t found = peek32(link);
        if (found == index + 1)
            poke32(link, peek32(&slot_at(t, index)->next));
        if (found - 1 >= t->count)
            return;
        link = &slot_at(t, found - 1)->next;
    }
}

/* One more insertion (1) or removal (-1). */
static void count(const table_view *t, uint32_t n)
{
    poke32(&t->head->change, peek32(&t->head->change) + 2);
    poke32(&t->head->count, peek32(&t->head->count) + n);
}

/* Who passes this does not insert. */
static const table_hooks only_find;

__attribute__((noinline)) static int find_or_insert(view *v, const table_view *t, const char *key, uint32_t length,
                                                    const table_hooks *hooks, cs_handle *handle)
{
    uint32_t hash = csi_hash(key, length);
    if (t->count && walk(t, key, length, hash, handle))
        return CS_OK;
    if (hooks == &only_find)
        return CS_E_NOT_FOUND;
    if (!t->count)
        return CS_E_FULL;
    int result = may_write(v);
    if (result != CS_OK)
        return result;
    /* The slot freed last, else one never used. */
    uint32_t index = peek32(&t->head->free) - 1;
    bool freed = index < t->count && !(peek32(&slot_at(t, index)->generation) & 1u);
    if (!freed)
        index = peek32(&t->head->fresh);
    if (index >= t->count)
        return CS_E_FULL;
    struct slot *slot = slot_at(t, index);
    *handle = handle_of(peek32(&slot->generation) | 1u, index);
    result = hooks ? hooks->fill(v, index, slot, *handle, hooks->context) : CS_OK;
    if (result != CS_OK)
        return result;
    if (freed)
        poke32(&t->head->free, peek32(&slot->hash));
    else
        poke32(&t->head->fresh, index + 1);
    memset(key_of(t, slot), 0, v->key_bytes);
    memcpy(key_of(t, slot), key, length);
    poke32(&slot->key_length, length);
    poke32(&slot->hash, hash);
    a32 *bucket = &t->buckets[bucket_of(t, hash)];
    poke32(&slot->next, peek32(bucket));
    poke32(bucket, index + 1);
    poke32(&slot->generation, (uint32_t)(*handle >> 32));
    count(t, 1);
    return CS_OK;
}

__attribute__((noinline)) static int take_out(view *v, const table_view *t, cs_handle handle,
                                              int (*may)(view *, struct slot *))
{
    struct slot *slot = slot_of(t, handle);
    if (!slot)
        return CS_E_STALE;
    int result = may ? may(v, slot) : CS_OK;
    if (result != CS_OK)
        return result;
    uint32_t index = (uint32_t)handle;
    unlink_slot(t, bucket_of(t, peek32(&slot->hash)), index);
    poke32(&slot->generation, (uint32_t)(handle >> 32) + 1);
    poke32(&slot->hash, peek32(&t->head->free));
    poke32(&t->head->free, index + 1);
    count(t, (uint32_t)-1);
    return CS_OK;
}

/* -- insertion and removal ------------------------------------------------------------------- */

int csi_table_remove(view *v, uint32_t table, cs_handle handle, uint32_t note, int (*may)(view *, struct slot *))
{
    int result = may_write(v);
    if (result != CS_OK)
        return result;
    (void)note;
    uint32_t held = hold();
    result = take_out(v, &v->tables[table], handle, may);
    let_go(held);
    return result;
}

int csi_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle, uint32_t table,
             const table_hooks *hooks)
{
    if (!region || !handle)
        return CS_E_INVALID;
    view *v = view_of(region);
    int result = csi_name(v, name, &length);
    if (result == CS_OK) {
        uint32_t held = hold();
        result = find_or_insert(v, &v->tables[table], name, length, hooks, handle);
        let_go(held);
    }
    return result;
}

int csi_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle, uint32_t table)
{
    return csi_open((cs_region *)(uintptr_t)region, name, length, handle, table, &only_find); /* which writes nothing */
}
