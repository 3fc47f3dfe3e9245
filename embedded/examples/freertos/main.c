/*
 * The example under FreeRTOS: a task for the bursts, one for the agents, one for the mirror, and the sensors' timer
 * interrupt, whose priority must be one from which the kernel may be called. The timer and the serial port are those of
 * QEMU's boards (embedded/freertos/mps2.h, embedded/mps2/uart.h); of a board of one's own these are what to replace.
 */
#include "FreeRTOS.h"
#include "task.h"

#include "mps2.h"
#include "sensors.h"
#include "uart.h"

#define PERIOD(milliseconds) ((TickType_t)((milliseconds) * configTICK_RATE_HZ / 1000u))
#define BAUD 460800u
#define STACK_WORDS 512u

void board_timer_interrupt(void)
{
    board_timer_once(configCPU_CLOCK_HZ / 1000u);
    sensors_sample();
}

static void bursts(void *ignored)
{
    (void)ignored;
    for (;;) {
        sensors_burst();
        vTaskDelay(PERIOD(5));
    }
}

static void supervise(void *ignored)
{
    (void)ignored;
    for (;;) {
        sensors_supervise();
        vTaskDelay(PERIOD(100));
    }
}

static void mirror(void *ignored)
{
    unsigned char bytes[32];
    (void)ignored;
    for (;;) {
        sensors_heard(bytes, uart_read(bytes, sizeof bytes));
        (void)sensors_mirror();
        vTaskDelay(PERIOD(1));
    }
}

static void start(TaskFunction_t code, const char *name, UBaseType_t priority)
{
    static StackType_t stacks[3][STACK_WORDS];
    static StaticTask_t tasks[3];
    static uint32_t started;
    (void)xTaskCreateStatic(code, name, STACK_WORDS, 0, priority, stacks[started], &tasks[started]);
    started++;
}

int main(void)
{
    uart_begin(configCPU_CLOCK_HZ, BAUD);
    if (sensors_begin() != CS_OK || sensors_mirror_begin(uart_write, 0, BAUD / 10) != CS_OK)
        return 1;
    start(bursts, "bursts", 3);
    start(supervise, "supervise", 2);
    start(mirror, "mirror", 1);
    board_timer_once(configCPU_CLOCK_HZ / 1000u);
    vTaskStartScheduler();
    return 1; /* the scheduler could not be started */
}
