/*
 * visit.h: every way to read a region, walked to its end; and every way to write it, chosen by bytes. What comes out
 * may be wrong, but it is within what the headers promise of it.
 */
#ifndef PROOF_VISIT_H
#define PROOF_VISIT_H

#include "rig.h"

/* What reads, with and without the right to write: one bit of `parts` each; snapshots, which cost more, by themselves. */
#define VISIT_ALL 0xFFu
void visit_read(cs_region *region, uint32_t parts);
void visit_picture(cs_region *region);

/* One call that writes, chosen by `what`, on something found by `which`, with `value`. */
void visit_write(cs_region *region, uint32_t what, uint32_t which, uint64_t value);

/* Something of everything, so that a walk finds something. */
void visit_furnish(cs_region *region);

#endif
