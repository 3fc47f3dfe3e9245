/*
 * areas.h: cortical areas, by name or index. Created on first use.
 */
#ifndef CORESTATE_AREAS_H
#define CORESTATE_AREAS_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cs_area_field {
    CS_AREA_NEURON_COUNT = 0,
    CS_AREA_INCOMING_SYNAPSE_COUNT = 1,
    CS_AREA_OUTGOING_SYNAPSE_COUNT = 2,
    CS_AREA_FCL_WINDOW = 3, /* up to 2^32 - 1; a new area starts with the region's default */
    CS_AREA_FIELDS = 4
};

/* Name of a field ("neuron_count"); null where there is none. */
CS_API const char *cs_area_field_name(uint32_t field);

/* Open by name, creating it. Errors: NAME, FULL, READ_ONLY, DETACHED, BUSY. */
CS_API int cs_area_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle);
CS_API int cs_area_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle);

/* Remove. Errors: STALE, READ_ONLY, BUSY (its lock is held by somebody alive). */
CS_API int cs_area_remove(cs_region *region, cs_handle handle);

/* Read one field. Errors: STALE, INVALID. Two loads. */
CS_API int cs_area_get(const cs_region *region, cs_handle handle, uint32_t field, uint64_t *value);

/* Set one field; publishes area_changed. Errors: STALE, INVALID, RANGE, READ_ONLY. Never blocks. */
CS_API int cs_area_set(cs_region *region, cs_handle handle, uint32_t field, uint64_t value);

/* Add n, which may be negative; never below zero (CS_E_RANGE). Atomic, lock-free; publishes area_changed. */
CS_API int cs_area_add(cs_region *region, cs_handle handle, uint32_t field, int64_t n, uint64_t *value);

#ifdef __cplusplus
}
#endif

#endif
