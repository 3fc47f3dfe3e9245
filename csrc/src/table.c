#include "table.h"

#include "claim.h"
#include "sweep.h"

static uint32_t bucket_of(const table_view *t, uint32_t hash) { return (uint32_t)((uint64_t)hash * t->count >> 32); }

/* -- lookup --------------------------------------------------------------------------------- */

/* What follows a key in its slot is zeros, up to a whole word at least. */
static bool same_key(const table_view *t, struct slot *slot, const char *key, uint32_t length)
{
    if (peek32(&slot->key_length) != length)
        return false;
    const data_word *word = (const void *)key_of(t, slot);
    data_value value;
    for (; length >= sizeof value; length -= (uint32_t)sizeof value) {
        memcpy(&value, key, sizeof value);
        if (data_peek(word++) != value)
            return false;
        key += sizeof value;
    }
    if (!length)
        return true;
    value = 0;
    memcpy(&value, key, length);
    return data_peek(word) == value;
}

/* One walk of a chain: at most as many steps as there are slots, whatever the links say. */
static bool walk(const table_view *t, const char *key, uint32_t length, uint32_t hash, cs_handle *handle)
{
    uint32_t link = load32(&t->buckets[bucket_of(t, hash)]);
    for (uint32_t steps = 0; link && link <= t->count && steps < t->count; steps++) {
        struct slot *slot = slot_at(t, link - 1);
        uint32_t generation = load32(&slot->generation);
        if ((generation & 1u) && peek32(&slot->hash) == hash && same_key(t, slot, key, length)) {
            cs_handle found = handle_of(generation, link - 1);
            if (still(slot, found)) {
                *handle = found;
                return true;
            }
        }
        link = load32(&slot->next);
    }
    return false;
}

int csi_table_find(const view *v, uint32_t table, const char *key, uint32_t length, cs_handle *handle)
{
    const table_view *t = &v->tables[table];
    if (!t->count)
        return CS_E_NOT_FOUND;
    uint32_t hash = csi_hash(key, length);
    for (int round = 0; round < 1000; round++) {
        uint32_t begun = instant_begin(v), change = load32(&t->head->change);
        if (walk(t, key, length, hash, handle))
            return CS_OK;
        /* The walk came before this look; and a mirror does not keep to the order in which writers change chains. */
        if (instant_stood(v, begun) && peek32(&t->head->change) == change)
            return CS_E_NOT_FOUND;
    }
    return CS_E_BUSY;
}

bool csi_table_key(const view *v, const table_view *t, cs_handle handle, char *name, uint32_t *length)
{
    const data_value highs = (data_value)0x8080808080808080u;
    struct slot *slot = slot_of(t, handle);
    if (!slot)
        return false;
    char key[64 + 8] = {
        0}; /* a word more, so that what follows the name can be cleared without asking how much it is */
    const data_word *word = (const void *)key_of(t, slot);
    data_value seen = 0;
    uint32_t n = peek32(&slot->key_length);
    n = n < v->key_bytes ? n : v->key_bytes - 1;
    for (uint32_t at = 0; at < n; at += (uint32_t)sizeof seen) {
        data_value value = data_peek(word++);
        memcpy(key + at, &value, sizeof value);
        seen |= value;
    }
    if (!still(slot, handle))
        return false;
    if (!LIKELY(!(seen & highs))) { /* only bytes nobody checked can be other than UTF-8 */
        while (n && !csi_utf8((const unsigned char *)key, n))
            n--;
        memset(key + n, 0, sizeof key - n);
    }
    memset(key + n, 0, 8);
    memcpy(name, key, 64);
    *length = n;
    return true;
}

/* -- what a writer does, each step safe to do twice ------------------------------------------ */

static void unlink_slot(const table_view *t, uint32_t bucket, uint32_t index)
{
    if (bucket >= t->count)
        return;
    a32 *link = &t->buckets[bucket];
    for (uint32_t steps = 0; steps <= t->count; steps++) {
        uint32_t found = load32(link);
        if (found == index + 1) {
            store32(link, peek32(&slot_at(t, index)->next));
            return;
        }
        if (!found || found > t->count)
            return;
        link = &slot_at(t, found - 1)->next;
    }
}

