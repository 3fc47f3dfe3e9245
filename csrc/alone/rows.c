#include "rows.h"

int csi_row(const cs_region *region, uint32_t table, cs_handle handle, row *r)
{
    r->v = view_of((cs_region *)(uintptr_t)region); /* whoever writes came with one that is not const */
    r->table = &r->v->tables[table];
    r->handle = handle;
    r->held = hold();
    struct slot *slot = slot_of(r->table, handle);
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

void csi_row_changed(const row *r, uint32_t kind, uint32_t old_value, uint32_t new_value)
{
    const cs_change change = {
        .subject = r->handle, .old_value = old_value, .new_value = new_value, .table = r->table->section};
    touch(r->v);
    csi_tell(r->v, kind, &change);
    let_go_told(r->v, r->held);
}
