/*
 * string.h for targets without a C library: the four functions the core may call, which the compiler asks of every
 * freestanding target anyway. tools/check-cross compiles the core against this alone.
 */
#ifndef CORESTATE_FREESTANDING_STRING_H
#define CORESTATE_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

#endif
