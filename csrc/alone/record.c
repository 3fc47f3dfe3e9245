#include "record.h"

#include "alone.h"

unsigned char *csi_record_buffer(const record *r, uint64_t word)
{
    uint32_t version = (uint32_t)word >> RECORD_VERSION_SHIFT;
    return r->buffers + (version & 1u) * (sizeof(struct details) + r->bytes);
}

bool csi_record_stood(const record *r, uint64_t word) { return (load64(r->word) ^ word) >> RECORD_VERSION_SHIFT == 0; }
