/*
 * atomic.h: the words of a region and the few ways the core touches them.
 *
 * Plain names acquire and release; `peek` and `poke` are relaxed; read-modify-writes and the loads and
 * stores named `_sc` are sequentially consistent. Where 64-bit atomics are missing (thumbv7em) a wide
 * word goes through the port's critical section, which is right on one core.
 */
#ifndef CORESTATE_ATOMIC_H
#define CORESTATE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "corestate/port.h"

/* A test build numbers every store to a region, and may end the process at any of them; and counts loads. */
#ifdef CORESTATE_CRASH_POINTS
void cs_crash_point(void);
void cs_read_point(void);
#define STEP() cs_crash_point()
#define LOOK() cs_read_point()
#else
#define STEP() ((void)0)
#define LOOK() ((void)0)
#endif

/* What is one instruction is never a call, also where a compiler that is to save room would not look that far. */
#if defined(__GNUC__)
#define ONE static inline __attribute__((always_inline))
#else
#define ONE static inline
#endif

typedef _Atomic uint32_t a32;

/*
 * In an image that shares its regions with no other process, nobody dies while the others live. Such an image may be
 * compiled with CORESTATE_ALONE=1: what there is for others and for the dead is then left out (csrc/alone), and with it half of the code.
 */
#ifndef CORESTATE_ALONE
#define CORESTATE_ALONE 0
#endif

#if ATOMIC_LLONG_LOCK_FREE == 2 && !CORESTATE_ALONE
#define CS_WIDE 1
typedef _Atomic uint64_t a64;
typedef a64 data_word; /* payloads are copied in words of this size */
typedef uint64_t data_value;
#else
#define CS_WIDE 0
typedef struct a64 {
    _Alignas(8) uint64_t raw; /* only touched in a section, whose ends the compiler moves nothing across */
} a64;
typedef a32 data_word;
typedef uint32_t data_value;
#endif

/*
 * One core sees its own accesses in the order of its program, and whoever interrupts it sees them so too: there only the
 * compiler must keep to it. So it is in wasm, whose atomic accesses are all sequentially consistent, and whose fence
 * costs twenty nanoseconds.
 */
#if CS_WIDE && !defined(__wasm__)
#define ORDER atomic_thread_fence
#else
#define ORDER atomic_signal_fence
#endif
ONE void fence_acquire(void) { ORDER(memory_order_acquire); }
ONE void fence_release(void) { ORDER(memory_order_release); }
ONE void fence_sc(void) { ORDER(memory_order_seq_cst); }

ONE uint32_t peek32(const a32 *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_relaxed);
}
ONE void poke32(a32 *p, uint32_t value)
{
    STEP();
    atomic_store_explicit(p, value, memory_order_relaxed);
}
#if CS_WIDE
ONE uint32_t load32(const a32 *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_acquire);
}
ONE uint32_t load32_sc(const a32 *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_seq_cst);
}
ONE void store32(a32 *p, uint32_t value)
{
    STEP();
    atomic_store_explicit(p, value, memory_order_release);
}
ONE uint32_t swap32(a32 *p, uint32_t value)
{
    STEP();
    return atomic_exchange_explicit(p, value, memory_order_seq_cst);
}
ONE uint32_t add32(a32 *p, uint32_t n)
{
    STEP();
    return atomic_fetch_add_explicit(p, n, memory_order_seq_cst);
}
/* On failure *expected is what was found. */
static inline bool cas32(a32 *p, uint32_t *expected, uint32_t desired)
{
    STEP();
    return atomic_compare_exchange_strong_explicit(p, expected, desired, memory_order_seq_cst, memory_order_acquire);
}
#else
ONE uint32_t load32(const a32 *p)
{
    uint32_t value = peek32(p);
    fence_acquire();
    return value;
}
ONE uint32_t load32_sc(const a32 *p)
{
    fence_sc();
    return load32(p);
}
ONE void store32(a32 *p, uint32_t value)
{
    fence_release();
    poke32(p, value);
}
/* Functions, because each is a loop where it stands (wide.c). */
uint32_t csi_swap32(a32 *p, uint32_t value);
uint32_t csi_add32(a32 *p, uint32_t n);
bool csi_cas32(a32 *p, uint32_t *expected, uint32_t desired);
ONE uint32_t swap32(a32 *p, uint32_t value) { return csi_swap32(p, value); }
ONE uint32_t add32(a32 *p, uint32_t n) { return csi_add32(p, n); }
static inline bool cas32(a32 *p, uint32_t *expected, uint32_t desired) { return csi_cas32(p, expected, desired); }
#endif

