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

_Static_assert(TABLES < TO_WRITE, "beside them");

int csi_row_of(row *r, uint32_t table, cs_handle handle)
{
    if (!r->v)
        return CS_E_INVALID;
    int result = table & TO_WRITE ? may_write(r->v) : CS_OK;
    if (result != CS_OK)
        return result;
    const table_view *t = r->t = &r->v->tables[table % TO_WRITE];
    r->change.subject = handle;
    r->change.change = 0;
    r->change.table = t->section;
    r->held = hold();
    struct slot *slot = slot_of(t, handle);
    if (slot) {
        r->payload = payload_of(slot);
        return CS_OK;
    }
    let_go(r->held);
    return CS_E_STALE;
}

void csi_row_changed(row *r, uint32_t kind, uint32_t old_value, uint32_t new_value)
{
    r->change.old_value = old_value;
    r->change.new_value = new_value;
    touch(r->v);
    csi_tell_of(r->v, r->t, kind, &r->change);
    let_go_told(r->v, r->held);
}
