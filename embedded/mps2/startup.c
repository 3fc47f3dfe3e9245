/* Vectors and reset for the MPS2 images. A fault ends the run with a failure, so that no test hangs in one. */
#include <stdint.h>
#include <string.h>

#include "semihost.h"

extern uint32_t data_start[], data_end[], data_image[], bss_start[], bss_end[], stack_top[];

int main(void);
void reset(void);
void SVC_Handler(void);
void PendSV_Handler(void);
void SysTick_Handler(void);
void UARTRX0_Handler(void);
void TIMER0_Handler(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define FPU_ON (0xFu << 20)

/* Before anything that could use the floating-point registers, and before memory is what C expects. */
__attribute__((noreturn)) static void begin(void)
{
    memcpy(data_start, data_image, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    semihost_exit(main());
}

__attribute__((noreturn)) void reset(void)
{
    CPACR |= FPU_ON;
    __asm__ volatile("dsb\n\tisb" : : : "memory");
    begin();
}

static void fault(void)
{
    semihost_write("fault\n");
    semihost_exit(100);
}

static void ignore(void) {}
__attribute__((weak, alias("ignore"))) void SVC_Handler(void);
__attribute__((weak, alias("ignore"))) void PendSV_Handler(void);
__attribute__((weak, alias("ignore"))) void SysTick_Handler(void);
__attribute__((weak, alias("ignore"))) void UARTRX0_Handler(void);
__attribute__((weak, alias("ignore"))) void TIMER0_Handler(void);

__attribute__((section(".vectors"), used)) static const struct {
    void *stack;
    void (*handlers[15])(void);
    void (*interrupts[9])(void);
} vectors = {
    stack_top,
    {reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, SVC_Handler, fault, 0, PendSV_Handler, SysTick_Handler},
    {UARTRX0_Handler, ignore, ignore, ignore, ignore, ignore, ignore, ignore, TIMER0_Handler}};
