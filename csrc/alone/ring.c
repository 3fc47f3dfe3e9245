#include "alone.h"

/* -- the slot's word ------------------------------------------------------------------------ */

#define LAP_SHIFT 24

static struct event *event_at(const view *v, uint32_t position) /* of which only the low bits count */
{
    return (struct event *)(void *)(v->events + (size_t)(position & v->event_mask) * v->event_stride);
}
static unsigned char *data_of(struct event *event) { return (unsigned char *)event + sizeof(struct event); }

/* The word of an event in the lap of this position, but for owner and state: the lap, from 1, above LAP_SHIFT. By a
 * multiplication, since shifts of 64 bits are long. */
static uint64_t lap_word(const view *v, uint64_t position)
{
    return ((position | v->event_mask) + 1) * ((1u << LAP_SHIFT) >> v->event_shift);
}

/* -- writing -------------------------------------------------------------------------------- */

/* An event's head where its sequence says; its data is the caller's to write. While held. */
static unsigned char *write_head(const view *v, const cs_event *head, uint32_t source)
{
    uint64_t position = head->sequence - 1;
    struct event *event = event_at(v, (uint32_t)position);
    WIDE(&event->word) = lap_word(v, position) | (source << 2 | EVENT_COMMITTED);
    WIDE(&event->time_ns) = head->time_ns;
    poke32(&event->kind_length, head->length << 16 | head->kind);
    poke32(&event->source_format, head->format << 24 | source);
    return data_of(event);
}

/* The next event. While held. */
static unsigned char *append(const view *v, uint32_t kind, uint32_t format, uint32_t length)
{
    const cs_event head = {.sequence = ++WIDE(&v->ring->head),
                           .time_ns = cs_port_now_ns(),
                           .kind = kind,
                           .format = format,
                           .length = length};
    return write_head(v, &head, peek32(&v->owner));
}

/* In whole words of eight bytes, the last one filled up with zeros. */
static void put_data(unsigned char *to, const void *from, uint32_t length)
{
    if (!length)
        return;
    memset(to + ((length - 1) & ~7u), 0, 8);
    memcpy(to, from, length);
}

int cs_event_publish(cs_region *region, uint32_t kind, uint32_t format, const void *data, uint32_t length,
                     uint64_t *sequence)
{
    view *v = view_of(region);
    uint32_t index = kind - CS_KIND_USER;
    if (!region || (!data && length) || (format & ~(uint32_t)CS_AT_ONCE) > CS_FORMAT_MSGPACK)
        return CS_E_INVALID;
    const table_view *t = &v->tables[TABLE_KINDS];
    if (index >= t->count || !(peek32(&slot_at(t, index)->generation) & 1u))
        return CS_E_INVALID;
    if (length > v->event_bytes)
        return CS_E_TOO_BIG;
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

void csi_tell(view *v, uint32_t kind, const cs_change *change, const void *name, uint32_t length)
{
    unsigned char *data = append(v, kind, CS_FORMAT_CHANGE, (uint32_t)sizeof *change + length);
    put_data(data + sizeof *change, name, length);
    memcpy(data, change, sizeof *change);
}

void csi_tell_of(view *v, const table_view *t, uint32_t kind, const cs_change *change)
{
    struct slot *slot = slot_at(t, (uint32_t)change->subject);
    uint32_t length = key_length(v, slot), room = v->event_bytes - (uint32_t)sizeof *change;
    if (length > room)
        for (length = room; !csi_utf8(key_of(t, slot), length);) /* not cut in the middle of a character */
            length--;
    csi_tell(v, kind, change, key_of(t, slot), length);
}

/* -- reading -------------------------------------------------------------------------------- */

uint64_t cs_event_newest(const cs_region *region) { return load64(&const_view_of(region)->ring->head); }

int cs_subscribe(const cs_region *region, cs_subscription *s, uint64_t since)
{
    if (!region || !s)
        return CS_E_INVALID;
    uint64_t newest = cs_event_newest(region);
    uint32_t mask = const_view_of(region)->event_mask;
    if (!since && newest > mask)
        since = newest - mask - 1;
    memset(s, 0, sizeof *s);
    s->next = (since < newest ? since : newest) + 1;
    return CS_OK;
}

/*
 * The head of the event at a sequence that is not behind the newest nor overwritten, and its data; null where there is a
 * hole (of a picture, or left by others in a region they have written). While held.
 */
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
    return ((uint32_t)WIDE(&event->word) & 3u) == EVENT_COMMITTED ? data_of(event) : 0;
}

/* What was overwritten before it was read. */
static void skip_lost(const view *v, cs_subscription *s, uint64_t lost)
{
    s->lost_from = s->next;
    s->next += lost;
    s->lost_to = s->next - 1;
    s->lost += lost;
    if (peek32(&v->owner))
        WIDE(&v->ring->lost) += lost;
}

static bool wanted(const cs_subscription *s, uint32_t kind)
{
    return !s->kinds || (kind < s->kind_bits && (s->kinds[kind / 32] >> (kind % 32) & 1u));
}

/* One step of a subscription: is there an event in the row now, or nothing yet, or no more? While held. */
enum found { EVENT, NO_EVENT, THE_END };
static enum found step(const view *v, cs_subscription *s, cs_event *row)
{
    uint64_t newer = WIDE(&v->ring->head) - s->next; /* than the one that is next */
    if ((int64_t)newer < 0)
        return THE_END;
    if (newer > v->event_mask)
        skip_lost(v, s, newer - v->event_mask);
    const unsigned char *data = read_head(v, s->next++, row);
    if (!data)
        s->holes++;
    if (!data || !wanted(s, row->kind))
        return NO_EVENT;
    memcpy(row + 1, data, row->length);
    return EVENT;
}

int cs_events_drain(cs_region *region, cs_subscription *s, void *rows, uint32_t row_bytes, uint32_t capacity,
                    uint32_t *count)
{
    const view *v = view_of(region);
    if (!region || !s || !count || (!rows && capacity) || !s->next || row_bytes < sizeof(cs_event) + v->event_bytes)
        return CS_E_INVALID;
    unsigned char *row = rows;
    uint32_t n = 0;
    while (n < capacity) {
        cs_event *event = (cs_event *)(void *)row;
        uint32_t held = hold();
        enum found found = step(v, s, event);
        let_go(held);
        if (found == THE_END)
            break;
        if (found == NO_EVENT)
            continue;
        uint32_t used = (uint32_t)sizeof *event + event->length;
        memset(row + used, 0, row_bytes - used);
        row += row_bytes;
        n++;
    }
    *count = n;
    return CS_OK;
}

struct awaited {
    const view *v;
    const cs_subscription *s;
};

static bool arrived(void *context)
{
    const struct awaited *awaited = context;
    return (int64_t)(load64(&awaited->v->ring->head) - awaited->s->next) >= 0; /* as in step() */
}

int cs_events_wait(cs_region *region, cs_subscription *s, uint64_t timeout_ns)
{
    if (!region || !s || !s->next)
        return CS_E_INVALID;
    const view *v = view_of(region);
    struct awaited awaited = {v, s};
    return csi_await(v, &v->ring->bell, arrived, &awaited, timeout_ns);
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
        store64(&event_at(v, (uint32_t)position)->word, i < newest ? lap_word(v, position) | EVENT_HOLE : 0);
    }
    store64(&v->ring->head, newest);
}

void csi_ring_put(const view *v, const cs_event *event, const void *data)
{
    uint32_t held = hold();
    put_data(write_head(v, event, event->source & CLAIM_OWNER), data, event->length);
    let_go(held);
}
