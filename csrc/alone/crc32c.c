#include "crc32c.h"

/* A bit at a time: no table, for three times the instructions. */
uint32_t csi_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    const uint32_t polynomial = 0x82F63B78; /* the first bit is the lowest */
    const unsigned char *at = bytes;
    crc = ~crc;
    while (length--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1u ? crc >> 1 ^ polynomial : crc >> 1;
    }
    return ~crc;
}
