/* The example without an operating system: one loop, and the timer's interrupt. */
#include "corestate/board.h"
#include "corestate/port.h"
#include "sensors.h"
#include "uart.h"

#define CORE_HZ 25000000u
#define BAUD 460800u

static volatile uint32_t begun;

void SysTick_Handler(void);
void SysTick_Handler(void)
{
    cs_board_tick();
    if (begun)
        sensors_sample();
}

int main(void)
{
    uint64_t supervised = 0;
    cs_board_clock_start(CORE_HZ, 1000);
    uart_begin(CORE_HZ, BAUD);
    if (sensors_begin() != CS_OK || sensors_mirror_begin(uart_write, 0, BAUD / 10) != CS_OK)
        return 1;
    begun = 1;
    for (;;) {
        unsigned char bytes[32];
        uint64_t now = cs_board_clock_ns();
        sensors_burst();
        if (now - supervised >= 100000000u) {
            supervised = now;
            sensors_supervise();
        }
        sensors_heard(bytes, uart_read(bytes, sizeof bytes));
        (void)sensors_mirror();
        (void)cs_port_sleep(1000000); /* until the next tick */
    }
}
