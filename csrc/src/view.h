/*
 * view.h: what is inside a cs_region, and what every file of the core needs of it.
 *
 * Pointers, counts and strides here were validated when the view was attached and are never read from
 * the region again; an index that comes out of the region is checked against them where it is used.
 */
#ifndef CORESTATE_VIEW_H
#define CORESTATE_VIEW_H

#include "layout.h"

#if defined(__GNUC__) && !defined(_WIN32)
#define CS_INTERNAL __attribute__((visibility("hidden")))
#else
#define CS_INTERNAL
#endif
#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define LIKELY(x) (x)
#endif

enum { TABLE_COUNTERS, TABLE_GAUGES, TABLE_AREAS, TABLE_AGENTS, TABLE_LOCKS, TABLE_KINDS, TABLE_BUDGETS, TABLES };

typedef struct table_view {
    struct table *head; /* null when the table has no slots */
    a32 *buckets;
    unsigned char *slots;
    uint32_t count;
    uint32_t stride;
    uint32_t payload; /* bytes between struct slot and the key */
    uint32_t section; /* enum cs_section */
} table_view;

/* What is asked for most lies first: small offsets are short instructions on a board. */
typedef struct view {
    unsigned char *memory;
    struct engine *engine;
    struct ring *ring;
    unsigned char *events;
    a32 owner; /* this view's owner tag; 0 read-only or detached */
    a32 id;    /* the same with the slot's whole generation */
    a32 closed;
    uint32_t flags;
    uint32_t event_mask;
    uint32_t event_shift;
    uint32_t event_stride;
    union { /* what the region was made with; the numbers the core works with, by names of their own */
        cs_config config;
        struct {
            uint32_t counts[6];
            uint32_t event_bytes;
            uint32_t kinds;
            uint32_t participant_count;
            uint32_t details_bytes;
            uint32_t key_bytes;
            uint32_t line_bytes;
            uint32_t fcl_window;
            uint32_t budgets;
            uint32_t reservation_count;
            uint32_t value_count;
            uint32_t value_bytes;
        };
    };
    table_view tables[TABLES];
    unsigned char *details;
    unsigned char *participants;
    unsigned char *reservations;
    unsigned char *values;
    uint32_t details_stride;
    uint32_t participant_stride;
    uint32_t reservation_stride;
    uint32_t value_groups;
    uint32_t value_stride;
    uint64_t size;
    int64_t handle;
    cs_identity self;
    uint64_t mark; /* of cs_port_watch */
} view;
_Static_assert(sizeof(view) <= sizeof(cs_region), "cs_region has room for a view");
_Static_assert(offsetof(view, id) == offsetof(view, owner) + 4, "both words are cleared in a child of fork");
_Static_assert(offsetof(view, event_bytes) == offsetof(view, config.event_bytes) &&
                   offsetof(view, value_bytes) == offsetof(view, config.value_bytes),
               "the same numbers");

static inline view *view_of(cs_region *region) { return (view *)(void *)region; }
static inline const view *const_view_of(const cs_region *region) { return (const view *)(const void *)region; }

/* The owner tag of this view, or why it may not write. */
static inline int writer_of(const view *v, uint32_t *owner)
{
    *owner = peek32(&v->owner);
    if (LIKELY(*owner != 0))
        return CS_OK;
    return v->flags & CS_READ_ONLY ? CS_E_READ_ONLY : CS_E_DETACHED;
}
#if CORESTATE_ALONE
CS_INTERNAL int may_write(const view *v);
#else
static inline int may_write(const view *v)
{
    uint32_t owner;
    return writer_of(v, &owner);
}
#endif

/*
 * -- participants: an owner tag is slot + 1 (12 bits) | generation (10 bits) << 12, and is what everybody outside sees as
 * the participant's id. What outlives its participant (agents) keeps a longer one, with 20 bits of the generation. --
 */

static inline uint32_t owner_slot(uint32_t owner) { return (owner & 0xFFFu) - 1u; }
static inline struct participant *participant_at(const view *v, uint32_t slot)
{
    return (struct participant *)(void *)(v->participants + (size_t)slot * v->participant_stride);
}
enum { ALONE = CORESTATE_ALONE };

