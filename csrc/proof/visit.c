#include "visit.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t tables[] = {CS_SECTION_COUNTERS, CS_SECTION_GAUGES, CS_SECTION_AREAS,  CS_SECTION_AGENTS,
                                  CS_SECTION_LOCKS,    CS_SECTION_KINDS,  CS_SECTION_BUDGETS};
static const char *const names[] = {"alpha", "beta", "gamma", "delta", "nobody"};
#define TABLES_HERE (sizeof tables / sizeof *tables)
#define NAMES_HERE (sizeof names / sizeof *names)

/* Whatever the bytes: a name that was read is short, whole UTF-8 and ends. */
static void judge_name(const char name[64], uint32_t length)
{
    NEED(length < 64 && name[length] == 0 && csi_utf8((const unsigned char *)name, length));
}

static void read_tables(cs_region *region)
{
    for (size_t i = 0; i < TABLES_HERE; i++) {
        uint32_t count, change, cursor = 0, length, steps = 0;
        cs_handle handle;
        char name[64];
        cs_section_info section;
        NEED(cs_region_section(region, tables[i], &section) == CS_OK);
        NEED(cs_names_count(region, tables[i], &count) == CS_OK && count <= section.count);
        NEED(cs_names_change(region, tables[i], &change) == CS_OK);
        while (cs_names_next(region, tables[i], &cursor, &handle, name, &length) == CS_OK) {
            judge_name(name, length);
            NEED(++steps <= section.count);
            (void)cs_names_get(region, tables[i], handle, name, &length);
        }
        for (uint32_t index = 0; index < section.count; index++)
            (void)cs_names_at(region, tables[i], index, &handle);
    }
}

static void read_numbers(cs_region *region)
{
    for (size_t i = 0; i < NAMES_HERE; i++) {
        cs_handle handle;
        uint64_t value;
        double real;
        cs_hot_cell cell;
        if (cs_counter_find(region, names[i], CS_NUL, &handle) == CS_OK) {
            (void)cs_counter_get(region, handle, &value);
            if (cs_hot_cell_of(region, CS_SECTION_COUNTERS, handle, &cell) == CS_OK)
                (void)(load32(cell.generation) + load64(cell.value));
            (void)cs_counter_wait(region, handle, value, 1000, &value);
        }
        if (cs_gauge_find(region, names[i], CS_NUL, &handle) == CS_OK) {
            (void)cs_gauge_get(region, handle, &real);
            (void)cs_gauge_wait(region, handle, real, 1000, &real);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        cs_column column;
        NEED(cs_names_column(region, tables[i], &column) == CS_OK && column.used <= column.capacity);
        for (uint32_t slot = 0; slot < column.used; slot++)
            (void)load64(
                (const a64 *)(const void *)((const unsigned char *)column.value + (size_t)slot * column.stride));
    }
}

static void read_areas_and_locks(cs_region *region)
{
    for (size_t i = 0; i < NAMES_HERE; i++) {
        cs_handle handle;
        uint64_t value;
        cs_lock_info info;
        if (cs_area_find(region, names[i], CS_NUL, &handle) == CS_OK) {
            for (uint32_t field = 0; field <= CS_AREA_FIELDS; field++)
                (void)cs_area_get(region, handle, field, &value);
            (void)cs_lock_get(region, CS_SECTION_AREAS, handle, &info);
        }
        if (cs_lock_find(region, names[i], CS_NUL, &handle) == CS_OK)
            (void)cs_lock_get(region, CS_SECTION_LOCKS, handle, &info);
    }
}

static void read_agents(cs_region *region)
{
    static cs_agent_row rows[64];
    unsigned char *details;
    uint32_t count;
    cs_region_info described;
    NEED(cs_region_describe(region, &described) == CS_OK);
    NEED(cs_agents_export(region, rows, 64, &count) == CS_OK && count <= 64);
    for (uint32_t i = 0; i < count; i++)
        judge_name(rows[i].id, rows[i].id_length);
    for (size_t i = 0; i < NAMES_HERE + count && i < NAMES_HERE + 8; i++) {
        cs_handle handle;
        cs_agent_info info;
        if (i < NAMES_HERE && cs_agent_find(region, names[i], CS_NUL, &handle) != CS_OK)
            continue;
        if (i >= NAMES_HERE)
            handle = rows[i - NAMES_HERE].handle;
        uint32_t room = i % 2 ? described.config.agent_details_bytes : 8;
        details = malloc(room + 1); /* of exactly this size, so that a byte too many is seen */
        NEED(details);
        if (cs_agent_get(region, handle, &info, details, room) == CS_OK) {
            judge_name(info.id, info.id_length);
            NEED(info.status < CS_AGENT_STATUSES && info.type < CS_AGENT_TYPES);
            NEED(info.capabilities_length + info.transport_length + info.metadata_length <= room);
        }
        free(details);
    }
}

static void read_engine(cs_region *region)
{
    cs_engine_snapshot snapshot;
    for (uint32_t field = 0; field <= CS_ENGINE_FIELDS; field++) {
        const void *cell = cs_engine_cell(region, field);
        (void)cs_engine_get(region, field);
        (void)cs_engine_get_f64(region, field);
        if (cell)
            (void)load64(cell);
    }
    for (uint32_t state = 0; state <= CS_STATES; state++)
        NEED(cs_engine_state(region, state) <= cs_engine_state_max(state));
    NEED(cs_engine_read(region, &snapshot) == CS_OK);
}

static void read_events(cs_region *region)
{
    cs_region_info described;
    cs_subscription s;
    NEED(cs_region_describe(region, &described) == CS_OK);
    uint32_t row_bytes = (uint32_t)sizeof(cs_event) + described.config.event_bytes, count = 0;
    unsigned char *rows = malloc((size_t)row_bytes * 8);
    NEED(rows);
    (void)cs_event_newest(region);
    static const uint64_t places[] = {0, 1, CS_FOREVER, CS_FOREVER - 1, 1ull << 63};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        NEED(cs_subscribe(region, &s, places[i]) == CS_OK);
        for (int round = 0; round < 4; round++) {
            int result = cs_events_drain(region, &s, rows, row_bytes, 8, &count);
            if (result != CS_OK || !count)
                break;
            for (uint32_t row = 0; row < count; row++) {
                cs_event event;
                memcpy(&event, rows + (size_t)row * row_bytes, sizeof event);
                NEED(event.length <= described.config.event_bytes);
            }
        }
        (void)cs_events_wait(region, &s, 1000);
    }
    free(rows);
    for (uint32_t kind = 0; kind < CS_KIND_USER + described.config.event_kinds + 1; kind++) {
        char name[64];
        uint32_t length;
        if (cs_kind_name(region, kind, name, &length) == CS_OK)
            judge_name(name, length);
    }
}

