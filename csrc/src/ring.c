#include "ring.h"

#include "bell.h"
#include "promise.h"
#include "sweep.h"
#include "table.h"

#define BREATHS 32     /* looks at an unfinished position before its producer's life is asked about */
#define IDLE_LOOKS 16u /* one in so many looks that find nothing is impatient */

/* -- the slot's word ------------------------------------------------------------------------ */

#define LAP_SHIFT 24
#define LAP_MASK 0xFFFFFFFFFFull

static uint64_t word_of(uint64_t lap, uint32_t owner, uint32_t state)
{
    return lap << LAP_SHIFT | (uint64_t)owner << 2 | state;
}
static uint64_t lap_of(uint64_t word) { return word >> LAP_SHIFT; }
static uint32_t owner_in(uint64_t word) { return (uint32_t)(word >> 2) & CLAIM_OWNER; }
static uint32_t state_in(uint64_t word) { return (uint32_t)word & 3u; }
static uint64_t lap_at(const view *v, uint64_t position) { return ((position >> v->event_shift) + 1) & LAP_MASK; }
/* Laps are compared as distances, so that the 40 bits may wrap. Negative: a is earlier than b. */
static int64_t lap_distance(uint64_t a, uint64_t b) { return (int64_t)((a - b) << LAP_SHIFT); }

static struct event *event_at(const view *v, uint64_t position)
{
    return (struct event *)(void *)(v->events + (size_t)(position & v->event_mask) * v->event_stride);
}
static uint32_t event_index(const view *v, const struct event *event)
{
    return (uint32_t)((size_t)((const unsigned char *)event - v->events) / v->event_stride);
}
static void *data_of(struct event *event) { return (unsigned char *)event + sizeof(struct event); }
static bool unfinished(uint64_t word)
{
    return state_in(word) == EVENT_CLAIMED || (state_in(word) == EVENT_HOLE && owner_in(word));
}

/* -- producers ------------------------------------------------------------------------------ */

/*
 * A dead producer's claim becomes an event when what it tells of has happened (see promise.h), a hole otherwise.
 * Everybody who meets it comes to the same answer, and the first one's stands.
 */
static bool finish(const view *v, struct event *event, uint64_t word)
{
    uint64_t position = ((lap_of(word) - 1) << v->event_shift) + event_index(v, event);
    bool told = csi_happened(v, position);
    if (!cas64(&event->word, &word,
               told ? word_of(lap_of(word), owner_in(word), EVENT_COMMITTED) : word_of(lap_of(word), 0, EVENT_HOLE)))
        return false;
    if (!told)
        (void)add64(&v->ring->holes, 1);
    bell_notify(&v->ring->bell); /* a reader may be waiting for just this position */
    return true;
}

/*
 * Take the next position. A round that fails is somebody else's success or steps over a slot; far more of them than
 * there are slots, and the words make no sense: nobody is to be kept here for ever.
 */
static int take_position(const view *v, uint32_t owner, uint64_t *position)
{
    uint64_t passed = 0;
    uint32_t sleeps = 0;
    for (uint32_t round = 0; round < 2 * v->event_mask + 20000; round++) {
        uint64_t head = load64(&v->ring->head);
        struct event *event = event_at(v, head);
        uint64_t lap = lap_at(v, head);
        uint64_t word = load64(&event->word);
        int64_t distance = lap_distance(lap_of(word), lap);
        if (distance >= 0) { /* taken: help the head along; later lap: the head has moved since */
            (void)cas64(&v->ring->head, &head, head + 1);
            continue;
        }
        uint32_t holder = unfinished(word) ? owner_in(word) : 0;
        bool claimed = state_in(word) == EVENT_CLAIMED;
        if (claimed && !csi_alive(v, holder)) {
            (void)finish(v, event, word);
            continue;
        }
        /* What a dead one was passed over with stays his until he is swept: it may tell what is still owed. */
        bool passed_over = holder && (claimed || csi_unswept(v, holder));
        uint64_t taken = passed_over ? word_of(lap, holder, EVENT_HOLE) : word_of(lap, owner, EVENT_CLAIMED);
        if (!cas64(&event->word, &word, taken))
            continue;
        uint64_t expected = head;
        (void)cas64(&v->ring->head, &expected, head + 1);
        if (passed_over) { /* and of the earlier lap, which nobody will commit now */
            (void)add64(&v->ring->holes, claimed ? 2 : 1);
            /* A whole lap of them: a ring with no more slots than producers who stand still. Going round it would make
             * nothing but holes; they need the processor. */
            if (++passed > v->event_mask) {
                if (*position == CS_AT_ONCE || ++sleeps > RING_CROWDED_SLEEPS ||
                    cs_port_sleep(RING_CROWDED_NS) == CS_E_BUSY)
                    return CS_E_BUSY;
                passed = 0;
                round = 0;
            }
        } else {
            *position = head;
            return CS_OK;
        }
    }
    return CS_E_BUSY;
}

