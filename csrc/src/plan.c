#include "plan.h"

#define REGION_LIMIT (64ull << 30)
#define TABLE_LIMIT (1u << 24)

const table_kind csi_table_kinds[TABLES] = {
    {CS_SECTION_COUNTERS, sizeof(struct number)}, {CS_SECTION_GAUGES, sizeof(struct number)},
    {CS_SECTION_AREAS, sizeof(struct area)},      {CS_SECTION_AGENTS, sizeof(struct agent)},
    {CS_SECTION_LOCKS, sizeof(struct lock)},      {CS_SECTION_KINDS, 0},
    {CS_SECTION_BUDGETS, sizeof(struct budget)}};

/* cs_config's fields, in their order. */
enum field {
    AGENTS,
    AREAS,
    COUNTERS,
    GAUGES,
    LOCKS,
    EVENTS,
    EVENT_BYTES,
    EVENT_KINDS,
    PARTICIPANTS,
    DETAILS_BYTES,
    KEY_BYTES,
    LINE_BYTES,
    FCL_WINDOW,
    BUDGETS,
    RESERVATIONS,
    VALUES,
    VALUE_BYTES,
    FIELDS
};
_Static_assert(sizeof(cs_config) == FIELDS * sizeof(uint32_t), "a field for each");
_Static_assert(offsetof(cs_config, line_bytes) == LINE_BYTES * sizeof(uint32_t), "in their order");
_Static_assert(offsetof(cs_config, value_bytes) == VALUE_BYTES * sizeof(uint32_t), "to the last");

static const struct {
    uint32_t most;
    uint16_t least;
    uint8_t multiple; /* of a power of two */
    bool power;       /* it must be one itself */
} bounds[FIELDS] = {
    [AGENTS] = {TABLE_LIMIT, 0, 1, false},
    [AREAS] = {TABLE_LIMIT, 0, 1, false},
    [COUNTERS] = {TABLE_LIMIT, 0, 1, false},
    [GAUGES] = {TABLE_LIMIT, 0, 1, false},
    [LOCKS] = {TABLE_LIMIT, 0, 1, false},
    [EVENTS] = {TABLE_LIMIT, 2, 1, true},
    [EVENT_BYTES] = {32768, sizeof(cs_change), 8, false},
    [EVENT_KINDS] = {4096, 0, 1, false},
    [PARTICIPANTS] = {4095, 1, 1, false},
    [DETAILS_BYTES] = {65528, 0, 8, false},
    [KEY_BYTES] = {64, 16, 16, false},
    [LINE_BYTES] = {128, 8, 1, true},
    [FCL_WINDOW] = {UINT32_MAX, 0, 1, false},
    [BUDGETS] = {TABLE_LIMIT, 0, 1, false},
    [RESERVATIONS] = {1u << 20, 0, 1, false},
    [VALUES] = {TABLE_LIMIT, 0, VALUE_WAYS, false},
    [VALUE_BYTES] = {32768, 0, 8, false},
};

/* What makes a section: how many slots, and a slot's bytes: `fixed`, and as many as that field says. */
enum shape { PLAIN, TABLE, PAIRS, RING, GROUPS };
static const struct {
    uint8_t count; /* enum field */
    uint8_t fixed;
    uint8_t more; /* enum field, or FIELDS: none */
    uint8_t shape;
} rules[CS_SECTIONS] = {
#define TABLE_OF(count, payload) {count, sizeof(struct slot) + sizeof(payload), KEY_BYTES, TABLE}
    [CS_SECTION_COUNTERS] = TABLE_OF(COUNTERS, struct number),
    [CS_SECTION_GAUGES] = TABLE_OF(GAUGES, struct number),
    [CS_SECTION_AREAS] = TABLE_OF(AREAS, struct area),
    [CS_SECTION_AGENTS] = TABLE_OF(AGENTS, struct agent),
    [CS_SECTION_DETAILS] = {AGENTS, sizeof(struct details), DETAILS_BYTES, PAIRS},
    [CS_SECTION_LOCKS] = TABLE_OF(LOCKS, struct lock),
    [CS_SECTION_KINDS] = {EVENT_KINDS, sizeof(struct slot), KEY_BYTES, TABLE},
    [CS_SECTION_EVENTS] = {EVENTS, sizeof(struct event), EVENT_BYTES, RING},
    [CS_SECTION_PARTICIPANTS] = {PARTICIPANTS, sizeof(struct participant), FIELDS, PLAIN},
    [CS_SECTION_BUDGETS] = TABLE_OF(BUDGETS, struct budget),
    [CS_SECTION_RESERVATIONS] = {RESERVATIONS, sizeof(struct reservation), FIELDS, PLAIN},
    [CS_SECTION_VALUES] = {VALUES, sizeof(struct value), VALUE_BYTES, GROUPS},
};

