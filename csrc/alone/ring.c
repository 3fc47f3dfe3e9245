#include "alone.h"

#define LAP_SHIFT 24

/* -- positions ------------------------------------------------------------------------------ */

static struct event *event_at(const view *v, uint32_t position) /* of which only the low bits count */
{
    return (struct event *)(void *)(v->events + (position & v->event_mask) * v->event_stride);
}
static unsigned char *data_of(struct event *event) { return (unsigned char *)event + sizeof(struct event); }

/* The word of a committed event; a hole's differs in its last bits and names nobody. */
static uint64_t word_at(const view *v, uint64_t position, uint32_t owner)
{
    return ((position >> v->event_shift) + 1) << LAP_SHIFT | (owner << 2 | EVENT_COMMITTED);
}

/* Is this the word of an event committed at this position, by whomever? */
static bool committed(const view *v, uint64_t position, uint64_t word)
{
    return !((word ^ word_at(v, position, 0)) & ~(uint64_t)(CLAIM_OWNER << 2));
}

/* -- writing -------------------------------------------------------------------------------- */

/* An event's head, at its position. While held. */
static unsigned char *write_head(const view *v, const cs_event *head)
{
    uint64_t position = head->sequence - 1;
    struct event *event = event_at(v, (uint32_t)position);
    WIDE(&event->time_ns) = head->time_ns;
    poke32(&event->kind_length, head->length << 16 | head->kind);
    poke32(&event->source_format, head->format << 24 | (head->source & CLAIM_OWNER));
    WIDE(&event->word) = word_at(v, position, head->source & CLAIM_OWNER);
    return data_of(event);
}

/* The next event; its data is the caller's to write. While held. */
static unsigned char *append(const view *v, uint32_t kind, uint32_t format, uint32_t length)
{
    const cs_event head = {.sequence = ++WIDE(&v->ring->head),
                           .time_ns = cs_port_now_ns(),
                           .kind = kind,
                           .source = peek32(&v->owner),
                           .format = format,
                           .length = length};
    return write_head(v, &head);
}

/* In whole words of eight bytes, the last one filled up with zeros. */
static void put_data(unsigned char *to, const void *from, uint32_t length)
{
    memset(to + (length & ~7u), 0, length & 7u ? 8 : 0);
    memcpy(to, from, length);
}

int csi_publish(view *v, uint32_t kind, uint32_t format, const void *data, uint32_t length, uint64_t *sequence)
{
    int result = may_write(v);
    if (result != CS_OK)
        return result;
    uint32_t held = hold();
    put_data(append(v, kind, format, length), data, length);
    if (sequence)
        *sequence = WIDE(&v->ring->head);
    let_go_told(v, held);
    return CS_OK;
}

/* As much of a name as an event has room for behind its change: not cut in the middle of a character. */
static uint32_t name_room(const view *v, const void *name, uint32_t length)
{
    uint32_t room = v->event_bytes - (uint32_t)sizeof(cs_change);
    if (length > room)
        for (length = room; !csi_utf8(name, length);)
            length--;
    return length;
}

void csi_tell(view *v, uint32_t kind, const cs_change *change)
{
    const table_view *t = csi_table(v, change->table);
    struct slot *slot = t ? slot_at(t, (uint32_t)change->subject) : 0;
    uint32_t length = slot ? name_room(v, key_of(t, slot), key_length(v, slot)) : 0;
    unsigned char *data = append(v, kind, CS_FORMAT_CHANGE, (uint32_t)sizeof *change + length);
    memcpy(data, change, sizeof *change);
    if (length)
        put_data(data + sizeof *change, key_of(t, slot), length);
}

/* -- reading -------------------------------------------------------------------------------- */

uint64_t cs_event_newest(const cs_region *region) { return load64(&const_view_of(region)->ring->head); }

static uint64_t oldest_of(const view *v, uint64_t newest)
{
    return newest > v->event_mask ? newest - v->event_mask : 1;
}

int cs_subscribe(const cs_region *region, cs_subscription *s, uint64_t since)
{
    if (!region || !s)
        return CS_E_INVALID;
    uint64_t newest = cs_event_newest(region);
    memset(s, 0, sizeof *s);
    s->next = since > newest ? newest + 1 : since ? since + 1 : oldest_of(const_view_of(region), newest);
    return CS_OK;
}

