#include "same.h"

#include <string.h>

#include "agent_table.h"
#include "view.h"

_Alignas(64) unsigned char same_memory[SAME_BYTES];

/* -- making --------------------------------------------------------------------------------- */

static cs_region region;
static int failed;

static void must(int result) { failed |= result < 0; }

static cs_details details_of_text(const char *text, uint32_t length)
{
    return (cs_details){.capabilities = text,
                        .capabilities_length = length,
                        .transport = text,
                        .transport_length = length / 2,
                        .metadata = text + 1,
                        .metadata_length = length / 3};
}

static void make_agents(void)
{
    static const char text[] = "\x82\xA3"
                               "fps\x1E\xA4"
                               "name\xA6"
                               "camera, first of all";
    static const char *const names[] = {"camera", "motor", "gone", "K\xC3\xB6rper", "last"};
    cs_handle handle;
    for (uint32_t i = 0; i < 5; i++) {
        cs_details details = details_of_text(text, 6 + 4 * i);
        must(cs_agent_register(&region, names[i], CS_NUL, i, &details, &handle));
        if (i == 2)
            must(cs_agent_deregister(&region, handle, CS_REASON_SILENT));
        if (i == 1)
            must(cs_agent_set_details(&region, handle, &details));
        if (i > 2)
            must(cs_agent_set_status(&region, handle, CS_AGENT_RUNNING, 0));
    }
    must(cs_agent_heartbeat(&region, handle));
}

static void make_named(void)
{
    static const char *const names[] = {"one", "two", "three", "four", "five", "six"};
    cs_handle handle;
    for (uint32_t i = 0; i < 6; i++) {
        must(cs_counter_open(&region, names[i], CS_NUL, &handle));
        must(cs_counter_set(&region, handle, 0x0123456700000000u + i));
        if (i == 3)
            must(cs_counter_remove(&region, handle));
    }
    for (uint32_t i = 0; i < 3; i++) {
        must(cs_gauge_open(&region, names[i], CS_NUL, &handle));
        must(cs_gauge_set(&region, handle, -1.5 + (double)i / 3));
        must(cs_area_open(&region, names[i], CS_NUL, &handle));
        for (uint32_t field = 0; field < CS_AREA_FIELDS; field++)
            must(cs_area_set(&region, handle, field, 1000 * i + field));
        if (i == 1)
            must(cs_lock_try(&region, CS_SECTION_AREAS, handle));
        must(cs_lock_open(&region, names[i], CS_NUL, &handle));
        if (i != 1)
            must(cs_lock_try(&region, CS_SECTION_LOCKS, handle));
    }
}

static void make_engine(void)
{
    for (uint32_t state = 0; state < CS_STATES; state++) {
        must(cs_engine_set_state(&region, state, 1));
        if (cs_engine_state_max(state) > 1)
            must(cs_engine_set_state(&region, state, cs_engine_state_max(state)));
    }
    for (uint32_t field = 1; field < CS_ENGINE_CELLS; field++) {
        uint32_t type = cs_engine_field_type(field);
        if (type == CS_TYPE_U64)
            must(cs_engine_set(&region, field, 0xFFFFFFFF00000000u + field));
        else if (type == CS_TYPE_BOOL)
            must(cs_engine_set(&region, field, 1));
        else if (type != CS_TYPE_NONE)
            must(cs_engine_set_f64(&region, field, 12.375 + field));
    }
}

static void make_events(void)
{
    uint32_t kind;
    char data[] = "a spike, the 0th";
    must(cs_kind_open(&region, "spike", CS_NUL, &kind));
    for (uint32_t i = 0; i < 12; i++) {
        data[13] = (char)('0' + i % 10);
        must(cs_event_publish(&region, kind, CS_FORMAT_BYTES, data, 4 + i, 0));
    }
}

