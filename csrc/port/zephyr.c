/*
 * The port to Zephyr (3.6 or later) on processors with one core. Threads wait on a semaphore of their own;
 * interrupts may call whatever does not wait.
 *
 * Of the kernel: zephyr/kernel.h and, where CONFIG_CORESTATE_RANDOM is set, zephyr/random/random.h with an entropy driver.
 */
#include <zephyr/kernel.h>
#ifdef CONFIG_CORESTATE_RANDOM
#include <zephyr/random/random.h>
#endif

#include "corestate/board.h"
#include "waiters.h"

#define LONGEST_US 1000000u /* at once; who waits longer looks again */

uint32_t cs_port_enter(void) { return (uint32_t)irq_lock(); }
void cs_port_leave(uint32_t state) { irq_unlock(state); }

static bool may_wait(void) { return !k_is_in_isr() && !k_is_pre_kernel(); }

/* A thread's id is the address of its struct; interrupts have one number among them, since none waits. */
uint32_t cs_port_thread(void) { return k_is_in_isr() ? 2 : (uint32_t)(uintptr_t)k_current_get(); }

__attribute__((weak)) uint64_t cs_board_clock_ns(void) { return k_ticks_to_ns_floor64((uint64_t)k_uptime_ticks()); }

#ifdef CONFIG_CORESTATE_RANDOM
void cs_board_random(uint64_t out[2]) { sys_rand_get(out, 2 * sizeof *out); }
#endif

static k_timeout_t timeout_of(uint64_t ns)
{
    /* A 1024th less than nanoseconds to microseconds, without a 64-bit division. */
    uint64_t us = ns >> 10;
    return K_USEC(us < LONGEST_US ? (uint32_t)us + 1 : LONGEST_US);
}

typedef struct waiting_thread {
    waiter waiter; /* first: the list knows only this */
    struct k_sem woken;
} waiting_thread;

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    if (!may_wait())
        return CS_E_BUSY;
    waiting_thread me;
    (void)k_sem_init(&me.woken, 0, 1);
    if (!begin_waiting(&me.waiter, word, expected))
        return CS_OK;
    int taken = k_sem_take(&me.woken, timeout_of(timeout_ns));
    int woken = end_waiting(&me.waiter);
    if (woken && taken != 0)
        (void)k_sem_take(&me.woken, K_FOREVER);
    return woken ? CS_OK : CS_E_TIMEOUT;
}

void cs_port_wake(const void *word, int all)
{
    for (waiter *next = take_waiters(word, all); next;) {
        struct k_sem *woken = &((waiting_thread *)(void *)next)->woken;
        next = next->next; /* before it is given, after which it may be gone */
        k_sem_give(woken);
    }
}

int cs_port_sleep(uint64_t ns)
{
    if (!may_wait())
        return CS_E_BUSY;
    (void)k_sleep(timeout_of(ns));
    return CS_OK;
}

void cs_port_pause(void)
{
    if (may_wait())
        k_yield();
}