/* Is the participant of this owner tag alive? At most one system call. */
#if CORESTATE_ALONE
static inline bool csi_alive(const view *v, uint32_t owner)
{
    (void)v, (void)owner;
    return true;
}
#else
CS_INTERNAL bool csi_alive(const view *v, uint32_t owner);
#endif
CS_INTERNAL bool csi_alive_id(const view *v, uint32_t id);
/* Does who has this long id sit in its slot, alive or not? One load. */
CS_INTERNAL bool csi_seated(const view *v, uint32_t id);
/* May what this owner tag has left still be waiting for the sweep (or is it at work)? One load. */
CS_INTERNAL bool csi_unswept(const view *v, uint32_t owner);
CS_INTERNAL int csi_join(view *v);
CS_INTERNAL void csi_leave(view *v);

/* One more for each change of what a client may want to fetch again. The order between two of these does not
 * matter, only that none is lost, so they are relaxed. */
#if CORESTATE_ALONE
CS_INTERNAL void touch(const view *v);
#else
static inline void touch(const view *v)
{
    (void)add64_relaxed(&v->engine->version, 1);
    poke64(&v->engine->last_modified, cs_port_coarse_ns());
}
#endif

/* In a mirror several words become another instant's one after the other: what claims to be of one instant reads
 * them between two looks at this. */
static inline a32 *applying_of(const view *v) { return &((struct header *)(void *)v->memory)->applying; }
static inline uint32_t instant_begin(const view *v) { return load32(applying_of(v)); }
static inline bool instant_stood(const view *v, uint32_t begun)
{
    fence_acquire(); /* what was read was read before this look */
    return !(begun & 1u) && peek32(applying_of(v)) == begun;
}

/* -- tables --------------------------------------------------------------------------------- */

static inline struct slot *slot_at(const table_view *t, uint32_t index)
{
    return (struct slot *)(void *)(t->slots + (size_t)index * t->stride);
}
static inline void *payload_of(struct slot *slot) { return (unsigned char *)slot + sizeof(struct slot); }
static inline unsigned char *key_of(const table_view *t, struct slot *slot)
{
    return (unsigned char *)slot + sizeof(struct slot) + t->payload;
}
static inline cs_handle handle_of(uint32_t generation, uint32_t index) { return (uint64_t)generation << 32 | index; }
/* The live slot of a handle, or null. */
#if CORESTATE_ALONE
CS_INTERNAL struct slot *slot_of(const table_view *t, cs_handle handle);
#else
static inline struct slot *slot_of(const table_view *t, cs_handle handle)
{
    uint32_t index = (uint32_t)handle;
    if (index >= t->count)
        return 0;
    struct slot *slot = slot_at(t, index);
    uint32_t generation = (uint32_t)(handle >> 32);
    return LIKELY((generation & 1u) && load32(&slot->generation) == generation) ? slot : 0;
}
#endif
static inline bool still(const struct slot *slot, cs_handle handle)
{
    fence_acquire(); /* what was read of the slot was read before this look at its generation */
    return peek32(&slot->generation) == (uint32_t)(handle >> 32);
}
/* The table of an enum cs_section, or null. */
CS_INTERNAL const table_view *csi_table(const view *v, uint32_t section);

/* For a restored picture: the engine section, with nothing to announce. */
CS_INTERNAL void csi_engine_restore(const view *v, const cs_engine_snapshot *snapshot);

/* -- text ------------------------------------------------------------------------------------ */

/* Checks a name against the region's key_bytes and gives its length. CS_OK or CS_E_NAME. */
CS_INTERNAL int csi_name(const view *v, const char *name, uint32_t *length);
CS_INTERNAL uint32_t csi_hash(const char *name, uint32_t length);
CS_INTERNAL bool csi_utf8(const unsigned char *bytes, uint32_t length);
/* The n-th of words that lie one behind the other, each ended by a NUL. */
CS_INTERNAL const char *csi_word(const char *words, uint32_t n);

#endif
