#include "corestate/agents.h"

#include "agent_table.h"
#include "sweep.h"

/* -- status --------------------------------------------------------------------------------- */

/* What a status event says of its agent; name has 64 bytes. */
static lane_subject subject_of(const view *v, cs_handle handle, char *name)
{
    lane_subject subject = {
        .id = handle, .table = CS_SECTION_AGENTS, .kind = CS_KIND_AGENT_STATUS_CHANGED, .name = name};
    if (!csi_table_key(v, agents_of(v), handle, name, &subject.name_length))
        subject.name_length = 0;
    return subject;
}

/*
 * Take the lane of an agent that is and stays registered meanwhile: a removal takes it too. What a dead writer owes
 * is settled for whoever has the slot now, which need not be who the handle stood for.
 */
static int take_status(view *v, struct slot *slot, cs_handle handle, uint32_t owner)
{
    struct lane *lane = &agent_in(slot)->status;
    int result = csi_lane_take(v, lane, owner);
    if (result < 0)
        return result;
    if (result == CS_INHERITED) {
        char name[64];
        cs_handle present = (uint64_t)load32(&slot->generation) << 32 | (uint32_t)handle;
        lane_subject subject = subject_of(v, present, name);
        csi_lane_settle(v, lane, &subject);
    }
    if (!still(slot, handle)) {
        csi_lane_release(lane, owner);
        return CS_E_STALE;
    }
    return CS_OK;
}

int cs_agent_set_status(cs_region *region, cs_handle handle, uint32_t status, uint32_t *changed)
{
    view *v = view_of(region);
    uint32_t owner;
    if (changed)
        *changed = 0;
    if (status >= CS_AGENT_STATUSES)
        return CS_E_INVALID;
    struct slot *slot = slot_of(agents_of(v), handle);
    if (!slot)
        return CS_E_STALE;
    int result = writer_of(v, &owner);
    if (result == CS_OK)
        result = take_status(v, slot, handle, owner);
    if (result != CS_OK)
        return result;
    struct lane *lane = &agent_in(slot)->status;
    uint32_t now = agent_status(peek64(&lane->state));
    if (now != status && !cs_agent_may(now, status)) {
        result = CS_E_TRANSITION;
    } else if (now != status) {
        char name[64];
        lane_subject subject = subject_of(v, handle, name);
        result = csi_lane_change(v, lane, status, &subject);
        if (changed)
            *changed = result == CS_OK;
    }
    csi_lane_release(lane, owner);
    return result;
}

/* -- coming and going ----------------------------------------------------------------------- */

static int check_details(const view *v, const cs_details *d)
{
    uint64_t total = (uint64_t)d->capabilities_length + d->transport_length + d->metadata_length;
    if ((d->capabilities_length && !d->capabilities) || (d->transport_length && !d->transport) ||
        (d->metadata_length && !d->metadata))
        return CS_E_INVALID;
    return total <= v->details_bytes ? CS_OK : CS_E_TOO_BIG;
}

struct registration {
    const cs_details *details;
    uint32_t type;
};

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    const struct registration *registration = context;
    struct agent *agent = agent_in(slot);
    uint64_t now = cs_port_now_ns();
    (void)handle;
    poke64(&agent->registered_ns, now);
    poke64(&agent->last_seen_ns, now);
    poke64(&agent->status.state, CS_AGENT_STARTING);
    poke32(&agent->status.promised, 0);
    poke32(&agent->type, registration->type);
    poke32(&agent->participant, peek32(&v->id));
    if (!v->details_bytes)
        return CS_OK;
    record r = details_of(v, index);
    return csi_record_write(v, &r, registration->details, slot, 0);
}

int cs_agent_register(cs_region *region, const char *id, uint32_t length, uint32_t type, const cs_details *details,
                      cs_handle *handle)
{
    static const cs_details none;
    if (!region || !handle || type >= CS_AGENT_TYPES)
        return CS_E_INVALID;
    view *v = view_of(region);
    struct registration registration = {details ? details : &none, type};
    int result = csi_name(v, id, &length);
    if (result == CS_OK)
        result = check_details(v, registration.details);
    if (result != CS_OK)
        return result;
    const table_hooks hooks = {.fill = fill, .context = &registration};
    return csi_table_insert(v, TABLE_AGENTS, id, length, &hooks, handle);
}

/* Under the table's claim. Held until csi_table_announce, so that no status changes while the agent goes. */
static int seize(view *v, struct slot *slot)
{
    cs_handle handle = (uint64_t)peek32(&slot->generation) << 32 |
                       (uint32_t)((size_t)((unsigned char *)slot - agents_of(v)->slots) / agents_of(v)->stride);
    return take_status(v, slot, handle, peek32(&v->owner));
}

int cs_agent_deregister(cs_region *region, cs_handle handle, uint32_t reason)
{
    if (!region || reason > CS_REASON_DEAD)
        return CS_E_INVALID;
    return csi_table_remove(view_of(region), TABLE_AGENTS, handle, reason, seize);
}

int cs_agents_reap(cs_region *region, uint64_t older_than_ns, uint32_t dead)
{
    if (!region || dead > 1)
        return CS_E_INVALID;
    view *v = view_of(region);
    const table_view *t = agents_of(v);
    int result = may_write(v), reaped = 0;
    uint64_t now = cs_port_now_ns();
    for (uint32_t index = 0, used = csi_table_used(t); result == CS_OK && index < used; index++) {
        struct slot *slot = slot_at(t, index);
        uint32_t generation = load32(&slot->generation);
        if (!(generation & 1u))
            continue;
        struct agent *agent = agent_in(slot);
        uint64_t seen = peek64(&agent->last_seen_ns);
        bool silent = older_than_ns != CS_FOREVER && seen < now && now - seen > older_than_ns;
        bool killed = dead && !csi_alive_id(v, peek32(&agent->participant));
        if (!silent && !killed)
            continue;
        result =
            cs_agent_deregister(region, (uint64_t)generation << 32 | index, killed ? CS_REASON_DEAD : CS_REASON_SILENT);
        reaped += result == CS_OK;
        if (result == CS_E_STALE) /* somebody else was quicker */
            result = CS_OK;
    }
    return result == CS_OK ? reaped : result;
}

