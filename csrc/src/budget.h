/* budget.h: what a budget's changes and a restored picture agree on. */
#ifndef CORESTATE_BUDGET_H
#define CORESTATE_BUDGET_H

#include "view.h"

/* In `warned` of a budget. */
enum { BUDGET_WARNED = 1, BUDGET_KEPT = 2 };

/* Are nine tenths of the limit spent: is the rest at most limit / 10? Asked without a division,
 * which many boards would do by a library: of both sides the tenfold, halved so that it fits. */
static inline bool nearly_spent(uint64_t limit, uint64_t spent)
{
    uint64_t rest = limit > spent ? limit - spent : 0;
    return limit && !(rest >> 61) && rest * 5 <= limit / 2;
}

#endif
