/*
 * The example under FreeRTOS: a task for the bursts, one for the agents, one for the mirror, and the sensors' timer
 * interrupt, whose priority must be one from which the kernel may be called. board_* are the board's.
 */
#include "FreeRTOS.h"
#include "task.h"

#include "sensors.h"

#define PERIOD(milliseconds) ((TickType_t)((milliseconds) * configTICK_RATE_HZ / 1000u))
#define BYTES_PER_SECOND 46080u

extern int board_uart_write(void *context, const void *bytes, uint32_t length);
extern uint32_t board_uart_read(void *bytes, uint32_t capacity);
extern void board_start_sensor_timer(void); /* a thousand times a second */

void board_sensor_timer_interrupt(void);
void board_sensor_timer_interrupt(void) { sensors_sample(); }

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
        sensors_heard(bytes, board_uart_read(bytes, sizeof bytes));
        (void)sensors_mirror();
        vTaskDelay(PERIOD(5));
    }
}

int main(void)
{
    if (sensors_begin() != CS_OK || sensors_mirror_begin(board_uart_write, 0, BYTES_PER_SECOND) != CS_OK)
        return 1;
    (void)xTaskCreate(bursts, "bursts", 256, 0, 3, 0);
    (void)xTaskCreate(supervise, "supervise", 256, 0, 2, 0);
    (void)xTaskCreate(mirror, "mirror", 256, 0, 1, 0);
    board_start_sensor_timer();
    vTaskStartScheduler();
    return 1; /* there was no memory for the idle task */
}
