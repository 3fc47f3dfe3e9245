/*
 * ring.h: the broadcast log's algorithm; events.h is its public face.
 *
 * A position is taken by a compare-and-swap on its slot's own word, which names lap, owner and state at
 * once; then anybody may help the head along. A slot whose producer of an earlier lap is alive but has
 * not committed is never taken from it: the word moves on to this lap as a hole that still names the
 * producer, who finds that out at its commit, gives the slot back and publishes anew. A claim of the dead is
 * finished by whoever meets it.
 */
#ifndef CORESTATE_RING_H
#define CORESTATE_RING_H

#include "view.h"

#define RING_CROWDED_NS 50000ull  /* how long a producer lets others run when every slot is somebody's */
#define RING_CROWDED_SLEEPS 4000u /* and how often before it gives up */
#define RING_STALL_NS 5000000ull  /* how long a reader waits for a living producer before it passes it over */

/* Publish any kind. CS_OK, DETACHED, READ_ONLY, or BUSY when the ring's words make no sense or every slot is
 * held by somebody stopped. */
/* Kinds of what is kept beside a region, which need no room in its table of kinds. */
static inline bool kept_kind(uint32_t kind) { return kind >= CS_KIND_STATE_CHANGED && kind <= CS_KIND_BUDGET_OVERRUN; }

CS_INTERNAL int csi_publish(view *v, uint32_t kind, uint32_t format, const void *data, uint32_t length,
                            uint64_t *sequence);

/* Publish a built-in event; the name is cut to what a slot leaves. */
CS_INTERNAL int csi_publish_change(view *v, uint32_t kind, const cs_change *change, const char *name, uint32_t length);

/* What a built-in event carries, into data (room for cs_change and 64 bytes): its length. */
CS_INTERNAL uint32_t csi_change_data(const view *v, const cs_change *change, const char *name, uint32_t length,
                                     unsigned char *data);

/*
 * Publishing in two steps: take a position and write the event; tell it. commit is false when the position was
 * passed over meanwhile: then publish anew, and give the slot back to whoever comes next.
 */
CS_INTERNAL int csi_ring_draft(view *v, uint32_t kind, uint32_t format, const void *data, uint32_t length,
                               uint64_t *position);
CS_INTERNAL bool csi_ring_commit(view *v, uint64_t position);
CS_INTERNAL void csi_ring_give_back(view *v, uint64_t position);

/* For promise.c, which asks about drafts of the dead. Of a position only the slot counts. */
CS_INTERNAL uint32_t csi_ring_claimed(const view *v, uint64_t position); /* whose draft is there; 0 none */
CS_INTERNAL void csi_ring_finish(const view *v, uint64_t position);      /* if its producer is dead */
/* The change the slot tells of and who wrote it; its kind, or 0 when it is no change. */
CS_INTERNAL uint32_t csi_ring_change(const view *v, uint64_t position, cs_change *change, uint32_t *writer);

/* Finish what dead owners of this participant slot have claimed; and, once all their promises are settled, give
 * back where they were passed over. O(ring). */
CS_INTERNAL void csi_ring_sweep(const view *v, uint32_t seat);
CS_INTERNAL void csi_ring_release(const view *v, uint32_t seat);

/* For who copies in pieces: a committed event's head and data, or null; and whether it stayed there meanwhile. */
CS_INTERNAL const unsigned char *csi_ring_peek(const view *v, uint64_t sequence, cs_event *event, uint64_t *word);
CS_INTERNAL bool csi_ring_stood(const view *v, uint64_t sequence, uint64_t word);

/* For a restored picture: where the numbering goes on, and one retained event at its old position. */
CS_INTERNAL void csi_ring_restore(const view *v, uint64_t newest);
CS_INTERNAL void csi_ring_put(const view *v, const cs_event *event, const void *data);

#endif
