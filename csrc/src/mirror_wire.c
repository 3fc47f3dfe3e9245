#include "mirror_wire.h"

#include "crc32c.h"

/* -- units ---------------------------------------------------------------------------------- */

/*
 * Which fields of a view, or of its table, the shape of a run is made of: each by its place among their 32-bit words. At
 * place 0 is no number, so 0 says that there is none.
 */
struct source {
    unsigned char first; /* a pointer */
    unsigned char count, count_more;
    unsigned char words, bytes_more; /* of a unit: so many 64-bit words, and as many bytes more as the field says */
    unsigned char stride;
    unsigned char guards;
};
#define IN_VIEW(field) (offsetof(view, field) / 4)
#define IN_TABLE(field) (offsetof(table_view, field) / 4)
#define WORDS(type) (sizeof(struct type) / 8)

/* In the order of enum mirror_run, with one table for all. */
enum { HEAD_ROW = RUN_TABLES, BUCKETS_ROW, SLOTS_ROW, RING_ROW };
static const struct source sources[] = {
    {IN_VIEW(memory), 0, 1, WORDS(header), 0, 0, 0},
    {IN_VIEW(engine), 0, 1, WORDS(engine), 0, 0, 0},
    {IN_TABLE(head), IN_TABLE(count), 0, WORDS(table), 0, 0, 0},
    {IN_TABLE(buckets), IN_TABLE(count), 0, MIRROR_LINE / 8, 0, 0, 0},
    {IN_TABLE(slots), IN_TABLE(count), 0, WORDS(slot), IN_TABLE(payload), IN_TABLE(stride), 1},
    {IN_VIEW(ring), 0, 1, WORDS(ring), 0, 0, 0},
    {IN_VIEW(events), IN_VIEW(event_mask), 1, WORDS(event), IN_VIEW(event_bytes), IN_VIEW(event_stride), 1},
    {IN_VIEW(participants), IN_VIEW(participant_count), 0, WORDS(participant), 0, IN_VIEW(participant_stride), 1},
    {IN_VIEW(reservations), IN_VIEW(reservation_count), 0, WORDS(reservation), 0, IN_VIEW(reservation_stride), 1},
    {IN_VIEW(values), IN_VIEW(value_groups), 0, WORDS(value_group), 0, 0, 0},
    {IN_VIEW(values), IN_VIEW(value_groups), 0, WORDS(value), IN_VIEW(value_bytes), IN_VIEW(value_stride), 1},
};

static uint32_t word_at(const uint32_t *words, unsigned char place) { return place ? words[place] : 0; }

static void shape_from(const view *v, const void *of, const struct source *source, run_shape *s)
{
    const uint32_t *words = of;
    const unsigned char *const *first = (const unsigned char *const *)(const void *)(words + source->first);
    s->offset = (size_t)(*first - v->memory);
    s->count = word_at(words, source->count) + source->count_more;
    s->bytes = source->words * 8u + word_at(words, source->bytes_more);
    s->stride = s->group_stride = word_at(words, source->stride);
    s->guards = source->guards;
    s->ways = 1;
}

void csi_run_shape(const view *v, uint32_t run, run_shape *s)
{
    const void *of = v;
    const struct source *source = sources;
    memset(s, 0, sizeof *s);
    if (run >= RUN_RING) {
        source += run - RUN_RING + RING_ROW;
    } else if (run >= RUN_TABLES) {
        of = &v->tables[(run - RUN_TABLES) / 3];
        source += (run - RUN_TABLES) % 3 + HEAD_ROW;
    } else {
        source += run;
    }
    shape_from(v, of, source, s);
    if (source == &sources[HEAD_ROW] && s->count)
        s->count = 1;                      /* of a table with slots */
    if (source == &sources[BUCKETS_ROW]) { /* padded to a line */
        s->count = lines_in(4 * s->count);
        s->group_stride = MIRROR_LINE;
    }
    if (source == &sources[SLOTS_ROW])
        s->bytes += v->key_bytes;
    if (run == run_of_table(TABLE_BUDGETS, TABLE_SLOTS))
        s->guards = MOST_GUARDS;
    if (run == run_of_table(TABLE_AGENTS, TABLE_SLOTS)) {
        s->guards = MOST_GUARDS;
        s->more_offset = (size_t)(v->details - v->memory);
        s->more_bytes = v->details_bytes ? 2 * ((uint32_t)sizeof(struct details) + v->details_bytes) : 0;
        s->more_stride = v->details_stride;
    }
    if (run >= RUN_GROUPS)
        s->group_stride = (uint32_t)sizeof(struct value_group) + VALUE_WAYS * v->value_stride;
    if (run == RUN_VALUES) {
        s->offset += sizeof(struct value_group);
        s->count *= VALUE_WAYS;
        s->ways = VALUE_WAYS;
    }
    s->lines = lines_in(s->bytes) + lines_in(s->more_bytes);
}

