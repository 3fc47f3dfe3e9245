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

uint64_t csi_deadline(uint64_t timeout_ns)
{
    uint64_t now = cs_port_monotonic_ns(), at = now + timeout_ns;
    return at < now ? CS_FOREVER : at;
}

int csi_sleep(const view *v, const a32 *word, deadline until, uint32_t seen)
{
    uint64_t slice = word ? BELL_SLICE_NS : READER_SLICE_NS, now = cs_port_monotonic_ns();
    if (peek32(&v->closed))
        return CS_E_CLOSED;
    if (until.at <= now)
        return CS_E_TIMEOUT;
    if (until.at - now < slice)
        slice = until.at - now;
    int result = word ? cs_port_wait(word, seen, slice) : cs_port_sleep(slice);
    return result == CS_E_TIMEOUT ? CS_OK : result; /* of this slice; the caller's time is checked above */
}

int csi_await(const view *v, struct bell *bell, bool (*ready)(void *), void *context, uint64_t timeout_ns)
{
    deadline until = deadline_in(timeout_ns);
    bool deaf = !peek32(&v->owner), asked = false;
    uint32_t ticket = 0;
    int result = CS_OK;
    while (result == CS_OK && !ready(context)) {
        if (asked) {
            result = csi_sleep(v, deaf ? 0 : &bell->change, until, ticket);
        } else { /* to be woken, and then comes one more look */
            ticket = peek32(&bell->change);
            if (!deaf)
                poke32(&bell->flag, 1);
            fence_sc();
        }
        asked = !asked;
    }
    return result;
}
