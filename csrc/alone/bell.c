#include "alone.h"

/* Who took its ticket before `change` moves does not sleep; who comes later has seen the data. */
void bell_ring(struct bell *bell)
{
    uint32_t held = hold();
    poke32(&bell->flag, 0);
    poke32(&bell->change, peek32(&bell->change) + 1);
    let_go(held);
    cs_port_wake(&bell->change, 1);
}

void bell_notify(struct bell *bell)
{
    if (peek32(&bell->flag))
        bell_ring(bell);
}

void let_go_told(const view *v, uint32_t held)
{
    let_go(held);
    bell_notify(&v->ring->bell);
}

/* A slice of sleep, in numbers of one instruction: 49 ms, 10 ms for who cannot ask to be woken. */
#define SLICE_NS 0x02F00000u
#define DEAF_SLICE_NS 0x00980000u
_Static_assert(SLICE_NS <= BELL_SLICE_NS && DEAF_SLICE_NS <= READER_SLICE_NS, "no longer than elsewhere");

int csi_sleep(const view *v, const a32 *word, uint32_t seen, const patience *until)
{
    uint64_t gone = cs_port_monotonic_ns() - until->since;
    uint32_t slice = word == &v->closed ? DEAF_SLICE_NS : SLICE_NS;
    if (peek32(&v->closed))
        return CS_E_CLOSED;
    if (gone >= until->timeout_ns)
        return CS_E_TIMEOUT;
    if (gone + slice > until->timeout_ns)
        slice = (uint32_t)until->timeout_ns - (uint32_t)gone;
    int result = cs_port_wait(word, seen, slice);
    return result == CS_E_TIMEOUT ? CS_OK : result; /* of this slice; the caller's time is checked above */
}

int csi_await(const view *v, struct bell *bell, bool (*ready)(void *), void *context, uint64_t timeout_ns)
{
    const patience until = {cs_port_monotonic_ns(), timeout_ns};
    bool deaf = !peek32(&v->owner), asked = false; /* deaf is whoever may not write */
    const a32 *word = deaf ? &v->closed : &bell->change;
    uint32_t ticket = 0;
    int result = CS_OK;
    while (result == CS_OK && !ready(context)) {
        if (asked) {
            result = csi_sleep(v, word, ticket, &until);
        } else { /* to be woken, and then comes one more look */
            ticket = peek32(word);
            if (!deaf)
                poke32(&bell->flag, 1);
            fence_sc();
        }
        asked = !asked;
    }
    return result;
}