bool csi_agents_sweep(view *v, uint32_t seat)
{
    const table_view *t = agents_of(v);
    bool settled = true;
    for (uint32_t index = 0, used = csi_table_used(t); index < used; index++) {
        struct slot *slot = slot_at(t, index);
        struct lane *lane = &agent_in(slot)->status;
        record r = details_of(v, index);
        csi_record_sweep(v, &r, seat);
        uint32_t generation = load32(&slot->generation), owner;
        if (!to_be_settled(v, load32(&lane->claim), seat, &settled) || writer_of(v, &owner) != CS_OK)
            continue;
        int result = take_status(v, slot, (uint64_t)generation << 32 | index, owner);
        if (result == CS_OK)
            csi_lane_release(lane, owner);
        settled &= result == CS_OK || result == CS_E_STALE;
    }
    return settled;
}

/* -- reading -------------------------------------------------------------------------------- */

int cs_agent_find(const cs_region *region, const char *id, uint32_t length, cs_handle *handle)
{
    return csi_find(region, id, length, handle, TABLE_AGENTS);
}

static int read_once(const view *v, struct slot *slot, cs_handle handle, cs_agent_info *info, void *details,
                     uint32_t capacity)
{
    const struct agent *agent = agent_in(slot);
    uint16_t lengths[4] = {0};
    uint32_t begun = instant_begin(v);
    uint64_t state = load64(&agent->status.state), seen = load64(&agent->last_seen_ns), version = 0;
    int result = CS_OK;
    if (v->details_bytes) {
        record r = details_of(v, (uint32_t)handle);
        result = csi_record_read(&r, lengths, details, capacity, &version);
    }
    info->handle = handle; /* field by field, since the id is written as a whole below */
    info->registered_ns = peek64(&agent->registered_ns);
    info->last_seen_ns = seen;
    info->changes = lane_changes(state);
    info->details_version = version;
    info->type = agent_type(agent);
    info->status = agent_status(state);
    info->participant = peek32(&agent->participant) & CLAIM_OWNER;
    info->capabilities_length = lengths[0];
    info->transport_length = lengths[1];
    info->metadata_length = lengths[2];
    info->reserved = 0;
    if (!csi_table_key(v, agents_of(v), handle, info->id, &info->id_length))
        return CS_E_STALE;
    /* Nothing moved while all of it was read, so all of it was true when the details were found unchanged. */
    fence_acquire();
    bool stood =
        peek64(&agent->status.state) == state && peek64(&agent->last_seen_ns) == seen && instant_stood(v, begun);
    if (!still(slot, handle))
        return CS_E_STALE;
    return result == CS_OK && !stood ? CS_E_BUSY : result;
}

int cs_agent_get(const cs_region *region, cs_handle handle, cs_agent_info *info, void *details, uint32_t capacity)
{
    if (!region || !info)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    struct slot *slot = slot_of(agents_of(v), handle);
    int result = slot ? CS_E_BUSY : CS_E_STALE;
    for (int round = 0; result == CS_E_BUSY && round < 64; round++)
        result = read_once(v, slot, handle, info, details, capacity);
    return result;
}

int cs_agent_set_details(cs_region *region, cs_handle handle, const cs_details *details)
{
    if (!region || !details)
        return CS_E_INVALID;
    view *v = view_of(region);
    struct slot *slot = slot_of(agents_of(v), handle);
    int result = slot ? check_details(v, details) : CS_E_STALE;
    if (result != CS_OK)
        return result;
    if (v->details_bytes) {
        record r = details_of(v, (uint32_t)handle);
        result = csi_record_write(v, &r, details, slot, handle);
    } else {
        result = may_write(v);
    }
    if (result == CS_OK)
        touch(v);
    return result;
}

int cs_agent_heartbeat(cs_region *region, cs_handle handle)
{
    view *v = view_of(region);
    struct slot *slot = slot_of(agents_of(v), handle);
    if (!slot)
        return CS_E_STALE;
    int result = may_write(v);
    if (result == CS_OK)
        store64(&agent_in(slot)->last_seen_ns, cs_port_coarse_ns());
    return result;
}

int cs_agents_export(const cs_region *region, cs_agent_row *rows, uint32_t capacity, uint32_t *count)
{
    if (!region || !count || (!rows && capacity))
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    const table_view *t = agents_of(v);
    uint32_t filled = 0;
    for (uint32_t index = 0, used = csi_table_used(t); index < used && filled < capacity; index++) {
        struct slot *slot = slot_at(t, index);
        uint32_t generation = load32(&slot->generation);
        const struct agent *agent = agent_in(slot);
        cs_agent_row *row = &rows[filled];
        if (!(generation & 1u))
            continue;
        row->handle = (uint64_t)generation << 32 | index;
        row->registered_ns = peek64(&agent->registered_ns);
        row->last_seen_ns = peek64(&agent->last_seen_ns);
        row->type = agent_type(agent);
        row->status = agent_status(peek64(&agent->status.state));
        row->participant = peek32(&agent->participant) & CLAIM_OWNER;
        filled += csi_table_key(v, t, row->handle, row->id, &row->id_length); /* checks the generation last */
    }
    *count = filled;
    return CS_OK;
}
