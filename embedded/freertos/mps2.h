/* mps2.h: QEMU's MPS2 boards under FreeRTOS: a timer beside the kernel's, and what becomes of a failure. */
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

/* board_timer_interrupt is called once, in `cycles` of the processor's clock, at a priority from which the kernel may be
 * called. From that interrupt too, for the next. */
void board_timer_once(uint32_t cycles);
/* Provided by the image. */
void board_timer_interrupt(void);

/* Ends the run with a failure: an assertion of the kernel did not hold, or a task's stack was too small. */
void board_failed(const char *file, int line);

#endif
