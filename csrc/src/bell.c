#include "bell.h"

int csi_bell_wait(const view *v, struct bell *bell, deadline until, uint64_t slice_ns, bool (*ready)(void *),
                  void *context)
{
    bool deaf = peek32(&v->owner) == 0;
    if (load32(&v->closed))
        return CS_E_CLOSED;
    uint64_t slice = deadline_slice(until, deaf && slice_ns > READER_SLICE_NS ? READER_SLICE_NS : slice_ns);
    if (!slice)
        return CS_E_TIMEOUT;
    if (deaf)
        return cs_port_sleep(slice);
    uint32_t ticket = load32(&bell->change);
    (void)swap32(&bell->flag, 1);
    fence_sc(); /* the look at the data, whatever loads it is made of, comes after the flag */
    if (ready(context) || load32_sc(&v->closed))
        return CS_OK;
    int result = cs_port_wait(&bell->change, ticket, slice);
    return result == CS_E_TIMEOUT ? CS_OK : result; /* of this slice; the caller's time is checked above */
}
