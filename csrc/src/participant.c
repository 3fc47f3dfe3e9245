#include "ring.h"
#include "sweep.h"
#include "view.h"

#define WORD_LOCKED (1ull << 54) /* held by a kernel lock, so the kernel is asked who lives */
#define WORD_SPACE 55u           /* among whose pids the pid counts: cs_identity.space */
#define GENERATION_MASK 0xFFFFFu
#define TAG_GENERATION_MASK 0x3FFu

static enum seat seat_in(uint64_t word) { return (enum seat)(word >> 52 & 3u); }
static uint32_t generation_in(uint64_t word) { return (uint32_t)(word >> 32) & GENERATION_MASK; }
static uint64_t word_of(uint64_t flags, enum seat seat, uint32_t generation, uint32_t pid)
{
    return flags | (uint64_t)seat << 52 | (uint64_t)generation << 32 | pid;
}
static uint64_t with_seat(uint64_t word, enum seat seat) { return (word & ~(3ull << 52)) | (uint64_t)seat << 52; }
static bool occupied(uint64_t word) { return seat_in(word) == SEAT_LIVE || seat_in(word) == SEAT_JOINING; }
static uint32_t id_of(uint32_t slot, uint64_t word) { return (slot + 1) | generation_in(word) << 12; }

/* Is who sits in this slot, by this word of it, alive? */
static bool sitter_alive(const view *v, uint32_t slot, uint64_t word)
{
    if (!occupied(word))
        return false;
    uint32_t self = peek32(&v->id);
    if (v->flags & CS_PRIVATE || (self && self == id_of(slot, word)))
        return true;
    struct participant *p = participant_at(v, slot);
    cs_identity who = {.pid = (uint32_t)word, .space = (uint32_t)(word >> WORD_SPACE)};
    if (seat_in(word) == SEAT_LIVE) { /* one who is still joining has not written these yet */
        who.start = peek64(&p->start);
        who.boot[0] = peek64(&p->boot[0]);
        who.boot[1] = peek64(&p->boot[1]);
    }
    return cs_port_alive(word & WORD_LOCKED ? v->handle : -1, slot, &who) != 0;
}

bool csi_alive(const view *v, uint32_t owner)
{
    if (LIKELY(owner && owner == peek32(&v->owner)))
        return true;
    uint32_t slot = owner_slot(owner);
    if (slot >= v->participant_count)
        return false;
    uint64_t word = load64(&participant_at(v, slot)->word);
    return (generation_in(word) & TAG_GENERATION_MASK) == (owner >> 12 & TAG_GENERATION_MASK) &&
           sitter_alive(v, slot, word);
}

bool csi_seated(const view *v, uint32_t id)
{
    uint32_t slot = owner_slot(id);
    if (slot >= v->participant_count)
        return false;
    uint64_t word = load64(&participant_at(v, slot)->word);
    return occupied(word) && id_of(slot, word) == id;
}

bool csi_unswept(const view *v, uint32_t owner)
{
    uint32_t slot = owner_slot(owner);
    if (slot >= v->participant_count)
        return false;
    uint64_t word = load64(&participant_at(v, slot)->word);
    uint32_t later = (generation_in(word) - (owner >> 12)) & TAG_GENERATION_MASK;
    /* Whoever sat down there next may be sweeping, or have died of it. */
    bool next = seat_in(word) == SEAT_JOINING || seat_in(word) == SEAT_DEAD;
    return seat_in(word) != SEAT_FREE && (later == 0 || (later == 1 && next));
}

bool csi_alive_id(const view *v, uint32_t id) { return csi_seated(v, id) && csi_alive(v, id & CLAIM_OWNER); }

/* The sitters who turn out to be dead are marked, so that their slots can be swept and taken. */
static uint32_t mark_dead(const view *v)
{
    uint32_t marked = 0;
    for (uint32_t slot = 0; slot < v->participant_count; slot++) {
        a64 *word = &participant_at(v, slot)->word;
        uint64_t found = load64(word);
        if (occupied(found) && !sitter_alive(v, slot, found))
            marked += cas64(word, &found, with_seat(found, SEAT_DEAD));
    }
    return marked;
}

/* False when it must be done again: somebody alive is about to settle what one of these dead owes. */
static bool sweep_seat(view *v, uint32_t slot)
{
    csi_ring_sweep(v, slot);
    csi_locks_sweep(v, slot);
    csi_values_sweep(v, slot);
    bool settled = csi_tables_sweep(v, slot);
    settled &= csi_engine_sweep(v, slot);
    settled &= csi_agents_sweep(v, slot);
    settled &= csi_budgets_sweep(v, slot);
    if (settled)
        csi_ring_release(v, slot);
    return settled;
}

