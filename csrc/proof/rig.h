/*
 * rig.h: a region on a real file for programs that kill, and what they say when something does not hold.
 *
 * The file has no name. Each participant gets an open file description of its own, so that its kernel lock
 * dies with it and with nothing else.
 */
#ifndef PROOF_RIG_H
#define PROOF_RIG_H

#include "corestate/corestate.h"
#include "view.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct rig {
    cs_config config;
    uint64_t size;
    unsigned char *memory; /* an inaccessible page stands before and behind it */
    int file;
} rig;

/* One participant: a view and the file description that says it is alive. */
typedef struct member {
    cs_region region;
    int handle;
} member;

/* A small region with something of everything. */
cs_config rig_config(void);

/* Make the file and map it. Ends the program when it cannot. */
void rig_open(rig *r, const cs_config *config);
void rig_close(rig *r);
/* Empty and format the region anew. Nobody may be attached. */
void rig_format(rig *r);

/* Attach with a description of its own; the result of cs_region_attach. */
int rig_join(const rig *r, member *s, uint32_t flags);
/* Detach and close. */
void rig_leave(member *s);
/* What death leaves of a member in the process that forked it: the description is closed, nothing else. */
void rig_forget(member *s);

/* A view of the region's own structures. */
static inline view *inside(member *s) { return view_of(&s->region); }

/* -- saying what does not hold -------------------------------------------------------------- */

/* What the program is doing, for the next fault it reports. */
void rig_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Count and print a fault (of each kind the first three). */
void rig_fault(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
extern uint64_t rig_faults;

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            rig_fault(__FILE__, __LINE__, __VA_ARGS__);                                                                \
    } while (0)
/* For what the program itself needs of the machine. */
#define NEED(condition) rig_need((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
void rig_need(int holds, const char *what, const char *file, int line);

/* A shared page for what processes tell each other outside the region. */
void *rig_share(uint64_t bytes);

/* A fixed sequence that looks random. */
uint64_t rig_random(uint64_t *state);

#endif
