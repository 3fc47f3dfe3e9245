#include "view.h"

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool csi_utf8(const unsigned char *bytes, uint32_t length)
{
    static const uint8_t least[] = {7, 11, 16}; /* the bit from which two, three and four bytes are needed */
    for (uint32_t at = 0; at < length;) {
        uint32_t code = bytes[at++];
        if (code < 0x80)
            continue;
        uint32_t ones = (uint32_t)__builtin_clz(~(code << 24));
        if (ones < 2 || ones > 4 || length - at < ones - 1)
            return false;
        code &= 0x7Fu >> ones;
        for (uint32_t more = ones - 1; more; more--) {
            uint32_t next = bytes[at++] ^ 0x80u;
            if (next > 0x3F)
                return false;
            code = code << 6 | next;
        }
        if (code >> least[ones - 2] == 0 || code > 0x10FFFF || code >> 11 == 0xD800 >> 11)
            return false;
    }
    return true;
}

int csi_name(const view *v, const char *name, uint32_t *length)
{
    if (!name)
        return CS_E_INVALID;
    uint32_t n = 0; /* to the first NUL, which may only be where the name is to end */
    while (n < v->key_bytes && n < *length && name[n])
        n++;
    if (*length == CS_NUL)
        *length = n;
    bool fits = n && n < v->key_bytes && n == *length;
    return fits && csi_utf8((const unsigned char *)name, n) ? CS_OK : CS_E_NAME;
}

static uint32_t rotated(uint32_t value, uint32_t by) { return value << by | value >> (32 - by); }

/* MurmurHash3, as in csrc/src. */
uint32_t csi_hash(const char *name, uint32_t length)
{
    uint32_t hash = 0, rest = length;
    for (;;) {
        uint32_t word = 0, n = rest < 4 ? rest : 4;
        memcpy(&word, name, n);
        hash ^= rotated(word * 0xCC9E2D51u, 15) * 0x1B873593u;
        if (n < 4)
            break;
        hash = rotated(hash, 13) * 5u + 0xE6546B64u;
        name += n;
        rest -= n;
    }
    hash ^= length;
    hash = (hash ^ (hash >> 16)) * 0x85EBCA6Bu;
    hash = (hash ^ (hash >> 13)) * 0xC2B2AE35u;
    return hash ^ (hash >> 16);
}
