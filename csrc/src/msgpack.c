#include "msgpack.h"

#include "crc32c.h"

/* -- writing -------------------------------------------------------------------------------- */

void csi_mp_flush(mp_writer *w)
{
    if (w->filled && w->error == CS_OK) {
        w->crc = csi_crc32c(w->crc, w->buffer, w->filled);
        w->bytes += w->filled;
        if (w->write(w->context, w->buffer, w->filled) != 0)
            w->error = CS_E_IO;
    }
    w->filled = 0;
}

void csi_mp_raw(mp_writer *w, const void *bytes, uint32_t length)
{
    const unsigned char *from = bytes;
    while (length) {
        uint32_t room = (uint32_t)sizeof w->buffer - w->filled;
        uint32_t n = length < room ? length : room;
        memcpy(w->buffer + w->filled, from, n);
        w->filled += n;
        from += n;
        length -= n;
        if (w->filled == sizeof w->buffer)
            csi_mp_flush(w);
    }
}

/* A type byte and a big-endian number of so many bytes. */
static void head(mp_writer *w, uint32_t type, uint64_t value, uint32_t bytes)
{
    unsigned char out[9] = {(unsigned char)type};
    for (uint32_t i = 0; i < bytes; i++)
        out[1 + i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
    csi_mp_raw(w, out, 1 + bytes);
}

void csi_mp_uint(mp_writer *w, uint64_t value)
{
    if (value < 0x80)
        head(w, (uint32_t)value, 0, 0);
    else if (value <= 0xFF)
        head(w, 0xCC, value, 1);
    else if (value <= 0xFFFF)
        head(w, 0xCD, value, 2);
    else if (value <= 0xFFFFFFFF)
        head(w, 0xCE, value, 4);
    else
        head(w, 0xCF, value, 8);
}

void csi_mp_float(mp_writer *w, uint64_t bits) { head(w, 0xCB, bits, 8); }
void csi_mp_bool(mp_writer *w, bool value) { head(w, value ? 0xC3 : 0xC2, 0, 0); }
void csi_mp_array(mp_writer *w, uint32_t count) { head(w, 0x90 | count, 0, 0); }

void csi_mp_map(mp_writer *w, uint32_t count)
{
    if (count < 16)
        head(w, 0x80 | count, 0, 0);
    else
        head(w, 0xDE, count, 2);
}

void csi_mp_string(mp_writer *w, const char *bytes, uint32_t length)
{
    if (length < 32)
        head(w, 0xA0 | length, 0, 0);
    else
        head(w, 0xD9, length, 1);
    csi_mp_raw(w, bytes, length);
}

void csi_mp_text(mp_writer *w, const char *literal)
{
    uint32_t length = 0;
    while (literal[length])
        length++;
    csi_mp_string(w, literal, length);
}

void csi_mp_binary(mp_writer *w, uint32_t length)
{
    if (length <= 0xFF)
        head(w, 0xC4, length, 1);
    else
        head(w, 0xC5, length, 2);
}

/* -- reading -------------------------------------------------------------------------------- */

static const unsigned char *take(mp_reader *r, uint64_t length)
{
    if (r->bad || (uint64_t)(r->end - r->at) < length) {
        r->cut |= !r->bad;
        r->bad = true;
        return 0;
    }
    const unsigned char *from = r->at;
    r->at += length;
    return from;
}

static uint32_t read_type(mp_reader *r)
{
    const unsigned char *type = take(r, 1);
    return type ? *type : 0xC1; /* the one byte MessagePack never uses */
}

static uint64_t read_number(mp_reader *r, uint32_t bytes)
{
    const unsigned char *from = take(r, bytes);
    uint64_t value = 0;
    for (uint32_t i = 0; from && i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

uint64_t csi_mp_read_uint(mp_reader *r)
{
    uint32_t type = read_type(r);
    if (type < 0x80)
        return type;
    if (type >= 0xCC && type <= 0xCF)
        return read_number(r, 1u << (type - 0xCC));
    r->bad = true;
    return 0;
}

uint64_t csi_mp_read_float(mp_reader *r)
{
    r->bad |= read_type(r) != 0xCB;
    return read_number(r, 8);
}

bool csi_mp_read_bool(mp_reader *r)
{
    uint32_t type = read_type(r);
    r->bad |= type != 0xC2 && type != 0xC3;
    return type == 0xC3;
}

uint32_t csi_mp_read_array(mp_reader *r)
{
    uint32_t type = read_type(r);
    r->bad |= (type & 0xF0u) != 0x90;
    return type & 0x0Fu;
}

uint32_t csi_mp_read_map(mp_reader *r)
{
    uint32_t type = read_type(r);
    if (type == 0xDE)
        return (uint32_t)read_number(r, 2);
    r->bad |= (type & 0xF0u) != 0x80;
    return type & 0x0Fu;
}

const char *csi_mp_read_string(mp_reader *r, uint32_t *length)
{
    uint32_t type = read_type(r);
    *length = type & 0x1Fu;
    if (type == 0xD9)
        *length = (uint32_t)read_number(r, 1);
    else
        r->bad |= (type & 0xE0u) != 0xA0;
    return (const char *)take(r, *length);
}

const unsigned char *csi_mp_read_binary(mp_reader *r, uint32_t *length)
{
    uint32_t type = read_type(r);
    r->bad |= type != 0xC4 && type != 0xC5;
    *length = (uint32_t)read_number(r, type == 0xC5 ? 2 : 1);
    return take(r, *length);
}

bool csi_mp_read_text(mp_reader *r, const char *literal)
{
    uint32_t length;
    const char *found = csi_mp_read_string(r, &length);
    return found && csi_same(found, length, literal);
}