static void make_money_and_values(void)
{
    static const char *const keys[] = {"alpha", "beta", "gamma"};
    cs_handle budget, reservation;
    must(cs_budget_open(&region, "camera", CS_NUL, &budget));
    must(cs_budget_set_limit(&region, budget, 1000000));
    must(cs_budget_reserve(&region, budget, 300000, &reservation));
    must(cs_budget_commit(&region, reservation, 250000));
    must(cs_budget_reserve(&region, budget, 1234, &reservation));
    must(cs_budget_detect(&region, budget, 3, 0));
    for (uint32_t i = 0; i < 3; i++) {
        cs_value_info info = {.version = i + 5, .expires_ns = 99, .length = 5 + i, .tag = i};
        uint32_t lock, length = i == 1 ? 4 : 5;
        must(cs_value_lock_of(&region, keys[i], length, &lock));
        must(cs_value_lock(&region, lock, 0));
        must(cs_value_publish(&region, 77, keys[i], length, "some value", &info, i == 2));
        must(cs_value_unlock(&region, lock));
    }
}

uint32_t same_make(void)
{
    static const cs_config config = {.agents = 5,
                                     .areas = 4,
                                     .counters = 6,
                                     .gauges = 3,
                                     .locks = 3,
                                     .events = 16,
                                     .event_bytes = 40,
                                     .event_kinds = 2,
                                     .participants = 3,
                                     .agent_details_bytes = 64,
                                     .key_bytes = 32,
                                     .line_bytes = 8,
                                     .fcl_window = 20,
                                     .budgets = 2,
                                     .reservations = 3,
                                     .values = 8,
                                     .value_bytes = 32};
    uint64_t size = cs_region_size(&config);
    if (!size || size > sizeof same_memory)
        return 0;
    must(cs_region_format(same_memory, size, &config, 0));
    must(cs_region_attach(&region, same_memory, size, 0, -1));
    if (failed)
        return 0;
    make_engine();
    make_named();
    make_agents();
    make_events();
    make_money_and_values();
    return failed ? 0 : (uint32_t)size;
}

/* -- telling -------------------------------------------------------------------------------- */

static void (*tell_line)(const char *line);

static char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}
static char *put_hex(char *at, uint64_t value, int digits)
{
    static const char hex[] = "0123456789abcdef";
    while (digits--)
        *at++ = hex[value >> 4 * digits & 15];
    return at;
}

/* "section[index].field value" */
static void tell(const char *section, uint32_t index, const char *field, uint64_t value)
{
    char line[128], *at = put_text(line, section);
    *at++ = '[';
    at = put_hex(at, index, 4);
    at = put_text(at, "].");
    at = put_text(at, field);
    *at++ = ' ';
    at = put_hex(at, value, 16);
    *at = 0;
    tell_line(line);
}

static void tell_bytes(const char *section, uint32_t index, const char *field, const void *bytes, uint32_t length)
{
    const unsigned char *from = bytes;
    for (uint32_t done = 0; done < length; done += 8) {
        uint64_t value = 0;
        for (uint32_t i = 0; i < 8 && done + i < length; i++)
            value |= (uint64_t)from[done + i] << 8 * i;
        tell(section, index, field, value);
    }
}

#define TELL(section, index, what, field) tell(section, index, #field, (uint64_t)(what)->field)
#define TELL32(section, index, what, field) tell(section, index, #field, peek32(&(what)->field))
#define TELL64(section, index, what, field) tell(section, index, #field, peek64(&(what)->field))

