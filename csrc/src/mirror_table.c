/*
 * A mirrored table. Its slots arrive one by one, its chains in lines, its head apart: together they may be of
 * different moments. They are shown only when they make a table: every live slot in the chain of its bucket and
 * nothing else in any, as many as the head counts, and as many insertions and removals as the slots' generations
 * show. Until then the slots that have not changed hands follow their values. What does not come to fit
 * together within a second (a line that loses much, a table that never rests) is shown with chains of our own:
 * slots are whole each, and that they were not all there at one moment no reader of a table is promised.
 */
#include "agent_table.h"
#include "mirror_receiver.h"

#define PATIENCE_NS 1000000000ull

static struct slot *live_slot(const receiver *r, const table_view *t, uint32_t index)
{
    return live_of(r, slot_at(t, index));
}
static bool lives(const struct slot *slot) { return peek32(&slot->generation) & 1u; }
static uint32_t bucket_of(const table_view *t, const struct slot *slot)
{
    return (uint32_t)((uint64_t)peek32(&slot->hash) * t->count >> 32);
}

/* -- does it fit together? ------------------------------------------------------------------ */

static uint32_t drift_of(const table_view *t)
{
    uint32_t operations = 0;
    for (uint32_t index = 0; index < t->count; index++)
        operations += peek32(&slot_at(t, index)->generation);
    return (peek32(&t->head->change) >> 1) - operations;
}

static bool fits_together(const table_view *t)
{
    uint32_t live = 0, chained = 0;
    if (peek32(&t->head->change) & 1u)
        return false;
    for (uint32_t index = 0; index < t->count; index++)
        live += lives(slot_at(t, index));
    if (live != peek32(&t->head->count))
        return false;
    for (uint32_t bucket = 0; bucket < t->count; bucket++)
        for (uint32_t link = peek32(&t->buckets[bucket]); link; link = peek32(&slot_at(t, link - 1)->next)) {
            if (link > t->count || ++chained > live)
                return false;
            const struct slot *slot = slot_at(t, link - 1);
            if (!lives(slot) || bucket_of(t, slot) != bucket)
                return false;
        }
    return chained == live;
}

/* -- slots ---------------------------------------------------------------------------------- */

static void put_agent_times(const receiver *r, struct agent *to, const struct agent *from)
{
    poke64(&to->registered_ns, shifted(r, &from->registered_ns));
    poke64(&to->last_seen_ns, shifted(r, &from->last_seen_ns));
}

static void put_buffer(const record *to, const record *from, uint64_t version)
{
    uint64_t word = version << RECORD_VERSION_SHIFT;
    csi_put_words(csi_record_buffer(to, word), csi_record_buffer(from, word),
                  to->bytes + (uint32_t)sizeof(struct details));
}

/*
 * Details of an agent that stays: as its writer would have. The claim (here a version's spoiled bit) tells who reads an
 * older version that its buffer is being written. A version that is an even step on lies in the buffer that is
 * being read: so the one before it goes first, from the source's other buffer.
 */
static void put_details(const receiver *r, uint32_t index)
{
    const view *v = staged_of(r);
    record from = details_of(v, index);
    record to = {.word = live_of(r, from.word), .buffers = live_of(r, from.buffers), .bytes = from.bytes};
    uint64_t wanted = peek64(from.word) >> RECORD_VERSION_SHIFT, now = peek64(to.word) >> RECORD_VERSION_SHIFT;
    for (uint64_t version = (wanted - now) & 1u ? wanted : wanted - 1; now != wanted; version = wanted) {
        poke64(to.word, now << RECORD_VERSION_SHIFT | RECORD_SPOILED);
        fence_release(); /* who sees any of the buffer sees that it is spoiled */
        put_buffer(&to, &from, version);
        store64(to.word, version << RECORD_VERSION_SHIFT);
        now = version;
    }
    if (!(peek64(from.word) & (RECORD_OWNER | RECORD_SPOILED))) { /* the other buffer, so that all bytes are the same */
        poke64(to.word, now << RECORD_VERSION_SHIFT | RECORD_SPOILED);
        fence_release(); /* who sees any of the buffer sees that it is spoiled */
        put_buffer(&to, &from, now + 1);
    }
    store64(to.word, peek64(from.word));
}