static void read_budgets_and_values(cs_region *region)
{
    uint32_t cursor = 0, length;
    cs_handle reservation, budget;
    uint64_t amount;
    unsigned char key[64];
    while (cs_budget_next_unsettled(region, &cursor, &reservation, &budget, &amount) == CS_OK) {}
    cursor = 0;
    while (cs_value_next(region, 1, &cursor, key, sizeof key, &length) == CS_OK)
        NEED(length <= sizeof key);
    for (size_t i = 0; i < NAMES_HERE; i++) {
        cs_handle handle;
        cs_budget_info info;
        cs_value_info value;
        unsigned char out[24];
        if (cs_budget_find(region, names[i], CS_NUL, &handle) == CS_OK)
            (void)cs_budget_get(region, handle, &info);
        if (cs_value_get(region, 1, names[i], (uint32_t)strlen(names[i]), out, sizeof out, &value) == CS_OK)
            NEED(value.length <= sizeof out);
    }
}

static int take_bytes(void *context, const void *bytes, uint32_t length)
{
    uint64_t *sum = context;
    const unsigned char *from = bytes;
    for (uint32_t i = 0; i < length; i++)
        *sum += from[i];
    return *sum == 0x123456789; /* never; the bytes must have been looked at */
}

static void read_participants(cs_region *region)
{
    cs_region_info described;
    cs_health health;
    NEED(cs_region_describe(region, &described) == CS_OK);
    for (uint32_t slot = 0; slot <= described.config.participants; slot++) {
        cs_participant_info info;
        (void)cs_participant_get(region, slot, &info);
    }
    (void)cs_participant_self(region);
    NEED(cs_health_read(region, 1000000, &health) == CS_OK && health.verdict <= CS_HEALTH_FAILED);
}

