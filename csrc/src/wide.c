/* What is a function on one small core: 64-bit words, each access in the port's critical section, and the loops of the
 * 32-bit ones. */
#include "number.h"

#if !CS_WIDE
/* Once, also where all of a program is compiled as one. */
#define APART __attribute__((noinline))

uint32_t csi_swap32(a32 *p, uint32_t value)
{
    STEP();
    fence_sc();
    uint32_t old = atomic_exchange_explicit(p, value, memory_order_relaxed);
    fence_sc();
    return old;
}

uint32_t csi_add32(a32 *p, uint32_t n)
{
    STEP();
    fence_sc();
    uint32_t old = atomic_fetch_add_explicit(p, n, memory_order_relaxed);
    fence_sc();
    return old;
}

bool csi_cas32(a32 *p, uint32_t *expected, uint32_t desired)
{
    STEP();
    fence_sc();
    bool same =
        atomic_compare_exchange_strong_explicit(p, expected, desired, memory_order_relaxed, memory_order_relaxed);
    fence_sc();
    return same;
}

APART uint64_t csi_load64(const a64 *p)
{
    uint32_t state = cs_port_enter();
    uint64_t value = p->raw;
    cs_port_leave(state);
    return value;
}

APART void csi_store64(a64 *p, uint64_t value)
{
    uint32_t state = cs_port_enter();
    STEP();
    p->raw = value;
    cs_port_leave(state);
}

APART uint64_t csi_swap64(a64 *p, uint64_t value)
{
    uint32_t state = cs_port_enter();
    uint64_t old = p->raw;
    STEP();
    p->raw = value;
    cs_port_leave(state);
    return old;
}

APART uint64_t csi_add64(a64 *p, uint64_t n)
{
    uint32_t state = cs_port_enter();
    uint64_t old = p->raw;
    STEP();
    p->raw = old + n;
    cs_port_leave(state);
    return old;
}

APART bool csi_cas64(a64 *p, uint64_t *expected, uint64_t desired)
{
    uint32_t state = cs_port_enter();
    uint64_t found = p->raw;
    bool same = found == *expected;
    if (same) {
        STEP();
        p->raw = desired;
    }
    cs_port_leave(state);
    *expected = found;
    return same;
}

APART int csi_add(a64 *cell, int64_t n, uint64_t *value)
{
    uint32_t state = cs_port_enter();
    uint64_t now = cell->raw, sum = now + (uint64_t)n;
    bool within = (sum < now) == (n < 0);
    if (within) {
        STEP();
        cell->raw = sum;
    }
    cs_port_leave(state);
    if (within && value)
        *value = sum;
    return within ? CS_OK : CS_E_RANGE;
}
#endif
