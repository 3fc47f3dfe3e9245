/* Taking a picture: one pass over the region, in pieces, with no buffer larger than a name. */
#include "corestate/snapshot.h"

#include "agent_table.h"
#include "ring.h"
#include "snapshot_format.h"

/* Everything that counts as a change while the picture is taken. */
static void mix(uint64_t *sum, uint64_t value) { *sum = *sum * 31 + value; }

static uint64_t digest(const view *v)
{
    uint64_t sum = load64(&v->engine->version);
    mix(&sum, load64(&v->ring->head));
    for (uint32_t table = 0; table < TABLES; table++) {
        const table_view *t = &v->tables[table];
        if (t->count)
            mix(&sum, load32(&t->head->change));
        bool numbers = table == TABLE_COUNTERS || table == TABLE_GAUGES;
        for (uint32_t index = 0, used = numbers ? csi_table_used(t) : 0; index < used; index++) {
            const struct number *number = payload_of(slot_at(t, index));
            mix(&sum, load64(&number->value));
        }
    }
    return sum;
}

static void write_row(mp_writer *w, uint32_t kind, struct row *row)
{
    mp_stream s = {.to = w};
    const char *fields = csi_row_fields(kind);
    csi_mp_write(w, MP_ARRAY, 1 + csi_row_count(fields));
    csi_mp_write_text(w, csi_row_tag(kind));
    csi_row_walk(&s, fields, row);
}

/* -- rows of tables ------------------------------------------------------------------------- */

static void look_at_payload(struct slot *slot, uint32_t table, struct row *row)
{
    unsigned char *at = payload_of(slot);
    uint64_t *n = row->n.numbers;
    for (const char *field = csi_row_fields(table) + 1; *field; field++, at += sizeof(a64))
        *n++ = *field == 'w' ? load32((a32 *)(void *)at) : load64((a64 *)(void *)at);
}

/* Its details are only looked for: while their record stands under the word that is returned, they are these. */
static uint64_t look_at_agent(struct slot *slot, const record *details, struct row *row)
{
    const struct agent *agent = agent_in(slot);
    uint64_t word = load64(details->word), state = load64(&agent->status.state), *n = row->n.numbers;
    const unsigned char *buffer = csi_record_buffer(details, word);
    uint16_t lengths[4] = {0};
    if (details->bytes) {
        copy_out(lengths, buffer, sizeof lengths);
        if ((uint32_t)lengths[0] + lengths[1] + lengths[2] > details->bytes)
            memset(lengths, 0, sizeof lengths);
    }
    buffer += sizeof lengths;
    for (int part = 0; part < 3; part++) {
        row->u.bytes.at[part] = buffer;
        row->u.bytes.length[part] = lengths[part];
        buffer += lengths[part];
    }
    n[0] = agent_type(agent);
    n[1] = agent_status(state);
    n[2] = lane_changes(state);
    n[3] = peek64(&agent->registered_ns);
    n[4] = peek64(&agent->last_seen_ns);
    n[5] = peek32(&agent->participant);
    return word;
}

/* The bytes go out before it is known whether they were whole; if not, "void" takes them back. */
static int write_slot(mp_writer *w, const view *v, uint32_t table, uint32_t index)
{
    const table_view *t = &v->tables[table];
    struct slot *slot = slot_at(t, index);
    for (int round = 0; round < 64; round++) {
        _Alignas(8) char name[64];
        struct row row;
        record details = {.bytes = 0};
        uint64_t word = 0;
        cs_handle handle = (uint64_t)load32(&slot->generation) << 32 | index;
        if (!csi_table_key(v, t, handle, name, &row.name_length))
            return CS_OK;
        row.name = name;
        if (table == TABLE_AGENTS) {
            details = details_of(v, index);
            word = look_at_agent(slot, &details, &row);
        } else {
            look_at_payload(slot, table, &row);
        }
        write_row(w, table, &row);
        fence_acquire(); /* all of it was read before its versions are looked at again */
        if ((!details.bytes || csi_record_stood(&details, word)) && still(slot, handle))
            return w->error;
        write_row(w, ROW_VOID, 0);
    }
    return CS_E_BUSY;
}

static int write_tables(mp_writer *w, const view *v)
{
    static const uint8_t order[TABLES] = {TABLE_BUDGETS, TABLE_KINDS, TABLE_COUNTERS, TABLE_GAUGES,
                                          TABLE_AREAS,   TABLE_LOCKS, TABLE_AGENTS};
    for (uint32_t i = 0; i < TABLES; i++) {
        uint32_t used = csi_table_used(&v->tables[order[i]]);
        for (uint32_t index = 0; index < used; index++) {
            int result = write_slot(w, v, order[i], index);
            if (result != CS_OK)
                return result;
        }
    }
    return CS_OK;
}

/* -- the rest ------------------------------------------------------------------------------- */

static void write_events(mp_writer *w, const view *v)
{
    uint64_t newest = load64(&v->ring->head);
    uint32_t slots = v->event_mask + 1;
    struct row row;
    row.n.numbers[0] = newest;
    write_row(w, ROW_EVENTS, &row);
    /* Counted, not compared: a head that somebody scribbled on may be the largest number there is. */
    for (uint32_t left = newest < slots ? (uint32_t)newest : slots; left; left--) {
        uint64_t sequence = newest - left + 1, word;
        row.u.bytes.at[0] = csi_ring_peek(v, sequence, &row.n.event, &word);
        if (!row.u.bytes.at[0])
            continue;
        row.u.bytes.length[0] = row.n.event.length;
        write_row(w, ROW_EVENT, &row);
        if (!csi_ring_stood(v, sequence, word))
            write_row(w, ROW_VOID, 0);
    }
}

static void write_engine(mp_writer *w, const cs_region *region)
{
    cs_engine_snapshot engine;
    struct row row;
    (void)cs_engine_read(region, &engine);
    row.maps = &engine;
    row.n.truth = engine.quiet;
    write_row(w, ROW_ENGINE, &row);
}

int cs_snapshot_write(const cs_region *region, cs_write_fn write, void *context, cs_snapshot_info *info)
{
    cs_snapshot_info taken = {.version = CS_SNAPSHOT_VERSION};
    if (!region || !write)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    mp_writer w = {.write = write, .context = context};
    struct row row;
    uint64_t before = digest(v);
    taken.time_ns = cs_port_now_ns();
    taken.config = v->config;
    row.n.numbers[0] = CS_SNAPSHOT_VERSION;
    row.n.numbers[1] = taken.time_ns;
    row.maps = &taken.config;
    write_row(&w, ROW_PICTURE, &row);
    write_engine(&w, region);
    int result = write_tables(&w, v);
    write_events(&w, v);
    row.n.truth = taken.changed = digest(v) != before;
    write_row(&w, ROW_END, &row);
    csi_mp_flush(&w);
    taken.crc = w.crc;
    csi_mp_write(&w, MP_UINT32, w.crc);
    csi_mp_flush(&w);
    taken.bytes = w.bytes;
    if (info)
        *info = taken;
    return result == CS_OK ? w.error : result;
}
