/* engine.h: states under events, numbers with their ranges, the section as a whole. */
#include "cases.h"
#include "layout.h"

static const uint32_t kinds[CS_STATES] = {CS_KIND_BURST_ENGINE_STATE_CHANGED, CS_KIND_GENOME_STATE_CHANGED,
                                          CS_KIND_CONNECTOME_STATE_CHANGED,   CS_KIND_BRAIN_READY_CHANGED,
                                          CS_KIND_SERVICE_STATE_CHANGED,      CS_KIND_SERVICE_STATE_CHANGED,
                                          CS_KIND_SERVICE_STATE_CHANGED};

void case_engine_states(void)
{
    cs_region *region = suite_open(0, 0);
    cs_subscription subscription;
    suite_event taken;
    NEED(region);
    for (uint32_t state = 0; state < CS_STATES; state++) {
        uint32_t now = 0, changes = 0;
        CHECK_EQUAL(cs_engine_state(region, state), 0);
        /* Down from the highest, then up by one each: every value, and jumps. */
        for (uint32_t step = 0; step <= 2 * cs_engine_state_max(state); step++) {
            uint32_t max = cs_engine_state_max(state), to = step <= max ? max - step : step - max;
            uint64_t version = cs_engine_get(region, CS_VERSION);
            suite_about("state * 100 + value", state * 100 + to);
            CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
            CHECK_RESULT(cs_engine_set_state(region, state, to), CS_OK);
            CHECK_EQUAL(cs_engine_state(region, state), to);
            CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + (to != now));
            CHECK_EQUAL(suite_take(region, &subscription, &taken), to != now);
            if (to != now) {
                changes++;
                CHECK_EQUAL(taken.event.kind, kinds[state]);
                CHECK_EQUAL(taken.event.format, CS_FORMAT_CHANGE);
                CHECK_EQUAL(taken.event.length, sizeof(cs_change));
                CHECK_EQUAL(taken.event.source, cs_participant_self(region));
                CHECK_EQUAL(taken.data.change.subject, state);
                CHECK_EQUAL(taken.data.change.old_value, now);
                CHECK_EQUAL(taken.data.change.new_value, to);
                CHECK_EQUAL(taken.data.change.change, changes);
                CHECK_EQUAL(taken.data.change.table, CS_SECTION_ENGINE);
            }
            now = to;
        }
        CHECK_RESULT(cs_engine_set_state(region, state, cs_engine_state_max(state) + 1), CS_E_INVALID);
        CHECK_RESULT(cs_engine_set_state(region, state, 0xFFFFFFFF), CS_E_INVALID);
        CHECK_EQUAL(cs_engine_state(region, state), now);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATES, 0), CS_E_INVALID);
    CHECK_RESULT(cs_engine_set_state(region, 0xFFFFFFFF, 0), CS_E_INVALID);
    CHECK_EQUAL(cs_engine_state(region, CS_STATES), 0);
    CHECK_EQUAL(cs_engine_state(region, 0xFFFFFFFF), 0);
    suite_close(0);
}

/* A number no state has (a newer writer's, or a scribbler's) reads as the zero state and raises nothing. */
void case_engine_unknown_state(void)
{
    cs_region *region = suite_open(0, 0);
    cs_section_info section;
    NEED(region);
    NEED(CHECK_RESULT(cs_region_section(region, CS_SECTION_ENGINE, &section), CS_OK));
    struct engine *engine = (struct engine *)(void *)(suite_block[0] + section.offset);
    for (uint32_t value = 8; value < 256; value++) {
        suite_about("value", value);
        store64(&engine->core[CS_STATE_BURST].state, value);
        store64(&engine->service[0].lane.state, value);
        CHECK_EQUAL(cs_engine_state(region, CS_STATE_BURST), CS_BURST_UNAVAILABLE);
        CHECK_EQUAL(cs_engine_state(region, CS_STATE_FQ_SAMPLER), CS_SERVICE_UNAVAILABLE);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_RUNNING), CS_OK);
    CHECK_EQUAL(cs_engine_state(region, CS_STATE_BURST), CS_BURST_RUNNING);
    suite_close(0);
}

/* -- numbers -------------------------------------------------------------------------------- */

