/* As zephyr/kernel.h beside it. */
#ifndef CORESTATE_SHIM_ZEPHYR_RANDOM_H
#define CORESTATE_SHIM_ZEPHYR_RANDOM_H

#include <stddef.h>

void sys_rand_get(void *to, size_t length);

#endif
