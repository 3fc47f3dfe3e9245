/*
 * fuzz_snapshot.c: judging and restoring a picture made of any bytes. Input: a byte whose lowest bit says that the
 * checksum is to be put right (the others, what is read of a region that was restored), then the picture.
 */
#define _GNU_SOURCE
#include "crc32c.h"
#include "fuzz_port.h"
#include "visit.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char *memory;
static uint64_t memory_size;
static cs_config config;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_region region;
    cs_snapshot_info info;
    if (!memory) {
        config = rig_config();
        memory_size = cs_region_size(&config);
        NEED(posix_memalign((void **)&memory, 64, memory_size) == 0);
    }
    if (size < 1)
        return -1;
    size_t length = size - 1, whole = length + (data[0] & 1u ? 5 : 0);
    unsigned char *picture = malloc(whole ? whole : 1); /* of exactly this size, so that a byte too many is seen */
    NEED(picture);
    memcpy(picture, data + 1, length);
    if (data[0] & 1u) {
        uint32_t crc = csi_crc32c(0, picture, length);
        unsigned char trailer[5] = {0xCE, (unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                                    (unsigned char)(crc >> 8), (unsigned char)crc};
        memcpy(picture + length, trailer, sizeof trailer);
    }
    fuzz_restart();
    fuzz_living = 1;
    if (cs_snapshot_probe(picture, whole, &info) == CS_OK) {
        NEED(cs_region_format(memory, memory_size, &config, 0) == CS_OK);
        NEED(cs_region_attach(&region, memory, memory_size, CS_PRIVATE, -1) == CS_OK);
        (void)cs_snapshot_restore(&region, picture, whole);
        visit_read(&region, data[0] & 4u ? VISIT_ALL : 1u << (data[0] >> 3 & 7u));
        if (data[0] & 2u)
            visit_picture(&region);
    }
    free(picture);
    return 0;
}
