/* Taking a picture: one pass over the region, in pieces, with no buffer larger than a name. */
#include "corestate/snapshot.h"

#include "agent_table.h"
#include "crc32c.h"
#include "msgpack.h"
#include "ring.h"
#include "snapshot_format.h"

#define PIECE 64u

static void begin(mp_writer *w, const char *tag, uint32_t fields)
{
    csi_mp_array(w, 1 + fields);
    csi_mp_text(w, tag);
}

/* Everything that counts as a change while the picture is taken. */
static uint64_t digest(const view *v)
{
    uint64_t sum = load64(&v->engine->version) * 31 + load64(&v->ring->head);
    for (uint32_t table = 0; table < TABLES; table++) {
        const table_view *t = &v->tables[table];
        sum = sum * 31 + (t->count ? load32(&t->head->change) : 0);
        bool numbers = table == TABLE_COUNTERS || table == TABLE_GAUGES;
        for (uint32_t index = 0, used = numbers ? csi_table_used(t) : 0; index < used; index++) {
            const struct number *number = payload_of(slot_at(t, index));
            sum = sum * 31 + load64(&number->value);
        }
    }
    return sum;
}

static void write_config(mp_writer *w, const cs_config *config)
{
    csi_mp_map(w, CONFIG_FIELDS);
    for (uint32_t i = 0; i < CONFIG_FIELDS; i++) {
        csi_mp_text(w, config_fields[i].name);
        csi_mp_uint(w, *config_field((cs_config *)(uintptr_t)config, i));
    }
}

static void write_engine(mp_writer *w, const cs_region *region)
{
    cs_engine_snapshot s;
    (void)cs_engine_read(region, &s);
    uint32_t named = 0;
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++)
        named += cs_engine_field_name(field) != 0;
    begin(w, TAG_ENGINE, 4);
    csi_mp_map(w, named);
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
        uint32_t type = cs_engine_field_type(field);
        if (type == CS_TYPE_NONE)
            continue;
        csi_mp_text(w, cs_engine_field_name(field));
        if (type == CS_TYPE_F64 || type == CS_TYPE_PERCENT)
            csi_mp_float(w, s.cells[field]);
        else
            csi_mp_uint(w, s.cells[field]);
    }
    csi_mp_map(w, CS_STATES);
    for (uint32_t state = 0; state < CS_STATES; state++) {
        csi_mp_text(w, cs_engine_state_name(state));
        csi_mp_uint(w, s.states[state]);
    }
    csi_mp_map(w, CS_STATES);
    for (uint32_t state = 0; state < CS_STATES; state++) {
        csi_mp_text(w, cs_engine_state_name(state));
        csi_mp_uint(w, s.changes[state]);
    }
    csi_mp_bool(w, s.quiet);
}

static void write_number(mp_writer *w, uint32_t table, struct slot *slot, const char *name, uint32_t length)
{
    const struct number *number = payload_of(slot);
    begin(w, table == TABLE_COUNTERS ? TAG_COUNTER : TAG_GAUGE, 2);
    csi_mp_string(w, name, length);
    if (table == TABLE_COUNTERS)
        csi_mp_uint(w, load64(&number->value));
    else
        csi_mp_float(w, load64(&number->value));
}

static void write_area(mp_writer *w, struct slot *slot, const char *name, uint32_t length)
{
    const struct area *area = payload_of(slot);
    begin(w, TAG_AREA, 5);
    csi_mp_string(w, name, length);
    for (int i = 0; i < 3; i++)
        csi_mp_uint(w, load64(&area->counts[i]));
    csi_mp_uint(w, load32(&area->lock.other));
}

static void write_budget(mp_writer *w, struct slot *slot, const char *name, uint32_t length)
{
    const struct budget *budget = payload_of(slot);
    begin(w, TAG_BUDGET, 4);
    csi_mp_string(w, name, length);
    csi_mp_uint(w, load64(&budget->limit));
    csi_mp_uint(w, load64(&budget->spent));
    csi_mp_uint(w, load64(&budget->detections));
}

static void write_details(mp_writer *w, const unsigned char *from, const uint16_t lengths[3])
{
    uint32_t offset = 0;
    for (int part = 0; part < 3; part++) {
        uint32_t end = offset + lengths[part];
        csi_mp_binary(w, lengths[part]);
        while (offset < end) { /* a piece starts where a word does, though the part may start within */
            unsigned char piece[PIECE];
            uint32_t start = offset & ~7u, n = end - start < PIECE ? end - start : PIECE;
            copy_out(piece, from + start, n);
            csi_mp_raw(w, piece + (offset - start), n - (offset - start));
            offset = start + n;
        }
    }
}

