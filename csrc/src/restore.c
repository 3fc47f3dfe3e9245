/* Reading a picture: once to judge it as a whole, then once more to put it into a region. */
#include "agent_table.h"
#include "budget.h"
#include "crc32c.h"
#include "ring.h"
#include "snapshot_format.h"

#define TRAILER 5u /* the checksum: its type and four bytes */

/* What is being read. With no region it is only judged. */
typedef struct picture {
    mp_stream s;
    const unsigned char *rows_at; /* behind the head */
    cs_region *region;
    uint64_t newest;
    uint32_t longest_name;
    uint32_t rows[ROW_PICTURE];    /* how many of each kind count */
    uint32_t longest[ROW_PICTURE]; /* and their longest bytes */
    cs_snapshot_info info;
    cs_engine_snapshot state;
} picture;

static void raise_to(uint32_t *longest, uint32_t length)
{
    if (*longest < length)
        *longest = length;
}

/* -- one array ------------------------------------------------------------------------------ */

/* Is this what an array of its kind can say? */
static bool sound(const picture *p, const struct row *row)
{
    const uint64_t *n = row->n.numbers;
    switch (row->kind) {
    case TABLE_AGENTS:
        return (uint32_t)n[0] < CS_AGENT_TYPES && (uint32_t)n[1] < CS_AGENT_STATUSES;
    case TABLE_BUDGETS:
        return n[1] <= n[0];
    case ROW_EVENT:
        return n[0] - 1 < p->newest && row->n.event.kind <= 0xFFFFu && row->n.event.format <= CS_FORMAT_CHANGE;
    default:
        return true;
    }
}

static int read_row(picture *p, struct row *row)
{
    uint32_t length, count = (uint32_t)csi_mp_read(&p->s, MP_ARRAY), kind = 0;
    const void *tag = csi_mp_read_bytes(&p->s, MP_STRING, &length);
    if (p->s.bad || p->rows[ROW_END])
        return CS_E_CORRUPT;
    while (length != csi_mp_length(csi_row_tag(kind)) || memcmp(tag, csi_row_tag(kind), length) != 0)
        if (++kind == ROW_PICTURE)
            return CS_E_CORRUPT;
    const char *fields = csi_row_fields(kind);
    if (count != 1 + csi_mp_length(fields))
        return CS_E_CORRUPT;
    if (kind == ROW_ENGINE) {
        if (p->rows[ROW_ENGINE])
            return CS_E_CORRUPT;
        memset(&p->state, 0, sizeof p->state);
    }
    memset(row, 0, sizeof *row);
    row->kind = kind;
    row->maps = &p->state;
    csi_row_walk(&p->s, fields, row);
    if (!sound(p, row))
        p->s.bad = true;
    return p->s.bad ? CS_E_CORRUPT : CS_OK;
}

/* -- into the region ------------------------------------------------------------------------ */

static int put_agent(cs_region *region, const struct row *row)
{
    cs_handle handle;
    const uint64_t *n = row->n.numbers;
    int result = cs_agent_register(region, row->name, row->name_length, (uint32_t)n[0], &row->u.details, &handle);
    if (result == CS_OK) {
        struct agent *agent = agent_in(slot_at(agents_of(view_of(region)), (uint32_t)handle));
        poke64(&agent->status.state, n[2] << 16 | n[1]);
        poke64(&agent->registered_ns, n[3]);
        poke64(&agent->last_seen_ns, n[4]); /* n[5], who registered it then, means nothing: we speak for it */
        poke32(&agent->status.promised, 0);
    }
    return result;
}

static int put_slot(cs_region *region, struct row *row)
{
    cs_handle handle;
    /* A kind has its place even if its name is built in by now, since events go by places; and no payload. Of others what
     * differs from zeros in a new slot's payload is written below. */
    int result = csi_open(region, row->name, row->name_length, &handle, row->kind, 0);
    if (result != CS_OK || row->kind == TABLE_KINDS)
        return result;
    struct slot *slot = slot_at(&view_of(region)->tables[row->kind], (uint32_t)handle);
    csi_row_payload(row, slot, true);
    if (row->kind == TABLE_BUDGETS) {
        struct budget *b = payload_of(slot);
        const uint64_t *n = row->n.numbers;
        poke64(&b->taken, n[1]); /* what is spent: nothing is reserved */
        poke32(&b->intent, 0);
        poke32(&b->warned, nearly_spent(n[0], n[1]));
        poke32(&b->promised, 0);
    }
    return CS_OK;
}

static int put_row(picture *p, struct row *row)
{
    const view *v = const_view_of(p->region);
    cs_event *event = &row->n.event;
    if (row->kind == TABLE_AGENTS)
        return put_agent(p->region, row);
    if (row->kind < TABLES)
        return put_slot(p->region, row);
    if (row->kind == ROW_EVENTS)
        csi_ring_restore(v, p->newest);
    if (row->kind == ROW_EVENT && p->newest - event->sequence <= v->event_mask) {
        event->length = row->u.bytes.length[0];
        csi_ring_put(v, event, row->u.bytes.at[0]);
    }
    return CS_OK; /* the engine section is written last, over what other rows move */
}

