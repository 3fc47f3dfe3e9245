/* The list of the host's cases. */
#include "host.h"

#if defined(SUITE_THREADS) && defined(SUITE_PROCESSES)
#define LIST(name) {#name, case_##name},
static const suite_case cases[] = {HOST_CASES(LIST){0, 0}};
const suite_case *suite_extra = cases;
#else
const suite_case *suite_extra;
#endif
