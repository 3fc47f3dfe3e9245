/* The core for boards on this machine, where sanitizers watch it. There is one thread, so there is nothing to hold off. */
#include <stdio.h>

#include "corestate/port.h"
#include "run.h"
#include "suite.h"

const suite_case *suite_extra;

void suite_write(const char *text) { fputs(text, stdout); }

uint32_t cs_port_enter(void) { return 0; }
void cs_port_leave(uint32_t state) { (void)state; }

int main(void) { return suite_run_alone() == 0 ? 0 : 1; }
