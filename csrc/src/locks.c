#include "corestate/locks.h"

#include "claim.h"
#include "lock.h"
#include "ring.h"
#include "sweep.h"
#include "table.h"

/* -- for the tables ------------------------------------------------------------------------- */

int csi_lock_seize(view *v, const table_view *t, struct slot *slot)
{
    int result = csi_claim_try(v, &lock_in(t, slot)->word, peek32(&v->owner), 0);
    return result == CS_E_BUSY ? result : CS_OK;
}

void csi_lock_let_go(view *v, const table_view *t, struct slot *slot)
{
    (void)csi_claim_release(&lock_in(t, slot)->word, peek32(&v->owner));
}

void csi_lock_reset(view *v, struct lock *lock)
{
    uint32_t found = load32(&lock->word);
    if (!(found & CLAIM_OWNER) || !csi_alive(v, found & CLAIM_OWNER))
        (void)cas32(&lock->word, &found, 0);
    poke64(&lock->thread, 0);
}

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    (void)index, (void)handle, (void)context;
    csi_lock_reset(v, lock_in(&v->tables[TABLE_LOCKS], slot));
    return CS_OK;
}

int cs_lock_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    static const table_hooks hooks = {.fill = fill};
    return csi_open(region, name, length, handle, TABLE_LOCKS, &hooks);
}

int cs_lock_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, TABLE_LOCKS);
}

static int may_remove(view *v, struct slot *slot) { return csi_lock_seize(v, &v->tables[TABLE_LOCKS], slot); }

int cs_lock_remove(cs_region *region, cs_handle handle)
{
    return csi_table_remove(view_of(region), TABLE_LOCKS, handle, 0, may_remove);
}

/* -- take and release ----------------------------------------------------------------------- */

static int find_lock(const view *v, uint32_t table, cs_handle handle, const table_view **t, struct slot **slot)
{
    if (table != CS_SECTION_LOCKS && table != CS_SECTION_AREAS)
        return CS_E_INVALID;
    *t = &v->tables[table == CS_SECTION_LOCKS ? TABLE_LOCKS : TABLE_AREAS];
    *slot = slot_of(*t, handle);
    return *slot ? CS_OK : CS_E_STALE;
}

static uint64_t thread_tag(uint32_t owner) { return (uint64_t)owner << 32 | cs_port_thread(); }

static void tell_inherited(view *v, const table_view *t, cs_handle handle, uint32_t dead, uint32_t owner)
{
    cs_change change = {.subject = handle, .old_value = dead, .new_value = owner, .table = t->section};
    char name[64];
    uint32_t length = 0;
    (void)csi_table_key(v, t, handle, name, &length);
    (void)csi_publish_change(v, CS_KIND_LOCK_INHERITED, &change, name, length);
    touch(v);
}

static void orphan(struct lock *lock, uint32_t owner)
{
    uint32_t found = load32(&lock->word);
    while ((found & CLAIM_OWNER) == owner)
        if (cas32(&lock->word, &found, CLAIM_INHERITED)) {
            cs_port_wake(&lock->word, 1);
            return;
        }
}

static int acquire(view *v, uint32_t table, cs_handle handle, bool wait, uint64_t timeout_ns)
{
    const table_view *t;
    struct slot *slot;
    uint32_t owner, dead = 0;
    int result = find_lock(v, table, handle, &t, &slot);
    if (result == CS_OK)
        result = writer_of(v, &owner);
    if (result == CS_OK && wait && load32(&v->closed))
        result = CS_E_CLOSED;
    if (result != CS_OK)
        return result;
    struct lock *lock = lock_in(t, slot);
    uint64_t me = thread_tag(owner);
    /* Both words are this thread's own writing if they name it, so no order is needed. */
    if ((peek32(&lock->word) & CLAIM_OWNER) == owner && peek64(&lock->thread) == me)
        return CS_E_DEADLOCK;
    uint32_t free_word = 0;
    if (!LIKELY(cas32(&lock->word, &free_word, owner)))
        result = csi_claim_try(v, &lock->word, owner, &dead);
    if (result == CS_E_BUSY && wait)
        result = csi_claim_wait(v, &lock->word, owner, deadline_in(timeout_ns), &dead);
    if (result < 0)
        return result;
    if (!still(slot, handle)) {     /* removed while we waited: what was taken may be another lock by now */
        if (result == CS_INHERITED) /* and its next taker is to be told */
            orphan(lock, owner);
        else
            (void)csi_claim_release(&lock->word, owner);
        return CS_E_STALE;
    }
    if (result == CS_INHERITED && !dead)
        dead =
            (uint32_t)(peek64(&lock->thread) >> 32) & CLAIM_OWNER; /* swept: the holder's tag is gone from the word */
    poke64(&lock->thread, me);
    if (result == CS_INHERITED)
        tell_inherited(v, t, handle, dead, owner);
    return result;
}

