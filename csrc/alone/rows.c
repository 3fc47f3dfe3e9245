#include "rows.h"

int may_write(const view *v)
{
    uint32_t owner;
    return writer_of(v, &owner);
}

struct slot *slot_of(const table_view *t, cs_handle handle)
{
    uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);
    if (index >= t->count || !(generation & 1u))
        return 0;
    struct slot *slot = slot_at(t, index);
    return peek32(&slot->generation) == generation ? slot : 0;
}

int csi_row(const cs_region *region, uint32_t table, cs_handle handle, row *r)
{
    view *v = view_of((cs_region *)(uintptr_t)region); /* whoever writes came with one that is not const */
    const table_view *t = &v->tables[table];
    r->v = v;
    r->change.subject = handle;
    r->change.change = 0;
    r->change.table = t->section;
    r->held = hold();
    struct slot *slot = slot_of(t, handle);
    if (!slot) {
        let_go(r->held);
        return CS_E_STALE;
    }
    r->payload = payload_of(slot);
    return CS_OK;
}

int csi_row_to_write(const cs_region *region, uint32_t table, cs_handle handle, row *r)
{
    int result = may_write(const_view_of(region));
    return result == CS_OK ? csi_row(region, table, handle, r) : result;
}

void csi_row_changed(row *r, uint32_t kind, uint32_t old_value, uint32_t new_value)
{
    r->change.old_value = old_value;
    r->change.new_value = new_value;
    touch(r->v);
    csi_tell_of(r->v, kind, &r->change);
    let_go_told(r->v, r->held);
}
