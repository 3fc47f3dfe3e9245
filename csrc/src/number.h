/*
 * number.h: adding to a cell without ever passing its ends; and what a f64 is, told from its bits, since many
 * boards would compare and add two of them by a library.
 */
#ifndef CORESTATE_NUMBER_H
#define CORESTATE_NUMBER_H

#include "view.h"

/*
 * Add n; RANGE, and nothing changed, below zero and beyond 64 bits. While the value is below 2^62 and n
 * neither negative nor above 2^32, one atomic addition cannot pass the end, whatever all others who may be
 * between their look and their addition add; else compare and swap.
 */
#if CS_WIDE
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
#else
int csi_add(a64 *cell, int64_t n, uint64_t *value); /* wide.c: the same in one section */
#endif

static inline uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline double value_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
#define HUNDRED 0x4059000000000000u
#define INFINITY_BITS 0x7FF0000000000000u
static inline bool is_nan(uint64_t bits) { return (bits & 0x7FFFFFFFFFFFFFFFu) > INFINITY_BITS; }
static inline bool is_negative(uint64_t bits) { return bits > 0x8000000000000000u; } /* minus zero is zero */

/* The sum of two doubles, by their bits. Of boards without a unit for them the compiler's library is not exact, and large. */
#if (CORESTATE_ALONE || defined(__arm__)) && !(defined(__ARM_FP) && __ARM_FP & 8)
#define CS_DOUBLE_UNIT 0
CS_INTERNAL uint64_t csi_add_f64(uint64_t a, uint64_t b);
#else
#define CS_DOUBLE_UNIT 1
static inline uint64_t csi_add_f64(uint64_t a, uint64_t b) { return bits_of(value_of(a) + value_of(b)); }
#endif

/* Of numbers that are not negative the greater one has the greater bits. */
static inline bool is_above(uint64_t bits, uint64_t most) { return !(bits >> 63) && bits > most; }

#endif
