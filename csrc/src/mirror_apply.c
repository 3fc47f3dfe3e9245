/*
 * From what arrived to what readers see. Each unit arrived whole; here it is written as the writers of the source
 * would have written it, so that the readers' own checks hold: a slot is taken out of sight before it changes hands,
 * an event is claimed before it is overwritten and the head follows what is there, and what claims to be of one
 * instant is between the two halves of `applying`.
 */
#include "bell.h"
#include "mirror_receiver.h"

void csi_put_words(void *live, const void *staged, uint32_t bytes)
{
    a64 *to = live;
    const a64 *from = staged;
    for (uint32_t i = 0; i < bytes / 8; i++)
        if (peek64(&to[i]) != peek64(&from[i]))
            poke64(&to[i], peek64(&from[i]));
}

static void put_time(const receiver *r, a64 *live, const a64 *staged)
{
    uint64_t ns = shifted(r, staged);
    if (peek64(live) != ns)
        poke64(live, ns);
}

static void apply_engine(receiver *r)
{
    struct engine *from = staged_of(r)->engine, *to = live_of(r, from);
    struct header *header = (struct header *)(void *)r->live;
    begin_applying(r);
    poke32(&header->link, (peek32(&header->link) & ~LINK_UNSTEADY) | (r->unsteady ? LINK_UNSTEADY : 0));
    put_time(r, &to->last_modified, &from->last_modified);
    csi_put_words(&to->version, &from->version, 8);
    csi_put_words(&to->agent_count, &from->agent_count, sizeof *from - 16);
    end_applying(r);
}

/* -- participants --------------------------------------------------------------------------- */

static struct participant *seat_at(const receiver *r, uint32_t slot)
{
    return live_of(r, participant_at(staged_of(r), slot));
}
static bool is_taken(uint64_t word)
{
    uint32_t seat = (uint32_t)(word >> 52) & 3u;
    return seat == SEAT_LIVE || seat == SEAT_JOINING;
}

#define SEAT_KERNEL (1ull << 54)

/* Who lives at the source lives here as long as this process does: by the port's lock, else by its identity. */
static void seat(receiver *r, uint32_t slot, uint64_t word)
{
    const struct participant *from = participant_at(staged_of(r), slot);
    struct participant *to = seat_at(r, slot);
    bool taken = is_taken(word);
    word &= ~SEAT_KERNEL;
    if (taken && r->silent) {
        word |= (uint64_t)SEAT_DEAD << 52;
        taken = false;
    }
    if (taken && !bit_of(r->held, slot) && cs_port_claim(r->handle, slot) == CS_OK)
        set_bit(r->held, slot);
    if (!taken && bit_of(r->held, slot)) {
        poke64(&to->word, word);
        clear_bit(r->held, slot);
        cs_port_unclaim(r->handle, slot);
    }
    bool ours = taken && !bit_of(r->held, slot);
    if (taken && !ours)
        word |= SEAT_KERNEL;
    if (ours)
        word = (word & 0x007FFFFF00000000ull) | (uint64_t)r->self.space << 55 | r->self.pid;
    if (peek64(&to->word) != word)
        poke64(&to->word, word & ~(3ull << 52)); /* free, until the rest is there */
    fence_release();                             /* who sees any of what follows sees a seat that is free */
    poke64(&to->start, ours ? r->self.start : peek64(&from->start));
    for (int i = 0; i < 2; i++)
        poke64(&to->boot[i], ours ? r->self.boot[i] : peek64(&from->boot[i]));
    put_time(r, &to->attached_ns, &from->attached_ns);
    store64(&to->word, word);
}

static void apply_participant(receiver *r, uint32_t slot)
{
    seat(r, slot, peek64(&participant_at(staged_of(r), slot)->word));
}

/* -- events --------------------------------------------------------------------------------- */

#define LAP_SHIFT 24u
static int64_t lap_distance(uint64_t a, uint64_t b)
{
    return (int64_t)(((a >> LAP_SHIFT) - (b >> LAP_SHIFT)) << LAP_SHIFT);
}

static uint32_t tag_of(uint32_t slot, uint64_t word) { return (slot + 1) | ((uint32_t)(word >> 32) & 0x3FFu) << 12; }

