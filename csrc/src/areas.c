#include "corestate/areas.h"

#include "lock.h"
#include "number.h"
#include "ring.h"
#include "table.h"

static const char *const names[CS_AREA_FIELDS] = {"neuron_count", "incoming_synapse_count", "outgoing_synapse_count",
                                                  "fcl_window"};

const char *cs_area_field_name(uint32_t field) { return field < CS_AREA_FIELDS ? names[field] : 0; }

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct area *area = payload_of(slot);
    (void)index, (void)handle, (void)context;
    for (int i = 0; i < 3; i++)
        poke64(&area->counts[i], 0);
    poke32(&area->lock.other, v->fcl_window);
    csi_lock_reset(v, &area->lock);
    return CS_OK;
}

int cs_area_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    static const table_hooks hooks = {.fill = fill};
    return csi_open(region, name, length, handle, TABLE_AREAS, &hooks);
}

int cs_area_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, TABLE_AREAS);
}

static int may_remove(view *v, struct slot *slot) { return csi_lock_seize(v, &v->tables[TABLE_AREAS], slot); }

int cs_area_remove(cs_region *region, cs_handle handle)
{
    return csi_table_remove(view_of(region), TABLE_AREAS, handle, 0, may_remove);
}

int cs_area_get(const cs_region *region, cs_handle handle, uint32_t field, uint64_t *value)
{
    const view *v = const_view_of(region);
    if (field >= CS_AREA_FIELDS || !value)
        return CS_E_INVALID;
    struct slot *slot = slot_of(&v->tables[TABLE_AREAS], handle);
    if (!slot)
        return CS_E_STALE;
    const struct area *area = payload_of(slot);
    *value = field == CS_AREA_FCL_WINDOW ? load32(&area->lock.other) : load64(&area->counts[field]);
    return still(slot, handle) ? CS_OK : CS_E_STALE;
}

static void tell(view *v, cs_handle handle, uint32_t field)
{
    cs_change change = {.subject = handle, .old_value = field, .table = CS_SECTION_AREAS};
    char name[64];
    uint32_t length = 0;
    touch(v);
    (void)csi_table_key(v, &v->tables[TABLE_AREAS], handle, name, &length);
    (void)csi_publish_change(v, CS_KIND_AREA_CHANGED, &change, name, length);
}

static int find_area(view *v, cs_handle handle, uint32_t field, struct slot **slot)
{
    if (field >= CS_AREA_FIELDS)
        return CS_E_INVALID;
    int result = may_write(v);
    *slot = slot_of(&v->tables[TABLE_AREAS], handle);
    return *slot ? result : CS_E_STALE;
}

int cs_area_set(cs_region *region, cs_handle handle, uint32_t field, uint64_t value)
{
    view *v = view_of(region);
    struct slot *slot;
    int result = find_area(v, handle, field, &slot);
    if (result != CS_OK)
        return result;
    struct area *area = payload_of(slot);
    if (field == CS_AREA_FCL_WINDOW) {
        if (value > 0xFFFFFFFFu)
            return CS_E_RANGE;
        store32(&area->lock.other, (uint32_t)value);
    } else {
        store64(&area->counts[field], value);
    }
    if (!still(slot, handle))
        return CS_E_STALE;
    tell(v, handle, field);
    return CS_OK;
}

static int add_window(a32 *window, int64_t n, uint64_t *value)
{
    uint32_t now = peek32(window);
    int64_t sum;
    do {
        if (n > 0xFFFFFFFFll || n < -0xFFFFFFFFll)
            return CS_E_RANGE;
        sum = (int64_t)now + n;
        if (sum < 0 || sum > 0xFFFFFFFFll)
            return CS_E_RANGE;
    } while (!cas32(window, &now, (uint32_t)sum));
    if (value)
        *value = (uint64_t)sum;
    return CS_OK;
}

int cs_area_add(cs_region *region, cs_handle handle, uint32_t field, int64_t n, uint64_t *value)
{
    view *v = view_of(region);
    struct slot *slot;
    int result = find_area(v, handle, field, &slot);
    if (result != CS_OK)
        return result;
    struct area *area = payload_of(slot);
    result =
        field == CS_AREA_FCL_WINDOW ? add_window(&area->lock.other, n, value) : csi_add(&area->counts[field], n, value);
    if (result != CS_OK)
        return result;
    if (!still(slot, handle))
        return CS_E_STALE;
    tell(v, handle, field);
    return CS_OK;
}
