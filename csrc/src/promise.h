/*
 * promise.h: something that happens under an event, so that the event is told exactly once whoever dies when.
 *
 * Whoever does it takes the event's position and writes the event first (csi_promise), notes the position in a
 * word beside what will change, makes the change in one store, and commits the event (csi_keep). Dies he before
 * that, everybody who meets his claim in the ring can tell what is owed: the event names its subject, the
 * subject's word names this position, and the change has been made or not. Then the event is committed for him,
 * or becomes a hole. Only the one whose position was passed over while he stood still tells it anew; dies he
 * instead, the next one under the same claim does (csi_settle), and until then his slot in the ring stays his.
 */
#ifndef CORESTATE_PROMISE_H
#define CORESTATE_PROMISE_H

#include "view.h"

typedef struct promise {
    a32 *word;
    uint64_t position;
    uint32_t kind;
    uint32_t length;
    unsigned char data[sizeof(cs_change) + 64];
} promise;

/* Take a position for a built-in event and note it in word; the name is cut to what a slot leaves. CS_OK, READ_ONLY,
 * DETACHED, or BUSY (the ring's words make no sense), and then nothing is promised. */
CS_INTERNAL int csi_promise(view *v, promise *p, a32 *word, uint32_t kind, const cs_change *change, const char *name,
                            uint32_t length);

/* It has happened: tell it. */
CS_INTERNAL void csi_keep(view *v, const promise *p);

/* Under a claim taken from the dead: this change has been made; tell it if that is still owed. */
CS_INTERNAL void csi_settle(view *v, a32 *word, uint32_t kind, const cs_change *change, const char *name,
                            uint32_t length);

/* Has that of which the event at this position tells happened? Only meaningful while its dead producer's claim stands. */
CS_INTERNAL bool csi_happened(const view *v, uint64_t position);

#endif
