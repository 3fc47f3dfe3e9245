/*
 * mirror_receiver.h: what is inside a cs_mirror_receiver: what arrived (mirror_receive.c), and how it
 * gets into the region readers have mapped (mirror_apply.c, mirror_table.c).
 */
#ifndef CORESTATE_MIRROR_RECEIVER_H
#define CORESTATE_MIRROR_RECEIVER_H

#include "mirror_wire.h"

#define WINDOW 1024u /* frame numbers back, of which each is known to have come or not */

/* A unit on its way in, part by part; its lines lie 64 bytes apart in `lines`. */
typedef struct assembly {
    unsigned char *lines;
    uint64_t parts; /* bit: that part is here */
    uint32_t unit, first, crc, last;
    bool busy, ended, unsteady;
} assembly;

typedef struct receiver {
    frame_gather in;
    cs_mirror_status status;
    uint64_t window[WINDOW / 64];
    uint32_t stream, former_stream, refused_stream;
    uint64_t refused_ns; /* when that was refused; 0: none is */
    uint64_t pinned_ns;  /* how long a source may be silent before another is followed; 0: it is followed at once */
    uint64_t last_ns;    /* of the monotonic clock: when the source was last heard */
    uint32_t next;       /* number */
    uint32_t hole;       /* the last number that something was missing at */
    uint32_t old_in_a_row, last_old, last_picture;
    bool heard, headed, provided, shown, silent, incomplete, pictured, shifting;
    bool was_reset; /* the source, which may make the same region again */
    bool down;      /* the line, as the caller said */
    bool spoken;    /* a beat of this stream has said a wire version that is ours */
    assembly coming;

    cs_region staged; /* a private view of what has arrived */
    unsigned char *live;
    uint64_t shift_ns; /* added to the source's times */
    int64_t ahead_ns;  /* how far this machine's clock is before the source's */
    int64_t handle;
    cs_identity self;
    uint32_t base[RUNS + 1]; /* of each run's units among all */
    uint32_t got_count;
    uint32_t *newest;  /* of each unit: the number of its first part */
    uint32_t *got;     /* bits: it has arrived under this stream */
    uint32_t *dirty;   /* bits: it is not in the live region yet */
    uint32_t *held;    /* bits, of seats: this process holds the port's lock for it */
    uint32_t unsteady; /* the engine section is not of one instant */
    uint64_t waiting_since[TABLES];
    uint32_t drift[TABLES]; /* operations that no slot's generation shows (undone ones) */

    uint64_t header_lines[sizeof(struct header) / 8];
    uint64_t header[sizeof(struct header) / 8]; /* of the region there is memory for */
    uint64_t wanted[sizeof(struct header) / 8]; /* the source's, as last received */
} receiver;
_Static_assert(sizeof(receiver) <= sizeof(cs_mirror_receiver), "cs_mirror_receiver has room for a receiver");
_Static_assert(sizeof(struct header) % MIRROR_LINE == 0, "the header is lines");

static inline receiver *receiver_of(cs_mirror_receiver *r) { return (receiver *)(void *)r; }
static inline const view *staged_of(const receiver *r) { return const_view_of(&r->staged); }

static inline bool bit_of(const uint32_t *bits, uint32_t i) { return bits[i / 32] >> (i % 32) & 1u; }
static inline void set_bit(uint32_t *bits, uint32_t i) { bits[i / 32] |= 1u << (i % 32); }
static inline void clear_bit(uint32_t *bits, uint32_t i) { bits[i / 32] &= ~(1u << (i % 32)); }

/* The same place in the region of the readers as `staged` is in ours. */
static inline void *live_of(const receiver *r, const void *staged)
{
    return r->live + ((const unsigned char *)staged - staged_of(r)->memory);
}

/* Around changes that readers must not see halves of (see view.h). */
static inline void begin_applying(const receiver *r)
{
    a32 *word = &((struct header *)(void *)r->live)->applying;
    poke32(word, peek32(word) | 1u);
    fence_release(); /* who sees any of the changes sees the mark, and looks again */
}
static inline void end_applying(const receiver *r)
{
    a32 *word = &((struct header *)(void *)r->live)->applying;
    store32(word, (peek32(word) | 1u) + 1u);
}

/* 64-bit words that differ, one by one. */
CS_INTERNAL void csi_put_words(void *live, const void *staged, uint32_t bytes);
/* A time of the source as one of this machine; 0 stays. */
static inline uint64_t shifted(const receiver *r, const a64 *time)
{
    uint64_t ns = peek64(time);
    return ns ? ns + r->shift_ns : 0;
}

/* mirror_table.c: a table as a whole, as far as what arrived of it fits together. */
CS_INTERNAL void csi_apply_table(receiver *r, uint32_t table);

#endif
