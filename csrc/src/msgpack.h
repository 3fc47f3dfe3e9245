/*
 * msgpack.h: the part of MessagePack that snapshots use, written in small pieces and read in place.
 * Errors stick: after the first one, writing and reading do nothing more.
 */
#ifndef CORESTATE_MSGPACK_H
#define CORESTATE_MSGPACK_H

#include "corestate/snapshot.h"
#include "view.h"

typedef struct mp_writer {
    cs_write_fn write;
    void *context;
    uint64_t bytes;
    uint32_t crc;
    uint32_t filled;
    int error; /* CS_OK or CS_E_IO */
    unsigned char buffer[128];
} mp_writer;

CS_INTERNAL void csi_mp_flush(mp_writer *w);
CS_INTERNAL void csi_mp_raw(mp_writer *w, const void *bytes, uint32_t length);
CS_INTERNAL void csi_mp_uint(mp_writer *w, uint64_t value);
CS_INTERNAL void csi_mp_float(mp_writer *w, uint64_t bits);
CS_INTERNAL void csi_mp_bool(mp_writer *w, bool value);
CS_INTERNAL void csi_mp_array(mp_writer *w, uint32_t count);
CS_INTERNAL void csi_mp_map(mp_writer *w, uint32_t count);
CS_INTERNAL void csi_mp_string(mp_writer *w, const char *bytes, uint32_t length);
CS_INTERNAL void csi_mp_text(mp_writer *w, const char *literal); /* a NUL-terminated string */
CS_INTERNAL void csi_mp_binary(mp_writer *w, uint32_t length);   /* the head; the bytes follow by csi_mp_raw */

typedef struct mp_reader {
    const unsigned char *at;
    const unsigned char *end;
    bool bad;
    bool cut; /* bad because the bytes ended */
} mp_reader;

CS_INTERNAL uint64_t csi_mp_read_uint(mp_reader *r);
CS_INTERNAL uint64_t csi_mp_read_float(mp_reader *r); /* its bits */
CS_INTERNAL bool csi_mp_read_bool(mp_reader *r);
CS_INTERNAL uint32_t csi_mp_read_array(mp_reader *r);
CS_INTERNAL uint32_t csi_mp_read_map(mp_reader *r);
CS_INTERNAL const char *csi_mp_read_string(mp_reader *r, uint32_t *length);
CS_INTERNAL const unsigned char *csi_mp_read_binary(mp_reader *r, uint32_t *length);
/* Whether the next string is this one; the reader moves past it either way. */
CS_INTERNAL bool csi_mp_read_text(mp_reader *r, const char *literal);

#endif