/* Somebody readers take for alive, so that they wait for an event and do not count a hole; 0 when there is nobody. */
static uint32_t living(const receiver *r)
{
    for (uint32_t slot = 0; slot < staged_of(r)->participant_count; slot++) {
        uint64_t word = peek64(&seat_at(r, slot)->word);
        if (is_taken(word))
            return tag_of(slot, word);
    }
    return 0;
}

static void apply_event(receiver *r, uint32_t index)
{
    const view *v = staged_of(r);
    struct event *from = (struct event *)(void *)(v->events + (size_t)index * v->event_stride), *to = live_of(r, from);
    uint64_t word = peek64(&from->word), now = peek64(&to->word);
    uint32_t writer = living(r);
    if (word == now)
        return;
    bool lent = !writer;
    if (lent) { /* all have left: for this moment the first seat is taken */
        seat(r, 0, (peek64(&seat_at(r, 0)->word) & ~(3ull << 52)) | (uint64_t)SEAT_LIVE << 52);
        writer = living(r);
    }
    store64(&to->word, (word & ~0xFFFFFFull) | (uint64_t)writer << 2 | EVENT_CLAIMED);
    fence_release(); /* as in csi_ring_draft: who sees any of what follows sees the claim too */
    put_time(r, &to->time_ns, &from->time_ns);
    csi_put_words((unsigned char *)to + 16, (const unsigned char *)from + 16, v->event_bytes + 8);
    store64(&to->word, word);
    if (lent)
        apply_participant(r, 0);
}

static a64 *event_word(const receiver *r, uint64_t position)
{
    const view *v = staged_of(r);
    return live_of(r, v->events + (size_t)(position & v->event_mask) * v->event_stride);
}
static uint64_t lap_word(const receiver *r, uint64_t position)
{
    return ((position >> staged_of(r)->event_shift) + 1) << LAP_SHIFT;
}
static bool is_here(const receiver *r, uint64_t position)
{
    return lap_distance(peek64(event_word(r, position)), lap_word(r, position)) >= 0;
}

/*
 * The source has overwritten positions from `head` on that never came: their slots are claimed for what overwrote them,
 * so that a reader finds that it lost them, and waits for the rest.
 */
static void overtaken(const receiver *r, uint64_t head, uint64_t oldest, uint64_t most)
{
    uint64_t slots = staged_of(r)->event_mask + 1ull;
    uint32_t writer = living(r);
    for (uint64_t position = head + slots > oldest ? head + slots : oldest; position < most; position++)
        if (writer && !is_here(r, position))
            store64(event_word(r, position), lap_word(r, position) | (uint64_t)writer << 2 | EVENT_CLAIMED);
}

/*
 * The head goes as far as every position before it is here: behind it a reader takes what is not there for a hole. A
 * position that was lost on the way holds it until a picture brings it, or the source has overwritten it.
 */
static void apply_ring(const receiver *r)
{
    const view *v = staged_of(r);
    struct ring *from = v->ring, *to = live_of(r, from);
    uint64_t head = peek64(&to->head), most = peek64(&from->head), slots = v->event_mask + 1ull;
    uint64_t oldest = most > slots ? most - slots : 0;
    csi_put_words((unsigned char *)to + 8, (const unsigned char *)from + 8, sizeof *from - 8);
    if (head > most) /* of a source that was restored to an earlier state */
        head = oldest;
    if (head < oldest) {
        if (r->shown)
            overtaken(r, head, oldest, most);
        head = oldest;
    }
    while (head < most && is_here(r, head))
        head++;
    if (peek64(&to->head) != head)
        store64(&to->head, head);
}

/* -- the rest: a word that says what stands, taken away while the others change ---------------- */

static void apply_guarded(const receiver *r, const run_shape *shape, uint32_t index, uint64_t meanwhile)
{
    uint32_t length;
    const unsigned char *from = staged_of(r)->memory + csi_unit_line(shape, index, 0, &length);
    a64 *to = live_of(r, from);
    uint64_t word = peek64((const a64 *)(const void *)from);
    if (peek64(to) != word) {
        poke64(to, meanwhile);
        fence_release(); /* who sees any of what follows sees the word that it does not hold yet */
    }
    csi_put_words(to + 1, from + 8, shape->bytes - 8);
    store64(to, word);
}