static void free_slot(const table_view *t, uint32_t index)
{
    if (peek32(&t->head->free) == index + 1 || peek32(&t->head->fresh) == index)
        return;
    store32(&slot_at(t, index)->hash, peek32(&t->head->free));
    store32(&t->head->free, index + 1);
}

static void end_change(const table_view *t)
{
    uint32_t change = peek32(&t->head->change);
    if (change & 1u)
        store32(&t->head->change, change + 1);
    store32(&t->head->intent, INTENT_NONE);
}

static void recover(view *v, uint32_t table)
{
    const table_view *t = &v->tables[table];
    uint32_t intent = load32(&t->head->intent);
    uint32_t index = intent >> INTENT_SLOT_SHIFT & 0xFFFFFFu;
    uint32_t operation = intent & INTENT_OP;
    if (operation == INTENT_NONE)
        return;
    if (index < t->count) {
        uint32_t before = peek32(&t->head->intent_count), bucket = peek32(&t->head->intent_bucket);
        bool live = load32(&slot_at(t, index)->generation) & 1u;
        if (operation == INTENT_INSERT && live) {
            store32(&t->head->count, before + 1);
            csi_table_announce(v, table, index, intent, before + 1, 0);
        } else if (operation == INTENT_INSERT) {
            unlink_slot(t, bucket, index);
            free_slot(t, index);
        } else if (!live) {
            unlink_slot(t, bucket, index);
            store32(&t->head->count, before - 1);
            csi_table_announce(v, table, index, intent, before - 1, 0);
            free_slot(t, index);
        }
    }
    end_change(t);
}

static int take_table(view *v, uint32_t table, uint32_t *owner)
{
    int result = writer_of(v, owner);
    if (result != CS_OK)
        return result;
    result = csi_claim_soon(v, &v->tables[table].head->claim, *owner);
    if (result == CS_E_BUSY)
        return result;
    recover(v, table); /* nothing to do unless a writer died here */
    return CS_OK;
}

static uint32_t pick_slot(const table_view *t)
{
    uint32_t link = peek32(&t->head->free);
    if (link && link <= t->count && !(load32(&slot_at(t, link - 1)->generation) & 1u))
        return link - 1;
    uint32_t fresh = peek32(&t->head->fresh);
    return fresh < t->count ? fresh : CS_NUL;
}

static void begin_change(const table_view *t, uint32_t operation, uint32_t index, uint32_t note, uint32_t bucket)
{
    poke32(&t->head->intent_count, peek32(&t->head->count));
    poke32(&t->head->intent_bucket, bucket);
    store32(&t->head->intent, operation | index << INTENT_SLOT_SHIFT | note << INTENT_NOTE_SHIFT);
    uint32_t change = peek32(&t->head->change);
    (void)swap32(&t->head->change, change + 1);
    fence_release(); /* who sees any of what follows sees the change too, and that what the slot held has gone */
}

