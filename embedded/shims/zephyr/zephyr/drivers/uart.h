/* As zephyr/kernel.h beside it, for the example. */
#ifndef CORESTATE_SHIM_ZEPHYR_UART_H
#define CORESTATE_SHIM_ZEPHYR_UART_H

struct device;
extern const struct device *const shim_uart;
#define DT_CHOSEN(name) name
#define DEVICE_DT_GET(node) shim_uart

void uart_poll_out(const struct device *port, unsigned char byte);
int uart_poll_in(const struct device *port, unsigned char *byte);

#endif
