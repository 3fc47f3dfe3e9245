#include "corestate/areas.h"

#include "lock.h"
#include "rows.h"

const char *cs_area_field_name(uint32_t field)
{
    static const char names[] = "neuron_count\0incoming_synapse_count\0outgoing_synapse_count\0fcl_window";
    return field < CS_AREA_FIELDS ? csi_word(names, field) : 0;
}

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct area *area = payload_of(slot);
    (void)index, (void)handle, (void)context;
    memset(area, 0, sizeof *area);
    poke32(&area->lock.other, v->fcl_window);
    touch(v);
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

static int may_remove(view *v, struct slot *slot)
{
    return csi_lock_may_go(v, &((struct area *)payload_of(slot))->lock);
}

int cs_area_remove(cs_region *region, cs_handle handle)
{
    return csi_table_remove(view_of(region), TABLE_AREAS, handle, 0, may_remove);
}

enum operation { GET, SET, ADD };

/* A field's two words: the window has but the low one, and behind it is the lock's. */
_Static_assert(offsetof(struct area, lock.other) == CS_AREA_FCL_WINDOW * sizeof(a64), "behind the three counts");

/* *number is what to set or to add, and becomes what the field is. */
static int operate(const cs_region *region, enum operation operation, cs_handle handle, uint32_t field,
                   uint64_t *number)
{
    row r;
    if (field >= CS_AREA_FIELDS || !number)
        return CS_E_INVALID;
    int result = csi_row(region, operation == GET ? TABLE_AREAS : TABLE_AREAS | TO_WRITE, handle, &r);
    if (result != CS_OK)
        return result;
    a32 *words = (a32 *)r.payload + (size_t)2 * field;
    bool wide = field != CS_AREA_FCL_WINDOW, passed = false;
    uint64_t now = peek32(words), n = *number;
    if (wide)
        now |= (uint64_t)peek32(words + 1) << 32;
    if (operation == ADD) {
        n += now;
        passed = (n < now) != ((int64_t)*number < 0);
    }
    if (operation == GET) {
        *number = now;
    } else if (passed || (!wide && n >> 32)) {
        result = CS_E_RANGE;
    } else {
        *number = n;
        poke32(words, (uint32_t)n);
        if (wide)
            poke32(words + 1, (uint32_t)(n >> 32));
        csi_row_changed(&r, CS_KIND_AREA_CHANGED, field, 0);
        return CS_OK;
    }
    let_go(r.held);
    return result;
}

int cs_area_get(const cs_region *region, cs_handle handle, uint32_t field, uint64_t *value)
{
    return operate(region, GET, handle, field, value);
}

int cs_area_set(cs_region *region, cs_handle handle, uint32_t field, uint64_t value)
{
    return operate(region, SET, handle, field, &value);
}

int cs_area_add(cs_region *region, cs_handle handle, uint32_t field, int64_t n, uint64_t *value)
{
    uint64_t sum = (uint64_t)n;
    int result = operate(region, ADD, handle, field, &sum);
    if (result == CS_OK && value)
        *value = sum;
    return result;
}