void visit_read(cs_region *region, uint32_t parts)
{
    static void (*const readers[])(cs_region *) = {
        read_participants,    read_engine, read_tables, read_numbers,
        read_areas_and_locks, read_agents, read_events, read_budgets_and_values};
    for (uint32_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (parts >> i & 1u)
            readers[i](region);
}

void visit_picture(cs_region *region)
{
    cs_snapshot_info picture;
    uint64_t sum = 0;
    (void)cs_snapshot_write(region, take_bytes, &sum, &picture);
}

/* -- writing -------------------------------------------------------------------------------- */

static cs_handle pick(cs_region *region, uint32_t table, uint32_t which)
{
    cs_handle handle = 0;
    uint32_t cursor = which & 3u, length;
    char name[64];
    if (which & 64u) /* by index, live or not */
        (void)cs_names_at(region, table, which & 7u, &handle);
    else
        (void)cs_names_next(region, table, &cursor, &handle, name, &length);
    return handle;
}

static void write_agent(cs_region *region, uint32_t what, uint32_t which, uint64_t value)
{
    cs_handle handle = pick(region, CS_SECTION_AGENTS, which);
    cs_details details = {names[value % 4], names[value / 4 % 4], "x", 4, 4, (uint32_t)value & 1u};
    uint32_t changed;
    switch (what % 6) {
    case 0:
        (void)cs_agent_register(region, names[which % 4], CS_NUL, (uint32_t)value % 6, &details, &handle);
        break;
    case 1:
        (void)cs_agent_deregister(region, handle, (uint32_t)value % 3);
        break;
    case 2:
        (void)cs_agent_set_details(region, handle, &details);
        break;
    case 3:
        (void)cs_agent_set_status(region, handle, (uint32_t)value % 10, &changed);
        break;
    case 4:
        (void)cs_agent_heartbeat(region, handle);
        break;
    default:
        (void)cs_agents_reap(region, value, which & 1u);
    }
}

static void write_number(cs_region *region, uint32_t what, uint32_t which, uint64_t value)
{
    cs_handle counter = pick(region, CS_SECTION_COUNTERS, which), gauge = pick(region, CS_SECTION_GAUGES, which);
    double real = (double)value;
    uint64_t expected = value;
    switch (what % 10) {
    case 0:
        (void)cs_counter_open(region, names[which % 4], CS_NUL, &counter);
        break;
    case 1:
        (void)cs_counter_remove(region, counter);
        break;
    case 2:
        (void)cs_counter_add(region, counter, (int64_t)value, 0);
        break;
    case 3:
        (void)cs_counter_set(region, counter, value);
        break;
    case 4:
        (void)cs_counter_compare_exchange(region, counter, &expected, value + 1);
        break;
    case 5:
        (void)cs_gauge_open(region, names[which % 4], CS_NUL, &gauge);
        break;
    case 6:
        (void)cs_gauge_remove(region, gauge);
        break;
    case 7:
        (void)cs_gauge_add(region, gauge, real, 0);
        break;
    case 8:
        (void)cs_gauge_compare_exchange(region, gauge, &real, 1.5);
        break;
    default:
        (void)cs_counter_store(region, counter, value);
        (void)cs_gauge_store(region, gauge, real);
    }
}

static void write_area_or_lock(cs_region *region, uint32_t what, uint32_t which, uint64_t value)
{
    uint32_t table = which & 32u ? CS_SECTION_AREAS : CS_SECTION_LOCKS;
    cs_handle handle = pick(region, table, which);
    switch (what % 8) {
    case 0:
        (void)cs_area_open(region, names[which % 4], CS_NUL, &handle);
        break;
    case 1:
        (void)cs_area_remove(region, handle);
        break;
    case 2:
        (void)cs_area_set(region, handle, (uint32_t)value % 5, value);
        break;
    case 3:
        (void)cs_area_add(region, handle, (uint32_t)value % 5, (int64_t)value, 0);
        break;
    case 4:
        (void)cs_lock_open(region, names[which % 4], CS_NUL, &handle);
        break;
    case 5:
        (void)cs_lock_remove(region, handle);
        break;
    case 6:
        (void)cs_lock_acquire(region, table, handle, value % 10000000);
        break;
    default:
        (void)cs_lock_release(region, table, handle);
    }
}

static void write_budget_or_value(cs_region *region, uint32_t what, uint32_t which, uint64_t value)
{
    cs_handle handle = pick(region, CS_SECTION_BUDGETS, which), reservation = value;
    const char *name = names[which % 4];
    uint32_t length = (uint32_t)strlen(name), lock, cursor = 0;
    uint64_t amount;
    cs_value_info info = {.version = value, .length = (uint32_t)value % 24};
    switch (what % 8) {
    case 0:
        (void)cs_budget_open(region, name, CS_NUL, &handle);
        break;
    case 1:
        (void)cs_budget_remove(region, handle);
        break;
    case 2:
        (void)cs_budget_set_limit(region, handle, value);
        (void)cs_budget_load(region, handle, value, value / 2, 1);
        break;
    case 3:
        if (cs_budget_reserve(region, handle, value, &reservation) == CS_OK && (which & 1u))
            (void)cs_budget_prepare(region, reservation);
        (void)cs_budget_commit(region, reservation, value / 2);
        break;
    case 4:
        if (cs_budget_next_unsettled(region, &cursor, &reservation, &handle, &amount) == CS_OK)
            (void)cs_budget_settle(region, reservation, amount);
        (void)cs_budget_detect(region, handle, value, 0);
        break;
    default:
        if (cs_value_lock_of(region, name, length, &lock) != CS_OK || cs_value_lock(region, lock, 1000000) != CS_OK)
            break;
        (void)cs_value_mark(region, name, length);
        if (what & 1u)
            (void)cs_value_publish(region, 1, name, length, names[0], &(cs_value_info){.length = 5}, which & 1u);
        else
            (void)cs_value_publish(region, 1, name, length, "a text of 24 characters!", &info, which & 1u);
        if (which & 2u)
            (void)cs_value_drop(region, name, length);
        (void)cs_value_unlock(region, lock);
    }
}

void visit_write(cs_region *region, uint32_t what, uint32_t which, uint64_t value)
{
    uint32_t kind;
    switch (what % 8) {
    case 0:
        (void)cs_engine_set_state(region, which % 8, (uint32_t)value % 9);
        break;
    case 1:
        (void)cs_engine_set(region, which % 27, value);
        (void)cs_engine_set_f64(region, which % 27, (double)value);
        (void)cs_engine_add(region, which % 27, (int64_t)value, 0);
        break;
    case 2:
        if (cs_kind_open(region, names[which % 4], CS_NUL, &kind) == CS_OK)
            (void)cs_event_publish(region, kind, CS_FORMAT_BYTES, names[0], (uint32_t)value % 6, 0);
        break;
    case 3:
        (void)cs_sweep(region);
        break;
    case 4:
        write_agent(region, what >> 3, which, value);
        break;
    case 5:
        write_number(region, what >> 3, which, value);
        break;
    case 6:
        write_area_or_lock(region, what >> 3, which, value);
        break;
    default:
        write_budget_or_value(region, what >> 3, which, value);
    }
}

void visit_furnish(cs_region *region)
{
    static const cs_details details = {"capable", "tcp", "meta", 7, 3, 4};
    cs_handle handle;
    uint32_t kind;
    for (uint32_t i = 0; i < 4; i++) {
        (void)cs_counter_open(region, names[i], CS_NUL, &handle);
        (void)cs_counter_add(region, handle, 5, 0);
        (void)cs_gauge_open(region, names[i], CS_NUL, &handle);
        (void)cs_area_open(region, names[i], CS_NUL, &handle);
        (void)cs_lock_open(region, names[i], CS_NUL, &handle);
        (void)cs_lock_try(region, CS_SECTION_LOCKS, handle);
        (void)cs_agent_register(region, names[i], CS_NUL, i, i ? &details : 0, &handle);
        (void)cs_agent_set_status(region, handle, CS_AGENT_RUNNING, 0);
        if (cs_kind_open(region, names[i], CS_NUL, &kind) == CS_OK)
            (void)cs_event_publish(region, kind, CS_FORMAT_BYTES, names[i], 4, 0);
        (void)cs_engine_set_state(region, i, 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        cs_handle reservation;
        if (cs_budget_open(region, names[i], CS_NUL, &handle) == CS_OK) {
            (void)cs_budget_set_limit(region, handle, 1000);
            (void)cs_budget_reserve(region, handle, 100, &reservation);
        }
    }
    for (uint32_t i = 0; i < 4; i++)
        visit_write(region, 5u << 3 | 7u, i, 1);
}
