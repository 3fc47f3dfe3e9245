#include "mps2.h"

#include "FreeRTOS.h"
#include "task.h"

#include "semihost.h"

struct timer {
    volatile uint32_t control, value, reload, interrupt;
};
#define TIMER ((struct timer *)0x40000000u)
#define TIMER_OFF 0u
#define TIMER_RUN 9u /* enabled, and its interrupt */
#define TIMER_INTERRUPT 8u
#define NVIC_ENABLE (*(volatile uint32_t *)0xE000E100u)
#define NVIC_PRIORITY ((volatile uint8_t *)0xE000E400u)

void TIMER0_Handler(void);
void TIMER0_Handler(void)
{
    TIMER->control = TIMER_OFF;
    TIMER->interrupt = 1; /* clears it */
    board_timer_interrupt();
}

void board_timer_once(uint32_t cycles)
{
    NVIC_PRIORITY[TIMER_INTERRUPT] = configMAX_SYSCALL_INTERRUPT_PRIORITY;
    NVIC_ENABLE = 1u << TIMER_INTERRUPT;
    TIMER->reload = cycles;
    TIMER->value = cycles;
    TIMER->control = TIMER_RUN;
}

void board_failed(const char *file, int line)
{
    semihost_write("FAIL ");
    semihost_write(file);
    semihost_number(":", (uint32_t)line);
    semihost_write("\n");
    semihost_exit(100);
}

void vApplicationStackOverflowHook(TaskHandle_t task, char *name);
void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    semihost_write("stack too small: ");
    semihost_write(name);
    semihost_write("\n");
    semihost_exit(100);
}
