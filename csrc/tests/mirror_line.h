/*
 * mirror_line.h: a source, its mirror, and between them a line that loses, repeats, reorders, corrupts and cuts what is
 * sent, and on which a hostile sender's frames may come; and what happens at the source. case_mirror_line.c.
 */
#ifndef MIRROR_LINE_H
#define MIRROR_LINE_H

#include "cases.h"
#include "layout.h"

#define PACKETS 8u
#define PACKET_BYTES 1600u

/* The line: frames as they were written, a few of them on their way. */
struct mirror_line {
    unsigned char packets[PACKETS][PACKET_BYTES];
    uint32_t lengths[PACKETS];
    uint32_t waiting, filled;
    uint64_t seed;
    uint32_t faults;  /* percent of frames something happens to */
    uint32_t hostile; /* percent of frames that a hostile sender made */
    uint32_t lost, repeated, reordered, corrupted, cut, falsified, provided;
    unsigned char writing[PACKET_BYTES];
};
extern struct mirror_line line;

extern cs_mirror_sender sender;
extern cs_mirror_receiver receiver;
extern uint32_t seen[2048];
extern unsigned char sending[512], receiving[2048];
extern cs_region *source;
extern cs_region mirror;
extern int attached; /* to the mirror */
extern uint64_t region_bytes;

/* A new source, and both ends of a line with so many percent of faults. False, with a failed check, when it cannot. */
int open_line(const cs_mirror_options *options, uint32_t faults, uint64_t seed);
void close_line(void);
/* The sender's write function: whole frames go on the line. */
int take(void *context, const void *bytes, uint32_t length);
void copy_bytes(void *to, const void *from, uint32_t length);
/* To the receiver, past the line. */
void deliver(const void *bytes, uint32_t length);
/* No more faults, and what is on its way arrives. */
void quieten(void);
/* One round of the sender, and what arrived put where readers see it. Whether there is a mirror. */
int mirrored(void);
void check_same_bytes(void);

/* What happens at the source. */
struct mirror_work {
    uint64_t seed;
    cs_handle counter, area, agents[8];
    uint32_t kind;
    uint64_t published;
};
extern struct mirror_work work;
void start_work(uint64_t seed);
void do_something(void);
void tick(void);

#endif
