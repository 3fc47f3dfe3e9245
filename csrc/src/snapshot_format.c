#include "snapshot_format.h"

#include "plan.h"

/* Tag and fields of each kind. */
static const char rows[] = "counter\0nu\0" /* the tables, in their order */
                           "gauge\0nf\0"
                           "area\0nuuuw\0"
                           "agent\0nwwuuuubbb\0"
                           "lock\0n\0"
                           "kind\0n\0"
                           "budget\0nuuu\0"
                           "engine\0BCDt\0"
                           "events\0u\0"
                           "event\0uuhhhb\0"
                           "end\0t\0"
                           "corestate\0uuA\0"
                           "void\0";

const char *csi_row_tag(uint32_t kind) { return csi_word(rows, 2 * kind); }
const char *csi_row_fields(uint32_t kind) { return csi_word(rows, 2 * kind + 1); }

#define ENGINE_KEYS 22 /* fields of the engine section that have a name */

/* A map's keys; and where its values are, one behind the other. */
static const struct map {
    const char *(*key)(uint32_t number); /* null where there is none */
    uint16_t offset;
    uint8_t keys;
    uint8_t width; /* of a value, in bytes */
} maps[] = {
    {csi_config_field, 0, sizeof(cs_config) / sizeof(uint32_t), sizeof(uint32_t)},
    {cs_engine_field_name, offsetof(cs_engine_snapshot, cells), ENGINE_KEYS, sizeof(uint64_t)},
    {cs_engine_state_name, offsetof(cs_engine_snapshot, states), CS_STATES, sizeof(uint32_t)},
    {cs_engine_state_name, offsetof(cs_engine_snapshot, changes), CS_STATES, sizeof(uint64_t)},
};

static bool is_real(uint32_t field)
{
    uint32_t type = cs_engine_field_type(field);
    return type == CS_TYPE_F64 || type == CS_TYPE_PERCENT;
}

static void walk_map(mp_stream *s, char letter, void *values)
{
    const struct map map = maps[letter - 'A'];
    unsigned char *value = (unsigned char *)values + map.offset;
    uint32_t left = map.keys;
    csi_mp_number(s, MP_MAP, &left, sizeof left);
    if (left > map.keys || (left < map.keys && letter != 'B')) /* of the engine, later fields may be missing */
        s->bad = true;
    for (uint32_t number = 0; left && !s->bad; number++, value += map.width) {
        const char *key = map.key(number);
        if (!key)
            continue;
        csi_mp_text(s, key);
        csi_mp_number(s, letter == 'B' && is_real(number) ? MP_FLOAT : MP_UINT, value, map.width);
        if (letter == 'C' && *(uint32_t *)(void *)value > cs_engine_state_max(number))
            s->bad = true;
        left--;
    }
}

static void walk_name(mp_stream *s, struct row *row)
{
    csi_mp_bytes(s, MP_STRING, &row->name, &row->name_length);
    if (!s->to && (!row->name || row->name_length - 1 >= CS_NAME_MAX || !csi_utf8(row->name, row->name_length)))
        s->bad = true;
}

void csi_row_walk(mp_stream *s, const char *fields, struct row *row)
{
    unsigned char *number = (unsigned char *)row->n.numbers;
    const void **part = row->u.bytes.at;
    for (; *fields; fields++) {
        if (*fields == 'n') {
            walk_name(s, row);
        } else if (*fields == 'b') {
            csi_mp_bytes(s, MP_BINARY, part, &row->u.bytes.length[part - row->u.bytes.at]);
            part++;
        } else if (*fields < 'a') {
            walk_map(s, *fields, row->maps);
        } else {
            uint32_t width = *fields == 'h' ? sizeof(uint32_t) : sizeof(uint64_t);
            csi_mp_number(s, *fields == 'f' ? MP_FLOAT : *fields == 't' ? MP_BOOL : MP_UINT, number, width);
            if (*fields == 'w' && *(uint64_t *)(void *)number > UINT32_MAX)
                s->bad = true;
            number += width;
        }
    }
}

void csi_row_payload(struct row *row, struct slot *slot, bool put)
{
    unsigned char *at = payload_of(slot);
    uint64_t *n = row->n.numbers;
    uint32_t skip = row->kind == TABLE_BUDGETS ? sizeof(a64) : 0; /* what is taken, behind the limit */
    for (const char *field = csi_row_fields(row->kind) + 1; *field; field++, n++) {
        if (put && *field == 'w')
            poke32((a32 *)(void *)at, (uint32_t)*n);
        else if (put)
            poke64((a64 *)(void *)at, *n);
        else
            *n = *field == 'w' ? load32((a32 *)(void *)at) : load64((a64 *)(void *)at);
        at += sizeof(a64) + skip;
        skip = 0;
    }
}
