/*
 * msgpack.h: the part of MessagePack that snapshots use, written in small pieces and read in place.
 * Errors stick: after the first one, writing and reading do nothing more.
 */
#ifndef CORESTATE_MSGPACK_H
#define CORESTATE_MSGPACK_H

#include "corestate/snapshot.h"
#include "view.h"

/* What a value can be. It is a number itself: a float's bits, 0 or 1, or how many elements or bytes follow. */
enum mp_type {
    MP_UINT,
    MP_UINT32, /* in four bytes, whatever its value */
    MP_FLOAT,
    MP_BOOL,
    MP_ARRAY,
    MP_MAP,
    MP_STRING,
    MP_BINARY,
    MP_TYPES
};

/* Where what is written goes, in pieces. */
typedef struct mp_sink {
    cs_write_fn write;
    void *context;
    uint64_t bytes;
    uint32_t crc;
    uint32_t filled;
    int error; /* CS_OK or CS_E_IO */
    unsigned char buffer[128];
} mp_sink;

/* What is read from `at` to `end`; or, with a sink, written to that. */
typedef struct mp_stream {
    const unsigned char *at;
    const unsigned char *end;
    mp_sink *to;
    bool bad; /* what was read is not what was expected */
    bool cut; /* bad because the bytes ended */
} mp_stream;

CS_INTERNAL void csi_mp_write(mp_stream *s, enum mp_type type, uint64_t value);
CS_INTERNAL void csi_mp_flush(mp_sink *to);

CS_INTERNAL uint64_t csi_mp_read(mp_stream *s, enum mp_type type);
/* A string or binary, in place; null when it is bad. */
CS_INTERNAL const void *csi_mp_read_bytes(mp_stream *s, enum mp_type type, uint32_t *length);

/* Either way: a number in memory, of 4 or 8 bytes; a text that must be this one; a string or binary, which is written
 * from a region's memory (or any that is aligned as one). */
CS_INTERNAL void csi_mp_number(mp_stream *s, enum mp_type type, void *at, uint32_t width);
CS_INTERNAL void csi_mp_text(mp_stream *s, const char *text);
CS_INTERNAL void csi_mp_bytes(mp_stream *s, enum mp_type type, const void **at, uint32_t *length);

CS_INTERNAL uint32_t csi_mp_length(const char *text);

#endif
