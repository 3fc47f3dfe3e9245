/* Taking a picture: one pass over the region, in pieces, with no buffer larger than a name. */
#include "corestate/snapshot.h"

#include "agent_table.h"
#include "ring.h"
#include "snapshot_format.h"

struct pen {
    struct row row;
    mp_stream s;
    const cs_region *region;
    mp_sink to;
    _Alignas(8) char name[64];
    cs_snapshot_info info;
    cs_engine_snapshot engine;
};

static uint32_t folded(uint64_t value) { return (uint32_t)value ^ (uint32_t)(value >> 32) * 0x9E3779B1u; }

/* Everything that counts as a change while the picture is taken. */
static uint32_t digest(const view *v)
{
    uint32_t sum = (uint32_t)(load64(&v->engine->version) + load64(&v->ring->head));
    for (const table_view *t = v->tables; t < v->tables + TABLES; t++) {
        if (!t->count)
            continue;
        sum += load32(&t->head->change);
        uint32_t used = t <= &v->tables[TABLE_GAUGES] ? csi_table_used(t) : 0;
        for (uint32_t index = 0; index < used; index++)
            sum = sum * 31 + folded(load64(payload_of(slot_at(t, index))));
    }
    return sum;
}
_Static_assert(TABLE_COUNTERS == 0 && TABLE_GAUGES == 1, "the tables of numbers come first");

static void write_row(struct pen *p, uint32_t kind)
{
    const char *fields = csi_row_fields(kind);
    csi_mp_write(&p->s, MP_ARRAY, 1 + csi_mp_length(fields));
    csi_mp_text(&p->s, csi_row_tag(kind));
    csi_row_walk(&p->s, fields, &p->row);
}

/* -- rows of tables ------------------------------------------------------------------------- */

/* Its details are only looked for: while their record stands under the word that is returned, they are these. */
static uint64_t look_at_agent(struct row *row, struct slot *slot, const record *details)
{
    const struct agent *agent = agent_in(slot);
    uint64_t state = load64(&agent->status.state), *n = row->n.numbers;
    n[0] = agent_type(agent);
    n[1] = agent_status(state);
    n[2] = lane_changes(state);
    n[3] = peek64(&agent->registered_ns);
    n[4] = peek64(&agent->last_seen_ns);
    n[5] = peek32(&agent->participant) & CLAIM_OWNER;
    uint64_t word = load64(details->word);
    const unsigned char *part = csi_record_buffer(details, word) + sizeof(struct details), *end = part + details->bytes;
    uint16_t lengths[4] = {0};
    if (details->bytes)
        copy_out(lengths, part - sizeof lengths, sizeof lengths);
    for (int i = 0; i < 3; i++) {
        row->u.bytes.at[i] = part;
        row->u.bytes.length[i] = lengths[i];
        part += lengths[i];
    }
    if (part > end) /* nobody of ours writes that */
        memset(row->u.bytes.length, 0, sizeof row->u.bytes.length);
    return word;
}

/* The bytes go out before it is known whether they were whole; if not, "void" takes them back: false. */
static bool write_slot(struct pen *p, uint32_t table, cs_handle handle)
{
    const view *v = const_view_of(p->region);
    struct slot *slot = slot_at(&v->tables[table], (uint32_t)handle);
    record details = {.bytes = 0};
    uint64_t word = 0;
    p->row.kind = table;
    if (table == TABLE_AGENTS) {
        details = details_of(v, (uint32_t)handle);
        word = look_at_agent(&p->row, slot, &details);
    } else {
        csi_row_payload(&p->row, slot, false);
    }
    write_row(p, table);
    fence_acquire(); /* all of it was read before its versions are looked at again */
    if ((!details.bytes || csi_record_stood(&details, word)) && still(slot, handle))
        return true;
    write_row(p, ROW_VOID);
    return false;
}

static int write_table(struct pen *p, uint32_t table)
{
    uint32_t section = const_view_of(p->region)->tables[table].section, cursor = 0, rounds = 0;
    cs_handle handle;
    while (cs_names_next(p->region, section, &cursor, &handle, p->name, &p->row.name_length) == CS_OK) {
        if (write_slot(p, table, handle)) {
            rounds = 0;
        } else if (++rounds < 64) {
            cursor = (uint32_t)handle; /* what is in this slot by now, then */
        } else {
            return CS_E_BUSY;
        }
        if (p->to.error != CS_OK)
            return p->to.error;
    }
    return CS_OK;
}

/* -- the rest ------------------------------------------------------------------------------- */

static void write_events(struct pen *p)
{
    const view *v = const_view_of(p->region);
    struct row *row = &p->row;
    uint64_t newest = load64(&v->ring->head);
    uint32_t slots = v->event_mask + 1;
    row->n.numbers[0] = newest;
    write_row(p, ROW_EVENTS);
    /* Counted, not compared: a head that somebody scribbled on may be the largest number there is. */
    for (uint32_t left = newest < slots ? (uint32_t)newest : slots; left; left--) {
        uint64_t sequence = newest - left + 1, word;
        row->u.bytes.at[0] = csi_ring_peek(v, sequence, &row->n.event, &word);
        if (!row->u.bytes.at[0])
            continue;
        row->u.bytes.length[0] = row->n.event.length;
        write_row(p, ROW_EVENT);
        if (!csi_ring_stood(v, sequence, word))
            write_row(p, ROW_VOID);
    }
}

int cs_snapshot_write(const cs_region *region, cs_write_fn write, void *context, cs_snapshot_info *info)
{
    static const uint8_t order[TABLES] = {TABLE_BUDGETS, TABLE_KINDS, TABLE_COUNTERS, TABLE_GAUGES,
                                          TABLE_AREAS,   TABLE_LOCKS, TABLE_AGENTS};
    struct pen p;
    int result = CS_OK;
    if (!region || !write)
        return CS_E_INVALID;
    memset(&p, 0, sizeof p);
    p.region = region;
    p.s.to = &p.to;
    p.to.write = write;
    p.to.context = context;
    p.row.name = p.name;
    uint32_t before = digest(const_view_of(region));
    uint64_t *n = p.row.n.numbers;
    p.info.config = const_view_of(region)->config;
    n[0] = p.info.version = CS_SNAPSHOT_VERSION;
    n[1] = p.info.time_ns = cs_port_now_ns();
    p.row.maps = &p.info.config;
    write_row(&p, ROW_PICTURE);
    (void)cs_engine_read(region, &p.engine);
    n[0] = p.engine.quiet;
    p.row.maps = &p.engine;
    write_row(&p, ROW_ENGINE);
    for (uint32_t i = 0; i < TABLES && result == CS_OK; i++)
        result = write_table(&p, order[i]);
    write_events(&p);
    n[0] = p.info.changed = digest(const_view_of(region)) != before;
    write_row(&p, ROW_END);
    csi_mp_flush(&p.to);
    p.info.crc = p.to.crc;
    csi_mp_write(&p.s, MP_UINT32, p.to.crc);
    csi_mp_flush(&p.to);
    p.info.bytes = p.to.bytes;
    if (info)
        *info = p.info;
    return result == CS_OK ? p.to.error : result;
}