static bool power_of_two(uint32_t n) { return n && !(n & (n - 1)); }

/* The first field out of bounds, or FIELDS. */
static uint32_t wrong_field(const uint32_t values[FIELDS])
{
    for (uint32_t field = 0; field < FIELDS; field++) {
        uint32_t n = values[field];
        if (n > bounds[field].most || n < bounds[field].least || (n & (bounds[field].multiple - 1u)) ||
            (bounds[field].power && !power_of_two(n)))
            return field;
    }
    return values[VALUES] && !values[VALUE_BYTES] ? VALUE_BYTES : FIELDS;
}

static void place(struct plan *plan, struct section *section, uint64_t bytes, uint32_t count, uint32_t stride)
{
    uint64_t padded = padded_to(bytes, LAYOUT_LINE);
    *section = (struct section){(uint32_t)(plan->size / LAYOUT_LINE), (uint32_t)(padded / LAYOUT_LINE), count, stride};
    plan->size += padded;
}

static void place_slots(struct plan *plan, uint32_t kind, const uint32_t values[FIELDS])
{
    uint32_t count = values[rules[kind].count], slot = rules[kind].fixed, shape = rules[kind].shape;
    if (rules[kind].more != FIELDS)
        slot += values[rules[kind].more];
    if (shape == PAIRS) {
        slot *= 2;
        count = values[DETAILS_BYTES] ? count : 0;
    }
    uint32_t stride = (uint32_t)padded_to(slot, values[LINE_BYTES]);
    uint64_t bytes = (uint64_t)count * stride;
    if (shape == RING)
        bytes += sizeof(struct ring);
    else if (shape == GROUPS)
        bytes += (uint64_t)(count / VALUE_WAYS) * sizeof(struct value_group);
    else if (shape == TABLE && count)
        bytes += sizeof(struct table) + padded_to(4ull * count, LAYOUT_LINE);
    place(plan, &plan->sections[kind], bytes, count, stride);
}

int csi_plan(const cs_config *config, struct plan *plan, uint32_t *wrong)
{
    uint32_t values[FIELDS];
    memcpy(values, config, sizeof values);
    uint32_t field = wrong_field(values);
    if (field == FIELDS) {
        plan->size = sizeof(struct header);
        place(plan, &plan->sections[CS_SECTION_ENGINE], sizeof(struct engine), 1, sizeof(struct engine));
        for (uint32_t kind = CS_SECTION_ENGINE + 1; kind < CS_SECTIONS; kind++)
            place_slots(plan, kind, values);
        if (plan->size > REGION_LIMIT)
            field = AGENTS;
    }
    if (wrong)
        *wrong = field;
    return field == FIELDS ? CS_OK : CS_E_RANGE;
}

int cs_config_check(const cs_config *config, const char **field)
{
    static const char *const names[FIELDS + 1] = {"agents",       "areas",
                                                  "counters",     "gauges",
                                                  "locks",        "events",
                                                  "event_bytes",  "event_kinds",
                                                  "participants", "agent_details_bytes",
                                                  "key_bytes",    "line_bytes",
                                                  "fcl_window",   "budgets",
                                                  "reservations", "values",
                                                  "value_bytes",  0};
    struct plan plan;
    uint32_t wrong;
    if (!config)
        return CS_E_INVALID;
    int result = csi_plan(config, &plan, &wrong);
    if (field)
        *field = names[wrong];
    return result;
}

uint64_t cs_region_size(const cs_config *config)
{
    struct plan plan;
    return config && csi_plan(config, &plan, 0) == CS_OK ? plan.size : 0;
}
