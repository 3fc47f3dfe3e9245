/*
 * The example under Zephyr: a thread for the bursts, one for the agents, the main thread for the mirror, over the
 * devicetree's chosen corestate,mirror; a kernel timer, whose function runs in the clock's interrupt, samples the sensors.
 */
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "sensors.h"

#define BYTES_PER_SECOND 11520u

static const struct device *uart(void) { return DEVICE_DT_GET(DT_CHOSEN(corestate_mirror)); }

static int write_uart(void *context, const void *bytes, uint32_t length)
{
    const unsigned char *at = bytes;
    (void)context;
    while (length--)
        uart_poll_out(uart(), *at++);
    return 0;
}

static void sample(struct k_timer *timer)
{
    (void)timer;
    sensors_sample();
}
static K_TIMER_DEFINE(sensor_timer, sample, NULL);

static void bursts(void *a, void *b, void *c)
{
    (void)a, (void)b, (void)c;
    for (;;) {
        sensors_burst();
        (void)k_sleep(K_MSEC(5));
    }
}
K_THREAD_DEFINE(bursts_thread, 1024, bursts, NULL, NULL, NULL, 3, 0, SYS_FOREVER_MS);

static void supervise(void *a, void *b, void *c)
{
    (void)a, (void)b, (void)c;
    for (;;) {
        sensors_supervise();
        (void)k_sleep(K_MSEC(100));
    }
}
K_THREAD_DEFINE(supervise_thread, 1024, supervise, NULL, NULL, NULL, 4, 0, SYS_FOREVER_MS);

int main(void)
{
    if (sensors_begin() != CS_OK || sensors_mirror_begin(write_uart, 0, BYTES_PER_SECOND) != CS_OK)
        return 1;
    k_timer_start(&sensor_timer, K_MSEC(1), K_MSEC(1));
    k_thread_start(bursts_thread);
    k_thread_start(supervise_thread);
    for (;;) {
        unsigned char byte;
        while (uart_poll_in(uart(), &byte) == 0)
            sensors_heard(&byte, 1);
        (void)sensors_mirror();
        (void)k_sleep(K_MSEC(5));
    }
}
