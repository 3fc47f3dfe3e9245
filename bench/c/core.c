/* The core's own benchmark, as a program beside the others. */
#include "../../csrc/bench/bench.c"
