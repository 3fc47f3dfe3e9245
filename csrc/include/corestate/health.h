/*
 * health.h: one call that says how things are.
 */
#ifndef CORESTATE_HEALTH_H
#define CORESTATE_HEALTH_H

#include "corestate/base.h"
#include "corestate/engine.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cs_verdict { CS_HEALTH_OK = 0, CS_HEALTH_DEGRADED = 1, CS_HEALTH_FAILED = 2 };

/* Why, as bits. The first three mean failed, the others degraded. */
enum cs_health_reason {
    CS_WHY_ENGINE_ERROR = 1,
    CS_WHY_GENOME_ERROR = 2,
    CS_WHY_CONNECTOME_ERROR = 4,
    CS_WHY_SERVICE_ERROR = 8,
    CS_WHY_SERVICE_DEGRADED = 16,
    CS_WHY_DEAD_PARTICIPANTS = 32,
    CS_WHY_DEAD_LOCKS = 64,
    CS_WHY_STALE_AGENTS = 128,
    CS_WHY_AGENTS_FULL = 256,
    CS_WHY_AREAS_FULL = 512,
    CS_WHY_COUNTERS_FULL = 1024,
    CS_WHY_GAUGES_FULL = 2048,
    CS_WHY_LOCKS_FULL = 4096,
    CS_WHY_FATIGUE = 8192,
    CS_WHY_PARTICIPANTS_FULL = 16384,
    CS_WHY_LINK_SILENT = 32768 /* a mirror: nothing heard of its source for two seconds */
};
/* The name of one reason, "engine_error" to "link_silent"; null when it is none. O(1). */
CS_API const char *cs_health_reason_name(uint32_t reason);

typedef struct cs_health {
    cs_engine_snapshot engine;
    uint64_t time_ns;
    uint64_t events_newest; /* sequence */
    uint64_t events_lost;   /* by all readers that can write, since the region was made */
    uint64_t events_holes;  /* the same */
    uint64_t link_age_ns;   /* of a mirror: since its source was last heard; 0 in every other region */
    uint32_t events_capacity;
    uint32_t events_depth; /* positions still readable */
    uint32_t verdict;      /* enum cs_verdict */
    uint32_t reasons;      /* enum cs_health_reason, or-ed */
    uint32_t participants_live, participants_dead, participants_capacity;
    uint32_t agents, agents_stale, agents_dead, agents_capacity;
    uint32_t areas, areas_capacity;
    uint32_t counters, counters_capacity;
    uint32_t gauges, gauges_capacity;
    uint32_t locks, locks_capacity;
    uint32_t locks_held, locks_dead; /* named and area locks together */
    uint32_t link_loss;              /* of a mirror: frames lost, of a million; 0 in every other region */
} cs_health;

/* Take stock. Agents not seen for stale_ns count as stale. Works read-only; changes nothing; never blocks.
 * Errors: INVALID.
 * O(agents + areas + locks + participants); one system call a participant. */
CS_API int cs_health_read(const cs_region *region, uint64_t stale_ns, cs_health *health);

#ifdef __cplusplus
}
#endif

#endif