/* The payload of a slot that stays whose it is. */
static void put_payload(const receiver *r, uint32_t table, const table_view *t, uint32_t index)
{
    struct slot *from = slot_at(t, index), *to = live_slot(r, t, index);
    if (table == TABLE_AGENTS) {
        struct agent *agent = payload_of(to);
        const struct agent *source = payload_of(from);
        put_agent_times(r, agent, source);
        csi_put_words(&agent->status, &source->status,
                      offsetof(struct agent, details) - offsetof(struct agent, status));
        if (staged_of(r)->details_bytes)
            put_details(r, index);
    } else {
        csi_put_words(payload_of(to), payload_of(from), t->payload);
    }
}

/* A slot that changes hands: out of sight, then all of it, then in sight again. */
static void put_slot(const receiver *r, uint32_t table, const table_view *t, uint32_t index)
{
    const view *v = staged_of(r);
    struct slot *from = slot_at(t, index), *to = live_slot(r, t, index);
    uint32_t before = peek32(&to->generation), after = peek32(&from->generation);
    if (before == after && (after & 1u)) {
        put_payload(r, table, t, index);
    } else {
        if (before & 1u) {
            store32(&to->generation, before + 1);
            fence_release(); /* who sees any of what follows sees that what the slot held has gone */
        }
        csi_put_words(payload_of(to), payload_of(from), t->payload + v->key_bytes);
        if (table == TABLE_AGENTS) {
            put_agent_times(r, payload_of(to), payload_of(from));
            if (v->details_bytes) {
                record details = details_of(v, index);
                csi_put_words(live_of(r, details.buffers), details.buffers,
                              2 * ((uint32_t)sizeof(struct details) + details.bytes));
            }
        }
    }
    poke32(&to->next, peek32(&from->next));
    poke32(&to->hash, peek32(&from->hash));
    poke32(&to->key_length, peek32(&from->key_length));
    store32(&to->generation, after);
}

/* -- the whole ------------------------------------------------------------------------------ */

static void put_head(const receiver *r, const table_view *t, uint32_t count, uint32_t change)
{
    struct table *to = live_of(r, t->head), copy;
    memcpy(&copy, t->head, sizeof copy);
    poke32(&copy.change, change);
    poke32(&copy.count, count);
    csi_put_words((unsigned char *)to + 8, (unsigned char *)&copy + 8, sizeof copy - 8);
    poke32(&to->claim, peek32(&copy.claim));
    store32(&to->change, change);
}

/* Chains of our own over the slots that live. How many, and in *used where walks may end. */
static uint32_t chain_anew(const receiver *r, const table_view *t, uint32_t *used)
{
    a32 *buckets = live_of(r, t->buckets);
    uint32_t live = 0;
    for (uint32_t bucket = 0; bucket < t->count; bucket++)
        poke32(&buckets[bucket], 0);
    for (uint32_t index = 0; index < t->count; index++) {
        struct slot *slot = live_slot(r, t, index);
        if (!lives(slot))
            continue;
        uint32_t bucket = bucket_of(t, slot);
        store32(&slot->next, peek32(&buckets[bucket]));
        store32(&buckets[bucket], index + 1);
        *used = index + 1;
        live++;
    }
    return live;
}

