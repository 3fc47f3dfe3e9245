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

CS_INTERNAL void csi_tables_sweep(view *v, uint32_t seat);  /* finishes or undoes insertions and removals */
CS_INTERNAL void csi_engine_sweep(view *v, uint32_t seat);  /* announces unannounced states */
CS_INTERNAL void csi_agents_sweep(view *v, uint32_t seat);  /* the same for agents; ends half-written details */
CS_INTERNAL void csi_budgets_sweep(view *v, uint32_t seat); /* gives reservations back */
CS_INTERNAL void csi_locks_sweep(view *v, uint32_t seat);   /* makes locks inheritable */

/* A participant that leaves in order: the locks it still holds count as a dead holder's. */
CS_INTERNAL void csi_locks_abandon(view *v, uint32_t owner);

#endif