/* The head of the event at this sequence; its data, or null where there is none. While held. */
static const unsigned char *read_head(const view *v, uint64_t sequence, cs_event *head)
{
    struct event *event = event_at(v, (uint32_t)sequence - 1);
    uint32_t kind_length = peek32(&event->kind_length), source_format = peek32(&event->source_format);
    head->sequence = sequence;
    head->time_ns = WIDE(&event->time_ns);
    head->kind = kind_length & 0xFFFFu;
    head->source = source_format & CLAIM_OWNER;
    head->format = source_format >> 24;
    head->length = kind_length >> 16;
    if (head->length > v->event_bytes)
        head->length = v->event_bytes;
    return committed(v, sequence - 1, WIDE(&event->word)) ? data_of(event) : 0;
}

/* What was overwritten before it was read. */
static void skip_lost(const view *v, cs_subscription *s, uint64_t oldest)
{
    s->lost_from = s->next;
    s->lost_to = oldest - 1;
    s->lost += oldest - s->next;
    if (peek32(&v->owner))
        WIDE(&v->ring->lost) += oldest - s->next;
    s->next = oldest;
}

static bool wanted(const cs_subscription *s, uint32_t kind)
{
    return !s->kinds || (kind < s->kind_bits && (s->kinds[kind / 32] >> (kind % 32) & 1u));
}

/* One step of a subscription: false at its end. *taken when there is an event in the row. While held. */
static bool step(const view *v, cs_subscription *s, cs_event *row, bool *taken)
{
    uint64_t newest = WIDE(&v->ring->head), oldest = oldest_of(v, newest);
    *taken = false;
    if (s->next > newest)
        return false;
    if (s->next < oldest)
        skip_lost(v, s, oldest);
    const unsigned char *data = read_head(v, s->next++, row);
    if (!data)
        s->holes++;
    else if (wanted(s, row->kind)) {
        memcpy(row + 1, data, row->length);
        *taken = true;
    }
    return true;
}

int cs_events_drain(cs_region *region, cs_subscription *s, void *rows, uint32_t row_bytes, uint32_t capacity,
                    uint32_t *count)
{
    const view *v = view_of(region);
    if (!region || !s || !count || (!rows && capacity) || !s->next || row_bytes < sizeof(cs_event) + v->event_bytes)
        return CS_E_INVALID;
    unsigned char *row = rows;
    bool more = true, taken;
    for (*count = 0; more && *count < capacity;) {
        uint32_t held = hold();
        more = step(v, s, (cs_event *)(void *)row, &taken);
        let_go(held);
        if (!taken)
            continue;
        uint32_t used = (uint32_t)sizeof(cs_event) + ((cs_event *)(void *)row)->length;
        memset(row + used, 0, row_bytes - used);
        row += row_bytes;
        ++*count;
    }
    return CS_OK;
}

struct awaited {
    const view *v;
    const cs_subscription *s;
};

static bool arrived(void *context)
{
    const struct awaited *awaited = context;
    return load64(&awaited->v->ring->head) >= awaited->s->next;
}

int cs_events_wait(cs_region *region, cs_subscription *s, uint64_t timeout_ns)
{
    if (!region || !s || !s->next)
        return CS_E_INVALID;
    const view *v = view_of(region);
    struct awaited awaited = {v, s};
    deadline until = deadline_in(timeout_ns);
    int result = CS_OK;
    while (result == CS_OK && !arrived(&awaited))
        result = csi_bell_wait(v, &v->ring->bell, until, BELL_SLICE_NS, arrived, &awaited);
    return result;
}

/* -- for pictures --------------------------------------------------------------------------- */

const unsigned char *csi_ring_peek(const view *v, uint64_t sequence, cs_event *event, uint64_t *word)
{
    uint32_t held = hold();
    const unsigned char *data = read_head(v, sequence, event);
    *word = WIDE(&event_at(v, (uint32_t)sequence - 1)->word);
    let_go(held);
    return data;
}

bool csi_ring_stood(const view *v, uint64_t sequence, uint64_t word)
{
    return load64(&event_at(v, (uint32_t)sequence - 1)->word) == word;
}

void csi_ring_restore(const view *v, uint64_t newest)
{
    /* What was not kept of the numbers before it are holes. */
    for (uint32_t i = 0; i <= v->event_mask; i++) {
        uint64_t position = newest - 1 - i;
        uint64_t hole = word_at(v, position, 0) - EVENT_COMMITTED + EVENT_HOLE;
        store64(&event_at(v, (uint32_t)position)->word, i < newest ? hole : 0);
    }
    store64(&v->ring->head, newest);
}

void csi_ring_put(const view *v, const cs_event *event, const void *data)
{
    put_data(write_head(v, event), data, event->length);
}