int cs_lock_try(cs_region *region, uint32_t table, cs_handle handle)
{
    return acquire(view_of(region), table, handle, false, 0);
}

int cs_lock_acquire(cs_region *region, uint32_t table, cs_handle handle, uint64_t timeout_ns)
{
    return acquire(view_of(region), table, handle, true, timeout_ns);
}

int cs_lock_release(cs_region *region, uint32_t table, cs_handle handle)
{
    view *v = view_of(region);
    const table_view *t;
    struct slot *slot;
    uint32_t owner;
    int result = find_lock(v, table, handle, &t, &slot);
    if (result == CS_OK)
        result = writer_of(v, &owner);
    if (result != CS_OK)
        return result;
    struct lock *lock = lock_in(t, slot);
    uint32_t found = peek32(&lock->word);
    if ((found & CLAIM_OWNER) != owner)
        return CS_E_NOT_OWNER;
    poke64(&lock->thread, 0);
    if (LIKELY(found == owner && cas32(&lock->word, &found, 0))) /* nobody waits, nothing was inherited */
        return CS_OK;
    return csi_claim_release(&lock->word, owner) ? CS_OK : CS_E_NOT_OWNER;
}

int cs_lock_get(const cs_region *region, uint32_t table, cs_handle handle, cs_lock_info *info)
{
    const view *v = const_view_of(region);
    const table_view *t;
    struct slot *slot;
    if (!info)
        return CS_E_INVALID;
    int result = find_lock(v, table, handle, &t, &slot);
    if (result != CS_OK)
        return result;
    uint32_t word = load32(&lock_in(t, slot)->word);
    uint32_t holder = word & CLAIM_OWNER;
    *info = (cs_lock_info){.holder = holder, .inherited = (word & CLAIM_INHERITED) != 0};
    if (holder) {
        info->alive = csi_alive(v, holder);
        info->mine = holder == peek32(&v->owner);
    }
    return still(slot, handle) ? CS_OK : CS_E_STALE;
}

/* -- the dead and the leaving --------------------------------------------------------------- */

static const uint32_t locked_tables[2] = {TABLE_LOCKS, TABLE_AREAS};

void csi_locks_sweep(view *v, uint32_t seat)
{
    for (int i = 0; i < 2; i++) {
        const table_view *t = &v->tables[locked_tables[i]];
        for (uint32_t index = 0, used = csi_table_used(t); index < used; index++) {
            struct lock *lock = lock_in(t, slot_at(t, index));
            uint32_t holder = load32(&lock->word) & CLAIM_OWNER;
            if (left_by(v, holder, seat))
                orphan(lock, holder);
        }
    }
}

void csi_locks_abandon(view *v, uint32_t owner)
{
    for (int i = 0; i < 2; i++) {
        const table_view *t = &v->tables[locked_tables[i]];
        for (uint32_t index = 0, used = csi_table_used(t); index < used; index++)
            orphan(lock_in(t, slot_at(t, index)), owner);
    }
}

static void count(const view *v, const table_view *t, uint32_t *held_dead)
{
    for (uint32_t index = 0, used = csi_table_used(t); index < used; index++) {
        struct slot *slot = slot_at(t, index);
        uint32_t word = load32(&lock_in(t, slot)->word);
        uint32_t holder = word & CLAIM_OWNER;
        if (!(load32(&slot->generation) & 1u) || !(word & (CLAIM_OWNER | CLAIM_INHERITED)))
            continue;
        held_dead[0]++;
        held_dead[1] += !holder || !csi_alive(v, holder);
    }
}

void csi_locks_count(const view *v, uint32_t *held_dead)
{
    count(v, &v->tables[TABLE_LOCKS], held_dead);
    count(v, &v->tables[TABLE_AREAS], held_dead);
}