static void put_table(receiver *r, uint32_t table, const table_view *t, bool verbatim)
{
    struct table *to = live_of(r, t->head);
    uint32_t before = peek32(&to->change), after = peek32(&t->head->change), count = peek32(&t->head->count);
    begin_applying(r);
    poke32(&to->change, before | 1u);
    for (uint32_t index = 0; index < t->count; index++) {
        uint32_t flat = r->base[run_of_table(table, TABLE_SLOTS)] + index;
        if (bit_of(r->dirty, flat))
            put_slot(r, table, t, index);
        clear_bit(r->dirty, flat);
    }
    uint32_t used = 0;
    if (verbatim)
        csi_put_words(live_of(r, t->buckets), t->buckets, (4 * t->count + 63u) & ~63u);
    else
        count = chain_anew(r, t, &used);
    /* Who read `change` before must find another one now, also when the head that came with it is an old one. */
    after += after & 1u;
    if ((int32_t)(after - before) <= 0)
        after = (before | 1u) + 1;
    put_head(r, t, count, after);
    if (used > peek32(&to->fresh))
        poke32(&to->fresh, used);
    end_applying(r);
}

static bool same_chains(const receiver *r, uint32_t table, const table_view *t)
{
    const struct table *to = live_of(r, t->head);
    uint32_t slots = r->base[run_of_table(table, TABLE_SLOTS)];
    if (peek32(&to->change) != peek32(&t->head->change) ||
        memcmp(live_of(r, t->buckets), t->buckets, 4ull * t->count) != 0)
        return false;
    for (uint32_t index = 0; index < t->count; index++)
        if (bit_of(r->dirty, slots + index) &&
            memcmp((const void *)live_slot(r, t, index), (const void *)slot_at(t, index), sizeof(struct slot)) != 0)
            return false;
    return true;
}

/* Slots that stay whose they are; `done` when nothing else had changed. */
static void put_values(receiver *r, uint32_t table, const table_view *t, bool done)
{
    uint32_t slots = r->base[run_of_table(table, TABLE_SLOTS)];
    for (uint32_t index = 0; index < t->count; index++) {
        const struct slot *from = slot_at(t, index);
        if (!bit_of(r->dirty, slots + index))
            continue;
        if (peek32(&from->generation) == peek32(&live_slot(r, t, index)->generation)) {
            begin_applying(r);
            put_payload(r, table, t, index);
            end_applying(r);
        }
        if (done)
            clear_bit(r->dirty, slots + index);
    }
}

static bool any_dirty(const receiver *r, uint32_t table)
{
    uint32_t from = r->base[run_of_table(table, TABLE_HEAD)], to = r->base[run_of_table(table, TABLE_SLOTS) + 1];
    for (uint32_t i = from; i < to; i++) {
        if (!r->dirty[i / 32])
            i |= 31u;
        else if (bit_of(r->dirty, i))
            return true;
    }
    return false;
}

void csi_apply_table(receiver *r, uint32_t table)
{
    const table_view *t = &staged_of(r)->tables[table];
    if (!t->count || !any_dirty(r, table))
        return;
    bool whole = fits_together(t), first = !r->shown;
    uint32_t drift = drift_of(t);
    if (whole && same_chains(r, table, t)) {
        put_values(r, table, t, true);
        put_head(r, t, peek32(&t->head->count), peek32(&t->head->change));
    } else if (whole && (first || drift == r->drift[table])) {
        put_table(r, table, t, true);
    } else {
        uint64_t now = cs_port_monotonic_ns();
        if (!r->waiting_since[table])
            r->waiting_since[table] = now;
        if (!first && now - r->waiting_since[table] < PATIENCE_NS) {
            r->status.held++;
            put_values(r, table, t, false);
            return; /* still dirty */
        }
        put_table(r, table, t, whole);
    }
    r->waiting_since[table] = 0;
    if (!whole) { /* all of it is to be written again when it fits together */
        for (uint32_t i = 0; i < t->count; i++)
            set_bit(r->dirty, r->base[run_of_table(table, TABLE_SLOTS)] + i);
        return;
    }
    r->drift[table] = drift;
    for (uint32_t i = r->base[run_of_table(table, TABLE_HEAD)]; i < r->base[run_of_table(table, TABLE_SLOTS)]; i++)
        clear_bit(r->dirty, i);
}
