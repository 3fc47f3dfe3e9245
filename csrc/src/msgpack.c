#include "msgpack.h"

#include "crc32c.h"

/*
 * How a type is encoded: a value below `below` in the type byte itself, as `fixed` + value; any other as the type byte
 * `sized` + n and a big-endian number of 2^n bytes, n being from `least` to `most`.
 */
static const struct encoding {
    uint8_t fixed;
    uint8_t below;
    uint8_t sized;
    uint8_t least;
    uint8_t most;
} encodings[MP_TYPES] = {
    [MP_UINT] = {0x00, 0x80, 0xCC, 0, 3},   [MP_UINT32] = {0, 0, 0xCC, 2, 2},   [MP_FLOAT] = {0, 0, 0xC8, 3, 3},
    [MP_BOOL] = {0xC2, 2, 0, 1, 0},         [MP_ARRAY] = {0x90, 0x10, 0, 1, 0}, [MP_MAP] = {0x80, 0x10, 0xDD, 1, 1},
    [MP_STRING] = {0xA0, 0x20, 0xD9, 0, 0}, [MP_BINARY] = {0, 0, 0xC4, 0, 1},
};

/* -- writing -------------------------------------------------------------------------------- */

void csi_mp_flush(mp_sink *to)
{
    if (to->filled && to->error == CS_OK) {
        to->crc = csi_crc32c(to->crc, to->buffer, to->filled);
        to->bytes += to->filled;
        if (to->write(to->context, to->buffer, to->filled) != 0)
            to->error = CS_E_IO;
    }
    to->filled = 0;
}

static void put(mp_stream *s, const void *bytes, uint32_t length)
{
    const unsigned char *from = bytes;
    mp_sink *to = s->to;
    for (; length; length--) {
        to->buffer[to->filled++] = *from++;
        if (to->filled == sizeof to->buffer)
            csi_mp_flush(to);
    }
}

void csi_mp_write(mp_stream *s, enum mp_type type, uint64_t value)
{
    const struct encoding e = encodings[type];
    unsigned char out[9], *at = out + sizeof out; /* filled from its end */
    uint32_t code = e.fixed + (uint32_t)value, bytes = 0;
    if (value >= e.below) {
        do {
            *--at = (unsigned char)value;
            value >>= 8;
            bytes++;
        } while (value || bytes < 1u << e.least || (bytes & (bytes - 1)));
        code = e.sized + bytes / 2 - bytes / 8; /* the logarithm of 1, 2, 4 or 8 */
    }
    *--at = (unsigned char)code;
    put(s, at, 1 + bytes);
}

uint32_t csi_mp_length(const char *text)
{
    uint32_t length = 0;
    while (text[length])
        length++;
    return length;
}

/* Of a region, whose bytes are read by whole words. */
static void put_shared(mp_stream *s, const unsigned char *from, uint32_t length)
{
    if (ALONE) { /* who reads while an interrupt writes finds that out afterwards, whatever it has read */
        put(s, from, length);
        return;
    }
    while (length) {
        uint32_t skip = (uint32_t)((uintptr_t)from % sizeof(data_value)), n = (uint32_t)sizeof(data_value) - skip;
        data_value value = data_peek((const data_word *)(const void *)(from - skip));
        n = n < length ? n : length;
        put(s, (const unsigned char *)&value + skip, n);
        from += n;
        length -= n;
    }
}

/* -- reading -------------------------------------------------------------------------------- */

static const unsigned char *take(mp_stream *s, uint32_t length)
{
    const unsigned char *from = s->at;
    if (s->bad)
        return 0;
    if ((size_t)(s->end - from) < length) {
        s->bad = s->cut = true;
        return 0;
    }
    s->at += length;
    return from;
}

uint64_t csi_mp_read(mp_stream *s, enum mp_type type)
{
    const struct encoding *e = &encodings[type];
    const unsigned char *at = take(s, 1);
    uint64_t value = 0;
    if (!at)
        return 0;
    uint32_t small = *at - (uint32_t)e->fixed, size = *at - (uint32_t)e->sized;
    if (small < e->below)
        return small;
    if (size < e->least || size > e->most) {
        s->bad = true;
        return 0;
    }
    uint32_t bytes = 1u << size;
    for (at = take(s, bytes); at && bytes; bytes--)
        value = value << 8 | *at++;
    return value;
}

const void *csi_mp_read_bytes(mp_stream *s, enum mp_type type, uint32_t *length)
{
    *length = (uint32_t)csi_mp_read(s, type);
    return take(s, *length);
}

/* -- either --------------------------------------------------------------------------------- */

void csi_mp_number(mp_stream *s, enum mp_type type, void *at, uint32_t width)
{
    uint64_t *wide = at;
    uint32_t *narrow = at;
    if (s->to) {
        csi_mp_write(s, type, width == sizeof *wide ? *wide : *narrow);
        return;
    }
    uint64_t value = csi_mp_read(s, type);
    if (width == sizeof *wide)
        *wide = value;
    else
        *narrow = (uint32_t)value;
}

void csi_mp_text(mp_stream *s, const char *text)
{
    uint32_t length = csi_mp_length(text), found;
    if (s->to) {
        csi_mp_write(s, MP_STRING, length);
        put(s, text, length);
    } else {
        const void *at = csi_mp_read_bytes(s, MP_STRING, &found);
        if (!at || found != length || memcmp(at, text, length) != 0)
            s->bad = true;
    }
}

void csi_mp_bytes(mp_stream *s, enum mp_type type, const void **at, uint32_t *length)
{
    if (s->to) {
        csi_mp_write(s, type, *length);
        put_shared(s, *at, *length);
    } else {
        *at = csi_mp_read_bytes(s, type, length);
    }
}
