#include "corestate/agents.h"

#include "agent_table.h"
#include "rows.h"

/* -- status --------------------------------------------------------------------------------- */

int cs_agent_set_status(cs_region *region, cs_handle handle, uint32_t status, uint32_t *changed)
{
    row r;
    uint32_t moves = 0;
    int result = status < CS_AGENT_STATUSES ? csi_row_to_write(region, TABLE_AGENTS, handle, &r) : CS_E_INVALID;
    if (result == CS_OK) {
        struct lane *lane = &((struct agent *)r.payload)->status;
        uint32_t now = agent_status(WIDE(&lane->state));
        if (cs_agent_may(now, status)) {
            moves = 1;
            r.change.new_value = status;
            csi_lane_step(lane, &r.change);
            csi_row_changed(&r, CS_KIND_AGENT_STATUS_CHANGED, r.change.old_value, status);
        } else {
            let_go(r.held);
            result = now == status ? CS_OK : CS_E_TRANSITION;
        }
    }
    if (changed)
        *changed = moves;
    return result;
}

/* -- details -------------------------------------------------------------------------------- */

/* cs_details, or the empty ones, its three strings counted. */
struct parts {
    const void *at[3];
    uint32_t length[3];
};
_Static_assert(sizeof(struct parts) == sizeof(cs_details), "the same");

/* A step of the record's word. */
#define ONE_VERSION (1u << RECORD_VERSION_SHIFT)

/* By the low half of a record's word. */
static struct details *buffer_of(const view *v, uint32_t index, uint32_t word)
{
    unsigned char *buffer = v->details + (size_t)index * v->details_stride;
    if (word & ONE_VERSION)
        buffer += sizeof(struct details) + v->details_bytes;
    return (void *)buffer;
}

/* The next version, into the buffer that is not the present one's and is zero where nothing comes. What turns out not to
 * fit has spoiled only that buffer. */
static int write_details(const view *v, struct agent *agent, uint32_t index, const struct parts *parts)
{
    struct details *header = buffer_of(v, index, (uint32_t)WIDE(&agent->details) + ONE_VERSION);
    unsigned char *to = (unsigned char *)(header + 1);
    uint32_t room = v->details_bytes;
    if (room)
        memset(header, 0, sizeof *header + room);
    for (int i = 0; parts && i < 3; i++) {
        uint32_t length = parts->length[i];
        if (length > room)
            return CS_E_TOO_BIG;
        if (!length)
            continue;
        if (!parts->at[i])
            return CS_E_INVALID;
        memcpy(to, parts->at[i], length);
        header->lengths[i] = (uint16_t)length;
        to += length;
        room -= length;
    }
    if (v->details_bytes)
        WIDE(&agent->details) = (WIDE(&agent->details) | (ONE_VERSION - 1)) + 1;
    return CS_OK;
}

/* What only the larger picture has, into one whose numbers are zero yet. */
static int read_details(const view *v, const struct agent *agent, cs_agent_info *info, void *to, uint32_t capacity)
{
    uint64_t word = WIDE(&agent->details);
    info->changes = lane_changes(WIDE(&agent->status.state));
    if (instant_begin(v) & 1u)
        return CS_E_BUSY;
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
    if (!details)
        return CS_E_INVALID;
    int result = csi_row_to_write(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    result = write_details(r.v, r.payload, (uint32_t)handle, (const void *)details);
    if (result == CS_OK)
        touch(r.v);
    let_go(r.held);
    return result;
}

/* -- coming and going ----------------------------------------------------------------------- */

/* Tell that the agent of a row has come or gone, and let go. */
static void announce(row *r, uint32_t kind, uint32_t old_value, uint32_t new_value)
{
    view *v = r->v;
    WIDE(&v->engine->agent_count) = peek32(&agents_of(v)->head->count);
    r->change.change = (uint32_t)(r->change.subject >> 32);
    csi_row_changed(r, kind, old_value, new_value);
}

struct registration {
    const void *details;
    uint32_t type;
    bool made;
};

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct registration *registration = context;
    struct agent *agent = agent_in(slot);
    (void)handle;
    registration->made = true;
    WIDE(&agent->registered_ns) = WIDE(&agent->last_seen_ns) = cs_port_now_ns();
    WIDE(&agent->status.state) = CS_AGENT_STARTING;
    poke32(&agent->status.promised, 0);
    poke32(&agent->type, registration->type);
    poke32(&agent->participant, peek32(&v->id));
    return write_details(v, agent, index, registration->details);
}