#if CS_WIDE
ONE uint64_t peek64(const a64 *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_relaxed);
}
ONE uint64_t load64(const a64 *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_acquire);
}
ONE uint64_t load64_sc(const a64 *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_seq_cst);
}
ONE void poke64(a64 *p, uint64_t value)
{
    STEP();
    atomic_store_explicit(p, value, memory_order_relaxed);
}
ONE void store64(a64 *p, uint64_t value)
{
    STEP();
    atomic_store_explicit(p, value, memory_order_release);
}
ONE uint64_t swap64(a64 *p, uint64_t value)
{
    STEP();
    return atomic_exchange_explicit(p, value, memory_order_seq_cst);
}
ONE uint64_t add64(a64 *p, uint64_t n)
{
    STEP();
    return atomic_fetch_add_explicit(p, n, memory_order_seq_cst);
}
ONE uint64_t add64_relaxed(a64 *p, uint64_t n)
{
    STEP();
    return atomic_fetch_add_explicit(p, n, memory_order_relaxed);
}
static inline bool cas64(a64 *p, uint64_t *expected, uint64_t desired)
{
    STEP();
    return atomic_compare_exchange_strong_explicit(p, expected, desired, memory_order_seq_cst, memory_order_acquire);
}
#else
/* Functions, since the section around each is more code than the call (wide.c). */
uint64_t csi_load64(const a64 *p);
void csi_store64(a64 *p, uint64_t value);
uint64_t csi_swap64(a64 *p, uint64_t value);
uint64_t csi_add64(a64 *p, uint64_t n);
bool csi_cas64(a64 *p, uint64_t *expected, uint64_t desired);
ONE uint64_t peek64(const a64 *p) { return csi_load64(p); }
ONE uint64_t load64(const a64 *p) { return csi_load64(p); }
ONE uint64_t load64_sc(const a64 *p) { return csi_load64(p); }
ONE uint64_t swap64(a64 *p, uint64_t value) { return csi_swap64(p, value); }
ONE void poke64(a64 *p, uint64_t value) { csi_store64(p, value); }
ONE void store64(a64 *p, uint64_t value) { csi_store64(p, value); }
ONE uint64_t add64(a64 *p, uint64_t n) { return csi_add64(p, n); }
ONE uint64_t add64_relaxed(a64 *p, uint64_t n) { return csi_add64(p, n); }
static inline bool cas64(a64 *p, uint64_t *expected, uint64_t desired) { return csi_cas64(p, expected, desired); }
#endif

ONE data_value data_peek(const data_word *p)
{
    LOOK();
    return atomic_load_explicit(p, memory_order_relaxed);
}
ONE void data_poke(data_word *p, data_value value)
{
    STEP();
    atomic_store_explicit(p, value, memory_order_relaxed);
}

/* Four words a round of the loops below, where there is room for code; clang does so by itself. */
#if CS_WIDE && defined(__GNUC__) && !defined(__clang__)
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define UNROLLED
#endif

/* Bytes into a region, word by word; what is left of the last eight bytes becomes zero. `to` is 8-byte aligned. */
static inline void copy_in(void *to, const void *from, uint32_t length)
{
    data_word *word = to;
    const unsigned char *bytes = from;
    uint32_t whole = length / (uint32_t)sizeof(data_value), rest = length % (uint32_t)sizeof(data_value);
    data_value value;
    UNROLLED for (uint32_t i = 0; i < whole; i++)
    {
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        data_poke(word + i, value);
    }
    if (rest) {
        value = 0;
        memcpy(&value, bytes + whole * sizeof value, rest);
        data_poke(word + whole++, value);
    }
    if (sizeof(data_value) < 8 && (uintptr_t)(word + whole) % 8) /* the bytes are to be the same everywhere */
        data_poke(word + whole, 0);
}

/* Bytes out of a region, word by word. `from` is 8-byte aligned. */
static inline void copy_out(void *to, const void *from, uint32_t length)
{
    const data_word *word = from;
    unsigned char *bytes = to;
    uint32_t whole = length / (uint32_t)sizeof(data_value), rest = length % (uint32_t)sizeof(data_value);
    data_value value;
    UNROLLED for (uint32_t i = 0; i < whole; i++)
    {
        value = data_peek(word + i);
        memcpy(bytes + i * sizeof value, &value, sizeof value);
    }
    if (rest) {
        value = data_peek(word + whole);
        memcpy(bytes + whole * sizeof value, &value, rest);
    }
}

#endif
