/*
 * region.h: how a block of memory becomes a region, and who is attached to it.
 *
 * A region is a block of bytes, 64-byte aligned, that the caller provides: a mapped file, POSIX
 * shared memory, a static array on a board, a wasm memory. The core allocates nothing. It holds no
 * pointers and no platform types, so its bytes mean the same on every machine.
 *
 *     static _Alignas(64) unsigned char memory[CS_REGION_BYTES(16, 16, 16, 0, 8, 64, 32, 8, 4, 0, 32, 8)];
 *     cs_region region;
 *     cs_region_format(memory, sizeof memory, &config, 0);
 *     cs_region_attach(&region, memory, sizeof memory, 0, -1);
 */
#ifndef CORESTATE_REGION_H
#define CORESTATE_REGION_H

#include "corestate/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many of everything a region has room for. Fixed when the region is made. */
typedef struct cs_config {
    uint32_t agents;              /* 0 to 2^24 */
    uint32_t areas;               /* 0 to 2^24 */
    uint32_t counters;            /* 0 to 2^24 */
    uint32_t gauges;              /* 0 to 2^24 */
    uint32_t locks;               /* 0 to 2^24 */
    uint32_t events;              /* slots of the ring: a power of two, 2 to 2^24 */
    uint32_t event_bytes;         /* data one event can carry: a multiple of 8, 24 to 32768 */
    uint32_t event_kinds;         /* user-defined kinds, 0 to 4096 */
    uint32_t participants;        /* processes attached at once, 1 to 4095 */
    uint32_t agent_details_bytes; /* capabilities, transport and metadata of an agent together:
                                     a multiple of 8, 0 to 65528 */
    uint32_t key_bytes;           /* 16, 32, 48 or 64: names are one byte shorter at most */
    uint32_t line_bytes; /* slots are padded to this: 8, 16, 32, 64 or 128; 64 on hosts, 8 on boards without a cache */
    uint32_t fcl_window; /* FCL window size a new area starts with */
    uint32_t budgets;    /* 0 to 2^24 */
    uint32_t reservations; /* of all budgets at once, 0 to 2^20 */
    uint32_t values;       /* hot values: a multiple of 8, 0 to 2^24 */
    uint32_t value_bytes;  /* key and value of one together: a multiple of 8, 8 to 32768 */
} cs_config;

/* What a host asks for when nobody says otherwise. */
CS_API void cs_config_default(cs_config *config);

/*
 * Bytes a region of this configuration takes, or 0 when a value is outside its bounds
 * (cs_config_check says which). Up to 64 GiB. O(1).
 */
CS_API uint64_t cs_region_size(const cs_config *config);

/* CS_OK, or CS_E_RANGE with *field naming the first value outside its bounds (field may be null). */
CS_API int cs_config_check(const cs_config *config, const char **field);

/* The same size as a constant expression, for static buffers without budgets and hot values; a test holds the
 * two together. */
#define CS_PAD_(n, to) ((((uint64_t)(n)) + (to) - 1) / (to) * (to))
#define CS_TABLE_BYTES_(count, payload, key, line)                                                                     \
    ((count) ? 64u + CS_PAD_(4u * (uint64_t)(count), 64) +                                                             \
                   CS_PAD_((uint64_t)(count) * CS_PAD_(16u + (payload) + (key), line), 64)                             \
             : 0u)
#define CS_REGION_BYTES(agents, areas, counters, gauges, locks, events, event_bytes, event_kinds, participants,        \
                        agent_details_bytes, key_bytes, line_bytes)                                                    \
    (320u + 512u + CS_TABLE_BYTES_(counters, 16u, key_bytes, line_bytes) +                                             \
     CS_TABLE_BYTES_(gauges, 16u, key_bytes, line_bytes) + CS_TABLE_BYTES_(areas, 40u, key_bytes, line_bytes) +        \
     CS_TABLE_BYTES_(agents, 48u, key_bytes, line_bytes) +                                                             \
     ((agent_details_bytes) ? CS_PAD_((uint64_t)(agents) * CS_PAD_(2u * (8u + (agent_details_bytes)), line_bytes), 64) \
                            : 0u) +                                                                                    \
     CS_TABLE_BYTES_(locks, 16u, key_bytes, line_bytes) + CS_TABLE_BYTES_(event_kinds, 0u, key_bytes, line_bytes) +    \
     64u + CS_PAD_((uint64_t)(events) * CS_PAD_(24u + (event_bytes), line_bytes), 64) +                                \
     CS_PAD_((uint64_t)(participants) * CS_PAD_(40u, line_bytes), 64))

