/* The conformance suite on the board: the same sources as on a host. Exits 0 when every check held. */
#include "corestate/board.h"
#include "semihost.h"
#include "suite.h"

const suite_case *suite_extra; /* none: what interrupts do is preempt.c's */

void suite_write(const char *text) { semihost_write(text); }

void SysTick_Handler(void);
void SysTick_Handler(void) { cs_board_tick(); }

int main(void)
{
    cs_board_clock_start(25000000, 1000);
    cs_board_set_time(semihost_time() * 1000000000ull);
    const char *only = semihost_arguments();
    return suite_run(*only ? only : 0) == 0 ? 0 : 1;
}
