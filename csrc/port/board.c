/*
 * What the ports to boards have in common: the time of day above a clock, random numbers where there are no better
 * ones, and who lives. A board is one process, and it ends when the board starts anew. A region in memory that outlives
 * a reset (a .noinit section) still names the participants of the start before; their number differs from this
 * one's, so they are dead and are swept.
 */
#include "corestate/board.h"
#include "corestate/port.h"

static uint64_t epoch; /* of cs_board_clock_ns */

void cs_board_set_time(uint64_t now_ns)
{
    uint32_t state = cs_port_enter();
    epoch = now_ns - cs_board_clock_ns();
    cs_port_leave(state);
}

uint64_t cs_port_now_ns(void)
{
    uint32_t state = cs_port_enter();
    uint64_t from = epoch;
    cs_port_leave(state);
    return from + cs_board_clock_ns();
}

uint64_t cs_port_coarse_ns(void) { return cs_port_now_ns(); }
uint64_t cs_port_monotonic_ns(void) { return cs_board_clock_ns(); }

/* Steps of a Weyl sequence, mixed with the clock as splitmix64 does. */
__attribute__((weak)) void cs_board_random(uint64_t out[2])
{
    static uint32_t calls;
    for (int i = 0; i < 2; i++) {
        uint64_t mixed = cs_board_clock_ns() + ++calls * 0x9E3779B97F4A7C15ull;
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9ull;
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBull;
        out[i] = mixed ^ mixed >> 31;
    }
}

void cs_port_random(uint64_t out[2]) { cs_board_random(out); }

static uint64_t this_start(void)
{
    static uint64_t start;
    uint64_t random[2], found;
    uint32_t state = cs_port_enter();
    found = start;
    cs_port_leave(state);
    if (found)
        return found;
    cs_port_random(random); /* outside the section: a generator may take its time */
    state = cs_port_enter();
    if (!start)
        start = (random[0] ^ random[1]) | 1;
    found = start;
    cs_port_leave(state);
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