static void tell_header(const struct header *h)
{
    tell_bytes("header", 0, "magic", h->magic, sizeof h->magic);
    TELL("header", 0, h, version);
    TELL("header", 0, h, byte_order);
    TELL("header", 0, h, size);
    TELL("header", 0, h, instance[0]);
    TELL("header", 0, h, instance[1]);
    TELL32("header", 0, h, ready);
    TELL("header", 0, h, section_count);
    TELL("header", 0, h, key_bytes);
    TELL("header", 0, h, line_bytes);
    TELL("header", 0, h, fcl_window);
    TELL("header", 0, h, event_bytes);
    TELL("header", 0, h, agent_details_bytes);
    TELL("header", 0, h, value_bytes);
    TELL("header", 0, h, created_ns);
    TELL("header", 0, h, boot[0]);
    TELL("header", 0, h, boot[1]);
    TELL32("header", 0, h, applying);
    TELL32("header", 0, h, link);
    TELL64("header", 0, h, heard_ns);
    for (uint32_t kind = 0; kind < CS_SECTIONS; kind++) {
        const struct section *s = &h->sections[kind];
        TELL(cs_section_name(kind), kind, s, offset);
        TELL(cs_section_name(kind), kind, s, size);
        TELL(cs_section_name(kind), kind, s, count);
        TELL(cs_section_name(kind), kind, s, stride);
    }
}

static void tell_lane(const char *section, uint32_t index, const struct lane *lane)
{
    TELL64(section, index, lane, state);
    TELL32(section, index, lane, promised);
    TELL32(section, index, lane, claim);
}

static void tell_engine(const struct engine *e)
{
    TELL64("engine", 0, e, version);
    TELL64("engine", 0, e, last_modified);
    TELL64("engine", 0, e, agent_count);
    for (uint32_t i = 0; i < 4; i++)
        tell_lane("core", i, &e->core[i]);
    for (uint32_t i = 0; i < 3; i++)
        tell_lane("service", i, &e->service[i].lane);
    for (uint32_t i = 0; i < CS_ENGINE_CELLS; i++)
        tell("engine", i, "cells", peek64(&e->cells[i]));
}

static void tell_lock(const char *name, uint32_t index, const struct lock *lock)
{
    TELL32(name, index, lock, other);
    TELL32(name, index, lock, word);
    TELL64(name, index, lock, thread);
}

static void tell_agent(const view *v, uint32_t index, const struct agent *a)
{
    TELL64("agents", index, a, registered_ns);
    TELL64("agents", index, a, last_seen_ns);
    tell_lane("agents", index, &a->status);
    TELL32("agents", index, a, type);
    TELL32("agents", index, a, participant);
    TELL64("agents", index, a, details);
    record r = details_of(v, index);
    tell_bytes("details", index, "buffers", r.buffers, 2 * ((uint32_t)sizeof(struct details) + r.bytes));
}

static void tell_payload(const view *v, uint32_t table, const char *name, uint32_t index, void *payload)
{
    struct number *number = payload;
    struct area *area = payload;
    struct budget *budget = payload;
    switch (table) {
    case TABLE_COUNTERS:
    case TABLE_GAUGES:
        TELL64(name, index, number, value);
        TELL32(name, index, number, bell.change);
        TELL32(name, index, number, bell.flag);
        break;
    case TABLE_AREAS:
        for (uint32_t i = 0; i < 3; i++)
            tell(name, index, "counts", peek64(&area->counts[i]));
        tell_lock(name, index, &area->lock);
        break;
    case TABLE_AGENTS:
        tell_agent(v, index, payload);
        break;
    case TABLE_LOCKS:
        tell_lock(name, index, payload);
        break;
    case TABLE_BUDGETS:
        TELL64(name, index, budget, limit);
        TELL64(name, index, budget, taken);
        TELL64(name, index, budget, spent);
        TELL64(name, index, budget, detections);
        TELL64(name, index, budget, intent_spent);
        TELL32(name, index, budget, intent);
        TELL32(name, index, budget, claim);
        TELL32(name, index, budget, warned);
        break;
    default:
        break;
    }
}

