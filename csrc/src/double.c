/*
 * The sum of two doubles where the processor has no unit for them: in a third of the room the compiler's library takes,
 * and rounded right where libgcc for ARM is not (0x4890000000000001 and 0xC680000040000000).
 */
#include "number.h"

#if !CS_DOUBLE_UNIT
#define SIGN 0x8000000000000000u
#define FRACTION 0x000FFFFFFFFFFFFFu
#define ENDLESS 0x7FFu /* exponent of infinity and of what is not a number */
#define BEHIND 11u     /* bits behind a double's last one when its first is bit 63 */

static uint32_t exponent_of(uint64_t bits) { return (uint32_t)(bits >> 52) & 0x7FFu; }

/* A subnormal number has the exponent of the least others. */
static uint32_t scale_of(uint64_t bits) { return exponent_of(bits) ? exponent_of(bits) : 1; }

/* Its first bit is bit 62, which leaves room for a carry; that of a subnormal number is below. */
static uint64_t significand_of(uint64_t bits)
{
    uint64_t fraction = bits & FRACTION;
    return (exponent_of(bits) ? fraction | (FRACTION + 1) : fraction) << (BEHIND - 1);
}

/* IEEE 754, to the nearest, of two as near to the even one. */
uint64_t csi_add_f64(uint64_t a, uint64_t b)
{
    if (a << 1 < b << 1) {
        uint64_t smaller = a;
        a = b;
        b = smaller;
    }
    bool endless = exponent_of(a) == ENDLESS;
    if ((a ^ b) == SIGN)
        return endless ? a | 1 : 0; /* infinity less infinity is not a number */
    if (endless)
        return a;
    uint64_t sum = significand_of(b);
    for (uint32_t apart = scale_of(a) - scale_of(b); apart && sum > 1; apart--)
        sum = sum >> 1 | (sum & 1); /* of what falls out remains that there was something */
    if ((a ^ b) & SIGN)
        sum = 0 - sum;
    sum += significand_of(a);
    uint32_t exponent = scale_of(a) + 1; /* of a number whose first bit is bit 63 */
    for (; exponent > 1 && !(sum & SIGN); exponent--)
        sum <<= 1;
    if (exponent == ENDLESS)
        sum = SIGN;
    /* The first bit makes the exponent greater by one, and so does a carry from below it. */
    uint32_t low = (uint32_t)sum, even = low >> BEHIND & 1, rest = low & ((1u << BEHIND) - 1);
    uint32_t up = (rest + (1u << (BEHIND - 1)) - 1 + even) >> BEHIND;
    return (((uint64_t)(exponent - 1) << 52) + (sum >> BEHIND) + up) | (a & SIGN);
}
#endif
