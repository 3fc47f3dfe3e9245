/*
 * sweep.h: what each part does about what the dead of one participant slot have left. Every step may be
 * done twice, and by several sweepers at once, who may die too.
 */
#ifndef CORESTATE_SWEEP_H
#define CORESTATE_SWEEP_H

#include "view.h"

/* Is this the tag of somebody dead who sat in `seat`? */
static inline bool left_by(const view *v, uint32_t owner, uint32_t seat)
{
    return owner && owner_slot(owner) == seat && !csi_alive(v, owner);
}

/*
 * For a claim under which promises are made (promise.h): is it to be taken over, settled and given back? That of the
 * seat's dead is, and that of anybody dead who had it from the dead and may have died settling. One alive who has it
 * from the dead may still be at it: then *settled becomes false, and what tells him what is owed must stay.
 */
static inline bool to_be_settled(const view *v, uint32_t claim, uint32_t seat, bool *settled)
{
    uint32_t holder = claim & CLAIM_OWNER;
    if (left_by(v, holder, seat))
        return true;
    if (!holder || !(claim & CLAIM_INHERITED))
        return false;
    if (!csi_alive(v, holder))
        return true;
    *settled = false;
    return false;
}

/* These are false when something of the dead could not be settled yet. */
CS_INTERNAL bool csi_tables_sweep(view *v, uint32_t seat);  /* finishes or undoes insertions and removals */
CS_INTERNAL bool csi_engine_sweep(view *v, uint32_t seat);  /* tells of changes nobody has told of */
CS_INTERNAL bool csi_agents_sweep(view *v, uint32_t seat);  /* the same for agents; ends half-written details */
CS_INTERNAL bool csi_budgets_sweep(view *v, uint32_t seat); /* the same for budgets; gives reservations back */
CS_INTERNAL void csi_values_sweep(view *v, uint32_t seat);  /* forgets what was marked */
CS_INTERNAL void csi_locks_sweep(view *v, uint32_t seat);   /* makes locks inheritable */

/* A participant that leaves in order: the locks it still holds count as a dead holder's. */
CS_INTERNAL void csi_locks_abandon(view *v, uint32_t owner);

#endif
