/*
 * mirror_wire.h: how the mirror cuts a region into units, and what a frame looks like.
 *
 * A frame, before it is byte-stuffed, little-endian:
 *   type 8, flags 8, part 16, stream 32, number 32, unit 32 (run << 24 | index), CRC-32C of the whole unit 32
 *   lines: each its number in the unit 16, then its bytes (64, or what is left of the unit)
 *   CRC-32C of all before 32
 * A beat has instead of lines: the sender's clock 64, first number of the last picture 32, its frames 32. Beats,
 * requests and greetings have the wire version as their unit. A greeting, of an end that has a key, has more behind its
 * head, which ends without keys do not look at: they refuse it by its version, which has WIRE_KEYED.
 */
#ifndef CORESTATE_MIRROR_WIRE_H
#define CORESTATE_MIRROR_WIRE_H

#include "corestate/mirror.h"
#include "view.h"

#define MIRROR_LINE 64u
#define FRAME_HEAD 20u
#define FRAME_CRC 4u
#define FRAME_UNIT 12u /* where the head has it */
#define FRAME_LINE (2u + MIRROR_LINE)
#define MOST_PARTS 64u
#define MOST_GUARDS 5u

enum frame_type { FRAME_LINES = 1, FRAME_BEAT = 2, FRAME_ASK = 3, FRAME_GREETING = 4 };
#define WIRE_KEYED 0x10000u
enum frame_flag {
    FLAG_LAST = 1,     /* the unit is complete and the CRC is of it */
    FLAG_PICTURE = 2,  /* sent whether it had changed or not */
    FLAG_UNSTEADY = 4, /* its words are true each, but not of one instant */
    FLAG_VOID = 8,     /* the parts before are of no use */
    FLAG_HERE = 16     /* of a request: it asks for nothing */
};

typedef struct frame_head {
    uint32_t type, flags, part;
    uint32_t stream, number, unit, crc;
} frame_head;

/* A region is a few runs of like units. Three for each table. */
enum mirror_run {
    RUN_HEADER,
    RUN_ENGINE,
    RUN_TABLES,
    RUN_RING = RUN_TABLES + 3 * TABLES,
    RUN_EVENTS,
    RUN_PARTICIPANTS,
    RUN_RESERVATIONS,
    RUN_GROUPS,
    RUN_VALUES,
    RUNS
};
enum table_run { TABLE_HEAD, TABLE_BUCKETS, TABLE_SLOTS };
static inline uint32_t run_of_table(uint32_t table, enum table_run which) { return RUN_TABLES + 3 * table + which; }

/* Where the units of a run lie. Units come in groups only among hot values. */
typedef struct run_shape {
    size_t offset;      /* of the first, from the start of the region */
    size_t more_offset; /* of the first one's second range, 0 when it has none */
    uint32_t count;
    uint32_t lines, bytes; /* of a unit */
    uint32_t guards;       /* how many words say whether a unit was whole while it was read */
    uint32_t stride;
    uint32_t more_bytes, more_stride;
    uint32_t ways, group_stride; /* units of a group, and from group to group */
} run_shape;

CS_INTERNAL void csi_run_shape(const view *v, uint32_t run, run_shape *shape);
static inline uint32_t lines_in(uint32_t bytes) { return (bytes + MIRROR_LINE - 1) / MIRROR_LINE; }
/* Where the nth line of a unit lies, and its length. */
static inline size_t csi_unit_line(const run_shape *s, uint32_t index, uint32_t n, uint32_t *length)
{
    uint32_t first = lines_in(s->bytes), left = s->bytes;
    size_t offset = s->offset;
    if (n >= first) {
        n -= first;
        left = s->more_bytes;
        offset = s->more_offset + (size_t)index * s->more_stride;
    } else if (s->ways == 1) {
        offset += (size_t)index * s->group_stride;
    } else {
        offset += (size_t)(index / s->ways) * s->group_stride + (size_t)(index % s->ways) * s->stride;
    }
    left -= n * MIRROR_LINE;
    *length = left < MIRROR_LINE ? left : MIRROR_LINE;
    return offset + (size_t)n * MIRROR_LINE;
}

/* A line, each 64-bit word of it whole. Lengths are multiples of 8. */
CS_INTERNAL void csi_line_out(void *to, const void *from, uint32_t length);

static inline void put32(unsigned char *to, uint32_t n)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(to, &n, sizeof n); /* one store, which few compilers make of the loop */
#else
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(n >> 8 * i);
#endif
}
static inline void put64(unsigned char *to, uint64_t n)
{
    put32(to, (uint32_t)n);
    put32(to + 4, (uint32_t)(n >> 32));
}
static inline uint32_t get32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}
static inline uint64_t get64(const unsigned char *from) { return get32(from) | (uint64_t)get32(from + 4) << 32; }

CS_INTERNAL void csi_frame_head(unsigned char *to, const frame_head *head);
/* Whether these decoded bytes are a frame. */
CS_INTERNAL bool csi_frame_good(const unsigned char *bytes, uint32_t length);
/* Of a decoded frame: false when it is none. */
CS_INTERNAL bool csi_frame_read(const unsigned char *bytes, uint32_t length, frame_head *head);

/* Byte stuffing. The encoder takes a frame whose last FRAME_CRC bytes it fills in; the decoder works in place and
 * gives the length, or 0 when these bytes are no stuffing. */
CS_INTERNAL int csi_cobs_write(unsigned char *frame, uint32_t length, cs_write_fn write, void *context,
                               uint32_t *written);
CS_INTERNAL uint32_t csi_cobs_decode(unsigned char *bytes, uint32_t length);

/* Bytes gathered up to the zero that ends a frame. */
typedef struct frame_gather {
    unsigned char *bytes;
    uint32_t size;
    uint32_t filled; /* more than size: too long, to be dropped at its end */
} frame_gather;
/* Takes one byte; the length of a decoded frame when it was complete, else 0. *bad is added one for each that was none. */
CS_INTERNAL uint32_t csi_gather(frame_gather *g, unsigned char byte, uint64_t *bad);

#endif
