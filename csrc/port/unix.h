/*
 * unix.h: what the ports of Unix-like systems share: clocks, sleeping, random bytes.
 *
 * Included once by each port, after it has chosen its feature macros.
 */
#ifndef CORESTATE_PORT_UNIX_H
#define CORESTATE_PORT_UNIX_H

#include "corestate/port.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNIX_SECOND 1000000000u

/* Long enough for any wait, short enough for every kernel's own arithmetic and a 32-bit time_t. */
#define UNIX_LONGEST_SECONDS 1000000000u

static inline uint64_t unix_clock(clockid_t clock)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(clock, &now); /* of a clock that exists it cannot fail */
    return (uint64_t)now.tv_sec * UNIX_SECOND + (uint64_t)now.tv_nsec;
}

static inline struct timespec unix_timespec(uint64_t ns)
{
    struct timespec out;
    uint64_t seconds = ns / UNIX_SECOND;
    out.tv_sec = (time_t)(seconds < UNIX_LONGEST_SECONDS ? seconds : UNIX_LONGEST_SECONDS);
    out.tv_nsec = (long)(ns % UNIX_SECOND);
    return out;
}

static inline int unix_sleep(uint64_t ns)
{
    struct timespec time = unix_timespec(ns);
    return nanosleep(&time, NULL) != 0 && errno == EINTR ? CS_E_INTERRUPTED : CS_OK;
}

static inline void unix_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    __asm__ volatile("yield" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* The whole of a small file, NUL-terminated; how many bytes, 0 when it cannot be read. */
static inline size_t unix_read_file(const char *path, void *buffer, size_t capacity)
{
    unsigned char *at = buffer;
    size_t length = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return 0;
    }
    while (length < capacity - 1) {
        ssize_t got = read(file, at + length, capacity - 1 - length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        length += (size_t)got;
    }
    close(file);
    at[length] = 0;
    return length;
}

/* A UUID in text, or any hexadecimal digits, as 128 bits; leaves out alone when there are fewer. */
static inline void unix_parse_uuid(const char *text, uint64_t out[2])
{
    uint64_t value[2] = {0, 0};
    unsigned digits = 0;
    for (; *text && digits < 32; text++) {
        unsigned digit;
        if (*text >= '0' && *text <= '9') {
            digit = (unsigned)(*text - '0');
        } else if ((*text | 32) >= 'a' && (*text | 32) <= 'f') {
            digit = (unsigned)((*text | 32) - 'a') + 10;
        } else {
            continue;
        }
        value[digits / 16] = value[digits / 16] << 4 | digit;
        digits++;
    }
    if (digits == 32) {
        out[0] = value[0];
        out[1] = value[1];
    }
}

/* For where no source of random bits answers: what differs between two moments and two processes. */
static inline void unix_guess(uint64_t out[2])
{
    uint64_t mixed = unix_clock(CLOCK_REALTIME) * 0x9E3779B97F4A7C15u ^ (uint64_t)getpid() << 40;
    out[0] = mixed ^ unix_clock(CLOCK_MONOTONIC);
    out[1] = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9u;
}

#endif