static void tell_table(const view *v, uint32_t table)
{
    const table_view *t = &v->tables[table];
    const char *name = cs_section_name(t->section);
    TELL32(name, 0, t->head, claim);
    TELL32(name, 0, t->head, change);
    TELL32(name, 0, t->head, count);
    TELL32(name, 0, t->head, fresh);
    TELL32(name, 0, t->head, free);
    TELL32(name, 0, t->head, intent);
    TELL32(name, 0, t->head, intent_count);
    TELL32(name, 0, t->head, intent_bucket);
    TELL32(name, 0, t->head, promised);
    for (uint32_t i = 0; i < t->count; i++) {
        struct slot *slot = slot_at(t, i);
        tell(name, i, "bucket", peek32(&t->buckets[i]));
        TELL32(name, i, slot, generation);
        TELL32(name, i, slot, next);
        TELL32(name, i, slot, hash);
        TELL32(name, i, slot, key_length);
        tell_bytes(name, i, "key", key_of(t, slot), v->key_bytes);
        tell_payload(v, table, name, i, payload_of(slot));
    }
}

static void tell_events(const view *v)
{
    const struct ring *ring = v->ring;
    TELL64("ring", 0, ring, head);
    TELL32("ring", 0, ring, bell.change);
    TELL32("ring", 0, ring, bell.flag);
    TELL64("ring", 0, ring, holes);
    TELL64("ring", 0, ring, lost);
    for (uint32_t i = 0; i <= v->event_mask; i++) {
        const unsigned char *at = v->events + (size_t)i * v->event_stride;
        const struct event *event = (const struct event *)(const void *)at;
        TELL64("events", i, event, word);
        TELL64("events", i, event, time_ns);
        TELL32("events", i, event, kind_length);
        TELL32("events", i, event, source_format);
        tell_bytes("events", i, "data", at + sizeof *event, v->event_bytes);
    }
}

static void tell_rest(const view *v)
{
    for (uint32_t i = 0; i < v->participant_count; i++) {
        const struct participant *p = participant_at(v, i);
        TELL64("participants", i, p, word);
        TELL64("participants", i, p, start);
        TELL64("participants", i, p, boot[0]);
        TELL64("participants", i, p, boot[1]);
        TELL64("participants", i, p, attached_ns);
    }
    for (uint32_t i = 0; i < v->reservation_count; i++) {
        const unsigned char *at = v->reservations + (size_t)i * v->reservation_stride;
        const struct reservation *reservation = (const struct reservation *)(const void *)at;
        TELL64("reservations", i, reservation, word);
        TELL64("reservations", i, reservation, amount);
        TELL64("reservations", i, reservation, budget);
    }
    for (uint32_t i = 0; i < v->value_groups; i++) {
        const unsigned char *at = v->values + (size_t)i * (sizeof(struct value_group) + VALUE_WAYS * v->value_stride);
        const struct value_group *group = (const struct value_group *)(const void *)at;
        TELL32("groups", i, group, claim);
        TELL32("groups", i, group, clock);
        for (uint32_t way = 0; way < VALUE_WAYS; way++) {
            const unsigned char *slot = at + sizeof *group + (size_t)way * v->value_stride;
            const struct value *value = (const struct value *)(const void *)slot;
            uint32_t index = i * VALUE_WAYS + way;
            TELL64("values", index, value, stamp);
            TELL64("values", index, value, hash);
            TELL64("values", index, value, epoch);
            TELL64("values", index, value, version);
            TELL64("values", index, value, expires_ns);
            TELL32("values", index, value, lengths);
            TELL32("values", index, value, tag);
            tell_bytes("values", index, "data", slot + sizeof *value, v->value_bytes);
        }
    }
}

int same_show(uint32_t size, void (*tell_it)(const char *line))
{
    int result = cs_region_attach(&region, same_memory, size, CS_READ_ONLY, -1);
    if (result != CS_OK)
        return result;
    const view *v = const_view_of(&region);
    tell_line = tell_it;
    tell_header((const struct header *)(const void *)v->memory);
    tell_engine(v->engine);
    for (uint32_t table = 0; table < TABLES; table++)
        tell_table(v, table);
    tell_events(v);
    tell_rest(v);
    return CS_OK;
}
