/*
 * layout.h: every byte of a region. docs/layout.md says the same in prose, and a test compares them.
 *
 * All words are little-endian and naturally aligned. A region starts with `struct header`; the sections
 * follow in the order of enum cs_section, each on a 64-byte line; a section with no slots has no bytes.
 */
#ifndef CORESTATE_LAYOUT_H
#define CORESTATE_LAYOUT_H

#include "atomic.h"
#include "corestate/corestate.h"

#define LAYOUT_LINE 64u
#define LAYOUT_MAGIC "CORESTAT"
#define LAYOUT_BYTE_ORDER 0x01020304u

struct section {
    uint32_t offset; /* in lines */
    uint32_t size;   /* in lines */
    uint32_t count;  /* slots */
    uint32_t stride; /* bytes */
};

struct header {
    unsigned char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint64_t size;
    uint64_t instance[2];
    a32 ready; /* 1, written last */
    uint32_t section_count;
    uint32_t key_bytes;
    uint32_t line_bytes;
    uint32_t fcl_window;
    uint32_t event_bytes;
    uint32_t agent_details_bytes;
    uint32_t value_bytes;
    uint64_t created_ns;
    uint64_t boot[2];
    struct section sections[CS_SECTIONS];
    a32 applying; /* of a mirror: odd while it writes words that are of one instant together */
    a32 link;     /* of a mirror: frames lost, of a million << 8 | its engine section is not of one instant 1 bit */
    a64 heard_ns; /* of a mirror: when its source was last heard; 0 in every other region */
};
#define LINK_UNSTEADY 1u
#define LINK_LOSS_SHIFT 8u

/* A word others wait for: `change` moves when there is news, `flag` says that somebody may be asleep. */
struct bell {
    a32 change;
    a32 flag; /* 0 nobody asleep, 1 somebody may be, 2 a waker is at work */
};

/* A state that changes under an event. */
struct lane {
    a64 state;    /* change number 48 bits << 16 | old value 8 << 8 | new value 8 */
    a32 promised; /* the position its last change's event was given: low 31 bits << 1 | 1; 0 none (promise.h) */
    a32 claim;    /* claim word of its writer */
};

/* What different writers write does not share a line: states, sizes, fatigue and hashes lie apart. */
struct engine {
    a64 version;
    a64 last_modified;
    a64 agent_count; /* beside the version because the registry writes both */
    uint64_t reserved0[5];
    struct lane core[4]; /* burst, genome, connectome, brain_ready */
    struct {
        struct lane lane;
        uint64_t reserved[6];
    } service[3];  /* fq_sampler, api, zmq */
    a64 cells[24]; /* by enum cs_engine_field; [0] is unused */
};

/* Claim word: owner tag 22 bits | bit 30 taken from the dead | bit 31 somebody waits. Zero is free. */
#define CLAIM_OWNER 0x003FFFFFu
#define CLAIM_INHERITED 0x40000000u
#define CLAIM_WAITERS 0x80000000u

/* A table: this, then `count` buckets (u32: slot index + 1, 0 none), padded to a line, then the slots. */
struct table {
    a32 claim;         /* claim word of who inserts or removes */
    a32 change;        /* 2 x insertions and removals; odd while one is at work */
    a32 count;         /* live slots */
    a32 fresh;         /* slots from here on were never used */
    a32 free;          /* slot index + 1 of the first free slot below fresh, 0 none */
    a32 intent;        /* what is being done, for who must finish it: see INTENT_* */
    a32 intent_count;  /* count before it */
    a32 intent_bucket; /* bucket it concerns */
    a32 promised;      /* as in a lane, of the last insertion's or removal's event */
    uint32_t reserved[7];
};
#define INTENT_NONE 0u
#define INTENT_INSERT 1u
#define INTENT_REMOVE 2u
#define INTENT_OP 3u
#define INTENT_SLOT_SHIFT 2u  /* 24 bits of slot index */
#define INTENT_NOTE_SHIFT 26u /* 6 bits the table's user may want back (a reason) */

/* A slot: this, then the table's payload, then the key, padded with zeros. */
struct slot {
    a32 generation; /* odd while live; the upper half of handles */
    a32 next;       /* slot index + 1 in the bucket's chain, 0 the last */
    a32 hash;       /* of the key; while free: slot index + 1 of the next free slot */
    a32 key_length;
};

struct number { /* payload of counters (u64) and gauges (f64) */
    a64 value;
    struct bell bell;
};

struct lock {   /* payload of locks, and the end of an area's */
    a32 other;  /* an area's FCL window; unused in a named lock */
    a32 word;   /* claim word */
    a64 thread; /* owner tag << 32 | the holding thread: who would deadlock with itself */
};