/* A process's or task's view of one region. Opaque; the caller keeps it where it likes. */
typedef struct cs_region {
    uint64_t private_[72];
} cs_region;

#define CS_ZEROED 1    /* format: the memory is zero already (a fresh file); do not clear it again */
#define CS_READ_ONLY 2 /* attach: never write, claim no slot; writers return CS_E_READ_ONLY */
#define CS_PRIVATE 4   /* attach: no other process shares these bytes */
#define CS_MAKING 8    /* format: not ready yet; attach: to such a region, which is ready once that view is detached */

/*
 * Make a region in memory (64-byte aligned, at least cs_region_size() bytes). The ready flag is
 * written last, so an attach that finds it finds everything. Nobody else may be using the memory.
 * Errors: INVALID, RANGE, TRUNCATED (memory too small). O(size), or O(1) with CS_ZEROED.
 */
CS_API int cs_region_format(void *memory, uint64_t size, const cs_config *config, uint32_t flags);

/*
 * Attach to the region in memory. Nothing in it is believed unchecked: header, section table and
 * every stride are validated against size, and later every index and length where it is used.
 * A participant slot is claimed (not with CS_READ_ONLY), slots of dead participants are swept.
 * handle is the port's: on Linux a file descriptor of the region's file opened for this purpose
 * alone (never mapped, with O_CLOEXEC, so that it dies with its process), or -1 where there is none.
 * The view must be detached before its memory goes or moves: a fork looks at it (cs_region_after_fork).
 * Errors: INVALID, NOT_REGION, BYTE_ORDER, VERSION, TRUNCATED, CORRUPT, NOT_READY, NO_SLOT.
 * O(participants + ring + tables) when there are dead to sweep, else O(participants).
 */
CS_API int cs_region_attach(cs_region *region, void *memory, uint64_t size, uint32_t flags, int64_t handle);

/*
 * Both in one, for memory of this program alone (as CS_PRIVATE): make a region and attach to it, without judging the
 * bytes that were just written. Errors: as cs_region_format, and NO_SLOT. O(size), or O(1) with CS_ZEROED.
 */
CS_API int cs_region_make(cs_region *region, void *memory, uint64_t size, const cs_config *config, uint32_t flags);

/* Give the participant slot back. Locks still held by this process count as a dead holder's.
 * Threads waiting in this region must have returned (see cs_region_close). Does not block. In a child of
 * fork that has not called cs_region_after_fork it does nothing to the parent's. */
CS_API void cs_region_detach(cs_region *region);

/* Make every wait of this view (cs_counter_wait, cs_gauge_wait, cs_events_wait, cs_lock_acquire) return CS_E_CLOSED, now
 * and later, also where it need not sleep (the smaller library for boards: where it would). Does not block. */
CS_API void cs_region_close(cs_region *region);

/*
 * A child of fork is not its parent. It finds every view detached (but those with CS_PRIVATE, whose bytes
 * it has a copy of): reads work, writes return CS_E_DETACHED, and cs_region_detach gives nothing back.
 * What the parent holds stays the parent's; and when the parent dies it is dead at once, because the
 * child has under the handle's number no longer what the parent's life is told by, but a descriptor of
 * its own. So it is after fork(); after _Fork, or clone without exec, call nothing but this function or
 * cs_region_detach. After vfork and posix_spawn nothing is to be done.
 *
 * This function makes the child a participant: it claims a slot of its own, with a handle of its own
 * (the inherited number may be that). When it fails (with NO_SLOT, or with DETACHED because handle is
 * below -1: there is a file, and it could not be opened again) the view stays detached.
 */
CS_API int cs_region_after_fork(cs_region *region, int64_t handle);

