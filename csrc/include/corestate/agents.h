/*
 * agents.h: the registry of workers, local or remote.
 */
#ifndef CORESTATE_AGENTS_H
#define CORESTATE_AGENTS_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cs_agent_type {
    CS_AGENT_SENSORY = 0,
    CS_AGENT_MOTOR = 1,
    CS_AGENT_BOTH = 2,
    CS_AGENT_VISUALIZATION = 3,
    CS_AGENT_INFRASTRUCTURE = 4,
    CS_AGENT_TYPES = 5
};

/* The lifecycle. failed and cancelled are final; stopped or completed to running is a restart. */
enum cs_agent_status {
    CS_AGENT_STARTING = 0,
    CS_AGENT_RUNNING = 1,
    CS_AGENT_PAUSED = 2,
    CS_AGENT_WAITING = 3,
    CS_AGENT_SUSPENDED = 4,
    CS_AGENT_STOPPED = 5,
    CS_AGENT_COMPLETED = 6,
    CS_AGENT_FAILED = 7,
    CS_AGENT_CANCELLED = 8,
    CS_AGENT_STATUSES = 9
};

/* Why an agent left: in the agent_deregistered event. */
enum cs_agent_reason { CS_REASON_DEREGISTERED = 0, CS_REASON_SILENT = 1, CS_REASON_DEAD = 2 };

/* An agent's details: three byte strings (MessagePack by convention) that change as a whole. */
typedef struct cs_details {
    const void *capabilities;
    const void *transport;
    const void *metadata;
    uint32_t capabilities_length;
    uint32_t transport_length;
    uint32_t metadata_length;
} cs_details;

/* A frozen picture of an agent, true at one instant. */
typedef struct cs_agent_info {
    cs_handle handle;
    uint64_t registered_ns; /* since the epoch */
    uint64_t last_seen_ns;  /* since the epoch, of the coarse clock */
    uint64_t changes;       /* how often its status has changed */
    uint64_t details_version;
    uint32_t type;        /* enum cs_agent_type */
    uint32_t status;      /* enum cs_agent_status */
    uint32_t participant; /* id of the process that registered it */
    uint32_t id_length;
    uint32_t capabilities_length;
    uint32_t transport_length;
    uint32_t metadata_length;
    uint32_t reserved;
    char id[64]; /* NUL-terminated */
} cs_agent_info;

/*
 * Register. details may be null. Publishes agent_registered, in the same step: when this process
 * dies in between, whoever comes next publishes it or the registration never was.
 * Errors: NAME, INVALID (type), EXISTS, FULL, TOO_BIG (details), READ_ONLY, DETACHED, BUSY.
 * O(length of the id). Blocks only behind others who register or deregister, and where cs_event_publish sleeps.
 */
CS_API int cs_agent_register(cs_region *region, const char *id, uint32_t length, uint32_t type,
                             const cs_details *details, cs_handle *handle);

/* Deregister; publishes agent_deregistered with the reason. Errors: INVALID (reason), STALE, READ_ONLY, DETACHED, BUSY.
 * O(agents whose ids share a hash chain). Blocks as cs_agent_register does. */
CS_API int cs_agent_deregister(cs_region *region, cs_handle handle, uint32_t reason);

/* Find by id. Errors: NAME, NOT_FOUND, BUSY (the registry never stood still). Lock-free. */
CS_API int cs_agent_find(const cs_region *region, const char *id, uint32_t length, cs_handle *handle);

/*
 * Read an agent. details (capacity bytes, may be null) receives capabilities, transport and metadata
 * one after the other. Errors: STALE, TOO_BIG (capacity), BUSY (its writer never paused), CORRUPT (lengths
 * that no writer of ours wrote). Other than elsewhere, info and details may have been written to then. Lock-free.
 */
CS_API int cs_agent_get(const cs_region *region, cs_handle handle, cs_agent_info *info, void *details,
                        uint32_t capacity);

/* Replace the details as a whole. Errors: INVALID, STALE, TOO_BIG, READ_ONLY, DETACHED, BUSY (a living writer of the
 * same details has been stopped for a second). O(size). Blocks only behind another writer of the same details. */
CS_API int cs_agent_set_details(cs_region *region, cs_handle handle, const cs_details *details);

/* A sign of life: last_seen becomes now. Not a change: version stands. Errors: STALE, READ_ONLY, DETACHED. Two loads and
 * a store. */
CS_API int cs_agent_heartbeat(cs_region *region, cs_handle handle);

/*
 * Change the status along the lifecycle; publishes agent_status_changed, which is never missing.
 * *changed, if not null, is 0 when it had that status already (no change, no event).
 * Errors: STALE, INVALID, TRANSITION, READ_ONLY, DETACHED, BUSY. About 100 ns. Blocks only behind another who changes
 * the same agent's status, and where cs_event_publish sleeps.
 */
CS_API int cs_agent_set_status(cs_region *region, cs_handle handle, uint32_t status, uint32_t *changed);

/* 1 when the lifecycle allows it, else 0. */
CS_API int cs_agent_may(uint32_t from, uint32_t to);

/*
 * Deregister every agent not seen for older_than_ns (CS_FOREVER: none for silence), and, where dead
 * is 1, every agent whose registering process was killed. Returns how many, or an error. O(agents).
 */
CS_API int cs_agents_reap(cs_region *region, uint64_t older_than_ns, uint32_t dead);

/* One row of cs_agents_export. */
typedef struct cs_agent_row {
    cs_handle handle;
    uint64_t registered_ns;
    uint64_t last_seen_ns;
    uint32_t type;
    uint32_t status;
    uint32_t participant;
    uint32_t id_length;
    char id[64];
} cs_agent_row;

/* Copy up to capacity live agents into rows, each whole; *count is how many. O(slots ever used). */
CS_API int cs_agents_export(const cs_region *region, cs_agent_row *rows, uint32_t capacity, uint32_t *count);

#ifdef __cplusplus
}
#endif

#endif
