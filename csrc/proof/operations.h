/*
 * operations.h: every operation of more than one step, and what may be seen of it when its process dies: all of it
 * or nothing.
 */
#ifndef PROOF_OPERATIONS_H
#define PROOF_OPERATIONS_H

#include "rig.h"

/* What the processes of one trial know together; it lies outside the region. */
typedef struct stage {
    cs_handle handle;
    cs_handle other;
    uint32_t kind;
    int32_t result; /* of the operation, once it has returned */
    uint64_t steps; /* stores of whoever counts */
} stage;

/* SOUND: nothing half, and nothing that tells whether it was done. */
enum seen { SEEN_NOTHING, SEEN_ALL, SEEN_SOUND, SEEN_HALF };

typedef struct operation {
    const char *name;
    /* By the survivor, before anybody dies. May be null. */
    void (*setup)(cs_region *region, stage *s);
    /* By the one who will die, before it can. May be null. */
    void (*prepare)(cs_region *region, stage *s);
    /* What it dies of. Also done by the survivor later, who must not be kept waiting. */
    int (*run)(cs_region *region, stage *s);
    /* What a reader sees of it. */
    enum seen (*look)(const cs_region *region, stage *s);
    /* Another process died of this before, at each of its points in turn. May be null. */
    int (*before)(cs_region *region, stage *s);
} operation;

extern const operation operations[];

#endif
