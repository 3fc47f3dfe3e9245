/*
 * base.h: result codes, names, handles, limits.
 */
#ifndef CORESTATE_BASE_H
#define CORESTATE_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(CORESTATE_SHARED)
#if defined(CORESTATE_BUILDING)
#define CS_API __declspec(dllexport)
#else
#define CS_API __declspec(dllimport)
#endif
#elif defined(__GNUC__) && !defined(_WIN32)
#define CS_API __attribute__((visibility("default")))
#else
#define CS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the byte layout this core writes and reads (see docs/layout.md). */
#define CS_LAYOUT_VERSION 1

/* Longest name in bytes when a region is made with key_bytes = 64, the largest. */
#define CS_NAME_MAX 63

/* Pass as a name's length when the name ends in a NUL. */
#define CS_NUL 0xFFFFFFFF

/* Pass as a timeout to wait without bound. Other timeouts are nanoseconds. */
#define CS_FOREVER 0xFFFFFFFFFFFFFFFF

/*
 * What functions return: zero or more is success, below zero is one of these.
 * cs_strerror() names them. Nothing is changed when an error is returned, unless said.
 */
enum cs_result {
    CS_OK = 0,
    CS_INHERITED = 1,       /* a lock was taken over from a dead holder */
    CS_E_INVALID = -1,      /* an argument makes no sense (a null pointer, an unknown enum value) */
    CS_E_NAME = -2,         /* a name is empty, too long for the region, or not UTF-8 */
    CS_E_RANGE = -3,        /* a number is outside what the field can hold */
    CS_E_NAN = -4,          /* not-a-number where it has no meaning */
    CS_E_FULL = -5,         /* the table has no free slot */
    CS_E_EXISTS = -6,       /* the name is taken */
    CS_E_NOT_FOUND = -7,    /* no such name or index */
    CS_E_STALE = -8,        /* the handle's slot has been removed (and perhaps used again) */
    CS_E_TOO_BIG = -9,      /* data does not fit its slot */
    CS_E_READ_ONLY = -10,   /* the region is attached read-only */
    CS_E_BUSY = -11,        /* somebody alive holds it, or a writer never pauses; try again */
    CS_E_TIMEOUT = -12,     /* the time passed first */
    CS_E_INTERRUPTED = -13, /* a signal interrupted the wait; call again */
    CS_E_CLOSED = -14,      /* the region was closed */
    CS_E_NOT_OWNER = -15,   /* released by who does not hold */
    CS_E_DEADLOCK = -16,    /* the calling thread holds this lock already */
    CS_E_NOT_REGION = -17,  /* the bytes are no region */
    CS_E_VERSION = -18,     /* a region of another layout version */
    CS_E_BYTE_ORDER = -19,  /* a region of other byte order */
    CS_E_TRUNCATED = -20,   /* smaller or larger than its header says */
    CS_E_CORRUPT = -21,     /* a section table or file that contradicts itself */
    CS_E_NOT_READY = -22,   /* being made, or its maker died */
    CS_E_NO_SLOT = -23,     /* no free participant slot */
    CS_E_TRANSITION = -24,  /* the lifecycle has no such transition */
    CS_E_IO = -25,          /* the port's or caller's read or write failed */
    CS_E_UNSUPPORTED = -26, /* this platform cannot do that */
    CS_E_MISMATCH = -27,    /* compare-and-swap found another value */
    CS_E_DETACHED = -28,    /* this process has no participant slot (after a fork that could not claim one) */
    CS_E_LIMIT = -29        /* a budget's limit would be exceeded */
};

/* A short English name of a result code; never null. O(1). */
CS_API const char *cs_strerror(int code);

/*
 * A handle names one slot of one table for as long as what it was given for lives: it carries the
 * slot's generation, so a handle to something removed is CS_E_STALE, never someone else's slot.
 * Zero is no handle. The low 32 bits are the slot's index.
 */
typedef uint64_t cs_handle;

#ifdef __cplusplus
}
#endif

#endif