int cs_agent_register(cs_region *region, const char *id, uint32_t length, uint32_t type, const cs_details *details,
                      cs_handle *handle)
{
    struct registration registration = {details, type, false};
    const table_hooks hooks = {.fill = fill, .context = &registration};
    if (type >= CS_AGENT_TYPES)
        return CS_E_INVALID;
    row r;
    r.v = view_of(region);
    r.held = hold();
    int result = csi_open(region, id, length, handle, TABLE_AGENTS, &hooks);
    if (result == CS_OK && !registration.made)
        result = CS_E_EXISTS;
    if (result == CS_OK) {
        r.t = agents_of(r.v);
        r.change.subject = *handle;
        r.change.table = CS_SECTION_AGENTS;
        announce(&r, CS_KIND_AGENT_REGISTERED, 0, type);
    } else {
        let_go(r.held);
    }
    return result;
}

int cs_agent_deregister(cs_region *region, cs_handle handle, uint32_t reason)
{
    row r;
    if (reason > CS_REASON_DEAD)
        return CS_E_INVALID;
    int result = csi_row_to_write(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    (void)csi_table_remove(r.v, TABLE_AGENTS, r.change.subject, 0, 0); /* which it can be, since it is there and held */
    announce(&r, CS_KIND_AGENT_DEREGISTERED, agent_type(r.payload), reason);
    return CS_OK;
}

/* Not inline: in 64 bits it is longer than a call. */
__attribute__((noinline)) uint64_t csi_since(uint64_t now, uint64_t then) { return then < now ? now - then : 0; }

/* Of who is there; of a free slot it is stale, as it is by the time he has gone. */
static cs_handle handle_at(const table_view *t, uint32_t index)
{
    return handle_of(peek32(&slot_at(t, index)->generation), index);
}

int cs_agents_reap(cs_region *region, uint64_t older_than_ns, uint32_t dead)
{
    if (dead > 1)
        return CS_E_INVALID;
    int result = cs_sweep(region); /* what the dead held comes first; and it says whether this view may */
    if (result != CS_OK)
        return result;
    const view *v = view_of(region);
    const table_view *t = agents_of(v);
    uint64_t limit = csi_since(cs_port_now_ns(), older_than_ns); /* who was seen last before this is silent */
    int reaped = 0;
    for (uint32_t index = csi_table_used(t); index--;) {
        const struct agent *agent = agent_in(slot_at(t, index));
        cs_handle handle = handle_at(t, index); /* what is read here is this one's, or the handle is stale by then */
        uint32_t reason = load64(&agent->last_seen_ns) < limit ? CS_REASON_SILENT : CS_REASON_DEREGISTERED;
        if (dead > csi_alive_id(v, peek32(&agent->participant)))
            reason = CS_REASON_DEAD;
        if (reason != CS_REASON_DEREGISTERED)
            reaped += cs_agent_deregister(region, handle, reason) == CS_OK;
    }
    return reaped;
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

/* What both pictures of an agent begin with: its handle and two times; then four numbers from type on; and its id. */
__attribute__((noinline)) static void describe(const row *r, uint64_t *times, uint32_t *numbers, char *id)
{
    const struct agent *agent = r->payload;
    times[0] = r->change.subject;
    times[1] = WIDE(&agent->registered_ns);
    times[2] = WIDE(&agent->last_seen_ns);
    numbers[0] = agent_type(agent);
    numbers[1] = agent_status(WIDE(&agent->status.state));
    numbers[2] = peek32(&agent->participant) & CLAIM_OWNER;
    (void)csi_table_key(r->v, agents_of(r->v), r->change.subject, id, &numbers[3]);
}

int cs_agent_get(const cs_region *region, cs_handle handle, cs_agent_info *info, void *details, uint32_t capacity)
{
    row r;
    if (!info)
        return CS_E_INVALID;
    int result = csi_row(region, TABLE_AGENTS, handle, &r);
    if (result != CS_OK)
        return result;
    memset(info, 0, sizeof *info);
    describe(&r, &info->handle, &info->type, info->id);
    result = read_details(r.v, r.payload, info, details, capacity);
    let_go(r.held);
    return result;
}

int cs_agents_export(const cs_region *region, cs_agent_row *rows, uint32_t capacity, uint32_t *count)
{
    if (!region || !count || (!rows && capacity))
        return CS_E_INVALID;
    const table_view *t = agents_of(const_view_of(region));
    cs_agent_row *to = rows;
    uint32_t filled = 0;
    for (uint32_t index = 0, used = csi_table_used(t); index < used && filled < capacity; index++) {
        row r;
        if (csi_row(region, TABLE_AGENTS, handle_at(t, index), &r) != CS_OK) /* there is none */
            continue;
        describe(&r, &to->handle, &to->type, to->id);
        let_go(r.held);
        to++;
        filled++;
    }
    *count = filled;
    return CS_OK;
}
