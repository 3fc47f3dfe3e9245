/*
 * check.h: what is true of a region whenever nobody is at work in it and the dead have been swept.
 */
#ifndef PROOF_CHECK_H
#define PROOF_CHECK_H

#include "rig.h"

/* Nothing of the dead is left; tables, chains, free lists, counts, ring, budgets and records agree with themselves. */
void check_region(member *s);

/* Every slot of every table can be used: each is filled to its capacity and emptied of what was added. */
void check_room(member *s);

#endif
