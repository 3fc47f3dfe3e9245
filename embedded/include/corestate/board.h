/*
 * board.h: what an image tells the port, and what it may replace.
 *
 * Under FreeRTOS and Zephyr the kernel's ticks are the clock, and only cs_board_set_time and what is
 * weak here matters. On a bare Cortex-M the port keeps time by SysTick. Either let it start the timer and call
 * cs_board_tick from your handler:
 *
 *     void SysTick_Handler(void) { cs_board_tick(); }
 *     int main(void) { cs_board_clock_start(25000000, 1000); ... }
 *
 * or keep your own timer and define cs_board_clock_ns.
 */
#ifndef CORESTATE_BOARD_H
#define CORESTATE_BOARD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start SysTick from the processor's clock: core_hz / ticks_per_second must fit 24 bits. Once, before
 * the first region is attached. Interrupts every 1 / ticks_per_second seconds. */
void cs_board_clock_start(uint32_t core_hz, uint32_t ticks_per_second);

/* From SysTick_Handler, each time. Safe at any priority. */
void cs_board_tick(void);

/*
 * Nanoseconds that never step back. Weak: yours takes its place. It is called from interrupts too. The
 * port's own counts ticks and reads SysTick's counter for the part between two of them; before
 * cs_board_clock_start it stands at zero and no wait with a timeout would end.
 */
uint64_t cs_board_clock_ns(void);

/* Set the time of day, in nanoseconds since the epoch: what is stamped on events and agents. Before the
 * first call it is cs_board_clock_ns. Timeouts are not touched. */
void cs_board_set_time(uint64_t now_ns);

/*
 * 128 bits nobody can guess, for a region's instance id and this start's identity. Weak: define it
 * where the chip has a random number generator or a unique id with a boot counter. The port's own is
 * the clock and a counter: the same in every run that takes the same time to get there.
 */
void cs_board_random(uint64_t out[2]);

#ifdef __cplusplus
}
#endif

#endif