void csi_line_out(void *to, const void *from, uint32_t length)
{
#if CS_WIDE
    const a64 *word = from;
    unsigned char *bytes = to;
    for (; length; length -= 8, bytes += 8) {
        uint64_t value = peek64(word++);
        memcpy(bytes, &value, 8);
    }
#else
    uint32_t state = cs_port_enter();
    memcpy(to, from, length);
    cs_port_leave(state);
#endif
}

/* -- frames --------------------------------------------------------------------------------- */

/* What follows the first word of a frame: stream to crc, as the struct has them. */
void csi_frame_head(unsigned char *to, const frame_head *head)
{
    const uint32_t *field = &head->stream;
    put32(to, head->type | head->flags << 8 | head->part << 16);
    for (uint32_t at = 4; at < FRAME_HEAD; at += 4)
        put32(to + at, *field++);
}

bool csi_frame_good(const unsigned char *bytes, uint32_t length)
{
    return length >= FRAME_HEAD + FRAME_CRC &&
           csi_crc32c(0, bytes, length - FRAME_CRC) == get32(bytes + length - FRAME_CRC);
}

bool csi_frame_read(const unsigned char *bytes, uint32_t length, frame_head *head)
{
    if (!csi_frame_good(bytes, length))
        return false;
    uint32_t *field = &head->stream;
    head->type = bytes[0];
    head->flags = bytes[1];
    head->part = get32(bytes) >> 16;
    for (uint32_t at = 4; at < FRAME_HEAD; at += 4)
        *field++ = get32(bytes + at);
    return true;
}

int csi_cobs_write(unsigned char *frame, uint32_t length, cs_write_fn write, void *context, uint32_t *written)
{
    const unsigned char *at = frame, *end = frame + length;
    uint32_t code, zero = 0;
    put32(frame + length - FRAME_CRC, csi_crc32c(0, frame, length - FRAME_CRC));
    *written = 0;
    do {
        const unsigned char *from = at;
        unsigned char byte;
        code = 0; /* of the end */
        if (at < end + zero)
            for (code = 1; code < 255 && at < end && *at; code++)
                at++;
        zero = code < 255; /* a full run has none behind it */
        at += zero;
        byte = (unsigned char)code;
        if (write(context, &byte, 1) != 0 || (code > 1 && write(context, from, code - 1) != 0))
            return CS_E_IO;
        *written += code ? code : 1;
    } while (code);
    return CS_OK;
}

int cs_mirror_collect(void *context, const void *bytes, uint32_t length)
{
    cs_mirror_buffer *buffer = context;
    if (length > buffer->capacity - buffer->filled)
        return -1;
    memcpy(buffer->bytes + buffer->filled, bytes, length);
    buffer->filled += length;
    return 0;
}

uint32_t csi_cobs_decode(unsigned char *bytes, uint32_t length)
{
    uint32_t from = 0, to = 0;
    while (from < length) {
        uint32_t run = bytes[from++];
        if (!run || run - 1 > length - from)
            return 0;
        memmove(bytes + to, bytes + from, run - 1);
        from += run - 1;
        to += run - 1;
        if (run < 255 && from < length)
            bytes[to++] = 0;
    }
    return to;
}

uint32_t csi_gather(frame_gather *g, unsigned char byte, uint64_t *bad)
{
    uint32_t filled = g->filled;
    if (byte) {
        if (filled < g->size)
            g->bytes[filled] = byte;
        if (filled <= g->size)
            g->filled++;
        return 0;
    }
    g->filled = 0;
    if (!filled)
        return 0;
    uint32_t length = filled <= g->size ? csi_cobs_decode(g->bytes, filled) : 0;
    if (!length)
        ++*bad;
    return length;
}