int csi_ring_draft(view *v, uint32_t kind, uint32_t format, const void *data, uint32_t length, uint64_t *position)
{
    uint32_t owner;
    uint64_t now = cs_port_now_ns(); /* before the claim, which readers wait for the end of */
    int result = writer_of(v, &owner);
    *position = format & CS_AT_ONCE; /* in which case nobody sleeps for it */
    if (result == CS_OK)
        result = take_position(v, owner, position);
    if (result != CS_OK)
        return result;
    struct event *event = event_at(v, *position);
    fence_release(); /* who sees any of what follows sees the claim too, and discards its copy of the lap before */
    poke64(&event->time_ns, now);
    poke32(&event->kind_length, length << 16 | kind);
    poke32(&event->source_format, format << 24 | owner); /* which leaves CS_AT_ONCE behind */
    copy_in(data_of(event), data, length);
    return CS_OK;
}

bool csi_ring_commit(view *v, uint64_t position)
{
    uint32_t owner = peek32(&v->owner);
    uint64_t claimed = word_of(lap_at(v, position), owner, EVENT_CLAIMED);
    /* Releases the draft to whoever acquires the word; sequentially consistent for the bell. */
    if (!cas64(&event_at(v, position)->word, &claimed, word_of(lap_at(v, position), owner, EVENT_COMMITTED)))
        return false;
    bell_notify(&v->ring->bell);
    return true;
}

void csi_ring_give_back(view *v, uint64_t position)
{
    struct event *event = event_at(v, position);
    uint64_t word = load64(&event->word);
    while (state_in(word) == EVENT_HOLE && owner_in(word) == peek32(&v->owner))
        if (cas64(&event->word, &word, word_of(lap_of(word), 0, EVENT_HOLE)))
            return;
}

int csi_publish(view *v, uint32_t kind, uint32_t format, const void *data, uint32_t length, uint64_t *sequence)
{
    for (int attempt = 0; attempt < 1000; attempt++) {
        uint64_t position;
        int result = csi_ring_draft(v, kind, format, data, length, &position);
        if (result != CS_OK)
            return result;
        if (csi_ring_commit(v, position)) {
            if (sequence)
                *sequence = position + 1;
            return CS_OK;
        }
        csi_ring_give_back(v, position);
    }
    return CS_E_BUSY;
}

int cs_event_publish(cs_region *region, uint32_t kind, uint32_t format, const void *data, uint32_t length,
                     uint64_t *sequence)
{
    if (!region || (!data && length) || (format & ~(uint32_t)CS_AT_ONCE) > CS_FORMAT_MSGPACK)
        return CS_E_INVALID;
    view *v = view_of(region);
    const table_view *t = &v->tables[TABLE_KINDS];
    uint32_t index = kind - CS_KIND_USER;
    if ((index >= t->count || !(load32(&slot_at(t, index)->generation) & 1u)) && !kept_kind(kind))
        return CS_E_INVALID;
    if (length > v->event_bytes)
        return CS_E_TOO_BIG;
    return csi_publish(v, kind, format, data, length, sequence);
}

uint32_t csi_change_data(const view *v, const cs_change *change, const char *name, uint32_t length, unsigned char *data)
{
    uint32_t room = v->event_bytes - (uint32_t)sizeof *change;
    uint32_t whole = length;
    room = room < 64 ? room : 64;
    length = length < room ? length : room;
    while (length < whole && !csi_utf8((const unsigned char *)name, length)) /* not in the middle of a character */
        length--;
    memcpy(data, change, sizeof *change);
    if (length)
        memcpy(data + sizeof *change, name, length);
    return (uint32_t)sizeof *change + length;
}

