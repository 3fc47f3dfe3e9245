/*
 * number.h: adding to a cell without ever passing its ends.
 */
#ifndef CORESTATE_NUMBER_H
#define CORESTATE_NUMBER_H

#include "view.h"

/*
 * Add n; RANGE, and nothing changed, below zero and beyond 64 bits. While the value is below 2^62 and n
 * neither negative nor above 2^32, one atomic addition cannot pass the end, whatever all others who may be
 * between their look and their addition add; else compare and swap.
 */
static inline int csi_add(a64 *cell, int64_t n, uint64_t *value)
{
    uint64_t now = peek64(cell);
    if (LIKELY(n >= 0 && n <= 0xFFFFFFFF && now < 1ull << 62)) {
        now = add64(cell, (uint64_t)n);
    } else {
        do {
            uint64_t sum = now + (uint64_t)n;
            if (n >= 0 ? sum < now : sum > now)
                return CS_E_RANGE;
        } while (!cas64(cell, &now, now + (uint64_t)n));
    }
    if (value)
        *value = now + (uint64_t)n;
    return CS_OK;
}

#endif
