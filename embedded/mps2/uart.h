/* uart.h: the first serial port of the MPS2 images, polled. */
#ifndef UART_H
#define UART_H

#include <stdint.h>

void uart_begin(uint32_t core_hz, uint32_t baud);
/* A cs_write_fn: waits until all has gone out. */
int uart_write(void *context, const void *bytes, uint32_t length);
/* What has come in, at most `capacity`; does not wait. */
uint32_t uart_read(void *bytes, uint32_t capacity);

#endif
