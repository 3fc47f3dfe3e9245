/* Reading a picture: once to judge it as a whole, then once more to put it into a region. */
#include "agent_table.h"
#include "crc32c.h"
#include "msgpack.h"
#include "ring.h"
#include "snapshot_format.h"

#define TRAILER 5u /* the checksum: 0xCE and four bytes */

/* What is being read. With no view it is only judged. */
typedef struct picture {
    mp_reader r;
    view *v;
    cs_region *region;
    cs_snapshot_info info;
    uint32_t rows[TABLES];
    mp_reader engine_at; /* it is written last, over what the rows before it moved */
    uint64_t newest;
    uint32_t longest_name;
    uint32_t longest_event;
    uint32_t longest_details;
    bool engine, ended;
} picture;

static const char *read_name(picture *p, uint32_t *length)
{
    const char *name = csi_mp_read_string(&p->r, length);
    p->r.bad |= !name || *length < 1 || *length > CS_NAME_MAX || !csi_utf8((const unsigned char *)name, *length);
    p->longest_name = *length > p->longest_name ? *length : p->longest_name;
    return name;
}

static void read_config(picture *p)
{
    cs_config *config = &p->info.config;
    p->r.bad |= csi_mp_read_map(&p->r) != CONFIG_FIELDS;
    for (uint32_t i = 0; i < CONFIG_FIELDS && !p->r.bad; i++) {
        p->r.bad |= !csi_mp_read_text(&p->r, config_fields[i].name);
        *config_field(config, i) = (uint32_t)csi_mp_read_uint(&p->r);
    }
    p->r.bad |= cs_config_check(config, 0) != CS_OK;
}

static int read_head(picture *p)
{
    uint32_t fields = csi_mp_read_array(&p->r);
    if (!csi_mp_read_text(&p->r, TAG_PICTURE) || fields < 2)
        return CS_E_NOT_REGION;
    p->info.version = (uint32_t)csi_mp_read_uint(&p->r);
    if (p->info.version != CS_SNAPSHOT_VERSION)
        return CS_E_VERSION;
    p->r.bad |= fields != 4;
    p->info.time_ns = csi_mp_read_uint(&p->r);
    read_config(p);
    return p->r.bad ? CS_E_CORRUPT : CS_OK;
}

static void read_engine(picture *p)
{
    cs_engine_snapshot s;
    bool second_time = p->engine;
    p->engine_at = p->r;
    uint32_t fields = csi_mp_read_map(&p->r), field = 0, states;
    memset(&s, 0, sizeof s);
    for (uint32_t i = 0; i < fields && !p->r.bad; i++, field++) {
        while (field < CS_ENGINE_FIELDS && !cs_engine_field_name(field))
            field++;
        p->r.bad |= field >= CS_ENGINE_FIELDS || !csi_mp_read_text(&p->r, cs_engine_field_name(field));
        if (p->r.bad)
            return;
        uint32_t type = cs_engine_field_type(field);
        bool real = type == CS_TYPE_F64 || type == CS_TYPE_PERCENT;
        s.cells[field] = real ? csi_mp_read_float(&p->r) : csi_mp_read_uint(&p->r);
    }
    states = csi_mp_read_map(&p->r);
    p->r.bad |= states != CS_STATES;
    for (uint32_t state = 0; state < CS_STATES && !p->r.bad; state++) {
        p->r.bad |= !csi_mp_read_text(&p->r, cs_engine_state_name(state));
        s.states[state] = (uint32_t)csi_mp_read_uint(&p->r);
        p->r.bad |= s.states[state] > cs_engine_state_max(state);
    }
    p->r.bad |= csi_mp_read_map(&p->r) != CS_STATES;
    for (uint32_t state = 0; state < CS_STATES && !p->r.bad; state++) {
        p->r.bad |= !csi_mp_read_text(&p->r, cs_engine_state_name(state));
        s.changes[state] = csi_mp_read_uint(&p->r);
    }
    (void)csi_mp_read_bool(&p->r);
    p->engine = true;
    if (p->v && second_time && !p->r.bad)
        csi_engine_restore(p->v, &s);
}

static int read_number(picture *p, uint32_t table)
{
    uint32_t length;
    cs_handle handle;
    const char *name = read_name(p, &length);
    uint64_t bits = table == TABLE_COUNTERS ? csi_mp_read_uint(&p->r) : csi_mp_read_float(&p->r);
    p->rows[table]++;
    if (!p->v || p->r.bad)
        return CS_OK;
    int result = table == TABLE_COUNTERS ? cs_counter_open(p->region, name, length, &handle)
                                         : cs_gauge_open(p->region, name, length, &handle);
    if (result == CS_OK) {
        struct number *number = payload_of(slot_at(&p->v->tables[table], (uint32_t)handle));
        poke64(&number->value, bits);
    }
    return result;
}

