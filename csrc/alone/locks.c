#include "corestate/locks.h"

#include "lock.h"
#include "rows.h"
#include "sweep.h"

/* -- names ---------------------------------------------------------------------------------- */

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    (void)index, (void)slot, (void)handle, (void)context; /* it is free, as its predecessor was when it went */
    touch(v);
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

int csi_lock_may_go(view *v, struct lock *lock)
{
    if (peek32(&lock->word) & CLAIM_OWNER)
        return CS_E_BUSY;
    poke32(&lock->word, 0);
    touch(v);
    return CS_OK;
}

static int may_remove(view *v, struct slot *slot) { return csi_lock_may_go(v, payload_of(slot)); }

int cs_lock_remove(cs_region *region, cs_handle handle)
{
    return csi_table_remove(view_of(region), TABLE_LOCKS, handle, 0, may_remove);
}

/* -- one lock ------------------------------------------------------------------------------- */

/* Begin to take a lock or give it back: its row, whose payload is then the lock, and whose old value is the lock's word.
 * An error of READ_ONLY or DETACHED comes with the word as well. */
static int begin(const cs_region *region, uint32_t section, cs_handle handle, row *r)
{
    uint32_t table = section == CS_SECTION_LOCKS ? TABLE_LOCKS : TABLE_AREAS;
    if (table == TABLE_AREAS && section != CS_SECTION_AREAS)
        return CS_E_INVALID;
    int result = csi_row(region, table, handle, r);
    if (result != CS_OK)
        return result;
    if (table == TABLE_AREAS)
        r->payload = &((struct area *)r->payload)->lock;
    r->change.old_value = peek32(&((struct lock *)r->payload)->word);
    result = may_write(r->v);
    if (result != CS_OK)
        let_go(r->held);
    return result;
}

/* Take it from nobody, or from one who has left; and let go. */
static int take(row *r, uint32_t found)
{
    struct lock *lock = r->payload;
    uint32_t owner = peek32(&r->v->owner), dead = (uint32_t)(WIDE(&lock->thread) >> 32);
    poke32(&lock->word, owner | found);
    WIDE(&lock->thread) = (uint64_t)owner << 32 | cs_port_thread();
    if (found & CLAIM_INHERITED) {
        csi_row_changed(r, CS_KIND_LOCK_INHERITED, dead, owner);
        return CS_INHERITED;
    }
    let_go(r->held);
    return CS_OK;
}

/* Does this thread hold it? */
static bool is_mine(const row *r, uint32_t found)
{
    const struct lock *lock = r->payload;
    return (found & CLAIM_OWNER) == peek32(&r->v->owner) && (uint32_t)WIDE(&lock->thread) == cs_port_thread();
}

int cs_lock_acquire(cs_region *region, uint32_t table, cs_handle handle, uint64_t timeout_ns)
{
    const patience until = {cs_port_monotonic_ns(), timeout_ns};
    uint32_t slept = 0; /* then CLAIM_WAITERS, since others may still be asleep */
    row r;
    int result;
    while ((result = begin(region, table, handle, &r)) == CS_OK) {
        struct lock *lock = r.payload;
        uint32_t word = r.change.old_value | slept;
        if (!(word & CLAIM_OWNER))
            return take(&r, word);
        bool mine = is_mine(&r, word);
        slept = CLAIM_WAITERS;
        poke32(&lock->word, word | slept);
        let_go(r.held);
        if (mine)
            return CS_E_DEADLOCK;
        result = csi_sleep(r.v, &lock->word, word | slept, &until);
        if (result != CS_OK)
            break;
    }
    return result;
}

int cs_lock_try(cs_region *region, uint32_t table, cs_handle handle)
{
    int result = cs_lock_acquire(region, table, handle, 0);
    return result == CS_E_TIMEOUT || result == CS_E_CLOSED ? CS_E_BUSY : result;
}

int cs_lock_release(cs_region *region, uint32_t table, cs_handle handle)
{
    row r;
    int result = begin(region, table, handle, &r);
    if (result != CS_OK)
        return result;
    struct lock *lock = r.payload;
    uint32_t word = r.change.old_value;
    if ((word & CLAIM_OWNER) == peek32(&r.v->owner)) {
        poke32(&lock->word, 0);
        WIDE(&lock->thread) = 0;
    } else {
        result = CS_E_NOT_OWNER;
        word = 0;
    }
    let_go(r.held);
    if (word & CLAIM_WAITERS)
        cs_port_wake(&lock->word, 0);
    return result;
}

int cs_lock_get(const cs_region *region, uint32_t table, cs_handle handle, cs_lock_info *info)
{
    row r;
    if (!info)
        return CS_E_INVALID;
    r.payload = 0;
    int result = begin(region, table, handle, &r);
    if (result == CS_OK)
        let_go(r.held);
    if (!r.payload)
        return result;
    uint32_t word = r.change.old_value;
    info->holder = word & CLAIM_OWNER;
    info->inherited = (word & CLAIM_INHERITED) != 0;
    info->alive = info->holder != 0;
    info->mine = info->alive && info->holder == peek32(&r.v->owner);
    return CS_OK;
}

/* -- all locks ------------------------------------------------------------------------------ */

/* The n-th of them, named ones first; null behind the last. A lock is the end of its slot's payload. */
static struct lock *lock_at(const view *v, uint32_t n)
{
    const table_view *t = &v->tables[TABLE_LOCKS];
    if (n >= t->count) {
        n -= t->count;
        t = &v->tables[TABLE_AREAS];
    }
    return n < t->count ? (struct lock *)(void *)(key_of(t, slot_at(t, n)) - sizeof(struct lock)) : 0;
}

/* What a participant leaves is inherited by who takes it next. */
void csi_locks_abandon(view *v, uint32_t owner)
{
    struct lock *lock;
    for (uint32_t n = 0; (lock = lock_at(v, n)); n++) {
        uint32_t held = hold();
        bool left = (peek32(&lock->word) & CLAIM_OWNER) == owner;
        if (left)
            poke32(&lock->word, CLAIM_INHERITED);
        let_go(held);
        if (left)
            cs_port_wake(&lock->word, 1);
    }
}

void csi_locks_count(const view *v, uint32_t *held_dead)
{
    struct lock *lock;
    for (uint32_t n = 0; (lock = lock_at(v, n)); n++) {
        uint32_t word = peek32(&lock->word) & ~CLAIM_WAITERS; /* of what was removed: 0 */
        if (word) {
            held_dead[0]++;
            held_dead[1] += word == CLAIM_INHERITED;
        }
    }
}
