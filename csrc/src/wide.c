/* 64-bit words where the processor has no 64-bit atomics: each access in the port's critical section. */
#include "number.h"

#if !CS_WIDE
uint64_t csi_load64(const a64 *p)
{
    uint32_t state = cs_port_enter();
    uint64_t value = p->raw;
    cs_port_leave(state);
    return value;
}

uint64_t csi_swap64(a64 *p, uint64_t value)
{
    uint32_t state = cs_port_enter();
    uint64_t old = p->raw;
    STEP();
    p->raw = value;
    cs_port_leave(state);
    return old;
}

uint64_t csi_add64(a64 *p, uint64_t n)
{
    uint32_t state = cs_port_enter();
    uint64_t old = p->raw;
    STEP();
    p->raw = old + n;
    cs_port_leave(state);
    return old;
}

bool csi_cas64(a64 *p, uint64_t *expected, uint64_t desired)
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

int csi_add(a64 *cell, int64_t n, uint64_t *value) { return add_within(cell, n, value); }
#endif
