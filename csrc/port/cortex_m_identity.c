/*
 * Who lives on a board: one process, and it ends when the board starts anew. A region in memory that
 * outlives a reset (a .noinit section) still names the participants of the start before; their number
 * differs from this one's, so they are dead and are swept.
 */
#include "cortex_m.h"

static uint64_t this_start(void)
{
    static uint64_t start;
    uint64_t random[2], found;
    uint32_t state = cortex_m_enter();
    found = start;
    cortex_m_leave(state);
    if (found)
        return found;
    cs_port_random(random); /* outside the section: a generator may take its time */
    state = cortex_m_enter();
    if (!start)
        start = (random[0] ^ random[1]) | 1;
    found = start;
    cortex_m_leave(state);
    return found;
}

void cs_port_identify(cs_identity *identity) { *identity = (cs_identity){.start = this_start(), .pid = 1}; }

int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    (void)handle, (void)slot;
    return who->start == this_start();
}

int cs_port_claim(int64_t handle, uint32_t slot)
{
    (void)handle, (void)slot;
    return CS_E_UNSUPPORTED; /* identity decides */
}

void cs_port_unclaim(int64_t handle, uint32_t slot) { (void)handle, (void)slot; }