static int read_area(picture *p)
{
    uint32_t length;
    cs_handle handle;
    const char *name = read_name(p, &length);
    uint64_t counts[3] = {csi_mp_read_uint(&p->r)};
    counts[1] = csi_mp_read_uint(&p->r);
    counts[2] = csi_mp_read_uint(&p->r);
    uint64_t window = csi_mp_read_uint(&p->r);
    p->r.bad |= window > 0xFFFFFFFFu;
    p->rows[TABLE_AREAS]++;
    if (!p->v || p->r.bad)
        return CS_OK;
    int result = cs_area_open(p->region, name, length, &handle);
    if (result == CS_OK) {
        struct area *area = payload_of(slot_at(&p->v->tables[TABLE_AREAS], (uint32_t)handle));
        for (int i = 0; i < 3; i++)
            poke64(&area->counts[i], counts[i]);
        poke32(&area->lock.other, (uint32_t)window);
    }
    return result;
}

static int read_budget(picture *p)
{
    uint32_t length;
    cs_handle handle;
    const char *name = read_name(p, &length);
    uint64_t limit = csi_mp_read_uint(&p->r), spent = csi_mp_read_uint(&p->r), detections = csi_mp_read_uint(&p->r);
    p->r.bad |= spent > limit;
    p->rows[TABLE_BUDGETS]++;
    if (!p->v || p->r.bad)
        return CS_OK;
    int result = cs_budget_open(p->region, name, length, &handle);
    return result == CS_OK ? cs_budget_load(p->region, handle, limit, spent, detections) : result;
}

static int read_agent(picture *p)
{
    uint32_t length;
    cs_handle handle;
    cs_details details;
    const char *id = read_name(p, &length);
    uint64_t type = csi_mp_read_uint(&p->r), status = csi_mp_read_uint(&p->r), changes = csi_mp_read_uint(&p->r);
    uint64_t registered = csi_mp_read_uint(&p->r), seen = csi_mp_read_uint(&p->r);
    (void)csi_mp_read_uint(&p->r); /* who registered it then means nothing now; this process speaks for it */
    details.capabilities = csi_mp_read_binary(&p->r, &details.capabilities_length);
    details.transport = csi_mp_read_binary(&p->r, &details.transport_length);
    details.metadata = csi_mp_read_binary(&p->r, &details.metadata_length);
    uint32_t total = details.capabilities_length + details.transport_length + details.metadata_length;
    p->longest_details = total > p->longest_details ? total : p->longest_details;
    p->r.bad |= type >= CS_AGENT_TYPES || status >= CS_AGENT_STATUSES;
    p->rows[TABLE_AGENTS]++;
    if (!p->v || p->r.bad)
        return CS_OK;
    int result = cs_agent_register(p->region, id, length, (uint32_t)type, &details, &handle);
    if (result == CS_OK) {
        struct agent *agent = agent_in(slot_at(agents_of(p->v), (uint32_t)handle));
        poke64(&agent->registered_ns, registered);
        poke64(&agent->last_seen_ns, seen);
        poke64(&agent->status.state, changes << 16 | status);
        poke32(&agent->status.promised, 0);
    }
    return result;
}

static int read_named(picture *p, uint32_t table)
{
    uint32_t length, kind;
    cs_handle handle;
    const char *name = read_name(p, &length);
    p->rows[table]++;
    if (!p->v || p->r.bad)
        return CS_OK;
    return table == TABLE_KINDS ? cs_kind_open(p->region, name, length, &kind)
                                : cs_lock_open(p->region, name, length, &handle);
}

static void read_event(picture *p)
{
    cs_event event;
    event.sequence = csi_mp_read_uint(&p->r);
    event.time_ns = csi_mp_read_uint(&p->r);
    event.kind = (uint32_t)csi_mp_read_uint(&p->r);
    event.source = (uint32_t)csi_mp_read_uint(&p->r);
    event.format = (uint32_t)csi_mp_read_uint(&p->r);
    const unsigned char *data = csi_mp_read_binary(&p->r, &event.length);
    p->r.bad |=
        !event.sequence || event.sequence > p->newest || event.kind > 0xFFFFu || event.format > CS_FORMAT_CHANGE;
    p->longest_event = event.length > p->longest_event ? event.length : p->longest_event;
    if (p->v && !p->r.bad && p->newest - event.sequence <= p->v->event_mask)
        csi_ring_put(p->v, &event, data);
}