static void check_u64(cs_region *region, uint32_t field)
{
    static const uint64_t values[] = {1, 0xFFFFFFFF, 50000000000u, 0xFFFFFFFFFFFFFFFFu, 0};
    uint64_t value = 0;
    for (uint32_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint64_t version = cs_engine_get(region, CS_VERSION);
        CHECK_RESULT(cs_engine_set(region, field, values[i]), CS_OK);
        CHECK_EQUAL(cs_engine_get(region, field), values[i]);
        CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 1);
    }
    CHECK_RESULT(cs_engine_add(region, field, -1, &value), CS_E_RANGE);
    CHECK_RESULT(cs_engine_add(region, field, 7, &value), CS_OK);
    CHECK_EQUAL(value, 7);
    CHECK_RESULT(cs_engine_add(region, field, -8, &value), CS_E_RANGE);
    CHECK_RESULT(cs_engine_add(region, field, -6, 0), CS_OK);
    CHECK_EQUAL(cs_engine_get(region, field), 1);
    CHECK_RESULT(cs_engine_set(region, field, 0xFFFFFFFFFFFFFFFFu), CS_OK);
    uint64_t version = cs_engine_get(region, CS_VERSION);
    CHECK_RESULT(cs_engine_add(region, field, 1, &value), CS_E_RANGE);
    CHECK_EQUAL(cs_engine_get(region, field), 0xFFFFFFFFFFFFFFFFu);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version); /* what was refused is no change */
    CHECK_RESULT(cs_engine_set_f64(region, field, 1), CS_E_INVALID);
}

static void check_f64(cs_region *region, uint32_t field, uint32_t percent)
{
    union {
        uint64_t bits;
        double number;
    } nan = {0x7FF8000000000000u};
    uint64_t value = 0;
    CHECK_RESULT(cs_engine_set_f64(region, field, 0.5), CS_OK);
    CHECK(cs_engine_get_f64(region, field) == 0.5);
    CHECK_RESULT(cs_engine_set_f64(region, field, 100), CS_OK);
    CHECK_RESULT(cs_engine_set_f64(region, field, 100.001), percent ? CS_E_RANGE : CS_OK);
    CHECK_RESULT(cs_engine_set_f64(region, field, 0), CS_OK);
    CHECK_RESULT(cs_engine_set_f64(region, field, 42), CS_OK);
    CHECK_RESULT(cs_engine_set_f64(region, field, -0.001), CS_E_RANGE);
    CHECK_RESULT(cs_engine_set_f64(region, field, nan.number), CS_E_NAN);
    CHECK(cs_engine_get_f64(region, field) == 42);
    CHECK_RESULT(cs_engine_set(region, field, 1), CS_E_INVALID);
    CHECK_RESULT(cs_engine_add(region, field, 1, &value), CS_E_INVALID);
    CHECK(cs_engine_get_f64(region, field) == 42);
}

void case_engine_numbers(void)
{
    cs_region *region = suite_open(0, 0);
    NEED(region);
    for (uint32_t field = 0; field < CS_ENGINE_CELLS; field++) {
        suite_about("field", field);
        switch (cs_engine_field_type(field)) {
        case CS_TYPE_U64:
            check_u64(region, field);
            break;
        case CS_TYPE_F64:
            check_f64(region, field, 0);
            break;
        case CS_TYPE_PERCENT:
            check_f64(region, field, 1);
            break;
        case CS_TYPE_BOOL:
            CHECK_RESULT(cs_engine_set(region, field, 1), CS_OK);
            CHECK_RESULT(cs_engine_set(region, field, 2), CS_E_RANGE);
            CHECK_EQUAL(cs_engine_get(region, field), 1);
            CHECK_RESULT(cs_engine_set(region, field, 0), CS_OK);
            CHECK_RESULT(cs_engine_set_f64(region, field, 1), CS_E_INVALID);
            break;
        default:
            CHECK_RESULT(cs_engine_set(region, field, 1), CS_E_INVALID);
            CHECK_RESULT(cs_engine_set_f64(region, field, 1), CS_E_INVALID);
            CHECK_RESULT(cs_engine_add(region, field, 1, 0), CS_E_INVALID);
            CHECK_EQUAL(cs_engine_get(region, field), 0);
            CHECK(cs_engine_cell(region, field) == 0);
        }
    }
    static const uint32_t kept[] = {CS_VERSION, CS_LAST_MODIFIED, CS_ENGINE_FIELDS, 0xFFFFFFFF};
    for (uint32_t i = 0; i < 4; i++) {
        suite_about("field", kept[i]);
        CHECK_RESULT(cs_engine_set(region, kept[i], 1), CS_E_INVALID);
        CHECK_RESULT(cs_engine_set_f64(region, kept[i], 1), CS_E_INVALID);
        CHECK_RESULT(cs_engine_add(region, kept[i], 1, 0), CS_E_INVALID);
    }
    suite_about(0, 0);
    CHECK_EQUAL(cs_engine_get(region, CS_ENGINE_FIELDS), 0);
    CHECK(cs_engine_get_f64(region, 0xFFFFFFFF) == 0);
    suite_close(0);
}