int csi_publish_change(view *v, uint32_t kind, const cs_change *change, const char *name, uint32_t length)
{
    unsigned char data[sizeof *change + 64];
    return csi_publish(v, kind, CS_FORMAT_CHANGE, data, csi_change_data(v, change, name, length, data), 0);
}

/* -- recovery ------------------------------------------------------------------------------- */

uint32_t csi_ring_claimed(const view *v, uint64_t position)
{
    uint64_t word = load64(&event_at(v, position)->word);
    return unfinished(word) ? owner_in(word) : 0;
}

void csi_ring_finish(const view *v, uint64_t position)
{
    struct event *event = event_at(v, position);
    uint64_t word = load64(&event->word);
    if (state_in(word) == EVENT_CLAIMED && !csi_alive(v, owner_in(word)))
        (void)finish(v, event, word);
}

uint32_t csi_ring_change(const view *v, uint64_t position, cs_change *change, uint32_t *writer)
{
    struct event *event = event_at(v, position);
    uint32_t kind_length = peek32(&event->kind_length), source_format = peek32(&event->source_format);
    copy_out(change, data_of(event), sizeof *change);
    if (writer)
        *writer = source_format & CLAIM_OWNER;
    return source_format >> 24 == CS_FORMAT_CHANGE && kind_length >> 16 >= sizeof *change ? kind_length & 0xFFFFu : 0;
}

void csi_ring_sweep(const view *v, uint32_t seat)
{
    for (uint32_t i = 0; i <= v->event_mask; i++) {
        struct event *event = event_at(v, i);
        uint64_t word = load64(&event->word);
        if (state_in(word) == EVENT_CLAIMED && left_by(v, owner_in(word), seat))
            (void)finish(v, event, word);
    }
    uint64_t head = load64(&v->ring->head);
    if (lap_distance(lap_of(load64(&event_at(v, head)->word)), lap_at(v, head)) >= 0)
        (void)cas64(&v->ring->head, &head, head + 1); /* which a producer did not live to do */
}

void csi_ring_release(const view *v, uint32_t seat)
{
    for (uint32_t i = 0; i <= v->event_mask; i++) {
        struct event *event = event_at(v, i);
        uint64_t word = load64(&event->word);
        while (state_in(word) == EVENT_HOLE && left_by(v, owner_in(word), seat))
            if (cas64(&event->word, &word, word_of(lap_of(word), 0, EVENT_HOLE)))
                break;
    }
}

void csi_ring_restore(const view *v, uint64_t newest)
{
    /* Slots of the numbers before it are holes of their laps, so that a reader steps over what was not kept. */
    for (uint64_t i = 0; i <= v->event_mask; i++) {
        uint64_t position = newest - 1 - i;
        poke64(&event_at(v, position)->word, i < newest ? word_of(lap_at(v, position), 0, EVENT_HOLE) : 0);
    }
    store64(&v->ring->head, newest);
}

void csi_ring_put(const view *v, const cs_event *from, const void *data)
{
    uint64_t position = from->sequence - 1;
    struct event *event = event_at(v, position);
    poke64(&event->time_ns, from->time_ns);
    poke32(&event->kind_length, from->length << 16 | from->kind);
    poke32(&event->source_format, from->format << 24 | (from->source & CLAIM_OWNER));
    copy_in(data_of(event), data, from->length);
    store64(&event->word, word_of(lap_at(v, position), from->source & CLAIM_OWNER, EVENT_COMMITTED));
}

/* -- readers -------------------------------------------------------------------------------- */

uint64_t cs_event_newest(const cs_region *region) { return load64(&const_view_of(region)->ring->head); }

int cs_subscribe(const cs_region *region, cs_subscription *subscription, uint64_t since)
{
    if (!region || !subscription)
        return CS_E_INVALID;
    uint64_t newest = cs_event_newest(region);
    uint64_t slots = const_view_of(region)->event_mask + 1ull;
    memset(subscription, 0, sizeof *subscription);
    uint64_t oldest = newest > slots ? newest - slots + 1 : 1;
    subscription->next = since == CS_FOREVER || since > newest ? newest + 1 : since ? since + 1 : oldest;
    return CS_OK;
}

/* What stands at the subscription's next position. */
enum look { LOOK_NOTHING, LOOK_EVENT, LOOK_HOLE, LOOK_LOST, LOOK_UNFINISHED, LOOK_AGAIN };

