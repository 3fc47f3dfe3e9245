/* The core's conformance suite in wasm: its words go to the embedder, its number of failures is the result. */
#include "suite.h"

#include "wasm.h"

WASM_IMPORT(write) void host_write(const char *text, uint32_t length);

CS_API int conformance(void);

const suite_case *suite_extra; /* none: what threads do is tested by workers */

void suite_write(const char *text) { host_write(text, suite_length(text)); }

int conformance(void) { return suite_run(0); }
