/* Every named thing, by its table: for lists and tools. */
#include "table.h"

/* Null where there is no such table, no region, or nowhere to answer. */
static const table_view *table_of(const cs_region *region, uint32_t table, const void *answer)
{
    return region && answer ? csi_table(const_view_of(region), table) : 0;
}

int cs_names_count(const cs_region *region, uint32_t table, uint32_t *count)
{
    const table_view *t = table_of(region, table, count);
    if (!t)
        return CS_E_INVALID;
    uint32_t n = t->count ? load32(&t->head->count) : 0;
    *count = n < t->count ? n : t->count;
    return CS_OK;
}

int cs_names_change(const cs_region *region, uint32_t table, uint32_t *change)
{
    const table_view *t = table_of(region, table, change);
    if (!t)
        return CS_E_INVALID;
    *change = t->count ? load32(&t->head->change) >> 1 : 0;
    return CS_OK;
}

uint32_t csi_table_used(const table_view *t)
{
    uint32_t used = t->count ? load32(&t->head->fresh) : 0;
    return used < t->count ? used : t->count;
}

int cs_names_next(const cs_region *region, uint32_t table, uint32_t *cursor, cs_handle *handle, char name[64],
                  uint32_t *length)
{
    const table_view *t = table_of(region, table, cursor);
    if (!t || !handle || !name || !length)
        return CS_E_INVALID;
    for (uint32_t used = csi_table_used(t); *cursor < used;) {
        uint32_t index = (*cursor)++;
        uint32_t generation = load32(&slot_at(t, index)->generation);
        *handle = handle_of(generation, index);
        if ((generation & 1u) && csi_table_key(const_view_of(region), t, *handle, name, length))
            return CS_OK;
    }
    return CS_E_NOT_FOUND;
}

int cs_names_get(const cs_region *region, uint32_t table, cs_handle handle, char name[64], uint32_t *length)
{
    const table_view *t = table_of(region, table, name);
    if (!t || !length)
        return CS_E_INVALID;
    return csi_table_key(const_view_of(region), t, handle, name, length) ? CS_OK : CS_E_STALE;
}

int cs_names_at(const cs_region *region, uint32_t table, uint32_t index, cs_handle *handle)
{
    const table_view *t = table_of(region, table, handle);
    if (!t)
        return CS_E_INVALID;
    uint32_t generation = index < t->count ? load32(&slot_at(t, index)->generation) : 0;
    *handle = handle_of(generation, index);
    return generation & 1u ? CS_OK : CS_E_NOT_FOUND;
}

/* The same for a table of numbers. */
static const table_view *numbers_of(const cs_region *region, uint32_t table, const void *answer)
{
    return table == CS_SECTION_COUNTERS || table == CS_SECTION_GAUGES ? table_of(region, table, answer) : 0;
}

int cs_names_column(const cs_region *region, uint32_t table, cs_column *column)
{
    const table_view *t = numbers_of(region, table, column);
    if (!t)
        return CS_E_INVALID;
    struct slot *first = (struct slot *)(void *)t->slots; /* null where there are none */
    column->generation = first;
    column->value = first ? payload_of(first) : 0;
    column->stride = t->stride;
    column->used = csi_table_used(t);
    column->capacity = t->count;
    return CS_OK;
}

int cs_hot_cell_of(const cs_region *region, uint32_t table, cs_handle handle, cs_hot_cell *cell)
{
    const table_view *t = numbers_of(region, table, cell);
    if (!t)
        return CS_E_INVALID;
    struct slot *slot = slot_of(t, handle);
    if (!slot)
        return CS_E_STALE;
    *cell = (cs_hot_cell){.generation = &slot->generation, .value = payload_of(slot)};
    return CS_OK;
}
