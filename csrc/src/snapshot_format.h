/*
 * snapshot_format.h: what a picture is made of.
 *
 * A stream of MessagePack arrays, each starting with its tag, then an unsigned 32-bit integer: the
 * CRC-32C of all bytes before it.
 *
 *   ["corestate", version, time_ns, {configuration}]       first
 *   ["engine", {fields}, {states}, {changes of each}, quiet]
 *   ["kind", name]                                         in the order of their numbers
 *   ["counter", name, u64]  ["gauge", name, f64]
 *   ["area", name, neurons, incoming, outgoing, fcl_window]
 *   ["lock", name]
 *   ["budget", name, limit, spent, detections]             reservations are of the moment and left out
 *   ["agent", id, type, status, changes, registered_ns, last_seen_ns, participant,
 *             capabilities, transport, metadata]
 *   ["events", newest sequence]
 *   ["event", sequence, time_ns, kind, source, format, data]
 *   ["void"]                                               the array before this one does not count
 *   ["end", changed]                                       last
 */
#ifndef CORESTATE_SNAPSHOT_FORMAT_H
#define CORESTATE_SNAPSHOT_FORMAT_H

#include "msgpack.h"
#include "view.h"

/* An array's kind: a table's number for its rows, then the rest. What may come between head and checksum is before
 * ROW_PICTURE. */
enum { ROW_ENGINE = TABLES, ROW_EVENTS, ROW_EVENT, ROW_END, ROW_PICTURE, ROW_VOID, ROWS };

/* What an array holds beside its tag. */
struct row {
    uint32_t kind;
    uint32_t name_length;
    const void *name;
    void *maps; /* where the values of its maps are: in a cs_config or cs_engine_snapshot */
    union {     /* its numbers, one behind the other */
        uint64_t numbers[6];
        cs_event event;
    } n;
    union { /* its strings of bytes */
        cs_details details;
        struct {
            const void *at[3];
            uint32_t length[3];
        } bytes;
    } u;
};
_Static_assert(offsetof(cs_details, metadata) == 2 * sizeof(void *), "as in an array");
_Static_assert(offsetof(cs_details, metadata_length) == 3 * sizeof(void *) + 8, "as in an array");

/*
 * A kind's tag, and a letter for each of its fields:
 *   n  the name    b  bytes          A to D  a map
 *   u  a number    f  a real one     w  one below 2^32, of 4 bytes in a table's payload
 *   t  a truth     h  the lower 4 bytes of a number
 */
CS_INTERNAL const char *csi_row_tag(uint32_t kind);
CS_INTERNAL const char *csi_row_fields(uint32_t kind);

/* Write these fields of a row, or read them into it. */
CS_INTERNAL void csi_row_walk(mp_stream *s, const char *fields, struct row *row);

/* The numbers of a table's row (but agents) into its slot, or from there. */
CS_INTERNAL void csi_row_payload(struct row *row, struct slot *slot, bool put);

#endif