/* What the first bytes of a block say of themselves, believed or not. */
typedef struct cs_region_info {
    uint64_t size;        /* as the header says */
    uint64_t expected;    /* as its section table adds up */
    uint64_t instance[2]; /* random, one a region */
    uint64_t boot[2];     /* the boot under which it was made, zero where unknown */
    uint64_t created_ns;  /* since the epoch */
    uint32_t version;     /* layout version */
    uint32_t byte_order;  /* 0x01020304 in this machine's order */
    uint32_t ready;       /* 1 when complete */
    uint32_t sections;
    cs_config config;
} cs_region_info;

/*
 * Look at a block without attaching: CS_OK if cs_region_attach would accept it, else its error.
 * info is filled as far as size allows. Never writes. O(1).
 */
CS_API int cs_region_probe(const void *memory, uint64_t size, cs_region_info *info);

/* The same of an attached region (what it was attached with, not what the bytes say now). Errors: INVALID. O(1). */
CS_API int cs_region_describe(const cs_region *region, cs_region_info *info);

/* The present boot of this machine, zero where unknown: what was true under another boot may not be any more. */
CS_API void cs_boot_id(uint64_t boot[2]);

/* One section of an attached region, by ordinal: for tools that walk the bytes (see layout.md). */
typedef struct cs_section_info {
    uint64_t offset; /* bytes from the start of the region */
    uint64_t size;   /* bytes */
    uint32_t kind;   /* enum cs_section */
    uint32_t count;  /* slots */
    uint32_t stride; /* bytes from slot to slot */
} cs_section_info;
enum cs_section {
    CS_SECTION_ENGINE = 0,
    CS_SECTION_COUNTERS = 1,
    CS_SECTION_GAUGES = 2,
    CS_SECTION_AREAS = 3,
    CS_SECTION_AGENTS = 4,
    CS_SECTION_DETAILS = 5,
    CS_SECTION_LOCKS = 6,
    CS_SECTION_KINDS = 7,
    CS_SECTION_EVENTS = 8,
    CS_SECTION_PARTICIPANTS = 9,
    CS_SECTION_BUDGETS = 10,
    CS_SECTION_RESERVATIONS = 11,
    CS_SECTION_VALUES = 12,
    CS_SECTIONS = 13
};
/* Errors: INVALID. O(1). */
CS_API int cs_region_section(const cs_region *region, uint32_t kind, cs_section_info *info);

/* The name of a section, "engine" to "values"; null when there is none such. */
CS_API const char *cs_section_name(uint32_t kind);

/* -- participants: who is attached --------------------------------------------------------- */

enum cs_participant_state {
    CS_PARTICIPANT_FREE = 0,
    CS_PARTICIPANT_LIVE = 1,
    CS_PARTICIPANT_DEAD = 2 /* its slot awaits the sweep */
};
typedef struct cs_participant_info {
    uint32_t id; /* 22 bits, never zero: what events, locks and agents name; another one each time a slot is used, and
                    the same again after 1,024 times */
    uint32_t slot;
    uint32_t pid;         /* in its own pid namespace */
    uint32_t state;       /* enum cs_participant_state, asked of the kernel now */
    uint64_t start;       /* tells it from others that have its pid; the platform's, 0 where unknown */
    uint64_t attached_ns; /* since the epoch */
} cs_participant_info;

/* This view's participant id, 0 when read-only or detached. */
CS_API uint32_t cs_participant_self(const cs_region *region);

/* Who sits in slot (0 to config.participants - 1). Errors: RANGE. One system call where the slot is used. */
CS_API int cs_participant_get(const cs_region *region, uint32_t slot, cs_participant_info *info);

/*
 * Sweep after the dead: claimed ring slots become holes, locks become inheritable, half-done
 * insertions and removals are finished or undone, unannounced state changes are announced, the
 * slot is freed. Restartable: a sweeper may die too. Attach does it, and so do long waits.
 * Returns how many participants were swept, or an error (READ_ONLY). O(participants) when nobody died.
 */
CS_API int cs_sweep(cs_region *region);

#ifdef __cplusplus
}
#endif

#endif
