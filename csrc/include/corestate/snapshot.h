/*
 * snapshot.h: a picture of a region, and back.
 *
 * The file is MessagePack with a version and a CRC-32C at its end (docs/layout.md has the format);
 * hosts, boards and browsers write and read the same bytes. Every record in it is whole; the engine
 * section is of one instant, and the picture says whether anything changed while it was taken.
 * Held locks, participants and sleepers are of the moment and left out.
 */
#ifndef CORESTATE_SNAPSHOT_H
#define CORESTATE_SNAPSHOT_H

#include "corestate/base.h"
#include "corestate/region.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CS_SNAPSHOT_VERSION 1

/* Takes the next bytes; zero for success, anything else stops with CS_E_IO. */
typedef int (*cs_write_fn)(void *context, const void *bytes, uint32_t length);

typedef struct cs_snapshot_info {
    uint64_t bytes;
    uint64_t time_ns; /* when it was taken, since the epoch */
    uint32_t changed; /* 1: something changed while it was taken */
    uint32_t version;
    uint32_t crc;
    uint32_t reserved;
    cs_config config; /* of the region it was taken from */
} cs_snapshot_info;

/* Write a picture through `write` in small pieces; info may be null. Stack use under 1 KiB.
 * Errors: IO, BUSY (an agent's writer never paused). O(what is there). */
CS_API int cs_snapshot_write(const cs_region *region, cs_write_fn write, void *context, cs_snapshot_info *info);

/* Check a picture in memory: CRC, version, shape. Errors: NOT_REGION, VERSION, TRUNCATED, CORRUPT. */
CS_API int cs_snapshot_probe(const void *bytes, uint64_t size, cs_snapshot_info *info);

/* Put a picture into a freshly made region that nobody else uses. Checked as a whole before anything is
 * written. Errors: as probe, and FULL, NAME or TOO_BIG when the region is smaller than the picture needs. */
CS_API int cs_snapshot_restore(cs_region *region, const void *bytes, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif
