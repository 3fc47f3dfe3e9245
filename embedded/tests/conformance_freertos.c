/* The conformance suite in a task of a real kernel. Exits 0 when every check held. */
#include "FreeRTOS.h"
#include "task.h"

#include "mps2.h"
#include "corestate/board.h"
#include "semihost.h"
#include "suite.h"

#define STACK_WORDS 8192

const suite_case *suite_extra; /* none: what tasks and interrupts do is kernel.c's */

void suite_write(const char *text) { semihost_write(text); }
void board_timer_interrupt(void) {}

static void run(void *ignored)
{
    (void)ignored;
    cs_board_set_time(semihost_time() * 1000000000ull);
    const char *only = semihost_arguments();
    semihost_exit(suite_run(*only ? only : 0) == 0 ? 0 : 1);
}

int main(void)
{
    static StackType_t stack[STACK_WORDS];
    static StaticTask_t task;
    (void)xTaskCreateStatic(run, "suite", STACK_WORDS, 0, 2, stack, &task);
    vTaskStartScheduler();
    return 1;
}
