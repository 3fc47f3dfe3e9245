/*
 * instance.h: what the wasm module exports beside the core and its port: a heap for its embedder's arguments and
 * results, numbers in the type JavaScript reads fastest, and snapshots without a callback.
 */
#ifndef CORESTATE_WASM_INSTANCE_H
#define CORESTATE_WASM_INSTANCE_H

#include "corestate/corestate.h"

/* Bytes of this instance's own, 16-byte aligned and zero; 0 when the memory cannot grow. O(1) and the size. */
CS_API void *cs_wasm_allocate(uint32_t bytes);
/* Give them back; null is nothing. O(1). */
CS_API void cs_wasm_free(void *bytes);

/* An engine cell of a whole number as f64, which JavaScript gets without making a BigInt: exact up to 2^53. One load. */
CS_API double cs_wasm_engine_number(const cs_region *region, uint32_t field);
/* A counter as f64, exact up to 2^53; -1 when the handle is stale. Handles come in halves: 64 bits would be a BigInt. */
CS_API double cs_wasm_counter_number(const cs_region *region, uint32_t slot, uint32_t generation);
/* A gauge; NaN, which no gauge holds, when the handle is stale. */
CS_API double cs_wasm_gauge_number(const cs_region *region, uint32_t slot, uint32_t generation);

/* cs_engine_add and cs_counter_add of a whole number up to 2^53: the new value, or the result code below zero. *value
 * has it exactly. */
CS_API double cs_wasm_engine_add(cs_region *region, uint32_t field, double n, uint64_t *value);
CS_API double cs_wasm_counter_add(cs_region *region, uint32_t slot, uint32_t generation, double n, uint64_t *value);

/*
 * Take a picture into memory of this instance: *bytes, to be freed with cs_wasm_free. Errors: as
 * cs_snapshot_write; TOO_BIG when the memory cannot grow.
 */
CS_API int cs_wasm_snapshot(const cs_region *region, void **bytes, uint32_t *length, cs_snapshot_info *info);

#endif