/*
 * The head shares its line with nothing but what producers write: a reader that looks at it before there is an event
 * takes the line from the next producer. So only an impatient one does, and only it finds out that the word of a
 * position below the head says what cannot be: a hole. More than the ring's slots below it, it is lost like any other
 * there, so that nobody walks to a head that is anything at all.
 */
static enum look look(const view *v, uint64_t position, bool impatient, uint64_t *word)
{
    uint64_t lap = lap_at(v, position);
    *word = load64(&event_at(v, position)->word);
    int64_t distance = lap_distance(lap_of(*word), lap);
    if (distance < 0) { /* not taken yet */
        if (!impatient)
            return LOOK_NOTHING;
        uint64_t head = load64(&v->ring->head); /* before the word: what is below this head has been taken */
        *word = load64(&event_at(v, position)->word);
        distance = lap_distance(lap_of(*word), lap);
        if (distance < 0) {
            int64_t ahead = (int64_t)(head - position);
            return ahead <= 0 ? LOOK_NOTHING : ahead <= (int64_t)v->event_mask + 1 ? LOOK_HOLE : LOOK_LOST;
        }
    }
    if (distance > 0) /* overwritten, unless the word is of no producer's: then the head is no further than here */
        return (int64_t)(load64(&v->ring->head) - position) > 0 ? LOOK_LOST : LOOK_NOTHING;
    if (state_in(*word) == EVENT_COMMITTED)
        return LOOK_EVENT;
    return state_in(*word) == EVENT_CLAIMED ? LOOK_UNFINISHED : LOOK_HOLE;
}

/* The same for a subscription whose next event is not just there. A producer at work will be done in no time: a few
 * looks cost less than asking whether it lives. */
static enum look look_closer(const view *v, const cs_subscription *s, bool impatient, uint64_t *word)
{
    enum look found = look(v, s->next - 1, impatient, word);
    for (int breath = 0; found == LOOK_UNFINISHED && !s->stalled_ns && breath < BREATHS; breath++) {
        cs_port_pause();
        found = look(v, s->next - 1, impatient, word);
    }
    return found;
}

static inline enum look look_next(const view *v, const cs_subscription *s, bool impatient, uint64_t *word)
{
    *word = load64(&event_at(v, s->next - 1)->word);
    if (LIKELY(lap_of(*word) == lap_at(v, s->next - 1) && state_in(*word) == EVENT_COMMITTED))
        return LOOK_EVENT;
    return look_closer(v, s, impatient, word);
}

/* The position's producer has claimed and not committed: wait (NOTHING), or what the position is from now on. */
static enum look pass_over(const view *v, cs_subscription *s, uint64_t word)
{
    struct event *event = event_at(v, s->next - 1);
    bool writer = peek32(&v->owner) != 0;
    if (!csi_alive(v, owner_in(word))) {
        if (writer)
            return finish(v, event, word), LOOK_AGAIN;
        bool told = csi_happened(v, s->next - 1); /* what whoever may write will come to, too */
        if (load64(&event->word) != word)
            return LOOK_AGAIN;
        return told ? LOOK_EVENT : LOOK_HOLE;
    }
    uint64_t now = cs_port_monotonic_ns();
    if (!s->stalled_ns)
        s->stalled_ns = now ? now : 1;
    /* A view that may not write cannot pass over the living: the event might yet be committed. */
    if (now - s->stalled_ns < RING_STALL_NS || !writer)
        return LOOK_NOTHING;
    if (!cas64(&event->word, &word, word_of(lap_of(word), owner_in(word), EVENT_HOLE)))
        return LOOK_AGAIN;
    (void)add64(&v->ring->holes, 1);
    return LOOK_HOLE;
}

static void skip_lost(const view *v, cs_subscription *s)
{
    uint64_t head = load64(&v->ring->head);
    uint64_t slots = v->event_mask + 1ull;
    uint64_t oldest = head > slots ? head - slots + 1 : 1; /* as a sequence */
    uint64_t next = (int64_t)(oldest - s->next) > 0 ? oldest : s->next + 1;
    s->lost_from = s->next;
    s->lost_to = next - 1;
    s->lost += next - s->next;
    if (peek32(&v->owner))
        (void)add64_relaxed(&v->ring->lost, next - s->next);
    s->next = next;
}

