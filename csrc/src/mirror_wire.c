#include "mirror_wire.h"

#include "crc32c.h"

/* -- units ---------------------------------------------------------------------------------- */

static void at(run_shape *s, const view *v, const void *first, uint32_t count, uint32_t bytes, uint32_t stride)
{
    s->offset = (uint64_t)((const unsigned char *)first - v->memory);
    s->count = count;
    s->bytes = bytes;
    s->stride = s->group_stride = stride;
}

static void table_shape(const view *v, uint32_t table, enum table_run which, run_shape *s)
{
    const table_view *t = &v->tables[table];
    if (!t->count)
        return;
    uint32_t buckets = 4 * t->count;
    switch (which) {
    case TABLE_HEAD:
        at(s, v, t->head, 1, sizeof(struct table), sizeof(struct table));
        break;
    case TABLE_BUCKETS: /* padded to a line */
        at(s, v, t->buckets, lines_in(buckets), MIRROR_LINE, MIRROR_LINE);
        break;
    case TABLE_SLOTS:
        at(s, v, t->slots, t->count, (uint32_t)sizeof(struct slot) + t->payload + v->key_bytes, t->stride);
        if (table == TABLE_AGENTS && v->details_bytes) {
            s->more_offset = (uint64_t)(v->details - v->memory);
            s->more_bytes = 2 * ((uint32_t)sizeof(struct details) + v->details_bytes);
            s->more_stride = v->details_stride;
        }
    }
}

void csi_run_shape(const view *v, uint32_t run, run_shape *s)
{
    *s = (run_shape){.ways = 1};
    uint32_t group = (uint32_t)sizeof(struct value_group) + VALUE_WAYS * v->value_stride;
    switch (run) {
    case RUN_HEADER:
        at(s, v, v->memory, 1, sizeof(struct header), sizeof(struct header));
        break;
    case RUN_ENGINE:
        at(s, v, v->engine, 1, sizeof(struct engine), sizeof(struct engine));
        break;
    case RUN_RING:
        at(s, v, v->ring, 1, sizeof(struct ring), sizeof(struct ring));
        break;
    case RUN_EVENTS:
        at(s, v, v->events, v->event_mask + 1, (uint32_t)sizeof(struct event) + v->event_bytes, v->event_stride);
        break;
    case RUN_PARTICIPANTS:
        at(s, v, v->participants, v->participant_count, sizeof(struct participant), v->participant_stride);
        break;
    case RUN_RESERVATIONS:
        at(s, v, v->reservations, v->reservation_count, sizeof(struct reservation), v->reservation_stride);
        break;
    case RUN_GROUPS:
        at(s, v, v->values, v->value_groups, sizeof(struct value_group), group);
        break;
    case RUN_VALUES:
        at(s, v, v->values + sizeof(struct value_group), VALUE_WAYS * v->value_groups,
           (uint32_t)sizeof(struct value) + v->value_bytes, v->value_stride);
        s->ways = VALUE_WAYS;
        s->group_stride = group;
        break;
    default:
        if (run < RUN_RING)
            table_shape(v, (run - RUN_TABLES) / 3, (enum table_run)((run - RUN_TABLES) % 3), s);
    }
}

uint64_t csi_unit_line(const run_shape *s, uint32_t index, uint32_t line, uint32_t *length)
{
    uint32_t first = lines_in(s->bytes), bytes = s->bytes;
    uint64_t offset = s->offset + (uint64_t)(index / s->ways) * s->group_stride;
    if (s->ways > 1)
        offset += (uint64_t)(index % s->ways) * s->stride;
    if (line >= first) {
        line -= first;
        bytes = s->more_bytes;
        offset = s->more_offset + (uint64_t)index * s->more_stride;
    }
    uint32_t left = bytes - line * MIRROR_LINE;
    *length = left < MIRROR_LINE ? left : MIRROR_LINE;
    return offset + (uint64_t)line * MIRROR_LINE;
}