/* Note what an array that counts says, and put it into the region, if there is one. */
static int take_row(picture *p, struct row *row)
{
    const uint32_t *lengths = row->u.bytes.length;
    p->rows[row->kind]++;
    raise_to(&p->longest_name, row->name_length);
    raise_to(&p->longest[row->kind], lengths[0] + lengths[1] + lengths[2]);
    if (row->kind == ROW_EVENTS)
        p->newest = row->n.numbers[0];
    if (row->kind == ROW_END)
        p->info.changed = (uint32_t)row->n.numbers[0];
    return p->region ? put_row(p, row) : CS_OK;
}

/* -- all of it ------------------------------------------------------------------------------ */

static int read_head(picture *p)
{
    uint32_t count = (uint32_t)csi_mp_read(&p->s, MP_ARRAY);
    struct row row;
    row.maps = &p->info.config;
    csi_mp_text(&p->s, csi_row_tag(ROW_PICTURE)); /* which has been seen, but perhaps not before the end */
    if (p->s.bad || count < 2)
        return CS_E_NOT_REGION;
    p->info.version = (uint32_t)csi_mp_read(&p->s, MP_UINT);
    if (p->info.version != CS_SNAPSHOT_VERSION)
        return CS_E_VERSION;
    if (count != 4)
        p->s.bad = true;
    csi_row_walk(&p->s, "uA", &row);
    p->info.time_ns = row.n.numbers[0];
    p->rows_at = p->s.at;
    if (cs_config_check(&p->info.config, 0) != CS_OK)
        p->s.bad = true; /* and so is every row behind it */
    return CS_OK;
}

/* Step over ["void"], which takes back the array before it. */
static bool step_over_void(mp_stream *s)
{
    static const unsigned char array[6] = {0x91, 0xA4, 'v', 'o', 'i', 'd'};
    if ((size_t)(s->end - s->at) < sizeof array || memcmp(s->at, array, sizeof array) != 0)
        return false;
    s->at += sizeof array;
    return true;
}

static int read_rows(picture *p)
{
    struct row row;
    int result = CS_OK;
    while (result == CS_OK && p->s.at < p->s.end) {
        result = read_row(p, &row);
        if (result == CS_OK && !step_over_void(&p->s))
            result = take_row(p, &row);
    }
    return result == CS_OK && !(p->rows[ROW_END] && p->rows[ROW_ENGINE]) ? CS_E_CORRUPT : result;
}

static int judge(picture *p, const void *bytes, uint64_t size)
{
    static const char tag[] = {'\xA9', 'c', 'o', 'r', 'e', 's', 't', 'a', 't', 'e'}; /* behind the array's own byte */
    const unsigned char *start = bytes;
    memset(p, 0, sizeof *p);
    if (!bytes)
        return CS_E_INVALID;
    if (size < 12 || memcmp(start + 1, tag, sizeof tag) != 0)
        return CS_E_NOT_REGION;
    const unsigned char *trailer = start + size - TRAILER;
    mp_stream last = {.at = trailer, .end = trailer + TRAILER};
    p->s.at = start;
    p->s.end = trailer;
    int result = read_head(p);
    if (result == CS_E_VERSION)
        return result;
    uint32_t crc = (uint32_t)csi_mp_read(&last, MP_UINT32);
    if (result == CS_OK)
        result = read_rows(p);
    if (last.bad || csi_crc32c(0, bytes, (size_t)(size - TRAILER)) != crc) /* cut short, or changed? */
        return p->s.cut || (!p->s.bad && !p->rows[ROW_END]) ? CS_E_TRUNCATED : CS_E_CORRUPT;
    p->info.crc = crc;
    p->info.bytes = size;
    return result;
}

int cs_snapshot_probe(const void *bytes, uint64_t size, cs_snapshot_info *info)
{
    picture p;
    int result = judge(&p, bytes, size);
    if (info)
        *info = p.info;
    return result;
}

int cs_snapshot_restore(cs_region *region, const void *bytes, uint64_t size)
{
    picture p;
    if (!region)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    int result = may_write(v);
    if (result == CS_OK)
        result = judge(&p, bytes, size);
    if (result != CS_OK)
        return result;
    for (uint32_t table = 0; table < TABLES; table++)
        if (p.rows[table] > v->tables[table].count)
            return CS_E_FULL;
    if (p.longest_name >= v->key_bytes)
        return CS_E_NAME;
    if (p.longest[ROW_EVENT] > v->event_bytes || p.longest[TABLE_AGENTS] > v->details_bytes)
        return CS_E_TOO_BIG;
    p.s.at = p.rows_at;
    p.region = region;
    p.rows[ROW_ENGINE] = p.rows[ROW_END] = 0;
    result = read_rows(&p);
    if (result == CS_OK)
        csi_engine_restore(v, &p.state);
    return result;
}