static bool wanted(const cs_subscription *s, uint32_t kind)
{
    return !s->kinds || (kind < s->kind_bits && (s->kinds[kind / 32] >> (kind % 32) & 1u));
}

/* A committed event's head, without its data. */
static void read_head(const view *v, uint64_t position, cs_event *event)
{
    struct event *from = event_at(v, position);
    uint32_t kind_length = peek32(&from->kind_length);
    uint32_t source_format = peek32(&from->source_format);
    uint32_t length = kind_length >> 16;
    *event = (cs_event){.sequence = position + 1,
                        .time_ns = peek64(&from->time_ns),
                        .kind = kind_length & 0xFFFFu,
                        .source = source_format & CLAIM_OWNER,
                        .format = source_format >> 24,
                        .length = length <= v->event_bytes ? length : v->event_bytes};
}

const unsigned char *csi_ring_peek(const view *v, uint64_t sequence, cs_event *event, uint64_t *word)
{
    if (look(v, sequence - 1, true, word) != LOOK_EVENT)
        return 0;
    read_head(v, sequence - 1, event);
    return data_of(event_at(v, sequence - 1));
}

bool csi_ring_stood(const view *v, uint64_t sequence, uint64_t word)
{
    fence_acquire(); /* the copy is whole if the word still is the one from before it */
    return peek64(&event_at(v, sequence - 1)->word) == word;
}

int cs_events_drain(cs_region *region, cs_subscription *s, void *rows, uint32_t row_bytes, uint32_t capacity,
                    uint32_t *count)
{
    if (!region || !s || !count || (!rows && capacity) || !s->next)
        return CS_E_INVALID;
    view *v = view_of(region);
    if (row_bytes < sizeof(cs_event) + v->event_bytes)
        return CS_E_INVALID;
    unsigned char *row = rows;
    uint32_t taken = 0;
    for (uint64_t steps = 0; taken < capacity && steps < 2ull * (v->event_mask + 1ull) + capacity; steps++) {
        uint64_t word;
        enum look found = look_next(v, s, s->idle % IDLE_LOOKS == 0, &word);
        if (found == LOOK_UNFINISHED)
            found = pass_over(v, s, word);
        if (found == LOOK_NOTHING) {
            s->idle++;
            break;
        }
        s->stalled_ns = 0;
        if (found == LOOK_AGAIN)
            continue;
        if (found == LOOK_LOST) {
            skip_lost(v, s);
        } else if (found != LOOK_EVENT) {
            s->holes++;
            s->next++;
        } else {
            cs_event event;
            read_head(v, s->next - 1, &event);
            copy_out(row + sizeof event, data_of(event_at(v, s->next - 1)), event.length);
            if (!csi_ring_stood(v, s->next, word))
                continue;
            s->next++;
            if (!wanted(s, event.kind))
                continue;
            memcpy(row, &event, sizeof event);
            memset(row + sizeof event + event.length, 0, row_bytes - sizeof event - event.length);
            row += row_bytes;
            taken++;
        }
    }
    *count = taken;
    return CS_OK;
}

struct awaited {
    const view *v;
    cs_subscription *s;
};

static bool arrived(void *context)
{
    const struct awaited *awaited = context;
    uint64_t word;
    enum look found = look_next(awaited->v, awaited->s, true, &word);
    if (found == LOOK_UNFINISHED)
        found = pass_over(awaited->v, awaited->s, word);
    return found != LOOK_NOTHING;
}

int cs_events_wait(cs_region *region, cs_subscription *s, uint64_t timeout_ns)
{
    if (!region || !s || !s->next)
        return CS_E_INVALID;
    view *v = view_of(region);
    struct awaited awaited = {v, s};
    deadline until = deadline_in(timeout_ns);
    for (uint32_t slices = 0;; slices++) {
        if (load32(&v->closed))
            return CS_E_CLOSED;
        if (arrived(&awaited))
            return CS_OK;
        /* A living producer that is at it will be done in no time, or else is to be passed over soon. */
        uint64_t slice = s->stalled_ns ? RING_STALL_NS / 4 : BELL_SLICE_NS;
        int result = csi_bell_wait(v, &v->ring->bell, until, slice, arrived, &awaited);
        if (result != CS_OK)
            return result;
        if (slices % 8 == 7 && peek32(&v->owner))
            (void)cs_sweep(region);
    }
}
