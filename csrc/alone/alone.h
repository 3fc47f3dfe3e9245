/*
 * alone.h: how the core keeps things whole where it is alone: one core, and no other process maps the region.
 *
 * What is to be one step happens between hold() and let_go(), with interrupts held off. So nobody ever comes upon the
 * middle of anything, nobody waits for the core's own claims, and nobody dies in them: a file here does what the file
 * of the same name in csrc/src does with compare-and-swaps, promises and recovery, on the same bytes. What of csrc/src
 * has no file here serves both.
 */
#ifndef CORESTATE_ALONE_H
#define CORESTATE_ALONE_H

#include "bell.h"
#include "ring.h"
#include "table.h"
#include "view.h"

static inline uint32_t hold(void) { return cs_port_enter(); }
static inline void let_go(uint32_t held) { cs_port_leave(held); }

/* A 64-bit word while held. */
#define WIDE(word) ((word)->raw)

/* Of the key in a slot, whatever its bytes say. */
static inline uint32_t key_length(const view *v, const struct slot *slot)
{
    uint32_t length = peek32(&slot->key_length);
    return length < v->key_bytes ? length : v->key_bytes - 1;
}

/* Let go of what an event was written under, and wake who waits for events. */
CS_INTERNAL void let_go_told(const view *v, uint32_t held);

/* How long to wait, and since when: of the clock only differences are used, and none of these is CS_FOREVER. */
typedef struct patience {
    uint64_t since;
    uint64_t timeout_ns;
} patience;

/* Sleep while a word is what was seen in it, for at most a slice: nobody wakes all who sleep when the region is closed.
 * v->closed is a word that nobody wakes. CS_OK, or TIMEOUT, INTERRUPTED, CLOSED, BUSY. */
CS_INTERNAL int csi_sleep(const view *v, const a32 *word, uint32_t seen, const patience *until);

/* Sleep until ready(context), which is asked before the bell is touched. CS_OK, or TIMEOUT, INTERRUPTED, CLOSED, BUSY. */
CS_INTERNAL int csi_await(const view *v, struct bell *bell, bool (*ready)(void *), void *context, uint64_t timeout_ns);

/* Write a built-in event. Its readers are woken by let_go_told. While held. */
CS_INTERNAL void csi_tell(view *v, uint32_t kind, const cs_change *change, const void *name, uint32_t length);
/* The same with the name of the slot it is about: change->subject in this table, which is change->table. */
CS_INTERNAL void csi_tell_of(view *v, const table_view *t, uint32_t kind, const cs_change *change);

/* One step of a lane; what its event says is added to *change, which has subject, table and new value. While held; the
 * version is up to the caller. */
CS_INTERNAL void csi_lane_step(struct lane *lane, cs_change *change);

#endif