int csi_table_insert(view *v, uint32_t table, const char *key, uint32_t length, const table_hooks *hooks,
                     cs_handle *handle)
{
    const table_view *t = &v->tables[table];
    uint32_t owner;
    int result = may_write(v);
    if (result == CS_OK && !t->count)
        result = CS_E_FULL;
    if (result == CS_OK)
        result = take_table(v, table, &owner);
    if (result != CS_OK)
        return result;
    uint32_t hash = csi_hash(key, length), bucket = bucket_of(t, hash), index = CS_NUL;
    if (walk(t, key, length, hash, handle))
        result = CS_E_EXISTS;
    else if ((index = pick_slot(t)) == CS_NUL)
        result = CS_E_FULL;
    if (result == CS_OK) {
        struct slot *slot = slot_at(t, index);
        uint32_t generation = (peek32(&slot->generation) | 1u);
        cs_handle made = handle_of(generation, index);
        char padded[64] = {0};
        begin_change(t, INTENT_INSERT, index, 0, bucket);
        if (peek32(&t->head->free) == index + 1) {
            uint32_t next = peek32(&slot->hash);
            store32(&t->head->free, next <= t->count ? next : 0);
        } else {
            store32(&t->head->fresh, index + 1);
        }
        memcpy(padded, key, length);
        poke32(&slot->hash, hash);
        poke32(&slot->key_length, length);
        copy_in(key_of(t, slot), padded, v->key_bytes);
        promise told;
        result = hooks ? hooks->fill(v, index, slot, made, hooks->context) : CS_OK;
        if (result == CS_OK)
            result = csi_table_promise(v, table, made, peek32(&t->head->intent), &told);
        if (result == CS_OK) {
            store32(&slot->next, peek32(&t->buckets[bucket]));
            store32(&t->buckets[bucket], index + 1);
            store32(&slot->generation, generation); /* from here on it is there */
            uint32_t count = peek32(&t->head->intent_count) + 1;
            store32(&t->head->count, count);
            csi_table_announce(v, table, index, peek32(&t->head->intent), count, &told);
            *handle = made;
        } else {
            free_slot(t, index);
        }
        end_change(t);
    }
    (void)csi_claim_release(&t->head->claim, owner);
    return result;
}

int csi_table_remove(view *v, uint32_t table, cs_handle handle, uint32_t note, int (*may)(view *, struct slot *))
{
    const table_view *t = &v->tables[table];
    uint32_t owner;
    int result = may_write(v);
    if (result == CS_OK && !slot_of(t, handle))
        result = CS_E_STALE;
    if (result == CS_OK)
        result = take_table(v, table, &owner);
    if (result != CS_OK)
        return result;
    struct slot *slot = slot_of(t, handle);
    if (!slot)
        result = CS_E_STALE;
    else if (may)
        result = may(v, slot);
    if (result == CS_OK) {
        uint32_t index = (uint32_t)handle, bucket = bucket_of(t, peek32(&slot->hash));
        promise told;
        begin_change(t, INTENT_REMOVE, index, note, bucket);
        result = csi_table_promise(v, table, handle, peek32(&t->head->intent), &told);
        if (result == CS_OK) {
            store32(&slot->generation, (uint32_t)(handle >> 32) + 1); /* from here on it is gone */
            unlink_slot(t, bucket, index);
            uint32_t count = peek32(&t->head->intent_count) - 1;
            store32(&t->head->count, count);
            csi_table_announce(v, table, index, peek32(&t->head->intent), count, &told);
            free_slot(t, index);
        }
        csi_table_let_go(v, table, slot);
        end_change(t);
    }
    (void)csi_claim_release(&t->head->claim, owner);
    return result;
}

int csi_table_open(view *v, uint32_t table, const char *key, uint32_t length, const table_hooks *hooks,
                   cs_handle *handle)
{
    int result = csi_table_find(v, table, key, length, handle);
    if (result != CS_E_NOT_FOUND)
        return result;
    result = csi_table_insert(v, table, key, length, hooks, handle);
    return result == CS_E_EXISTS ? CS_OK : result;
}

int csi_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle, uint32_t table,
             const table_hooks *hooks)
{
    if (!region || !handle)
        return CS_E_INVALID;
    int result = csi_name(view_of(region), name, &length);
    return result == CS_OK ? csi_table_open(view_of(region), table, name, length, hooks, handle) : result;
}

int csi_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle, uint32_t table)
{
    if (!region || !handle)
        return CS_E_INVALID;
    int result = csi_name(const_view_of(region), name, &length);
    return result == CS_OK ? csi_table_find(const_view_of(region), table, name, length, handle) : result;
}

bool csi_tables_sweep(view *v, uint32_t seat)
{
    bool settled = true;
    for (uint32_t table = 0; table < TABLES; table++) {
        if (!v->tables[table].count)
            continue;
        a32 *claim = &v->tables[table].head->claim;
        uint32_t owner;
        if (!to_be_settled(v, load32(claim), seat, &settled))
            continue;
        if (take_table(v, table, &owner) == CS_OK)
            (void)csi_claim_release(claim, owner);
        else
            settled = false;
    }
    return settled;
}
