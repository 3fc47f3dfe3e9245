/*
 * Time on a bare Cortex-M, from SysTick: ticks counted by its interrupt, and between two of them its
 * counter. All of it is weak, for boards with a better clock.
 */
#include "cortex_m.h"

#include "corestate/board.h"

#define WEAK __attribute__((weak))

struct systick {
    volatile uint32_t control, reload, current, calibration;
};
#define SYSTICK ((struct systick *)0xE000E010u)
#define SYSTICK_RUN 7u /* processor clock, interrupt, enable */
#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define ICSR_PENDSTSET (1u << 26)

static struct {
    uint64_t ticked_ns;
    uint32_t tick_ns;
    uint32_t tick_cycles;
    uint32_t ns_per_cycle; /* 16.16, rounded down: a tick's cycles make no more than it counts */
} clock;

WEAK void cs_board_clock_start(uint32_t core_hz, uint32_t ticks_per_second)
{
    uint32_t rest = 1000000000u % core_hz, per_cycle = 1000000000u / core_hz;
    for (int bit = 0; bit < 16; bit++) { /* a 64-bit division, which would cost more code than all of this file */
        uint32_t carry = rest >= core_hz - rest;
        rest = carry ? rest - (core_hz - rest) : 2 * rest;
        per_cycle = per_cycle << 1 | carry;
    }
    clock.tick_ns = 1000000000u / ticks_per_second;
    clock.tick_cycles = core_hz / ticks_per_second;
    clock.ns_per_cycle = per_cycle;
    SYSTICK->reload = clock.tick_cycles - 1;
    SYSTICK->current = 0;
    SYSTICK->control = SYSTICK_RUN;
}

WEAK void cs_board_tick(void)
{
    uint32_t state = cortex_m_enter();
    clock.ticked_ns += clock.tick_ns;
    cortex_m_leave(state);
}

WEAK uint64_t cs_board_clock_ns(void)
{
    uint32_t state = cortex_m_enter();
    uint64_t ns = clock.ticked_ns;
    uint32_t left = SYSTICK->current, cycles = 0;
    /* The next round may have begun while its interrupt is held off, by us or by who called us: then maybe after the look
     * at what was left. */
    if (ICSR & ICSR_PENDSTSET) {
        left = SYSTICK->current;
        cycles = clock.tick_cycles;
    }
    cortex_m_leave(state);
    if (left) /* it stands at zero for one cycle, with which the new round begins */
        cycles += clock.tick_cycles - left;
    return ns + (uint32_t)((uint64_t)cycles * clock.ns_per_cycle >> 16);
}
