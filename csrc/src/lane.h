/*
 * lane.h: a state that changes one step at a time, each step under an event that is never missing.
 *
 * The word holds old value, new value and the number of the change; storing it is the step under which the
 * event is promised (promise.h). Whoever takes the lane from a dead writer, be it a writer or the sweep, settles
 * what that one owes before anything else.
 */
#ifndef CORESTATE_LANE_H
#define CORESTATE_LANE_H

#include "view.h"

typedef struct lane_subject {
    uint64_t id; /* the event's subject */
    uint32_t table;
    uint32_t kind;
    uint32_t name_length;
    const char *name;
} lane_subject;

static inline uint32_t lane_value(uint64_t state) { return (uint32_t)state & 0xFFu; }
static inline uint64_t lane_changes(uint64_t state) { return state >> 16; }

/* The lane of an enum cs_engine_state, or null. */
CS_INTERNAL struct lane *csi_engine_lane(const view *v, uint64_t state);

/* Take and give back the lane; between them it is this writer's alone. CS_OK, CS_INHERITED (settle) or BUSY. */
CS_INTERNAL int csi_lane_take(view *v, struct lane *lane, uint32_t owner);
CS_INTERNAL void csi_lane_release(struct lane *lane, uint32_t owner);

/* While it is taken: publish what a dead writer owes. */
CS_INTERNAL void csi_lane_settle(view *v, struct lane *lane, const lane_subject *subject);

/* While it is taken and settled: store a value that differs, count the change, publish it. CS_OK, or BUSY (the ring's
 * words make no sense) and nothing is changed. */
CS_INTERNAL int csi_lane_change(view *v, struct lane *lane, uint32_t value, const lane_subject *subject);

#endif
