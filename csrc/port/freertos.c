/*
 * The port to FreeRTOS (10.4 or later, for indexed notifications) on processors with one core. Tasks wait by task
 * notification; interrupts may call whatever does not wait, at priorities from which the kernel's API may be called.
 *
 * Of the kernel: FreeRTOS.h and task.h, INCLUDE_xTaskGetCurrentTaskHandle, INCLUDE_xTaskGetSchedulerState and
 * INCLUDE_vTaskDelay at 1, configUSE_TASK_NOTIFICATIONS at 1, a notification of each task for this port's use (the last one,
 * unless CS_FREERTOS_NOTIFICATION says another), and a processor port that has xPortIsInsideInterrupt.
 */
#include "FreeRTOS.h"
#include "task.h"

#include "corestate/board.h"
#include "waiters.h"

#ifndef CS_FREERTOS_NOTIFICATION
#define CS_FREERTOS_NOTIFICATION (configTASK_NOTIFICATION_ARRAY_ENTRIES - 1)
#endif

#define TICK_NS (1000000000u / configTICK_RATE_HZ)
#define LONGEST_NS 1000000000u /* at once; who waits longer looks again */

/* The mask may be raised in tasks and in interrupts, and returns what it was. */
uint32_t cs_port_enter(void) { return (uint32_t)taskENTER_CRITICAL_FROM_ISR(); }
void cs_port_leave(uint32_t state) { taskEXIT_CRITICAL_FROM_ISR(state); }

static int in_interrupt(void) { return xPortIsInsideInterrupt() != pdFALSE; }
static int may_wait(void) { return !in_interrupt() && xTaskGetSchedulerState() == taskSCHEDULER_RUNNING; }

/* A task's handle is the address of its control block; interrupts have one number among them, since none waits. */
uint32_t cs_port_thread(void)
{
    if (in_interrupt())
        return 2;
    TaskHandle_t task = xTaskGetCurrentTaskHandle();
    return task ? (uint32_t)(uintptr_t)task : 1;
}

/* The kernel's count has 32 bits and goes round; it is looked at more often than that. */
__attribute__((weak)) uint64_t cs_board_clock_ns(void)
{
    static uint32_t last, rounds;
    uint32_t now = in_interrupt() ? (uint32_t)xTaskGetTickCountFromISR() : (uint32_t)xTaskGetTickCount();
    uint32_t state = cs_port_enter();
    /* Somebody may have come between the two lines above with a later time: then it is his round, not a new one. */
    if (now < last && last - now > 0x80000000u)
        rounds++;
    if (now > last || last - now > 0x80000000u)
        last = now;
    uint64_t ticks = (uint64_t)rounds << 32 | last;
    cs_port_leave(state);
    return ticks * TICK_NS;
}

static TickType_t ticks_of(uint64_t ns)
{
    uint32_t bounded = ns < LONGEST_NS ? (uint32_t)ns : LONGEST_NS;
    return (TickType_t)(bounded / TICK_NS + 1);
}

typedef struct waiting_task {
    waiter waiter; /* first: the list knows only this */
    TaskHandle_t task;
} waiting_task;

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    if (!may_wait())
        return CS_E_BUSY;
    waiting_task me = {.task = xTaskGetCurrentTaskHandle()};
    if (!begin_waiting(&me.waiter, word, expected))
        return CS_OK;
    uint32_t taken = ulTaskNotifyTakeIndexed(CS_FREERTOS_NOTIFICATION, pdTRUE, ticks_of(timeout_ns));
    int woken = end_waiting(&me.waiter);
    if (woken && !taken)
        (void)ulTaskNotifyTakeIndexed(CS_FREERTOS_NOTIFICATION, pdTRUE, portMAX_DELAY);
    return woken ? CS_OK : CS_E_TIMEOUT;
}

void cs_port_wake(const void *word, int all)
{
    BaseType_t higher = pdFALSE;
    int interrupt = in_interrupt();
    for (waiter *next = take_waiters(word, all); next;) {
        TaskHandle_t task = ((waiting_task *)(void *)next)->task;
        next = next->next; /* before it is given, after which it may be gone */
        if (interrupt)
            vTaskNotifyGiveIndexedFromISR(task, CS_FREERTOS_NOTIFICATION, &higher);
        else
            (void)xTaskNotifyGiveIndexed(task, CS_FREERTOS_NOTIFICATION);
    }
    if (interrupt)
        portYIELD_FROM_ISR(higher);
}

int cs_port_sleep(uint64_t ns)
{
    if (!may_wait())
        return CS_E_BUSY;
    vTaskDelay(ticks_of(ns));
    return CS_OK;
}

void cs_port_pause(void)
{
    if (may_wait())
        taskYIELD();
}