static bool is(const char *tag, uint32_t length, const char *literal) { return csi_same(tag, length, literal); }

static int read_one(picture *p)
{
    uint32_t length, fields = csi_mp_read_array(&p->r);
    const char *tag = csi_mp_read_string(&p->r, &length);
    int result = CS_OK;
    if (p->r.bad || p->ended)
        return CS_E_CORRUPT;
    if (is(tag, length, TAG_ENGINE) && fields == 5 && !p->engine) {
        read_engine(p);
    } else if (is(tag, length, TAG_COUNTER) && fields == 3) {
        result = read_number(p, TABLE_COUNTERS);
    } else if (is(tag, length, TAG_GAUGE) && fields == 3) {
        result = read_number(p, TABLE_GAUGES);
    } else if (is(tag, length, TAG_AREA) && fields == 6) {
        result = read_area(p);
    } else if (is(tag, length, TAG_BUDGET) && fields == 5) {
        result = read_budget(p);
    } else if (is(tag, length, TAG_AGENT) && fields == 11) {
        result = read_agent(p);
    } else if (is(tag, length, TAG_KIND) && fields == 2) {
        result = read_named(p, TABLE_KINDS);
    } else if (is(tag, length, TAG_LOCK) && fields == 2) {
        result = read_named(p, TABLE_LOCKS);
    } else if (is(tag, length, TAG_EVENTS) && fields == 2) {
        p->newest = csi_mp_read_uint(&p->r);
        if (p->v && !p->r.bad)
            csi_ring_restore(p->v, p->newest);
    } else if (is(tag, length, TAG_EVENT) && fields == 7) {
        read_event(p);
    } else if (is(tag, length, TAG_END) && fields == 2) {
        p->info.changed = csi_mp_read_bool(&p->r);
        p->ended = true;
    } else {
        return CS_E_CORRUPT;
    }
    return p->r.bad ? CS_E_CORRUPT : result;
}

/* Is the array after the next one ["void"]? Then the next one does not count; step over both. */
static bool step_over_void(picture *p)
{
    static const unsigned char void_bytes[6] = {0x91, 0xA4, 'v', 'o', 'i', 'd'};
    picture look = *p;
    look.v = 0;
    if (read_one(&look) != CS_OK || (size_t)(look.r.end - look.r.at) < sizeof void_bytes ||
        memcmp(look.r.at, void_bytes, sizeof void_bytes) != 0)
        return false;
    p->r.at = look.r.at + sizeof void_bytes;
    return true;
}

static int read_all(picture *p)
{
    int result = read_head(p);
    while (result == CS_OK && p->r.at < p->r.end) {
        if (step_over_void(p))
            continue;
        result = read_one(p);
    }
    return result == CS_OK && !(p->ended && p->engine) ? CS_E_CORRUPT : result;
}

static int judge(picture *p, const void *bytes, uint64_t size)
{
    const unsigned char *start = bytes;
    memset(p, 0, sizeof *p);
    if (!bytes)
        return CS_E_INVALID;
    p->r = (mp_reader){.at = start, .end = start + (size > TRAILER ? size - TRAILER : 0)};
    if (size < 12 || memcmp(start + 1, "\xA9" TAG_PICTURE, 10) != 0)
        return CS_E_NOT_REGION;
    mp_reader from_start = p->r;
    if (read_head(p) == CS_E_VERSION)
        return CS_E_VERSION;
    p->r = from_start;
    const unsigned char *trailer = start + size - TRAILER;
    uint32_t crc = (uint32_t)trailer[1] << 24 | (uint32_t)trailer[2] << 16 | (uint32_t)trailer[3] << 8 | trailer[4];
    if (trailer[0] != 0xCE || csi_crc32c(0, bytes, (size_t)(size - TRAILER)) != crc) {
        (void)read_all(p); /* for the caller's sake: cut short, or changed? */
        return p->r.cut || (!p->r.bad && !p->ended) ? CS_E_TRUNCATED : CS_E_CORRUPT;
    }
    p->info.crc = crc;
    p->info.bytes = size;
    return read_all(p);
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
    view *v = view_of(region);
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
    if (p.longest_event > v->event_bytes || p.longest_details > v->details_bytes)
        return CS_E_TOO_BIG;
    uint64_t newest = p.newest;
    const unsigned char *start = bytes;
    memset(&p, 0, sizeof p);
    p.r = (mp_reader){.at = start, .end = start + size - TRAILER};
    p.v = v;
    p.region = region;
    p.newest = newest;
    result = read_all(&p);
    if (result != CS_OK)
        return result;
    p.r = p.engine_at;
    read_engine(&p);
    return CS_OK;
}
