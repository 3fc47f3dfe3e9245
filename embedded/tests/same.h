/*
 * same.h: one region made by one script, on every machine that the core is compiled for, with a clock and random numbers
 * of the script's own: so the bytes must be the same, all of them.
 */
#ifndef SAME_H
#define SAME_H

#include "corestate/corestate.h"

#define SAME_BYTES (64u << 10)
extern unsigned char same_memory[SAME_BYTES];

/* Makes the region in same_memory; its size, or 0 when a call failed. */
uint32_t same_make(void);

/* Attaches to the region in same_memory and tells every field of every section, one a line, as "path value" in
 * hexadecimal. Zero, or the error of the attach. */
int same_show(uint32_t size, void (*tell)(const char *line));

#endif
