/*
 * tap.h: a subscriber that believes nothing: each built-in event must continue the history of its subject, once
 * and in order, and at the end that history must be what the region says.
 */
#ifndef PROOF_TAP_H
#define PROOF_TAP_H

#include "rig.h"

#define TAP_AGENTS 4096u

typedef struct tap_history {
    uint32_t change; /* of the last event, low 32 bits */
    uint32_t value;
} tap_history;

typedef struct tap {
    cs_subscription s;
    uint64_t first;    /* sequence of the first position watched */
    uint64_t received;
    uint64_t expected; /* the next sequence may not be before this */
    uint64_t lossy;    /* positions lost when the histories were last begun anew */
    tap_history states[CS_STATES];
    tap_history status[TAP_AGENTS];
    uint32_t generation[TAP_AGENTS]; /* odd while registered, as far as the events say */
    bool known_agents, known_states; /* false after a loss, until settled again */
    unsigned char row[4096];
} tap;

/* Watch from here on. Nobody may be changing anything yet. */
void tap_open(tap *t, cs_region *region);

/* Take what there is, and judge it. */
void tap_drain(tap *t, cs_region *region);

/* The same up to the newest position, waiting for producers who stand still to be passed over. */
void tap_catch_up(tap *t, cs_region *region);

/* When nobody changes anything any more: everything has been told, and the histories are the truth. */
void tap_settle(tap *t, cs_region *region);

#endif
