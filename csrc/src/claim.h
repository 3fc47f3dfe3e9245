/*
 * claim.h: the owner-tagged word by which one writer at a time does something, and which the dead do
 * not keep. Taking names the owner in the same compare-and-swap. A word whose owner is dead is taken
 * by whoever needs it, with a compare-and-swap from exactly the dead owner's value.
 */
#ifndef CORESTATE_CLAIM_H
#define CORESTATE_CLAIM_H

#include "bell.h"
#include "view.h"

#define CLAIM_SLICE_NS 3000000ull
#define CLAIM_SLICE_LEAST_NS 40000ull   /* where wake-ups do not come */
#define CLAIM_PATIENCE_NS 1000000000ull /* for the core's own claims, which are held for microseconds */

/* Try once: CS_OK, CS_INHERITED (the previous owner, *dead, died holding it), or CS_E_BUSY. */
CS_INTERNAL int csi_claim_try(const view *v, a32 *word, uint32_t owner, uint32_t *dead);

/* Wait: as try, and TIMEOUT, INTERRUPTED, CLOSED; BUSY where this caller may not sleep. */
CS_INTERNAL int csi_claim_wait(const view *v, a32 *word, uint32_t owner, deadline until, uint32_t *dead);

/* For the core's own claims: bounded, not ended by signals. CS_OK, CS_INHERITED or CS_E_BUSY. */
CS_INTERNAL int csi_claim_soon(const view *v, a32 *word, uint32_t owner);

/* Release what `owner` holds; false when it does not hold it. Wakes one waiter. */
CS_INTERNAL bool csi_claim_release(a32 *word, uint32_t owner);

#endif
