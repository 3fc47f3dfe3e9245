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

int csi_bell_wait(const view *v, struct bell *bell, deadline until, uint64_t slice_ns, bool (*ready)(void *),
                  void *context)
{
    bool deaf = !peek32(&v->owner);
    if (peek32(&v->closed))
        return CS_E_CLOSED;
    uint64_t slice = deadline_slice(until, deaf ? READER_SLICE_NS : slice_ns);
    if (!slice)
        return CS_E_TIMEOUT;
    if (deaf)
        return cs_port_sleep(slice);
    uint32_t ticket = load32(&bell->change);
    store32(&bell->flag, 1);
    fence_sc(); /* the look at the data comes after the flag */
    if (ready(context) || load32(&v->closed))
        return CS_OK;
    int result = cs_port_wait(&bell->change, ticket, slice);
    return result == CS_E_TIMEOUT ? CS_OK : result; /* of this slice; the caller's time is checked above */
}
