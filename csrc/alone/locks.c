#include "corestate/locks.h"

#include "claim.h"
#include "lock.h"
#include "rows.h"
#include "sweep.h"

/* -- names ---------------------------------------------------------------------------------- */

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct lock *lock = payload_of(slot);
    (void)index, (void)handle, (void)context;
    touch(v);
    poke32(&lock->word, 0);
    WIDE(&lock->thread) = 0;
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

int csi_lock_may_go(view *v, const struct lock *lock)
{
    if (peek32(&lock->word) & CLAIM_OWNER)
        return CS_E_BUSY;
    touch(v);
    return CS_OK;
}

static int may_remove(view *v, struct slot *slot) { return csi_lock_may_go(v, payload_of(slot)); }

int cs_lock_remove(cs_region *region, cs_handle handle)
{
    return csi_table_remove(view_of(region), TABLE_LOCKS, handle, 0, may_remove);
}

/* -- take and release ----------------------------------------------------------------------- */

typedef int begin_row(const cs_region *region, uint32_t table, cs_handle handle, row *r);

/* The row of a lock, held. */
static int begin(begin_row *begin_it, const cs_region *region, uint32_t section, cs_handle handle, row *r)
{
    if (section != CS_SECTION_LOCKS && section != CS_SECTION_AREAS)
        return CS_E_INVALID;
    bool named = section == CS_SECTION_LOCKS;
    int result = begin_it(region, named ? TABLE_LOCKS : TABLE_AREAS, handle, r);
    if (!named)
        r->payload = (unsigned char *)r->payload + offsetof(struct area, lock);
    return result;
}

/* One look at a lock, and let go. `slept` is CLAIM_WAITERS for one who has slept, since others may still be asleep. */
static int try_once(const row *r, uint32_t slept)
{
    struct lock *lock = r->payload;
    uint32_t found = peek32(&lock->word), owner = peek32(&r->v->owner), thread = cs_port_thread();
    int result = CS_OK;
    if (found & CLAIM_OWNER)
        result = (found & CLAIM_OWNER) == owner && (uint32_t)WIDE(&lock->thread) == thread ? CS_E_DEADLOCK : CS_E_BUSY;
    if (result == CS_OK) {
        uint32_t dead = (uint32_t)(WIDE(&lock->thread) >> 32);
        poke32(&lock->word, owner | found | slept);
        WIDE(&lock->thread) = (uint64_t)owner << 32 | thread;
        if (found & CLAIM_INHERITED) {
            csi_row_changed(r, CS_KIND_LOCK_INHERITED, dead & CLAIM_OWNER, owner);
            return CS_INHERITED;
        }
    } else {
        poke32(&lock->word, found | slept);
    }
    let_go(r->held);
    return result;
}

/* Sleep until what is in the lock's word changes, at most a slice. */
static int sleep(const row *r, deadline until)
{
    struct lock *lock = r->payload;
    if (peek32(&r->v->closed))
        return CS_E_CLOSED;
    uint64_t slice = deadline_slice(until, CLAIM_SLICE_NS);
    if (!slice)
        return CS_E_TIMEOUT;
    uint32_t held = hold(), found = peek32(&lock->word);
    if (found & CLAIM_OWNER)
        poke32(&lock->word, found |= CLAIM_WAITERS);
    let_go(held);
    int result = found & CLAIM_OWNER ? cs_port_wait(&lock->word, found, slice) : CS_OK;
    return result == CS_E_TIMEOUT ? CS_OK : result;
}

int cs_lock_try(cs_region *region, uint32_t table, cs_handle handle)
{
    row r;
    int result = begin(csi_row_to_write, region, table, handle, &r);
    return result == CS_OK ? try_once(&r, 0) : result;
}

int cs_lock_acquire(cs_region *region, uint32_t table, cs_handle handle, uint64_t timeout_ns)
{
    deadline until = deadline_in(timeout_ns);
    uint32_t slept = 0;
    row r;
    for (;;) {
        int result = begin(csi_row_to_write, region, table, handle, &r);
        if (result == CS_OK)
            result = try_once(&r, slept);
        if (result == CS_E_BUSY)
            result = sleep(&r, until);
        else
            return result;
        if (result != CS_OK)
            return result;
        slept = CLAIM_WAITERS;
    }
}

int cs_lock_release(cs_region *region, uint32_t table, cs_handle handle)
{
    row r;
    int result = begin(csi_row_to_write, region, table, handle, &r);
    if (result != CS_OK)
        return result;
    struct lock *lock = r.payload;
    uint32_t found = peek32(&lock->word);
    if ((found & CLAIM_OWNER) == peek32(&r.v->owner)) {
        poke32(&lock->word, 0);
        WIDE(&lock->thread) = 0;
    } else {
        result = CS_E_NOT_OWNER;
    }
    let_go(r.held);
    if (result == CS_OK && found & CLAIM_WAITERS)
        cs_port_wake(&lock->word, 0);
    return result;
}

int cs_lock_get(const cs_region *region, uint32_t table, cs_handle handle, cs_lock_info *info)
{
    row r;
    if (!info)
        return CS_E_INVALID;
    int result = begin(csi_row, region, table, handle, &r);
    if (result != CS_OK)
        return result;
    uint32_t word = peek32(&((struct lock *)r.payload)->word);
    let_go(r.held);
    info->holder = word & CLAIM_OWNER;
    info->inherited = (word & CLAIM_INHERITED) != 0;
    info->alive = info->holder != 0;
    info->mine = info->holder && info->holder == peek32(&r.v->owner);
    return CS_OK;
}

/* -- the leaving ---------------------------------------------------------------------------- */

/* The locks a participant leaves are its successors', who are told. */
static void abandon(const view *v, uint32_t table, uint32_t owner)
{
    const table_view *t = &v->tables[table];
    for (uint32_t index = 0; index < csi_table_used(t); index++) {
        struct lock *lock = lock_in(t, slot_at(t, index));
        uint32_t held = hold(), found = peek32(&lock->word) & CLAIM_OWNER;
        if (found == owner)
            poke32(&lock->word, CLAIM_INHERITED);
        let_go(held);
        if (found == owner)
            cs_port_wake(&lock->word, 1);
    }
}

void csi_locks_abandon(view *v, uint32_t owner)
{
    abandon(v, TABLE_LOCKS, owner);
    abandon(v, TABLE_AREAS, owner);
}

void csi_locks_count(const view *v, uint32_t table, uint32_t *held, uint32_t *dead)
{
    const table_view *t = &v->tables[table];
    for (uint32_t index = 0; index < csi_table_used(t); index++) {
        struct slot *slot = slot_at(t, index);
        uint32_t word = peek32(&lock_in(t, slot)->word);
        if ((peek32(&slot->generation) & 1u) && word & (CLAIM_OWNER | CLAIM_INHERITED)) {
            ++*held;
            *dead += !(word & CLAIM_OWNER);
        }
    }
}
