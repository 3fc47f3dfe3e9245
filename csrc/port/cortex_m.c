/*
 * The port to a bare Cortex-M (ARMv7-M, one core): one main loop and its interrupts. What waits is the
 * main loop; what wakes it is an interrupt. Time comes from cortex_m_systick.c, the rest from board.c.
 */
#include "cortex_m.h"

#include "corestate/board.h"

uint32_t cs_port_enter(void) { return cortex_m_enter(); }
void cs_port_leave(uint32_t state) { cortex_m_leave(state); }

/* The main loop is 1, an exception its number and 1: an interrupt never finds itself to hold what it interrupted. */
uint32_t cs_port_thread(void) { return cortex_m_exception() + 1; }

/*
 * With interrupts held off nobody could wake the waiter, nor would the time pass. An interrupt between the look and
 * the WFE is not missed: its return sets the event register, so that WFE falls through. Every tick does that too, which
 * bounds the sleep. No word is a sleep, which ends with the time.
 */
int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    const uint32_t *at = word;
    if (cortex_m_exception() | cortex_m_masked())
        return CS_E_BUSY;
    uint64_t start = cs_board_clock_ns();
    while (!at || __atomic_load_n(at, __ATOMIC_RELAXED) == expected) {
        if (cs_board_clock_ns() - start >= timeout_ns)
            return at ? CS_E_TIMEOUT : CS_OK;
        __asm__ volatile("wfe" : : : "memory");
    }
    return CS_OK;
}

int cs_port_sleep(uint64_t ns) { return cs_port_wait(0, 0, ns); }

void cs_port_wake(const void *word, int all)
{
    (void)word, (void)all;
    __asm__ volatile("dsb\n\tsev" : : : "memory"); /* for a waker that is no interrupt: a peer on the bus */
}

void cs_port_pause(void) { __asm__ volatile("yield"); }
