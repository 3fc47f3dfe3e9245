/*
 * What csrc/port/zephyr.c needs of zephyr/kernel.h, and nothing else of it: so that the port compiles where the kernel is
 * not. These are declarations; nothing here can run. With a kernel, its own header comes first on the include path.
 */
#ifndef CORESTATE_SHIM_ZEPHYR_KERNEL_H
#define CORESTATE_SHIM_ZEPHYR_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t ticks;
} k_timeout_t;
#define K_USEC(n) ((k_timeout_t){(n)})
#define K_MSEC(n) ((k_timeout_t){(n) * 1000})
#define K_FOREVER ((k_timeout_t){-1})

struct k_sem {
    unsigned int count, limit;
};
int k_sem_init(struct k_sem *sem, unsigned int count, unsigned int limit);
int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
void k_sem_give(struct k_sem *sem);

typedef struct k_thread *k_tid_t;
k_tid_t k_current_get(void);
bool k_is_in_isr(void);
bool k_is_pre_kernel(void);
int32_t k_sleep(k_timeout_t timeout);
void k_yield(void);
int64_t k_uptime_ticks(void);
uint64_t k_ticks_to_ns_floor64(uint64_t ticks);
unsigned int irq_lock(void);
void irq_unlock(unsigned int key);

/* For the example. */
struct k_timer {
    void (*expired)(struct k_timer *timer);
};
#define K_TIMER_DEFINE(name, expiry, stop) struct k_timer name = {expiry}
void k_timer_start(struct k_timer *timer, k_timeout_t first, k_timeout_t period);
#define SYS_FOREVER_MS (-1)
#define K_THREAD_DEFINE(name, stack, entry, p1, p2, p3, priority, options, delay)                                      \
    static void (*const name##_entry)(void *, void *, void *) = entry;                                                 \
    static const k_tid_t name = (k_tid_t)(uintptr_t)&name##_entry
void k_thread_start(k_tid_t thread);

#endif