/* Each number has a cell of its own: writing one never shows in another. */
void case_engine_cells(void)
{
    cs_region *region = suite_open(0, 0);
    NEED(region);
    for (uint32_t field = 0; field < CS_ENGINE_CELLS; field++) {
        if (cs_engine_field_type(field) == CS_TYPE_U64)
            CHECK_RESULT(cs_engine_set(region, field, 1000 + field), CS_OK);
        else if (cs_engine_field_type(field) == CS_TYPE_BOOL)
            CHECK_RESULT(cs_engine_set(region, field, 1), CS_OK);
        else if (cs_engine_field_type(field) != CS_TYPE_NONE)
            CHECK_RESULT(cs_engine_set_f64(region, field, field), CS_OK);
    }
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
        const void *cell = cs_engine_cell(region, field);
        uint32_t type = cs_engine_field_type(field);
        suite_about("field", field);
        CHECK((cell != 0) == (type != CS_TYPE_NONE));
        if (!cell)
            continue;
        CHECK_EQUAL((uintptr_t)cell % 8, 0);
        CHECK((const unsigned char *)cell >= suite_block[0] &&
              (const unsigned char *)cell + 8 <= suite_block[0] + SUITE_BLOCK_BYTES);
        CHECK_EQUAL(*(const volatile uint64_t *)cell, cs_engine_get(region, field));
        if (type == CS_TYPE_U64 && field < CS_ENGINE_CELLS)
            CHECK_EQUAL(cs_engine_get(region, field), 1000 + field);
        else if (type == CS_TYPE_BOOL)
            CHECK_EQUAL(cs_engine_get(region, field), 1);
        else if (field < CS_ENGINE_CELLS)
            CHECK(cs_engine_get_f64(region, field) == field);
    }
    suite_about(0, 0);
    CHECK(cs_engine_cell(region, CS_ENGINE_FIELDS) == 0);
    CHECK(cs_engine_cell(region, 0xFFFFFFFF) == 0);
    suite_close(0);
}

void case_engine_last_modified(void)
{
    cs_region *region = suite_open(0, 0);
    NEED(region);
    uint64_t before = cs_port_coarse_ns();
    CHECK_RESULT(cs_engine_set(region, CS_NEURON_COUNT, 1), CS_OK);
    uint64_t after = cs_port_coarse_ns(), modified = cs_engine_get(region, CS_LAST_MODIFIED);
    CHECK(modified >= before && modified <= after);
    suite_close(0);
}

void case_engine_read(void)
{
    cs_region *region = suite_open(0, 0);
    cs_engine_snapshot picture;
    NEED(region);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_RUNNING), CS_OK);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_PAUSED), CS_OK);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_ZMQ, CS_SERVICE_READY), CS_OK);
    CHECK_RESULT(cs_engine_set(region, CS_SYNAPSE_COUNT, 50000000000u), CS_OK);
    CHECK_RESULT(cs_engine_set_f64(region, CS_BURST_FREQUENCY, 12.5), CS_OK);
    suite_fill(&picture, 0xFF, sizeof picture);
    CHECK_RESULT(cs_engine_read(region, &picture), CS_OK);
    CHECK_EQUAL(picture.quiet, 1);
    for (uint32_t state = 0; state < CS_STATES; state++)
        CHECK_EQUAL(picture.states[state], cs_engine_state(region, state));
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++)
        CHECK_EQUAL(picture.cells[field], cs_engine_get(region, field));
    CHECK_EQUAL(picture.changes[CS_STATE_BURST], 2);
    CHECK_EQUAL(picture.changes[CS_STATE_ZMQ], 1);
    CHECK_EQUAL(picture.changes[CS_STATE_API], 0);
    CHECK_EQUAL(picture.cells[CS_VERSION], 5);
    CHECK_RESULT(cs_engine_read(0, &picture), CS_E_INVALID);
    CHECK_RESULT(cs_engine_read(region, 0), CS_E_INVALID);
    suite_close(0);
}
