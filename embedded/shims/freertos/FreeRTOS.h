/*
 * What csrc/port/freertos.c needs of FreeRTOS.h, and nothing else of it: so that the port compiles where the kernel is
 * not. These are declarations; nothing here can run. With a kernel, its own header comes first on the include path.
 */
#ifndef CORESTATE_SHIM_FREERTOS_H
#define CORESTATE_SHIM_FREERTOS_H

#include <stdint.h>

#define configCPU_CLOCK_HZ 25000000u
#define configTICK_RATE_HZ 1000u
#define configTASK_NOTIFICATION_ARRAY_ENTRIES 2u

typedef long BaseType_t;
typedef unsigned long UBaseType_t;
typedef uint32_t TickType_t;
typedef uint32_t StackType_t;
#define pdFALSE ((BaseType_t)0)
#define pdTRUE ((BaseType_t)1)
#define portMAX_DELAY ((TickType_t)0xFFFFFFFF)

BaseType_t xPortIsInsideInterrupt(void);
void portYIELD_FROM_ISR(BaseType_t higher_priority_task_woken);

#endif
