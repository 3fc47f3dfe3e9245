#include "corestate/engine.h"

#include "engine_fields.h"
#include "lane.h"
#include "number.h"
#include "sweep.h"
#include "view.h"

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof *(array))

/* -- states --------------------------------------------------------------------------------- */

struct lane *csi_engine_lane(const view *v, uint64_t state)
{
    struct engine *e = v->engine;
    if (state >= CS_STATES)
        return 0;
    return state < COUNT(e->core) ? &e->core[state] : &e->service[state - COUNT(e->core)].lane;
}

static lane_subject subject_of(uint32_t state)
{
    return (lane_subject){.id = state, .table = CS_SECTION_ENGINE, .kind = csi_engine_states[state].kind};
}

static uint32_t known_value(uint32_t state, uint64_t word)
{
    return lane_value(word) <= csi_engine_states[state].max ? lane_value(word) : 0;
}

uint32_t cs_engine_state(const cs_region *region, uint32_t state)
{
    return state < CS_STATES ? known_value(state, load64(&csi_engine_lane(const_view_of(region), state)->state)) : 0;
}

int cs_engine_set_state(cs_region *region, uint32_t state, uint32_t value)
{
    view *v = view_of(region);
    if (state >= CS_STATES || value > csi_engine_states[state].max)
        return CS_E_INVALID;
    uint32_t owner;
    struct lane *lane = csi_engine_lane(v, state);
    lane_subject subject = subject_of(state);
    int result = writer_of(v, &owner);
    if (result == CS_OK)
        result = csi_lane_take(v, lane, owner);
    if (result < 0)
        return result;
    if (result == CS_INHERITED)
        csi_lane_settle(v, lane, &subject);
    result = CS_OK;
    if (lane_value(peek64(&lane->state)) != value)
        result = csi_lane_change(v, lane, value, &subject);
    csi_lane_release(lane, owner);
    return result;
}

bool csi_engine_sweep(view *v, uint32_t seat)
{
    bool settled = true;
    for (uint32_t state = 0; state < CS_STATES; state++) {
        struct lane *lane = csi_engine_lane(v, state);
        uint32_t owner;
        if (!to_be_settled(v, load32(&lane->claim), seat, &settled) || writer_of(v, &owner) != CS_OK)
            continue;
        int result = csi_lane_take(v, lane, owner);
        lane_subject subject = subject_of(state);
        settled &= result >= 0;
        if (result == CS_INHERITED)
            csi_lane_settle(v, lane, &subject);
        if (result >= 0)
            csi_lane_release(lane, owner);
    }
    return settled;
}

/* -- numbers -------------------------------------------------------------------------------- */

static a64 *cell_at(const view *v, uint32_t field)
{
    struct engine *e = v->engine;
    switch (field) {
    case CS_AGENT_COUNT:
        return &e->agent_count;
    case CS_VERSION:
        return &e->version;
    case CS_LAST_MODIFIED:
        return &e->last_modified;
    default:
        return field < CS_ENGINE_CELLS ? &e->cells[field] : 0;
    }
}

const void *cs_engine_cell(const cs_region *region, uint32_t field)
{
    return cs_engine_field_type(field) ? cell_at(const_view_of(region), field) : 0;
}

uint64_t cs_engine_get(const cs_region *region, uint32_t field)
{
    const a64 *cell = cell_at(const_view_of(region), field);
    return cell ? load64(cell) : 0;
}

double cs_engine_get_f64(const cs_region *region, uint32_t field) { return value_of(cs_engine_get(region, field)); }

static int put(view *v, uint32_t field, uint64_t bits)
{
    int result = may_write(v);
    if (result != CS_OK)
        return result;
    store64(cell_at(v, field), bits);
    touch(v);
    return CS_OK;
}

int cs_engine_set(cs_region *region, uint32_t field, uint64_t value)
{
    uint32_t type = field < CS_ENGINE_CELLS ? csi_engine_types[field] : CS_TYPE_NONE;
    if (type != CS_TYPE_U64 && type != CS_TYPE_BOOL)
        return CS_E_INVALID;
    if (type == CS_TYPE_BOOL && value > 1)
        return CS_E_RANGE;
    return put(view_of(region), field, value);
}

int cs_engine_set_f64(cs_region *region, uint32_t field, double value)
{
    uint32_t type = field < CS_ENGINE_CELLS ? csi_engine_types[field] : CS_TYPE_NONE;
    uint64_t bits = bits_of(value);
    if (type != CS_TYPE_F64 && type != CS_TYPE_PERCENT)
        return CS_E_INVALID;
    if (is_nan(bits))
        return CS_E_NAN;
    if (is_negative(bits) || (type == CS_TYPE_PERCENT && is_above(bits, HUNDRED)))
        return CS_E_RANGE;
    return put(view_of(region), field, bits);
}

int cs_engine_add(cs_region *region, uint32_t field, int64_t n, uint64_t *value)
{
    view *v = view_of(region);
    if (field >= CS_ENGINE_CELLS || csi_engine_types[field] != CS_TYPE_U64)
        return CS_E_INVALID;
    int result = may_write(v);
    if (result == CS_OK)
        result = csi_add(cell_at(v, field), n, value);
    if (result == CS_OK)
        touch(v);
    return result;
}

static void copy_engine(const view *v, cs_engine_snapshot *s)
{
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++)
        s->cells[field] = load64(cell_at(v, field));
    for (uint32_t state = 0; state < CS_STATES; state++) {
        uint64_t word = load64(&csi_engine_lane(v, state)->state);
        s->states[state] = known_value(state, word);
        s->changes[state] = lane_changes(word);
    }
}

int cs_engine_read(const cs_region *region, cs_engine_snapshot *snapshot)
{
    if (!region || !snapshot)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    cs_engine_snapshot again;
    const struct header *header = (const struct header *)(const void *)v->memory;
    memset(snapshot, 0, sizeof *snapshot);
    memset(&again, 0, sizeof again);
    copy_engine(v, snapshot);
    for (int round = 0; round < 64; round++) {
        uint32_t begun = instant_begin(v); /* and the first copy came before the second */
        copy_engine(v, &again);
        if (memcmp(snapshot, &again, sizeof again) == 0 && instant_stood(v, begun)) {
            snapshot->quiet = !(peek32(&header->link) & LINK_UNSTEADY);
            return CS_OK;
        }
        *snapshot = again;
    }
    return CS_OK;
}

void csi_engine_restore(const view *v, const cs_engine_snapshot *s)
{
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++)
        if (csi_engine_types[field] && field != CS_AGENT_COUNT) /* the registry has counted for itself */
            poke64(cell_at(v, field), s->cells[field]);
    for (uint32_t state = 0; state < CS_STATES; state++) {
        struct lane *lane = csi_engine_lane(v, state);
        poke64(&lane->state, s->changes[state] << 16 | s->states[state]);
        poke32(&lane->promised, 0);
    }
}
