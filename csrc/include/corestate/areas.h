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

/* Open by name, creating it. Errors: INVALID, NAME, FULL, READ_ONLY, DETACHED, BUSY. O(length of the name) when it
 * is there, and takes no lock; creating may block behind another creator. */
CS_API int cs_area_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle);
/* The same without creating. Errors: INVALID, NAME, NOT_FOUND, BUSY. Lock-free. */
CS_API int cs_area_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle);

/* Remove. Errors: STALE, READ_ONLY, DETACHED, BUSY (its lock is held by somebody alive). May block behind another
 * who creates or removes an area. */
CS_API int cs_area_remove(cs_region *region, cs_handle handle);

/* Read one field. Errors: STALE, INVALID. Two loads. */
CS_API int cs_area_get(const cs_region *region, cs_handle handle, uint32_t field, uint64_t *value);

/* Set one field; publishes area_changed. Errors: STALE, INVALID, RANGE, READ_ONLY, DETACHED. The field is set in one
 * store; telling of it sleeps only where cs_event_publish does, and where that gives BUSY there is no event. */
CS_API int cs_area_set(cs_region *region, cs_handle handle, uint32_t field, uint64_t value);

/* Add n, which may be negative; never below zero or beyond what the field holds (CS_E_RANGE). Atomic; *value, if not
 * null, is the new value. Errors and event: as cs_area_set. */
CS_API int cs_area_add(cs_region *region, cs_handle handle, uint32_t field, int64_t n, uint64_t *value);

#ifdef __cplusplus
}
#endif

#endif