struct area {
    a64 counts[3]; /* neurons, incoming and outgoing synapses */
    struct lock lock;
};

struct agent {
    a64 registered_ns;
    a64 last_seen_ns;
    struct lane status;
    a32 type;
    a32 participant;
    a64 details; /* record word: version 40 bits << 24 | spoiled 1 bit << 22 | writer's owner tag 22 bits */
};
#define RECORD_OWNER 0x003FFFFFull
#define RECORD_SPOILED 0x00400000ull /* a writer died: what was the idle buffer then may be half of his */
#define RECORD_VERSION_SHIFT 24u

/* Agent details: two of these for each agent, each followed by agent_details_bytes; version & 1 is current. */
struct details {
    uint16_t lengths[4]; /* capabilities, transport, metadata; the fourth is zero */
};

struct ring {
    a64 head; /* positions taken: the next event's sequence is head + 1 */
    struct bell bell;
    a64 holes;
    a64 lost;
    uint64_t reserved[4];
};

/* An event: this, then event_bytes of data. */
struct event {
    a64 word; /* (lap + 1) 40 bits << 24 | owner tag 22 bits << 2 | enum event_state */
    a64 time_ns;
    a32 kind_length;   /* length 16 bits << 16 | kind 16 bits */
    a32 source_format; /* enum cs_format 8 bits << 24 | owner tag of the producer */
};
enum event_state { EVENT_FREE = 0, EVENT_CLAIMED = 1, EVENT_COMMITTED = 2, EVENT_HOLE = 3 };

struct participant {
    a64 word; /* kernel lock 1 bit << 54 | enum seat 2 bits << 52 | generation 20 bits << 32 | pid 32 bits */
    a64 start;
    a64 boot[2];
    a64 attached_ns;
};
enum seat { SEAT_FREE = 0, SEAT_JOINING = 1, SEAT_LIVE = 2, SEAT_DEAD = 3 };

/*
 * spent <= taken <= limit after every single store, so that a reader sees a true state whenever it looks:
 * taken is spent + reserved.
 */
struct budget {
    a64 limit;
    a64 taken;
    a64 spent;
    a64 detections;
    a64 intent_spent; /* what spent will be */
    a32 intent;       /* reservation index + 1 that is being committed, 0 none */
    a32 claim;        /* claim word of who changes it */
    a32 warned;       /* BUDGET_WARNED, BUDGET_KEPT */
    a32 promised;     /* as in a lane, of the last warning */
};

struct reservation {
    a64 word; /* generation 32 bits << 32 | owner tag 22 bits << 2 | enum reservation_state */
    a64 amount;
    a64 budget; /* handle */
    uint64_t reserved;
};
enum reservation_state {
    RESERVATION_FREE = 0,
    RESERVATION_FILLING = 1,
    RESERVATION_HELD = 2,
    RESERVATION_PREPARED = 3
};

/* Hot values lie in groups of eight under one claim: this, then eight slots. */
#define VALUE_WAYS 8u
struct value_group {
    a32 claim;
    a32 clock; /* one more for each write under this claim */
    uint64_t reserved[7];
};

/* A hot value: this, then the key, padded to 8 bytes, then the value. */
struct value {
    a64 stamp; /* the group's clock when it was written << 3 | pinned 1 bit << 2 | enum value_state */
    a64 hash;
    a64 epoch;
    a64 version;
    a64 expires_ns;
    a32 lengths; /* key 16 bits << 16 | value 16 bits */
    a32 tag;
};
enum value_state { VALUE_EMPTY = 0, VALUE_MARKED = 1, VALUE_VALID = 2 };

_Static_assert(sizeof(struct budget) == 56, "budget");
_Static_assert(sizeof(struct reservation) == 32, "reservation");
_Static_assert(sizeof(struct value_group) == 64, "value group");
_Static_assert(sizeof(struct value) == 48, "value");
_Static_assert(sizeof(struct section) == 16, "section");
_Static_assert(sizeof(struct header) == 320, "header");
_Static_assert(sizeof(struct engine) == 512, "engine");
_Static_assert(sizeof(struct table) == 64, "table");
_Static_assert(sizeof(struct slot) == 16, "slot");
_Static_assert(sizeof(struct number) == 16, "number");
_Static_assert(sizeof(struct lock) == 16, "lock");
_Static_assert(sizeof(struct area) == 40, "area");
_Static_assert(sizeof(struct agent) == 48, "agent");
_Static_assert(sizeof(struct ring) == 64, "ring");
_Static_assert(sizeof(struct event) == 24, "event");
_Static_assert(sizeof(struct participant) == 40, "participant");
_Static_assert(sizeof(cs_change) == 24, "change");

#endif
