#include "corestate/engine.h"

#include "alone.h"
#include "engine_fields.h"
#include "lane.h"
#include "number.h"

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof *(array))

void touch(const view *v)
{
    uint32_t held = hold();
    ++WIDE(&v->engine->version);
    WIDE(&v->engine->last_modified) = cs_port_coarse_ns();
    let_go(held);
}

/* -- states --------------------------------------------------------------------------------- */

__attribute__((noinline)) static struct lane *lane_at(const view *v, uint32_t state)
{
    struct engine *e = v->engine;
    return state < COUNT(e->core) ? &e->core[state] : &e->service[state - COUNT(e->core)].lane;
}

static uint32_t known_value(uint32_t state, uint64_t word)
{
    uint32_t value = lane_value(word);
    return value <= csi_engine_states[state].max ? value : 0;
}

uint32_t cs_engine_state(const cs_region *region, uint32_t state)
{
    return state < CS_STATES ? known_value(state, load64(&lane_at(const_view_of(region), state)->state)) : 0;
}

int cs_engine_set_state(cs_region *region, uint32_t state, uint32_t value)
{
    view *v = view_of(region);
    if (state >= CS_STATES || value > csi_engine_states[state].max)
        return CS_E_INVALID;
    cs_change change;
    change.subject = state;
    change.new_value = value;
    change.table = CS_SECTION_ENGINE;
    int result = may_write(v);
    if (result != CS_OK)
        return result;
    uint32_t held = hold();
    struct lane *lane = lane_at(v, state);
    if (lane_value(WIDE(&lane->state)) != value) {
        csi_lane_step(lane, &change);
        touch(v);
        csi_tell(v, csi_engine_states[state].kind, &change, 0, 0);
    }
    let_go_told(v, held);
    return result;
}

/* -- numbers -------------------------------------------------------------------------------- */

static a64 *cell_at(const view *v, uint32_t field)
{
    struct engine *e = v->engine;
    if (field == CS_AGENT_COUNT)
        return &e->agent_count;
    if (field >= CS_ENGINE_CELLS)
        return field == CS_VERSION ? &e->version : &e->last_modified;
    return &e->cells[field];
}

const void *cs_engine_cell(const cs_region *region, uint32_t field)
{
    return cs_engine_field_type(field) ? cell_at(const_view_of(region), field) : 0;
}

uint64_t cs_engine_get(const cs_region *region, uint32_t field)
{
    return field < CS_ENGINE_FIELDS ? load64(cell_at(const_view_of(region), field)) : 0;
}

double cs_engine_get_f64(const cs_region *region, uint32_t field) { return value_of(cs_engine_get(region, field)); }

/* The type of a field that may be set; NONE of the others. */
static uint32_t settable(uint32_t field)
{
    return field < CS_ENGINE_CELLS ? csi_engine_types[field] : (uint32_t)CS_TYPE_NONE;
}

_Static_assert(CS_TYPE_F64 == 2 && CS_TYPE_PERCENT == 3 && CS_TYPE_BOOL == 4, "one bit tells the real ones");
static bool is_real(uint32_t type) { return type >> 1 & 1u; }

/* Set to a number, whole or real, of one sign at most: the greater of two has the greater bits. */
static int put(cs_region *region, uint32_t field, uint64_t bits, bool real)
{
    uint32_t type = settable(field);
    uint64_t most = type == CS_TYPE_BOOL ? 1 : UINT64_MAX;
    if (real)
        most = type == CS_TYPE_PERCENT ? HUNDRED : INFINITY_BITS;
    if (!type || is_real(type) != real)
        return CS_E_INVALID;
    if (bits > most && !(real && bits << 1 == 0)) /* minus zero is zero */
        return real && is_nan(bits) ? CS_E_NAN : CS_E_RANGE;
    int result = may_write(view_of(region));
    if (result == CS_OK) {
        store64(cell_at(view_of(region), field), bits);
        touch(view_of(region));
    }
    return result;
}

int cs_engine_set(cs_region *region, uint32_t field, uint64_t value) { return put(region, field, value, false); }

int cs_engine_set_f64(cs_region *region, uint32_t field, double value)
{
    return put(region, field, bits_of(value), true);
}

int cs_engine_add(cs_region *region, uint32_t field, int64_t n, uint64_t *value)
{
    view *v = view_of(region);
    if (settable(field) != CS_TYPE_U64)
        return CS_E_INVALID;
    int result = may_write(v);
    if (result == CS_OK)
        result = csi_add(cell_at(v, field), n, value);
    if (result == CS_OK)
        touch(v);
    return result;
}

/* -- all of it ------------------------------------------------------------------------------ */

int cs_engine_read(const cs_region *region, cs_engine_snapshot *s)
{
    if (!region || !s)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    s->quiet = 1;
    uint32_t held = hold();
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++)
        s->cells[field] = WIDE(cell_at(v, field));
    for (uint32_t state = 0; state < CS_STATES; state++) {
        s->states[state] = cs_engine_state(region, state);
        s->changes[state] = lane_changes(WIDE(&lane_at(v, state)->state));
    }
    let_go(held);
    return CS_OK;
}

void csi_engine_restore(const view *v, const cs_engine_snapshot *s)
{
    for (uint32_t field = CS_AGENT_COUNT + 1; field < CS_ENGINE_FIELDS; field++) /* the registry counts for itself */
        if (csi_engine_types[field])
            store64(cell_at(v, field), s->cells[field]);
    for (uint32_t state = 0; state < CS_STATES; state++)
        store64(&lane_at(v, state)->state, s->changes[state] << 16 | s->states[state]);
}
