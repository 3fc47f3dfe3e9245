/* fuzz_port.h: what a fuzz target may know and say of its platform. */
#ifndef PROOF_FUZZ_PORT_H
#define PROOF_FUZZ_PORT_H

#include <stdint.h>

/* Bit: who sits in this participant slot (modulo 32) is alive. */
extern uint32_t fuzz_living;
/* What the platform has been asked since fuzz_restart: anything at all, and to wake somebody. */
extern uint64_t fuzz_calls, fuzz_wakes;
/* How far a look at the clock moves it: 100. */
extern uint64_t fuzz_tick;
/* Nanoseconds that have passed, nearly all of them in waits. */
uint64_t fuzz_time(void);
void fuzz_restart(void);

#endif
