/*
 * cortex_m.h: what the ports to Cortex-M share, whatever runs above them: how an interrupt is told from
 * the rest, and how it is held off.
 */
#ifndef CORESTATE_PORT_CORTEX_M_H
#define CORESTATE_PORT_CORTEX_M_H

#include <stdbool.h>

#include "corestate/port.h"

/* The number of the exception that is being handled; 0 outside. */
static inline uint32_t cortex_m_exception(void)
{
    uint32_t ipsr;
    __asm__ volatile("mrs %0, ipsr" : "=r"(ipsr));
    return ipsr; /* read alone it has this number and nothing else */
}

static inline uint32_t cortex_m_masked(void)
{
    uint32_t primask;
    __asm__ volatile("mrs %0, primask" : "=r"(primask));
    return primask; /* one bit */
}

/*
 * The memory clobbers keep the compiler from moving accesses out of the section; one core sees its own
 * stores in order, so nothing else is needed.
 */
static inline uint32_t cortex_m_enter(void)
{
    uint32_t primask;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask) : : "memory");
    return primask;
}

static inline void cortex_m_leave(uint32_t primask) { __asm__ volatile("msr primask, %0" : : "r"(primask) : "memory"); }

#endif
