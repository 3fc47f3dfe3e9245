/*
 * port.h: what a platform provides. The core asks nothing else of where it runs.
 *
 * One file in csrc/port/ implements this for one platform. Words that are waited for are 32-bit and
 * lie in the region; who sleeps and who wakes may be different processes.
 */
#ifndef CORESTATE_PORT_H
#define CORESTATE_PORT_H

#include "corestate/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who a process is, so that its death can be told from another's life. */
typedef struct cs_identity {
    uint64_t start;   /* tells it from others that have its pid; the platform's, 0 where unknown */
    uint64_t boot[2]; /* boot id, zero where unknown */
    uint32_t pid;     /* never 0 */
    uint32_t space;   /* among which pids this one counts, 9 bits; 0 where there is only one space, or it is unknown */
} cs_identity;

/* Nanoseconds since the epoch (a board: of its clock): to the instant, and cheap but coarse. */
uint64_t cs_port_now_ns(void);
uint64_t cs_port_coarse_ns(void);
/* Nanoseconds that never step back, for timeouts. */
uint64_t cs_port_monotonic_ns(void);

/* Who calls: never 0, not used twice in one process's life. */
uint32_t cs_port_thread(void);
void cs_port_identify(cs_identity *identity);
/* 128 random bits, or as random as the platform can. */
void cs_port_random(uint64_t out[2]);

/*
 * Sleep while *word is expected, at most timeout_ns. CS_OK (woken, or the word differed, or for no
 * reason), CS_E_TIMEOUT, CS_E_INTERRUPTED (a signal), CS_E_BUSY (must not sleep here: an interrupt).
 */
int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns);
/* Wake one or all who sleep on word. */
void cs_port_wake(const void *word, int all);
/* Sleep without a word (read-only views). CS_OK, CS_E_INTERRUPTED or CS_E_BUSY. */
int cs_port_sleep(uint64_t ns);
/* A breath between two looks. */
void cs_port_pause(void);

/*
 * Liveness. handle is what cs_region_attach was given.
 * claim: hold slot until unclaim or death; CS_OK, CS_E_BUSY (somebody alive holds it), or
 *        CS_E_UNSUPPORTED where there is no such lock to be had: then identity alone decides.
 * alive: 1 when slot's holder, described by who, is alive; 0 when dead. A handle of -1 says that the holder claimed
 *        without a lock. Who counts in another space of pids, or cannot tell, answers 1. Of one who is still
 *        attaching start and boot are zero.
 * Nothing that needs less than the right to write the region may hold a slot, or make its holder seem alive.
 */
int cs_port_claim(int64_t handle, uint32_t slot);
void cs_port_unclaim(int64_t handle, uint32_t slot);
int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who);

/*
 * Forks, where processes have them; elsewhere watch does nothing and unwatch answers 1.
 * watch: *mark becomes nonzero. In a child of fork, before fork returns there, *mark and the two 32-bit words at who become
 *        zero, and what is locked under handle is the parent's alone. Until unwatch, or another watch of the same mark.
 * unwatch: 1 when this process called watch, 0 when an ancestor did.
 */
void cs_port_watch(uint64_t *mark, void *who, int64_t handle);
int cs_port_unwatch(uint64_t *mark);

/* A short section nothing interrupts; only called where 64-bit atomics are missing. */
uint32_t cs_port_enter(void);
void cs_port_leave(uint32_t state);

#ifdef __cplusplus
}
#endif

#endif
