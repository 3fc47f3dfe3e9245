/* crc32c.h: CRC-32C (Castagnoli, RFC 3720), four bits at a time: a table of 64 bytes, for boards too. */
#ifndef CORESTATE_CRC32C_H
#define CORESTATE_CRC32C_H

#include "view.h"

/* The checksum of what came before (0 at first) and these bytes. */
CS_INTERNAL uint32_t csi_crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