/* Sit down in a slot that is free, or (when `dead`) that a dead participant left. */
static int sit(view *v, uint32_t slot, bool dead)
{
    struct participant *p = participant_at(v, slot);
    uint64_t word = load64(&p->word);
    enum seat wanted = dead ? SEAT_DEAD : SEAT_FREE;
    if (seat_in(word) != wanted)
        return CS_E_BUSY;
    int held = cs_port_claim(v->handle, slot);
    if (held != CS_OK && held != CS_E_UNSUPPORTED)
        return held;
    uint32_t generation = (generation_in(word) + 1) & GENERATION_MASK;
    uint64_t flags = (uint64_t)v->self.space << WORD_SPACE | (held == CS_OK ? WORD_LOCKED : 0);
    uint64_t mine = word_of(flags, SEAT_JOINING, generation, v->self.pid);
    if (!cas64(&p->word, &word, mine)) {
        if (held == CS_OK)
            cs_port_unclaim(v->handle, slot);
        return CS_E_BUSY;
    }
    poke64(&p->start, v->self.start);
    poke64(&p->boot[0], v->self.boot[0]);
    poke64(&p->boot[1], v->self.boot[1]);
    poke64(&p->attached_ns, cs_port_now_ns());
    poke32(&v->id, id_of(slot, mine));
    store32(&v->owner, id_of(slot, mine) & CLAIM_OWNER);
    if (dead) /* of what was left under earlier generations; until then the seat says that it may not be swept */
        (void)sweep_seat(v, slot);
    /* Releases who he is to whoever acquires the word and asks whether he lives. */
    store64(&p->word, with_seat(mine, SEAT_LIVE));
    return CS_OK;
}

static int join(view *v)
{
    for (uint32_t slot = 0; slot < v->participant_count; slot++) {
        int result = sit(v, slot, false);
        if (result != CS_E_BUSY)
            return result;
    }
    (void)mark_dead(v);
    for (uint32_t slot = 0; slot < v->participant_count; slot++) {
        int result = sit(v, slot, true);
        if (result != CS_E_BUSY)
            return result;
    }
    return CS_E_NO_SLOT;
}

int csi_join(view *v)
{
    cs_port_identify(&v->self);
    if (v->flags & CS_PRIVATE) /* a child has bytes of its own, in which it may do as it likes */
        return join(v);
    /* A child of fork is not who attached: it writes nothing in that one's name. */
    cs_port_watch(&v->mark, &v->owner, v->handle);
    int result = join(v);
    if (result != CS_OK)
        (void)cs_port_unwatch(&v->mark);
    return result;
}

void csi_leave(view *v)
{
    uint32_t owner = peek32(&v->owner), slot = owner_slot(owner);
    if (!(v->flags & CS_PRIVATE) && !cs_port_unwatch(&v->mark)) { /* in a child nobody has told */
        poke32(&v->owner, 0);
        poke32(&v->id, 0);
        return;
    }
    csi_locks_abandon(v, owner);
    a64 *word = &participant_at(v, slot)->word;
    uint64_t found = load64(word);
    bool locked = (found & WORD_LOCKED) != 0;
    if (id_of(slot, found) == peek32(&v->id))
        (void)cas64(word, &found, with_seat(found, SEAT_FREE));
    poke32(&v->owner, 0);
    poke32(&v->id, 0);
    if (locked)
        cs_port_unclaim(v->handle, slot);
}

int cs_sweep(cs_region *region)
{
    if (!region)
        return CS_E_INVALID;
    view *v = view_of(region);
    int result = may_write(v);
    if (result != CS_OK)
        return result;
    (void)mark_dead(v);
    int swept = 0;
    for (uint32_t slot = 0; slot < v->participant_count; slot++) {
        a64 *word = &participant_at(v, slot)->word;
        uint64_t found = load64(word);
        if (seat_in(found) != SEAT_DEAD)
            continue;
        if (sweep_seat(v, slot))
            swept += cas64(word, &found, with_seat(found, SEAT_FREE));
    }
    return swept;
}

/* What everybody sees as a participant's id is its owner tag: claims and events have no room for more. */
uint32_t cs_participant_self(const cs_region *region) { return region ? peek32(&const_view_of(region)->owner) : 0; }

int cs_participant_get(const cs_region *region, uint32_t slot, cs_participant_info *info)
{
    if (!region || !info)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    if (slot >= v->participant_count)
        return CS_E_RANGE;
    struct participant *p = participant_at(v, slot);
    uint64_t word = load64(&p->word);
    memset(info, 0, sizeof *info);
    info->slot = slot;
    if (seat_in(word) == SEAT_FREE)
        return CS_OK;
    info->id = id_of(slot, word) & CLAIM_OWNER;
    info->pid = (uint32_t)word;
    info->start = peek64(&p->start);
    info->attached_ns = peek64(&p->attached_ns);
    info->state = sitter_alive(v, slot, word) ? CS_PARTICIPANT_LIVE : CS_PARTICIPANT_DEAD;
    return CS_OK;
}
