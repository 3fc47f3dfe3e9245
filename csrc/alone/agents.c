#include "corestate/agents.h"

#include "agent_table.h"
#include "rows.h"

/* -- lifecycle ------------------------------------------------------------------------------ */

/* Row: from; bit: to. Nothing goes back to starting; stopped and completed go back to running (a restart); failed and
 * cancelled are final. */
#define TO(status) (1u << ((status) - 1u))
#define TO_END (TO(CS_AGENT_STOPPED) | TO(CS_AGENT_COMPLETED) | TO(CS_AGENT_FAILED) | TO(CS_AGENT_CANCELLED))
static const uint8_t lifecycle[CS_AGENT_STATUSES] = {
    [CS_AGENT_STARTING] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_STOPPED) | TO(CS_AGENT_FAILED) | TO(CS_AGENT_CANCELLED),
    [CS_AGENT_RUNNING] = TO(CS_AGENT_PAUSED) | TO(CS_AGENT_WAITING) | TO(CS_AGENT_SUSPENDED) | TO_END,
    [CS_AGENT_PAUSED] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_SUSPENDED) | TO_END,
    [CS_AGENT_WAITING] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_PAUSED) | TO(CS_AGENT_SUSPENDED) | TO_END,
    [CS_AGENT_SUSPENDED] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_PAUSED) | TO_END,
    [CS_AGENT_STOPPED] = TO(CS_AGENT_RUNNING),
    [CS_AGENT_COMPLETED] = TO(CS_AGENT_RUNNING),
};

int cs_agent_may(uint32_t from, uint32_t to)
{
    return from < CS_AGENT_STATUSES && to < CS_AGENT_STATUSES && (lifecycle[from] << 1 >> to & 1);
}