static void apply_unit(receiver *r, uint32_t run, const run_shape *shape, uint32_t index)
{
    uint32_t length;
    switch (run) {
    case RUN_HEADER:
        break; /* once, when all is there */
    case RUN_ENGINE:
        apply_engine(r);
        break;
    case RUN_RING:
        break; /* after its events; see cs_mirror_apply */
    case RUN_EVENTS:
        apply_event(r, index);
        break;
    case RUN_PARTICIPANTS:
        apply_participant(r, index);
        break;
    case RUN_RESERVATIONS:
        apply_guarded(r, shape, index, RESERVATION_FREE);
        break;
    case RUN_VALUES:
        apply_guarded(r, shape, index, VALUE_EMPTY);
        break;
    default: { /* heads of groups of hot values: words of which each is true by itself */
        const unsigned char *from = staged_of(r)->memory + csi_unit_line(shape, index, 0, &length);
        csi_put_words(live_of(r, from), from, shape->bytes);
    }
    }
}

static void apply_run(receiver *r, uint32_t run)
{
    run_shape shape;
    csi_run_shape(staged_of(r), run, &shape);
    for (uint32_t index = 0; index < shape.count; index++) {
        uint32_t flat = r->base[run] + index;
        if (!r->dirty[flat / 32]) { /* none of these 32 */
            index += 31 - flat % 32;
            continue;
        }
        if (!bit_of(r->dirty, flat))
            continue;
        clear_bit(r->dirty, flat);
        apply_unit(r, run, &shape, index);
    }
}

static void show(receiver *r)
{
    struct header *to = (struct header *)(void *)r->live;
    const struct header *from = (const struct header *)(const void *)r->header;
    memcpy(to->magic, from->magic, offsetof(struct header, ready));
    memcpy(&to->section_count, &from->section_count,
           offsetof(struct header, applying) - offsetof(struct header, section_count));
    to->created_ns = from->created_ns ? from->created_ns + r->shift_ns : 0;
    store32(&to->ready, 1);
    r->shown = true;
}

static void heard(const receiver *r)
{
    struct header *header = (struct header *)(void *)r->live;
    uint64_t lost = r->status.lost, sent = r->status.frames + lost;
    while (sent > 0xFFFFFFFFu) { /* so that a million times it fits */
        sent >>= 1;
        lost >>= 1;
    }
    uint32_t loss = sent && lost <= sent ? (uint32_t)(lost * 1000000u / sent) : 0;
    poke32(&header->link, loss << LINK_LOSS_SHIFT | (peek32(&header->link) & LINK_UNSTEADY));
    store64(&header->heard_ns, r->status.heard_ns);
}

#define SAME_CLOCK_NS 60000000000ll

/* False while the source's clock is not known and has to be. */
static bool choose_shift(receiver *r)
{
    if (r->shifting && !r->status.source_ns)
        return false;
    if (r->shifting && (r->ahead_ns > SAME_CLOCK_NS || r->ahead_ns < -SAME_CLOCK_NS))
        r->shift_ns = (uint64_t)r->ahead_ns;
    return true;
}

int cs_mirror_apply(cs_mirror_receiver *handle)
{
    if (!handle || !receiver_of(handle)->provided)
        return CS_E_NOT_READY;
    receiver *r = receiver_of(handle);
    if (!r->shown && r->got_count < r->base[RUNS])
        return 0;
    if (!r->shown && (!r->spoken || !choose_shift(r)))
        return 0;
    apply_run(r, RUN_PARTICIPANTS); /* first: events borrow from who is alive */
    apply_run(r, RUN_ENGINE);
    for (uint32_t table = 0; table < TABLES; table++)
        csi_apply_table(r, table);
    apply_run(r, RUN_EVENTS);
    apply_ring(r);
    clear_bit(r->dirty, r->base[RUN_RING]);
    for (uint32_t run = RUN_RESERVATIONS; run < RUNS; run++)
        apply_run(r, run);
    heard(r);
    if (!r->shown)
        show(r);
    return 1;
}

void cs_mirror_silent(cs_mirror_receiver *handle)
{
    receiver *r = receiver_of(handle);
    r->down = true;
    if (!r->shown || r->silent)
        return;
    r->silent = true;
    for (uint32_t slot = 0; slot < staged_of(r)->participant_count; slot++)
        apply_participant(r, slot);
}
