/*
 * record.h: bytes that change as a whole. Two buffers and a version word: while version v is current only
 * the other buffer is written, then the version moves. A reader whose version stands has a whole copy; one
 * whose version moved on by one, with no writer at work since, has too. A dead writer has spoiled only the idle
 * buffer: the word says so until the next one has written it anew.
 */
#ifndef CORESTATE_RECORD_H
#define CORESTATE_RECORD_H

#include "view.h"

typedef struct record {
    a64 *word;
    unsigned char *buffers; /* two of struct details, each followed by `bytes` */
    uint32_t bytes;
} record;

/* Replace. Before anything is written, `handle` must still stand for `slot` unless handle is 0.
 * Errors: STALE, BUSY. What does not fit has been refused before. */
CS_INTERNAL int csi_record_write(view *v, const record *r, const cs_details *details, const struct slot *slot,
                                 cs_handle handle);

/* Copy out; `out` may be null. Errors: TOO_BIG (capacity), BUSY (writers never paused). */
CS_INTERNAL int csi_record_read(const record *r, uint16_t lengths[4], void *out, uint32_t capacity, uint64_t *version);

/* For who copies in pieces: the current buffer under this word, and whether it stayed the current one. */
CS_INTERNAL unsigned char *csi_record_buffer(const record *r, uint64_t word);
CS_INTERNAL bool csi_record_stood(const record *r, uint64_t word);

/* End the claim of a dead writer who sat in `seat`. */
CS_INTERNAL void csi_record_sweep(const view *v, const record *r, uint32_t seat);

#endif