/* The bytes go out before it is known whether they were whole; if not, "void" takes them back. */
static bool write_agent(mp_writer *w, const view *v, struct slot *slot, uint32_t index, const char *name,
                        uint32_t length)
{
    const struct agent *agent = agent_in(slot);
    record r = details_of(v, index);
    uint64_t word = load64(r.word), state = load64(&agent->status.state);
    uint16_t lengths[4] = {0};
    const unsigned char *buffer = csi_record_buffer(&r, word);
    if (v->details_bytes) {
        copy_out(lengths, buffer, sizeof lengths);
        if ((uint32_t)lengths[0] + lengths[1] + lengths[2] > r.bytes)
            memset(lengths, 0, sizeof lengths);
    }
    begin(w, TAG_AGENT, 10);
    csi_mp_string(w, name, length);
    csi_mp_uint(w, agent_type(agent));
    csi_mp_uint(w, agent_status(state));
    csi_mp_uint(w, lane_changes(state));
    csi_mp_uint(w, peek64(&agent->registered_ns));
    csi_mp_uint(w, peek64(&agent->last_seen_ns));
    csi_mp_uint(w, peek32(&agent->participant));
    write_details(w, buffer + sizeof lengths, lengths);
    fence_acquire(); /* all of the agent was read before the version is looked at again */
    return !v->details_bytes || csi_record_stood(&r, word);
}

static int write_row(mp_writer *w, const view *v, uint32_t table, uint32_t index)
{
    const table_view *t = &v->tables[table];
    struct slot *slot = slot_at(t, index);
    for (int round = 0; round < 64; round++) {
        char name[64];
        uint32_t length, generation = load32(&slot->generation);
        cs_handle handle = (uint64_t)generation << 32 | index;
        if (!(generation & 1u) || !csi_table_key(v, t, handle, name, &length))
            return CS_OK;
        bool whole = true;
        if (table == TABLE_AGENTS)
            whole = write_agent(w, v, slot, index, name, length);
        else if (table == TABLE_AREAS)
            write_area(w, slot, name, length);
        else if (table == TABLE_BUDGETS)
            write_budget(w, slot, name, length);
        else if (table == TABLE_COUNTERS || table == TABLE_GAUGES)
            write_number(w, table, slot, name, length);
        else {
            begin(w, table == TABLE_KINDS ? TAG_KIND : TAG_LOCK, 1);
            csi_mp_string(w, name, length);
        }
        if (whole && still(slot, handle))
            return w->error;
        begin(w, TAG_VOID, 0);
    }
    return CS_E_BUSY;
}

static void write_events(mp_writer *w, const view *v)
{
    uint64_t newest = load64(&v->ring->head), slots = v->event_mask + 1ull;
    begin(w, TAG_EVENTS, 1);
    csi_mp_uint(w, newest);
    /* Counted, not compared: a head that somebody scribbled on may be the largest number there is. */
    for (uint64_t left = newest < slots ? newest : slots; left; left--) {
        uint64_t sequence = newest - left + 1;
        cs_event event;
        uint64_t word;
        const unsigned char *data = csi_ring_peek(v, sequence, &event, &word);
        if (!data)
            continue;
        begin(w, TAG_EVENT, 6);
        csi_mp_uint(w, sequence);
        csi_mp_uint(w, event.time_ns);
        csi_mp_uint(w, event.kind);
        csi_mp_uint(w, event.source);
        csi_mp_uint(w, event.format);
        csi_mp_binary(w, event.length);
        for (uint32_t done = 0; done < event.length; done += PIECE) {
            unsigned char piece[PIECE];
            uint32_t n = event.length - done < PIECE ? event.length - done : PIECE;
            copy_out(piece, data + done, n);
            csi_mp_raw(w, piece, n);
        }
        if (!csi_ring_stood(v, sequence, word))
            begin(w, TAG_VOID, 0);
    }
}

int cs_snapshot_write(const cs_region *region, cs_write_fn write, void *context, cs_snapshot_info *info)
{
    if (!region || !write)
        return CS_E_INVALID;
    static const uint32_t order[TABLES] = {TABLE_BUDGETS, TABLE_KINDS, TABLE_COUNTERS, TABLE_GAUGES,
                                           TABLE_AREAS,   TABLE_LOCKS, TABLE_AGENTS};
    const view *v = const_view_of(region);
    mp_writer w = {.write = write, .context = context};
    cs_region_info described;
    int result = cs_region_describe(region, &described);
    uint64_t before = digest(v), now = cs_port_now_ns();
    begin(&w, TAG_PICTURE, 3);
    csi_mp_uint(&w, CS_SNAPSHOT_VERSION);
    csi_mp_uint(&w, now);
    write_config(&w, &described.config);
    write_engine(&w, region);
    for (uint32_t i = 0; i < TABLES; i++)
        for (uint32_t index = 0, used = csi_table_used(&v->tables[order[i]]); index < used && result == CS_OK; index++)
            result = write_row(&w, v, order[i], index);
    write_events(&w, v);
    bool changed = digest(v) != before;
    begin(&w, TAG_END, 1);
    csi_mp_bool(&w, changed);
    csi_mp_flush(&w);
    uint32_t crc = w.crc;
    unsigned char last[5] = {0xCE, (unsigned char)(crc >> 24), (unsigned char)(crc >> 16), (unsigned char)(crc >> 8),
                             (unsigned char)crc};
    csi_mp_raw(&w, last, sizeof last);
    csi_mp_flush(&w);
    if (info)
        *info = (cs_snapshot_info){.bytes = w.bytes,
                                   .time_ns = now,
                                   .changed = changed,
                                   .version = CS_SNAPSHOT_VERSION,
                                   .crc = crc,
                                   .config = described.config};
    return result == CS_OK ? w.error : result;
}