int cs_agent_set_status(cs_region *region, cs_handle handle, uint32_t status, uint32_t *changed)
{
    row r;
    uint32_t unwanted;
    if (!changed)
        changed = &unwanted;
    *changed = 0;
    if (status >= CS_AGENT_STATUSES)
        return CS_E_INVALID;
    int result = csi_row_to_write(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    struct lane *lane = &((struct agent *)r.payload)->status;
    uint32_t now = agent_status(WIDE(&lane->state));
    const lane_subject subject = {.id = handle, .table = CS_SECTION_AGENTS, .kind = CS_KIND_AGENT_STATUS_CHANGED};
    if (cs_agent_may(now, status)) {
        result = csi_lane_change(r.v, lane, status, &subject);
        *changed = 1;
    } else if (now != status) {
        result = CS_E_TRANSITION;
    }
    let_go_told(r.v, r.held);
    return result;
}

/* -- details -------------------------------------------------------------------------------- */

/* cs_details, its three strings counted. */
struct parts {
    const void *at[3];
    uint32_t length[3];
};
_Static_assert(sizeof(struct parts) == sizeof(cs_details), "the same");

static int check_parts(const view *v, const struct parts *parts)
{
    uint32_t room = v->details_bytes;
    int result = CS_OK;
    for (int i = 0; parts && i < 3; i++) {
        uint32_t length = parts->length[i];
        if (length && !parts->at[i])
            return CS_E_INVALID;
        if (length > room)
            result = CS_E_TOO_BIG;
        room -= length;
    }
    return result;
}

static void *buffer_of(const view *v, uint32_t index, uint32_t word)
{
    uint32_t version = word >> RECORD_VERSION_SHIFT;
    return v->details + index * v->details_stride + (version & 1u) * (sizeof(struct details) + v->details_bytes);
}

/* The next version, into the buffer that is not the present one's; the last word is filled up with zeros. */
static void write_details(const view *v, struct agent *agent, uint32_t index, const struct parts *parts)
{
    if (!v->details_bytes)
        return;
    uint64_t word = (WIDE(&agent->details) | ((1u << RECORD_VERSION_SHIFT) - 1)) + 1;
    struct details *header = buffer_of(v, index, (uint32_t)word);
    unsigned char *to = (unsigned char *)(header + 1);
    memset(header, 0, sizeof *header);
    for (int i = 0; parts && i < 3; i++) {
        header->lengths[i] = (uint16_t)parts->length[i];
        memcpy(to, parts->at[i], parts->length[i]);
        to += parts->length[i];
    }
    memset(to, 0, (0u - (uintptr_t)to) % 8);
    WIDE(&agent->details) = word;
}

static int read_details(const view *v, const struct agent *agent, cs_agent_info *info, void *to, uint32_t capacity)
{
    uint64_t word = WIDE(&agent->details);
    memset(&info->capabilities_length, 0, 16);
    info->details_version = 0;
    if (!v->details_bytes)
        return CS_OK;
    const struct details *header = buffer_of(v, (uint32_t)info->handle, (uint32_t)word);
    uint32_t total = 0, *lengths = &info->capabilities_length;
    for (int i = 0; i < 3; i++)
        total += lengths[i] = header->lengths[i];
    info->details_version = word >> RECORD_VERSION_SHIFT;
    if (total > v->details_bytes) /* nobody of ours writes that */
        return CS_E_CORRUPT;
    if (!to)
        return CS_OK;
    if (total > capacity)
        return CS_E_TOO_BIG;
    memcpy(to, header + 1, total);
    return CS_OK;
}

int cs_agent_set_details(cs_region *region, cs_handle handle, const cs_details *details)
{
    row r;
    if (!region || !details)
        return CS_E_INVALID;
    int result = csi_row_to_write(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    const struct parts *parts = (const void *)details;
    result = check_parts(r.v, parts);
    if (result == CS_OK) {
        write_details(r.v, r.payload, (uint32_t)handle, parts);
        touch(r.v);
    }
    let_go(r.held);
    return result;
}

/* -- coming and going ----------------------------------------------------------------------- */

struct registration {
    const struct parts *parts;
    uint32_t type;
};

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    const struct registration *registration = context;
    struct agent *agent = agent_in(slot);
    (void)handle;
    WIDE(&agent->registered_ns) = WIDE(&agent->last_seen_ns) = cs_port_now_ns();
    WIDE(&agent->status.state) = CS_AGENT_STARTING;
    poke32(&agent->status.promised, 0);
    poke32(&agent->type, registration->type);
    poke32(&agent->participant, peek32(&v->id));
    write_details(v, agent, index, registration->parts);
    return CS_OK;
}

/* Tell of an agent's coming or going, if it has come or gone, and let go. */
static int announce(view *v, uint32_t held, int result, const cs_change *change, uint32_t kind)
{
    if (result == CS_OK) {
        WIDE(&v->engine->agent_count) = peek32(&agents_of(v)->head->count);
        touch(v);
        csi_tell(v, kind, change);
    }
    let_go_told(v, held);
    return result;
}

int cs_agent_register(cs_region *region, const char *id, uint32_t length, uint32_t type, const cs_details *details,
                      cs_handle *handle)
{
    struct registration registration = {(const void *)details, type};
    const table_hooks hooks = {.fill = fill, .context = &registration};
    view *v = view_of(region);
    if (!region || !handle || type >= CS_AGENT_TYPES)
        return CS_E_INVALID;
    int result = csi_name(v, id, &length);
    if (result == CS_OK)
        result = check_parts(v, registration.parts);
    if (result != CS_OK)
        return result;
    uint32_t held = hold();
    result = csi_table_insert(v, TABLE_AGENTS, id, length, &hooks, handle);
    const cs_change change = {
        .subject = *handle, .new_value = type, .change = (uint32_t)(*handle >> 32), .table = CS_SECTION_AGENTS};
    return announce(v, held, result, &change, CS_KIND_AGENT_REGISTERED);
}

int cs_agent_deregister(cs_region *region, cs_handle handle, uint32_t reason)
{
    if (!region || reason > CS_REASON_DEAD)
        return CS_E_INVALID;
    view *v = view_of(region);
    cs_change change = {
        .subject = handle, .new_value = reason, .change = (uint32_t)(handle >> 32), .table = CS_SECTION_AGENTS};
    uint32_t held = hold();
    int result = csi_table_remove(v, TABLE_AGENTS, handle, reason, 0);
    if (result == CS_OK)
        change.old_value = agent_type(agent_in(slot_at(agents_of(v), (uint32_t)handle)));
    return announce(v, held, result, &change, CS_KIND_AGENT_DEREGISTERED);
}

int cs_agents_reap(cs_region *region, uint64_t older_than_ns, uint32_t dead)
{
    if (!region || dead > 1)
        return CS_E_INVALID;
    const view *v = view_of(region);
    const table_view *t = agents_of(v);
    int result = may_write(v), reaped = 0;
    uint64_t now = cs_port_now_ns();
    for (uint32_t index = 0; result == CS_OK && index < t->count; index++) {
        row r;
        uint32_t reason = CS_REASON_DEREGISTERED;
        cs_handle handle = (uint64_t)peek32(&slot_at(t, index)->generation) << 32 | index;
        if (csi_row(region, TABLE_AGENTS, handle, &r) != CS_OK)
            continue;
        const struct agent *agent = r.payload;
        uint64_t seen = WIDE(&agent->last_seen_ns);
        if (older_than_ns != CS_FOREVER && seen < now && now - seen > older_than_ns)
            reason = CS_REASON_SILENT;
        if (dead && !csi_alive_id(v, peek32(&agent->participant)))
            reason = CS_REASON_DEAD;
        let_go(r.held);
        if (reason != CS_REASON_DEREGISTERED)
            reaped += cs_agent_deregister(region, handle, reason) == CS_OK;
    }
    return result == CS_OK ? reaped : result;
}

/* -- reading -------------------------------------------------------------------------------- */

int cs_agent_find(const cs_region *region, const char *id, uint32_t length, cs_handle *handle)
{
    return csi_find(region, id, length, handle, TABLE_AGENTS);
}

int cs_agent_heartbeat(cs_region *region, cs_handle handle)
{
    row r;
    int result = csi_row_to_write(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    WIDE(&((struct agent *)r.payload)->last_seen_ns) = cs_port_coarse_ns();
    let_go(r.held);
    return CS_OK;
}

/* What both pictures of an agent have: two times from registered_ns on, three numbers from type on. */
static void describe(const struct agent *agent, uint64_t *times, uint32_t *numbers)
{
    times[0] = WIDE(&agent->registered_ns);
    times[1] = WIDE(&agent->last_seen_ns);
    numbers[0] = agent_type(agent);
    numbers[1] = agent_status(WIDE(&agent->status.state));
    numbers[2] = peek32(&agent->participant);
}

int cs_agent_get(const cs_region *region, cs_handle handle, cs_agent_info *info, void *details, uint32_t capacity)
{
    row r;
    if (!region || !info)
        return CS_E_INVALID;
    int result = csi_row(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    const struct agent *agent = r.payload;
    info->handle = handle;
    info->changes = lane_changes(WIDE(&agent->status.state));
    describe(agent, &info->registered_ns, &info->type);
    (void)csi_table_key(r.v, r.table, handle, info->id, &info->id_length);
    result = instant_begin(r.v) & 1u ? CS_E_BUSY : read_details(r.v, agent, info, details, capacity);
    let_go(r.held);
    return result;
}

int cs_agents_export(const cs_region *region, cs_agent_row *rows, uint32_t capacity, uint32_t *count)
{
    if (!region || !count || (!rows && capacity))
        return CS_E_INVALID;
    uint32_t cursor = 0, filled = 0;
    while (filled < capacity) {
        row r;
        cs_agent_row *to = &rows[filled];
        if (cs_names_next(region, CS_SECTION_AGENTS, &cursor, &to->handle, to->id, &to->id_length) != CS_OK)
            break;
        if (csi_row(region, TABLE_AGENTS, to->handle, &r) != CS_OK)
            continue;
        describe(r.payload, &to->registered_ns, &to->type);
        let_go(r.held);
        filled++;
    }
    *count = filled;
    return CS_OK;
}
