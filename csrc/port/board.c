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

uint64_t cs_port_coarse_ns(void) __attribute__((alias("cs_port_now_ns")));
uint64_t cs_port_monotonic_ns(void) { return cs_board_clock_ns(); }

/* Never the same twice in one run: of two calls one has the higher count, and a clock that is not behind. */
__attribute__((weak)) void cs_board_random(uint64_t out[2])
{
    static uint32_t calls;
    uint64_t now = cs_board_clock_ns();
    uint64_t count = ++calls;
    out[0] = now + count;
    out[1] = ~count;
}

void cs_port_random(uint64_t out[2]) { cs_board_random(out); }

/* In 32 bits, which are read in one step. The lowest says that it was drawn. */
static uint32_t this_start(void)
{
    static uint32_t start;
    if (!start) {
        uint64_t random[2];
        cs_board_random(random); /* outside the section: a generator may take its time */
        uint32_t state = cs_port_enter();
        if (!start) /* no other task was faster */
            start = (uint32_t)(random[0] ^ random[1]) << 1 | 1u;
        cs_port_leave(state);
    }
    return start;
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

/* Nothing forks here. */
void cs_port_watch(uint64_t *mark, void *who, int64_t handle) { (void)mark, (void)who, (void)handle; }
int cs_port_unwatch(uint64_t *mark)
{
    (void)mark;
    return 1;
}
