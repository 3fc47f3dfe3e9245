/* The conformance suite on the library for an image that is alone with its regions. */
#include "corestate/board.h"
#include "run.h"
#include "semihost.h"
#include "suite.h"

const suite_case *suite_extra;

void suite_write(const char *text) { semihost_write(text); }

void SysTick_Handler(void);
void SysTick_Handler(void) { cs_board_tick(); }

int main(void)
{
    cs_board_clock_start(25000000, 1000);
    cs_board_set_time(semihost_time() * 1000000000ull);
    return suite_run_alone() == 0 ? 0 : 1;
}
