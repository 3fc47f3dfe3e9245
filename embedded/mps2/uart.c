#include "uart.h"

struct uart {
    volatile uint32_t data, state, control, interrupt, divider;
};
#define UART ((struct uart *)0x40004000u)
#define STATE_SENDING 1u
#define STATE_RECEIVED 2u
#define CONTROL_SEND_AND_RECEIVE 3u

void uart_begin(uint32_t core_hz, uint32_t baud)
{
    UART->divider = core_hz / baud;
    UART->control = CONTROL_SEND_AND_RECEIVE;
}

int uart_write(void *context, const void *bytes, uint32_t length)
{
    const unsigned char *at = bytes;
    (void)context;
    while (length--) {
        while (UART->state & STATE_SENDING) {}
        UART->data = *at++;
    }
    return 0;
}

uint32_t uart_read(void *bytes, uint32_t capacity)
{
    unsigned char *at = bytes;
    uint32_t length = 0;
    while (length < capacity && (UART->state & STATE_RECEIVED))
        at[length++] = (unsigned char)UART->data;
    return length;
}
