/*
 * wasm.h: what the port to wasm32 offers whoever instantiates it, and what it asks of them.
 *
 * Every instance of the module on one memory is one thread: the page, a worker, Python in a worker. Each has a
 * seat: a block of the memory with its stack, its thread-local words and its heap. A seat names the realm
 * (what lives and dies as one: a page, a worker) that took it, in the same word and step that takes it. Who
 * learns that a realm is dead says so with cs_wasm_bury; from then on its participants count as dead, and its
 * seats are taken again.
 *
 * How an instance begins, before any other call:
 *
 *     __stack_pointer = 0                     so that a use of the stack would trap
 *     seat = cs_wasm_sit(realm, random, may_block)
 *     __stack_pointer = cs_wasm_stack(seat)
 *     __wasm_init_tls(cs_wasm_locals(seat))   where the build has threads
 *     cs_wasm_begin(seat)
 */
#ifndef CORESTATE_PORT_WASM_H
#define CORESTATE_PORT_WASM_H

#include "corestate/port.h"

#define WASM_IMPORT(name) __attribute__((import_module("corestate"), import_name(#name)))

/* -- what the embedder provides ------------------------------------------------------------- */

/* Milliseconds since the epoch, to the instant and cheap; and milliseconds that never step back. */
WASM_IMPORT(now) double host_now(void);
WASM_IMPORT(coarse) double host_coarse(void);
WASM_IMPORT(monotonic) double host_monotonic(void);
WASM_IMPORT(random) uint64_t host_random(void);
#ifndef __wasm_atomics__
/* Without threads: sleep, and tell this thread's own tasks that a word they wait for was written. */
WASM_IMPORT(sleep) void host_sleep(double ms);
WASM_IMPORT(woken) void host_woken(const void *word);
#endif

/*
 * Addresses from here to 1023 are the embedder's own: nothing of the module lies there. It can leave a mark by which
 * a memory is known before anything runs on it: instances of different builds would disagree about where things are.
 */
#define CS_WASM_MARK 512

/* -- what the module exports for it --------------------------------------------------------- */

struct seat;

/*
 * Take a seat for a realm (nonzero): a free one, a buried realm's, or a new one at the memory's end. `random` makes
 * the memory's identity when this is its first seat. `may_block`: waits sleep; else they return CS_E_BUSY.
 * Returns the seat's address, 0 when the memory cannot grow. Uses no stack.
 */
CS_API struct seat *cs_wasm_sit(uint32_t realm, uint64_t random, uint32_t may_block);
/* Where the seat's stack begins (it grows down) and where its thread-local words go. Use no stack. */
CS_API void *cs_wasm_stack(struct seat *seat);
CS_API void *cs_wasm_locals(struct seat *seat);
/* From here on this instance is `seat`. */
CS_API void cs_wasm_begin(struct seat *seat);
/* Give the seat back; the last call of an instance. */
CS_API void cs_wasm_stand_up(void);

/* Whether waits may sleep from now on; returns what it was. Forgets what the last wait would have slept on. */
CS_API uint32_t cs_wasm_may_block(uint32_t may_block);
/*
 * After a wait returned CS_E_BUSY because it may not sleep: what it would have slept on. The word's address (0: none,
 * only time passes), what it was expected to be, and for how many milliseconds (0: it did not get as far as sleeping, and
 * CS_E_BUSY means what it says). Wait as the embedder can, and call again.
 */
CS_API const void *cs_wasm_awaited(void);
CS_API uint32_t cs_wasm_awaited_value(void);
CS_API double cs_wasm_awaited_ms(void);

/* Every seat of this realm is a dead one's from now on. Returns how many were taken. */
CS_API uint32_t cs_wasm_bury(uint32_t realm);
/* The realm of the index'th seat; 0 when the seat is free or buried, -1 after the last. */
CS_API int64_t cs_wasm_realm(uint32_t index);
/* Which memory this is: random, never 0. Nobody's before the first seat is taken. */
CS_API uint64_t cs_wasm_memory(void);

/* -- for the other C sources of the module --------------------------------------------------- */

#define SEAT_BYTES (128u << 10)
#define SEAT_STACK (64u << 10)

/* The rest of this instance's seat, for a heap. What was written there by whoever sat here before is still there. */
void *wasm_seat_room(void);
#define SEAT_ROOM (SEAT_BYTES - SEAT_STACK - 1024u)

#endif
