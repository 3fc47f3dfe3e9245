/*
 * waiters.h: who waits for which word, for kernels that wake tasks and not addresses. A waiter lives on its task's stack
 * and is on the list from before its last look at the word until after it was woken. Who wakes marks it under the port's
 * section and gives afterwards, when the kernel may be called; a waiter whose time was up meanwhile takes what is on
 * its way before it goes, so that the giver's target is there and no later wait finds it.
 */
#ifndef CORESTATE_PORT_WAITERS_H
#define CORESTATE_PORT_WAITERS_H

#include "corestate/port.h"

typedef struct waiter {
    struct waiter *next; /* towards who has waited longer */
    const void *word;
    int woken;
} waiter;

static waiter *waiting;

/* False when the word differs already: then the waiter is not on the list. */
static inline int begin_waiting(waiter *me, const void *word, uint32_t expected)
{
    uint32_t state = cs_port_enter();
    int same = __atomic_load_n((const uint32_t *)word, __ATOMIC_ACQUIRE) == expected;
    if (same) {
        *me = (waiter){.next = waiting, .word = word};
        waiting = me;
    }
    cs_port_leave(state);
    return same;
}

/* Whether it was woken. */
static inline int end_waiting(waiter *me)
{
    uint32_t state = cs_port_enter();
    for (waiter **at = &waiting; *at; at = &(*at)->next)
        if (*at == me) {
            *at = me->next;
            break;
        }
    int woken = me->woken;
    cs_port_leave(state);
    return woken;
}

/* Who has waited longest for this word, marked; null when there is nobody. */
static inline waiter *next_to_wake(const void *word)
{
    waiter *found = 0;
    uint32_t state = cs_port_enter();
    for (waiter *at = waiting; at; at = at->next)
        if (at->word == word && !at->woken)
            found = at;
    if (found)
        found->woken = 1;
    cs_port_leave(state);
    return found;
}

#endif
