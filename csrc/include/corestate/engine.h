/*
 * engine.h: the burst engine's core state.
 *
 * States change one at a time under an event each; numbers are plain cells: one atomic load or
 * store, no notification. Every change adds one to CS_VERSION and sets CS_LAST_MODIFIED.
 */
#ifndef CORESTATE_ENGINE_H
#define CORESTATE_ENGINE_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cs_burst_engine_state {
    CS_BURST_UNAVAILABLE = 0,
    CS_BURST_INITIALIZING = 1,
    CS_BURST_READY = 2,
    CS_BURST_RUNNING = 3,
    CS_BURST_PAUSED = 4,
    CS_BURST_ERROR = 5,
    CS_BURST_LIGHT_SLEEP = 6,
    CS_BURST_DEEP_SLEEP = 7
};
enum cs_genome_state {
    CS_GENOME_MISSING = 0,
    CS_GENOME_LOADING = 1,
    CS_GENOME_LOADED = 2,
    CS_GENOME_SAVING = 3,
    CS_GENOME_ERROR = 4
};
enum cs_connectome_state {
    CS_CONNECTOME_MISSING = 0,
    CS_CONNECTOME_INITIALIZING = 1,
    CS_CONNECTOME_UPDATING = 2,
    CS_CONNECTOME_READY = 3,
    CS_CONNECTOME_SNAPSHOTTING = 4,
    CS_CONNECTOME_ERROR = 5
};
enum cs_service_state {
    CS_SERVICE_UNAVAILABLE = 0,
    CS_SERVICE_INITIALIZING = 1,
    CS_SERVICE_READY = 2,
    CS_SERVICE_DEGRADED = 3,
    CS_SERVICE_ERROR = 4
};

/* Which state. */
enum cs_engine_state {
    CS_STATE_BURST = 0,       /* enum cs_burst_engine_state */
    CS_STATE_GENOME = 1,      /* enum cs_genome_state */
    CS_STATE_CONNECTOME = 2,  /* enum cs_connectome_state */
    CS_STATE_BRAIN_READY = 3, /* 0 or 1 */
    CS_STATE_FQ_SAMPLER = 4,  /* enum cs_service_state, as are the next two */
    CS_STATE_API = 5,
    CS_STATE_ZMQ = 6,
    CS_STATES = 7
};

/* Which number. u64 unless f64 is said. */
enum cs_engine_field {
    CS_AGENT_COUNT = 0, /* the registry writes it at each register and deregister */
    CS_BURST_COUNT = 1,
    CS_BURST_FREQUENCY = 2, /* f64, Hz, not negative */
    CS_NEURON_COUNT = 3,
    CS_SYNAPSE_COUNT = 4,
    CS_CORTICAL_AREA_COUNT = 5,
    CS_MEMORY_USAGE = 6,     /* bytes */
    CS_GENOME_TIMESTAMP = 7, /* ns since the epoch */
    CS_FATIGUE_INDEX = 8,    /* f64, 0 to 100, as are the next three */
    CS_REGULAR_NEURON_UTIL = 9,
    CS_MEMORY_NEURON_UTIL = 10,
    CS_SYNAPSE_UTIL = 11,
    CS_FATIGUE_ACTIVE = 12, /* 0 or 1 */
    /* Change hashes, 64 bits each, set by their owners so that a client sees what to fetch again. */
    CS_HASH_BRAIN_REGIONS = 16,
    CS_HASH_CORTICAL_AREAS = 17,
    CS_HASH_BRAIN_GEOMETRY = 18,
    CS_HASH_MORPHOLOGIES = 19,
    CS_HASH_CORTICAL_MAPPINGS = 20,
    CS_HASH_CLASSIFIERS = 21,
    CS_HASH_AGENT_DATA = 22,
    CS_ENGINE_CELLS = 24,
    /* Kept by the core; they cannot be set. */
    CS_VERSION = 24,       /* one more for each change to the engine section, agents, areas or locks */
    CS_LAST_MODIFIED = 25, /* ns since the epoch, of the coarse clock */
    CS_ENGINE_FIELDS = 26
};

enum cs_field_type { CS_TYPE_NONE = 0, CS_TYPE_U64 = 1, CS_TYPE_F64 = 2, CS_TYPE_PERCENT = 3, CS_TYPE_BOOL = 4 };

/* Name ("neuron_count", "burst_state") and type of a field or state; null and NONE where there is none. O(1). */
CS_API const char *cs_engine_field_name(uint32_t field);
CS_API uint32_t cs_engine_field_type(uint32_t field);
CS_API const char *cs_engine_state_name(uint32_t state);
/* The largest value a state may take; 0 for an unknown state. O(1). */
CS_API uint32_t cs_engine_state_max(uint32_t state);

/* A state's value. One load (P1). An unknown number in the bytes, or an unknown state, reads as 0. */
CS_API uint32_t cs_engine_state(const cs_region *region, uint32_t state);

/*
 * Change a state. The change and its event are one: when this process dies in between, whoever
 * comes next publishes it. Setting the value it has is no change. Each change has its event, in order.
 * Errors: INVALID (unknown state or value), READ_ONLY, DETACHED, BUSY (a living writer of the same
 * state has been stopped for a second, or as cs_event_publish). Blocks only behind another writer of the same
 * state, and where cs_event_publish sleeps. About 100 ns.
 */
CS_API int cs_engine_set_state(cs_region *region, uint32_t state, uint32_t value);

/* A number. One load (P1); an unknown field reads as 0. */
CS_API uint64_t cs_engine_get(const cs_region *region, uint32_t field);
CS_API double cs_engine_get_f64(const cs_region *region, uint32_t field);

/* Set a number. Errors: INVALID (unknown field, wrong type), RANGE (a percentage outside 0 to 100, a
 * bool above 1, a negative frequency), NAN, READ_ONLY, DETACHED. Never blocks. About 10 ns. */
CS_API int cs_engine_set(cs_region *region, uint32_t field, uint64_t value);
CS_API int cs_engine_set_f64(cs_region *region, uint32_t field, double value);

/* Add n (which may be negative) to a u64 field; *value, if not null, is the new value. Atomic.
 * Errors: as cs_engine_set, RANGE when the result is below zero or beyond 64 bits. Lock-free. */
CS_API int cs_engine_add(cs_region *region, uint32_t field, int64_t n, uint64_t *value);

/* Where a field's cell is, for hot readers: 8-byte aligned, to be read by one atomic 64-bit load.
 * Null for an unknown field. The pointer is good until the memory is unmapped. */
CS_API const void *cs_engine_cell(const cs_region *region, uint32_t field);

/* The whole engine section at one instant. */
typedef struct cs_engine_snapshot {
    uint64_t cells[26];  /* by enum cs_engine_field */
    uint64_t changes[7]; /* how often each state has changed */
    uint32_t states[7];  /* by enum cs_engine_state */
    uint32_t quiet;      /* 1: all of this was true at one instant; 0: writers never paused */
} cs_engine_snapshot;

/* Copy until two copies in a row agree (at most 64 times). CS_OK also when quiet is 0. */
CS_API int cs_engine_read(const cs_region *region, cs_engine_snapshot *snapshot);

#ifdef __cplusplus
}
#endif

#endif
