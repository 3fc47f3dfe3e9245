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

static uint64_t ticked_ns;
static uint32_t tick_ns;
static uint32_t ns_per_cycle; /* 16.16 */

WEAK void cs_board_clock_start(uint32_t core_hz, uint32_t ticks_per_second)
{
    tick_ns = 1000000000u / ticks_per_second;
    uint32_t rest = 1000000000u % core_hz;
    ns_per_cycle = 1000000000u / core_hz;
    for (int bit = 0; bit < 16; bit++) { /* a 64-bit division, which would cost more code than all of this file */
        uint32_t carry = rest >= core_hz - rest;
        rest = carry ? rest - (core_hz - rest) : 2 * rest;
        ns_per_cycle = ns_per_cycle << 1 | carry;
    }
    SYSTICK->reload = core_hz / ticks_per_second - 1;
    SYSTICK->current = 0;
    SYSTICK->control = SYSTICK_RUN;
}

WEAK void cs_board_tick(void)
{
    uint32_t state = cortex_m_enter();
    ticked_ns += tick_ns;
    cortex_m_leave(state);
}

WEAK uint64_t cs_board_clock_ns(void)
{
    uint32_t state = cortex_m_enter();
    uint64_t ns = ticked_ns;
    uint32_t reload = SYSTICK->reload, left = SYSTICK->current;
    /* The counter may have started its next round while its interrupt is held off: by us, or by who called us. */
    if (ICSR & ICSR_PENDSTSET) {
        left = SYSTICK->current;
        ns += tick_ns;
    }
    cortex_m_leave(state);
    /* It stands at zero for one cycle, with which the new round begins. */
    uint64_t part = left ? (uint64_t)(reload + 1 - left) * ns_per_cycle >> 16 : 0;
    return ns + part;
}
