#include "view.h"

/* Whether all of it is ASCII and no NUL, as most names are: a word at a time, the last one overlapping the one before. */
static bool plain(const unsigned char *bytes, uint32_t length)
{
    const data_value ones = (data_value)0x0101010101010101u;
    const uint32_t step = sizeof(data_value);
    data_value word, seen = 0; /* high bits are in it where one was, or where one was taken from zero */
    if (length < step) {
        for (uint32_t i = 0; i < length; i++)
            if (bytes[i] == 0 || bytes[i] >= 0x80)
                return false;
        return true;
    }
    for (uint32_t i = 0; i + step <= length; i += step) {
        memcpy(&word, bytes + i, sizeof word);
        seen |= word | (word - ones);
    }
    memcpy(&word, bytes + length - step, sizeof word);
    seen |= word | (word - ones);
    return !(seen & ones << 7);
}

/* Well-formed UTF-8 as in the Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool csi_utf8(const unsigned char *bytes, uint32_t length)
{
    if (plain(bytes, length))
        return true;
    for (uint32_t i = 0; i < length;) {
        unsigned char first = bytes[i++];
        if (first < 0x80)
            continue;
        uint32_t more;
        unsigned char low = 0x80, high = 0xBF;
        if (first >= 0xC2 && first <= 0xDF) {
            more = 1;
        } else if (first >= 0xE0 && first <= 0xEF) {
            more = 2;
            low = first == 0xE0 ? 0xA0 : low;
            high = first == 0xED ? 0x9F : high;
        } else if (first >= 0xF0 && first <= 0xF4) {
            more = 3;
            low = first == 0xF0 ? 0x90 : low;
            high = first == 0xF4 ? 0x8F : high;
        } else {
            return false;
        }
        for (; more; more--, i++) {
            if (i == length || bytes[i] < low || bytes[i] > high)
                return false;
            low = 0x80;
            high = 0xBF;
        }
    }
    return true;
}

int csi_name(const view *v, const char *name, uint32_t *length)
{
    if (!name)
        return CS_E_INVALID;
    if (*length == CS_NUL) {
        uint32_t n = 0;
        while (n < v->key_bytes && name[n])
            n++;
        *length = n;
    }
    if (*length == 0 || *length >= v->key_bytes)
        return CS_E_NAME;
    if (plain((const unsigned char *)name, *length))
        return CS_OK;
    for (uint32_t i = 0; i < *length; i++)
        if (!name[i])
            return CS_E_NAME;
    return csi_utf8((const unsigned char *)name, *length) ? CS_OK : CS_E_NAME;
}

static uint32_t rotated(uint32_t value, uint32_t by) { return value << by | value >> (32 - by); }
static uint32_t scrambled(uint32_t word) { return rotated(word * 0xCC9E2D51u, 15) * 0x1B873593u; }

/* MurmurHash3 in 32 bits for 32-bit machines, seed 0: four bytes a step, and buckets are chosen by the upper bits. */
uint32_t csi_hash(const char *name, uint32_t length)
{
    uint32_t hash = 0, word, at = 0;
    for (; at + 4 <= length; at += 4) {
        memcpy(&word, name + at, 4);
        hash = rotated(hash ^ scrambled(word), 13) * 5u + 0xE6546B64u;
    }
    word = 0;
    for (uint32_t i = at; i < length; i++)
        word |= (uint32_t)(unsigned char)name[i] << 8 * (i - at);
    hash ^= scrambled(word) ^ length;
    hash = (hash ^ (hash >> 16)) * 0x85EBCA6Bu;
    hash = (hash ^ (hash >> 13)) * 0xC2B2AE35u;
    return hash ^ (hash >> 16);
}
