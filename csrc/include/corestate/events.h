/*
 * events.h: the broadcast log. Many producers, any number of readers, one total order.
 *
 * Readers keep their own cursors, so a read-only mapping can subscribe and nobody is slowed by a slow
 * reader. A reader that is overrun is told exactly how many events it lost and where. A producer that
 * dies before committing leaves a hole, counted apart. A producer that is stopped alive is passed over
 * (a hole) and publishes anew, at a later sequence, when it wakes.
 */
#ifndef CORESTATE_EVENTS_H
#define CORESTATE_EVENTS_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds the core publishes, and those of what is kept beside a region. User-defined kinds are CS_KIND_USER and up,
 * interned by name. */
enum cs_kind {
    CS_KIND_BURST_ENGINE_STATE_CHANGED = 1, /* cs_change */
    CS_KIND_GENOME_STATE_CHANGED = 2,       /* cs_change */
    CS_KIND_CONNECTOME_STATE_CHANGED = 3,   /* cs_change */
    CS_KIND_SERVICE_STATE_CHANGED = 4,      /* cs_change; subject is enum cs_engine_state */
    CS_KIND_BRAIN_READY_CHANGED = 5,        /* cs_change */
    CS_KIND_AGENT_REGISTERED = 6,           /* cs_change (new: type), then the id */
    CS_KIND_AGENT_DEREGISTERED = 7,         /* cs_change (old: type, new: reason), then the id */
    CS_KIND_AGENT_STATUS_CHANGED = 8,       /* cs_change, then the id */
    CS_KIND_LOCK_INHERITED = 9,             /* cs_change (old: the dead, new: the taker), then the name */
    CS_KIND_AREA_CHANGED = 10,              /* cs_change (old: enum cs_area_field), then the name */
    CS_KIND_BUDGET_WARNING = 11,            /* cs_change (new: percent spent), then the name */
    CS_KIND_STATE_CHANGED = 12,             /* from here on MessagePack: {"sequence": of the last change} */
    CS_KIND_TASK_CHANGED = 13,              /* {"id", "status"} */
    CS_KIND_LIMIT_EXCEEDED = 14,            /* {"refused": why} */
    CS_KIND_BUDGET_OVERRUN = 15,            /* {"name", "reserved", "amount"} */
    CS_KIND_USER = 16
};

/* What a built-in event carries; where a name follows, it is cut to what the region's event_bytes leave. */
typedef struct cs_change {
    uint64_t subject; /* the handle, or enum cs_engine_state */
    uint32_t old_value;
    uint32_t new_value;
    uint32_t change; /* which change of the subject this is (low 32 bits) */
    uint32_t table;  /* enum cs_section of the subject */
} cs_change;

enum cs_format { CS_FORMAT_NONE = 0, CS_FORMAT_BYTES = 1, CS_FORMAT_MSGPACK = 2, CS_FORMAT_CHANGE = 3 };
/* Beside a format, to cs_event_publish: where that would sleep it returns BUSY at once. */
#define CS_AT_ONCE 0x1000

/* An event, as read. Its data follows it in the row. */
typedef struct cs_event {
    uint64_t sequence; /* from 1, no gaps */
    uint64_t time_ns;  /* since the epoch */
    uint32_t kind;
    uint32_t source; /* participant id; 0 where unknown */
    uint32_t format; /* enum cs_format */
    uint32_t length; /* of the data */
} cs_event;

/* Intern a kind by name (built-in names give the built-in kinds). O(length of the name) when it is there, and takes no
 * lock; interning may block behind another process that does. Errors: INVALID, NAME, FULL, READ_ONLY, DETACHED, BUSY. */
CS_API int cs_kind_open(cs_region *region, const char *name, uint32_t length, uint32_t *kind);
/* Without creating. Errors: INVALID, NAME, NOT_FOUND, BUSY (kinds are interned without a pause). Lock-free. */
CS_API int cs_kind_find(const cs_region *region, const char *name, uint32_t length, uint32_t *kind);
/* The name of a kind. Errors: INVALID, NOT_FOUND. O(1); never blocks. */
CS_API int cs_kind_name(const cs_region *region, uint32_t kind, char name[64], uint32_t *length);

/*
 * Publish. *sequence, if not null, is the event's place in the order. When it returns the event is
 * readable by everybody. Errors: INVALID (kind not interned, or the core's own), TOO_BIG, READ_ONLY,
 * DETACHED, BUSY. No system call when nobody sleeps. About 50 ns.
 *
 * Lock-free, and does not wait for anybody, as long as one slot of the ring is not being written. When producers
 * that have begun and not finished hold every slot (a ring with no more slots than producers at work, or stopped
 * in the middle) it sleeps for 50 us at a time until one of them is done, and returns BUSY after 4,000 times, at
 * least 0.2 s; with CS_AT_ONCE, and in an interrupt, which must not sleep, at once. BUSY also when the ring's own words have been
 * scribbled on. With BUSY nothing is published. Whatever publishes an event of its own, as setting a state or
 * registering an agent does, may be held up in the same way.
 */
CS_API int cs_event_publish(cs_region *region, uint32_t kind, uint32_t format, const void *data, uint32_t length,
                            uint64_t *sequence);

/* The sequence of the newest position taken; 0 before the first. One load. */
CS_API uint64_t cs_event_newest(const cs_region *region);

/* A reader's place. Lives in the reader; one thread at a time. */
typedef struct cs_subscription {
    uint64_t next;      /* sequence wanted next */
    uint64_t lost;      /* events overwritten before they were read */
    uint64_t lost_from; /* the last loss: first and last sequence; 0 when none */
    uint64_t lost_to;
    uint64_t holes;        /* positions whose producer died or was passed over */
    uint64_t stalled_ns;   /* since when the next position has been waiting for its producer */
    const uint32_t *kinds; /* bit k of this bitmap: kind k is wanted; null: all */
    uint32_t kind_bits;    /* how many bits the bitmap has */
    uint32_t idle;         /* how often it was looked at and nothing was there; wraps */
} cs_subscription;

/* Start after sequence `since` (0: from the oldest still there; CS_FOREVER: from now on). A `since` that is not
 * there any more begins with a loss, one that is yet to come is from now on. Errors: INVALID. O(1); never blocks. */
CS_API int cs_subscribe(const cs_region *region, cs_subscription *subscription, uint64_t since);

/*
 * Take up to capacity events into rows: a cs_event, then its data padded with zeros to row_bytes
 * (at least 32 + config.event_bytes). *count is how many; 0 when there are none now. Never blocks,
 * bounded by capacity and the ring's size. A loss is in the subscription. Errors: INVALID.
 */
CS_API int cs_events_drain(cs_region *region, cs_subscription *subscription, void *rows, uint32_t row_bytes,
                           uint32_t capacity, uint32_t *count);

/* Sleep until there may be an event to drain. Errors: TIMEOUT, INTERRUPTED, CLOSED. Read-only views
 * look every 10 ms. Blocks. */
CS_API int cs_events_wait(cs_region *region, cs_subscription *subscription, uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
