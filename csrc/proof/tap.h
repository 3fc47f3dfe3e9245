/*
 * tap.h: a subscriber that believes nothing: each built-in event must continue the history of its subject, once
 * and in order, and at the end that history must be what the region says. After a loss, each history begins anew
 * with the next event of its subject.
 */
#ifndef PROOF_TAP_H
#define PROOF_TAP_H

#include "rig.h"

#define TAP_AGENTS 4096u

typedef struct tap_history {
    uint32_t change; /* of the last event, low 32 bits */
    uint32_t value;
    uint32_t age; /* known as long as this is the tap's */
} tap_history;

typedef struct tap {
    cs_subscription s;
    uint64_t first; /* sequence of the first position watched */
    uint64_t received;
    uint64_t expected; /* the next sequence may not be before this */
    uint32_t age;      /* one more for each loss */
    tap_history states[CS_STATES];
    tap_history status[TAP_AGENTS];
    tap_history agents[TAP_AGENTS]; /* change is the generation: odd while registered, as far as the events say */
    /* Judges an event of a user's kind. May be null. */
    void (*judge_user)(const cs_event *event, const unsigned char *data);
    unsigned char row[512];
} tap;

/* Watch from here on. Nobody may be changing anything yet. */
void tap_open(tap *t, cs_region *region);

/* Take what there is, at most `most` events, and judge it. */
void tap_drain(tap *t, cs_region *region, uint64_t most);

/* The same up to the newest position, waiting for producers who stand still to be passed over. */
void tap_catch_up(tap *t, cs_region *region);

/* When nobody changes anything any more: everything has been told, and the histories are the truth. */
void tap_settle(tap *t, cs_region *region);

#endif
