/*
 * FreeRTOSConfig.h: the kernel of the test images and of the example on QEMU's boards. What csrc/port/freertos.c asks for is
 * marked; the rest is small and checks itself.
 */
#ifndef FREERTOS_CONFIG_H
#define FREERTOS_CONFIG_H

#define configCPU_CLOCK_HZ 25000000u
#define configTICK_RATE_HZ 1000u
#define configTICK_TYPE_WIDTH_IN_BITS TICK_TYPE_WIDTH_32_BITS /* for the port */
#define configUSE_PREEMPTION 1
#define configUSE_TIME_SLICING 1
#define configUSE_PORT_OPTIMISED_TASK_SELECTION 1
#define configMAX_PRIORITIES 6
#define configMINIMAL_STACK_SIZE 256
#define configMAX_TASK_NAME_LEN 12
#define configUSE_IDLE_HOOK 0
#define configUSE_TICK_HOOK 0
#define configUSE_TIMERS 0
#define configUSE_MUTEXES 0
#define configUSE_TASK_NOTIFICATIONS 1           /* for the port */
#define configTASK_NOTIFICATION_ARRAY_ENTRIES 2u /* for the port: the last one is its own */

/* Nothing is allocated. */
#define configSUPPORT_STATIC_ALLOCATION 1
#define configSUPPORT_DYNAMIC_ALLOCATION 0
#define configKERNEL_PROVIDED_STATIC_MEMORY 1

#define INCLUDE_vTaskDelay 1                /* for the port */
#define INCLUDE_xTaskGetCurrentTaskHandle 1 /* for the port */
#define INCLUDE_xTaskGetSchedulerState 1    /* for the port */
#define INCLUDE_vTaskSuspend 1              /* portMAX_DELAY waits for ever */
#define INCLUDE_uxTaskGetStackHighWaterMark 1

/* QEMU's processors have all eight bits of priority. Interrupts from 0x40 on may call the kernel, and so the core. */
#define configPRIO_BITS 8
#define configKERNEL_INTERRUPT_PRIORITY 0xFF
#define configMAX_SYSCALL_INTERRUPT_PRIORITY 0x40

#define configCHECK_FOR_STACK_OVERFLOW 2
#define configCHECK_HANDLER_INSTALLATION 1
void board_failed(const char *file, int line);
#define configASSERT(condition) ((condition) ? (void)0 : board_failed(__FILE__, __LINE__))

#define vPortSVCHandler SVC_Handler
#define xPortPendSVHandler PendSV_Handler
#define xPortSysTickHandler SysTick_Handler

#endif
