/*
 * waiters.h: who waits for which word, for kernels that wake tasks and not addresses. A waiter lives on its task's stack.
 * It is on the list from before its last look at the word until somebody takes it off to wake it, or its time is up.
 * Who wakes takes all of them off at once, under the port's section, and gives afterwards, when the kernel may be called:
 * were they taken one by one, one of a higher priority would be back on the list before the next is looked for, and the
 * waker never come to an end. A waiter whose time was up meanwhile takes what is on its way before it goes, so that the
 * giver's target is there and no later wait finds it.
 */
#ifndef CORESTATE_PORT_WAITERS_H
#define CORESTATE_PORT_WAITERS_H

#include "corestate/port.h"

typedef struct waiter {
    struct waiter *next; /* towards who has waited longer; of those that are being woken, the next */
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

/* Those to be woken, who has waited longest first; each is there until it is given what it waits for. */
static inline waiter *take_waiters(const void *word, int all)
{
    waiter *taken = 0, **oldest = 0;
    uint32_t state = cs_port_enter();
    for (waiter **at = &waiting; *at;) {
        waiter *found = *at;
        if (found->word != word) {
            at = &found->next;
        } else if (all) {
            *at = found->next;
            *found = (waiter){.next = taken, .word = word, .woken = 1};
            taken = found;
        } else {
            oldest = at;
            at = &found->next;
        }
    }
    if (oldest) {
        taken = *oldest;
        *oldest = taken->next;
        *taken = (waiter){.word = word, .woken = 1};
    }
    cs_port_leave(state);
    return taken;
}

#endif
