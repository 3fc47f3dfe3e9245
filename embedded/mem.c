/*
 * The four functions every freestanding compiler may call. Weak: an image that links a C library has
 * better ones. Written so that no compiler recognises the loop and calls the function from itself.
 */
#include <stdint.h>
#include <string.h>

#define WEAK __attribute__((weak, used))
#define KEEP __asm__ volatile("")

WEAK void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (!(((uintptr_t)out | (uintptr_t)in) & 3u))
        for (; size >= 4; size -= 4, in += 4, out += 4) {
            *(uint32_t *)(void *)out = *(const uint32_t *)(const void *)in;
            KEEP;
        }
    while (size--) {
        *out++ = *in++;
        KEEP;
    }
    return to;
}

WEAK void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (out <= in || out >= in + size)
        return memcpy(to, from, size);
    while (size--) {
        out[size] = in[size];
        KEEP;
    }
    return to;
}

WEAK void *memset(void *to, int value, size_t size)
{
    unsigned char *out = to;
    while (size--) {
        *out++ = (unsigned char)value;
        KEEP;
    }
    return to;
}

WEAK int memcmp(const void *left, const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;
    for (; size; size--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}