void csi_unit_guard(const view *v, uint32_t run, uint32_t index, unit_guard *guard)
{
    uint64_t *w = guard->words;
    run_shape s;
    uint32_t ignored;
    *guard = (unit_guard){{0}};
    if (run != RUN_EVENTS && run != RUN_PARTICIPANTS && run != RUN_RESERVATIONS && run != RUN_VALUES &&
        !(run >= RUN_TABLES && run < RUN_RING && (run - RUN_TABLES) % 3 == TABLE_SLOTS))
        return;
    csi_run_shape(v, run, &s);
    void *unit = v->memory + csi_unit_line(&s, index, 0, &ignored);
    if (run >= RUN_RING) { /* these begin with the word that says it */
        w[0] = load64(unit);
        return;
    }
    struct slot *slot = unit;
    w[0] = load32(&slot->generation);
    if (run == run_of_table(TABLE_AGENTS, TABLE_SLOTS)) {
        const struct agent *agent = payload_of(slot);
        w[1] = load64(&agent->status.state);
        w[2] = load64(&agent->last_seen_ns);
        w[3] = load64(&agent->details);
    } else if (run == run_of_table(TABLE_BUDGETS, TABLE_SLOTS)) {
        const struct budget *budget = payload_of(slot);
        w[1] = load64(&budget->limit);
        w[2] = load64(&budget->taken);
        w[3] = load64(&budget->spent);
    }
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

void csi_frame_head(unsigned char *to, const frame_head *head)
{
    put32(to, head->type | head->flags << 8 | head->part << 16);
    put32(to + 4, head->stream);
    put32(to + 8, head->number);
    put32(to + 12, head->unit);
    put32(to + 16, head->crc);
}

bool csi_frame_read(const unsigned char *bytes, uint32_t length, frame_head *head)
{
    if (length < FRAME_HEAD + FRAME_CRC ||
        csi_crc32c(0, bytes, length - FRAME_CRC) != get32(bytes + length - FRAME_CRC))
        return false;
    *head = (frame_head){.type = bytes[0],
                         .flags = bytes[1],
                         .part = get32(bytes) >> 16,
                         .stream = get32(bytes + 4),
                         .number = get32(bytes + 8),
                         .unit = get32(bytes + 12),
                         .crc = get32(bytes + 16)};
    return true;
}

int csi_cobs_write(unsigned char *frame, uint32_t length, cs_write_fn write, void *context, uint32_t *written)
{
    static const unsigned char zero = 0;
    put32(frame + length - FRAME_CRC, csi_crc32c(0, frame, length - FRAME_CRC));
    *written = 0;
    for (uint32_t from = 0; from <= length;) {
        uint32_t run = 0;
        while (run < 254 && from + run < length && frame[from + run])
            run++;
        unsigned char code = (unsigned char)(run + 1);
        if (write(context, &code, 1) != 0 || (run && write(context, frame + from, run) != 0))
            return CS_E_IO;
        *written += run + 1;
        from += run + (run < 254); /* a full run has no zero behind it */
        if (run == 254 && from == length)
            break;
    }
    *written += 1;
    return write(context, &zero, 1) == 0 ? CS_OK : CS_E_IO;
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
        for (uint32_t i = 1; i < run; i++)
            bytes[to++] = bytes[from++];
        if (run < 255 && from < length)
            bytes[to++] = 0;
    }
    return to;
}

uint32_t csi_gather(frame_gather *g, unsigned char byte, uint64_t *bad)
{
    if (byte) {
        if (g->filled < g->size)
            g->bytes[g->filled] = byte;
        g->filled += g->filled <= g->size;
        return 0;
    }
    uint32_t filled = g->filled, length = 0;
    g->filled = 0;
    if (filled && filled <= g->size)
        length = csi_cobs_decode(g->bytes, filled);
    *bad += filled && !length;
    return length;
}
