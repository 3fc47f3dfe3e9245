/*
 * sensors.h: the example's state and what its tasks do with it, the same under a bare main loop, FreeRTOS and Zephyr.
 *
 * Three sensors are sampled a thousand times a second from an interrupt. Ten samples make a burst. Each sensor
 * is an agent, the burst engine's state and numbers are the engine section's, a spike is an event. The engine works for
 * three seconds, then sleeps for one, and starts over.
 */
#ifndef SENSORS_H
#define SENSORS_H

#include "corestate/corestate.h"

#define SENSORS 3u

extern cs_region sensors_region;
extern _Alignas(64) unsigned char sensors_memory[];
extern const uint32_t sensors_memory_bytes;

/* Makes the region and what is in it. CS_OK, or why not. */
int sensors_begin(void);

/* From the interrupt, each millisecond: reads the sensors. */
void sensors_sample(void);

/* From a task or the main loop, at least every ten milliseconds: bursts that are due, sleeping and waking. */
void sensors_burst(void);

/* From another, about ten times a second: signs of life and the lifecycle of the agents. */
void sensors_supervise(void);

/* The mirror: `write` takes what is to go out, sensors_heard what has come in. From one task. */
int sensors_mirror_begin(cs_write_fn write, void *context, uint32_t bytes_per_second);
int sensors_mirror(void);
void sensors_heard(const void *bytes, uint32_t length);

#endif
