/*
 * semihost.h: what a test image asks of the debugger, here QEMU with -semihosting: text, files, the
 * command line, and an exit status.
 */
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stdint.h>

void semihost_write(const char *text);
__attribute__((noreturn)) void semihost_exit(int status);

/* The words after the image's name on the command line (QEMU: -semihosting-config arg=...). */
const char *semihost_arguments(void);

/* A whole file of the host. How many bytes, or -1. */
int32_t semihost_load(const char *path, void *to, uint32_t capacity);
int32_t semihost_save(const char *path, const void *from, uint32_t length);

/* Seconds since the epoch. */
uint32_t semihost_time(void);

/* A decimal number, and text before it. */
void semihost_number(const char *text, uint64_t number);

#endif
