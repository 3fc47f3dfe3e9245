#include "claim.h"

#define SPINS 64

/*
 * Who may only read the region can sleep on a claim's word too, and then a wake-up of one may be its. It is not answered by
 * waking all, whose price the releaser pays for as many threads as a reader likes to have asleep; but a waiter whose slice
 * ran out although the word has gone on sleeps for shorter and shorter slices from there on. So a reader delays each
 * wait by one slice, and starves nobody: of eight processes that take turns of 20 us beside 64 such threads the worst
 * wait was 29 ms, as without them, and 362 ms before. Waking all took three quarters of the turns away with 1,000 of them.
 */
static uint64_t next_slice(uint64_t slice)
{
    return slice / 8 > CLAIM_SLICE_LEAST_NS ? slice / 8 : CLAIM_SLICE_LEAST_NS;
}

/* As csi_claim_try; `extra` is CLAIM_WAITERS for one who has slept, since others may still be asleep. */
static int take(const view *v, a32 *word, uint32_t owner, uint32_t extra, uint32_t *dead)
{
    uint32_t found = peek32(word);
    for (int look = 0; look < 4; look++) { /* a lost race for a free or dead word is looked at again, a few times */
        uint32_t holder = found & CLAIM_OWNER;
        uint32_t inherited = found & CLAIM_INHERITED;
        if (holder) {
            if (csi_alive(v, holder))
                return CS_E_BUSY;
            inherited = CLAIM_INHERITED;
            if (dead)
                *dead = holder;
        }
        if (cas32(word, &found, owner | inherited | (found & CLAIM_WAITERS) | extra))
            return inherited ? CS_INHERITED : CS_OK;
    }
    return CS_E_BUSY;
}

int csi_claim_try(const view *v, a32 *word, uint32_t owner, uint32_t *dead)
{
    uint32_t free_word = 0;
    if (LIKELY(cas32(word, &free_word, owner)))
        return CS_OK;
    return take(v, word, owner, 0, dead);
}

int csi_claim_wait(const view *v, a32 *word, uint32_t owner, deadline until, uint32_t *dead)
{
    int result = csi_claim_try(v, word, owner, dead);
    for (int spin = 0; !ALONE && result == CS_E_BUSY && spin < SPINS; spin++) {
        cs_port_pause();
        uint32_t free_word = 0;
        if (peek32(word) == 0 && cas32(word, &free_word, owner))
            return CS_OK;
    }
    uint64_t longest = CLAIM_SLICE_NS;
    while (result == CS_E_BUSY) {
        if (load32(&v->closed))
            return CS_E_CLOSED;
        uint64_t slice = deadline_slice(until, longest);
        if (!slice)
            return CS_E_TIMEOUT;
        uint32_t found = load32(word);
        if ((found & CLAIM_OWNER) && ((found & CLAIM_WAITERS) || cas32(word, &found, found | CLAIM_WAITERS))) {
            int slept = cs_port_wait(word, found | CLAIM_WAITERS, slice);
            if (slept == CS_E_BUSY || slept == CS_E_INTERRUPTED)
                return slept;
            if (slept == CS_E_TIMEOUT && peek32(word) != (found | CLAIM_WAITERS))
                longest = next_slice(longest);
        }
        result = take(v, word, owner, CLAIM_WAITERS, dead);
    }
    return result;
}

int csi_claim_soon(const view *v, a32 *word, uint32_t owner)
{
    int result = csi_claim_try(v, word, owner, 0);
    if (LIKELY(result != CS_E_BUSY))
        return result;
    deadline until = deadline_in(CLAIM_PATIENCE_NS);
    do
        result = csi_claim_wait(v, word, owner, until, 0);
    while (result == CS_E_INTERRUPTED);
    return result == CS_E_TIMEOUT || result == CS_E_CLOSED ? CS_E_BUSY : result;
}

bool csi_claim_release(a32 *word, uint32_t owner)
{
    /* Only a waiter's bit can change under a living holder, and only once: at most two rounds. */
    uint32_t found = load32(word);
    do
        if ((found & CLAIM_OWNER) != owner)
            return false;
    while (!cas32(word, &found, 0)); /* releases what the claim guards to who acquires the word in taking it */
    if (found & CLAIM_WAITERS)
        cs_port_wake(word, 0);
    return true;
}
