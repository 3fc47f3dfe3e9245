#include "plan.h"

#define REGION_LIMIT (64ull << 30)
#define MOST_LINES (uint32_t)(REGION_LIMIT / LAYOUT_LINE)
#define TABLE_BITS 24

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
_Static_assert(FIELDS == CONFIG_FIELDS && sizeof(cs_config) == FIELDS * sizeof(uint32_t), "a field for each");
_Static_assert(offsetof(cs_config, line_bytes) == LINE_BYTES * sizeof(uint32_t), "in their order");
_Static_assert(offsetof(cs_config, value_bytes) == VALUE_BYTES * sizeof(uint32_t), "to the last");

/* What a number may be: a multiple of `rest` + 1, up to 2 to the power of `bits` (0: any number), and what else holds. */
static const struct {
    uint8_t bits : 5;
    uint8_t below : 1; /* not that power itself */
    uint8_t power : 1; /* a power of two */
    uint8_t some : 1;  /* not zero */
    uint8_t rest;
} bounds[FIELDS] = {
    [AGENTS] = {TABLE_BITS, 0, 0, 0, 0},
    [AREAS] = {TABLE_BITS, 0, 0, 0, 0},
    [COUNTERS] = {TABLE_BITS, 0, 0, 0, 0},
    [GAUGES] = {TABLE_BITS, 0, 0, 0, 0},
    [LOCKS] = {TABLE_BITS, 0, 0, 0, 0},
    [EVENTS] = {TABLE_BITS, 0, 1, 1, 1},
    [EVENT_BYTES] = {15, 0, 0, 1, 7}, /* and no less than a change */
    [EVENT_KINDS] = {12, 0, 0, 0, 0},
    [PARTICIPANTS] = {12, 1, 0, 1, 0},
    [DETAILS_BYTES] = {16, 1, 0, 0, 7},
    [KEY_BYTES] = {6, 0, 0, 1, 15},
    [LINE_BYTES] = {7, 0, 1, 1, 7},
    [FCL_WINDOW] = {0, 0, 0, 0, 0},
    [BUDGETS] = {TABLE_BITS, 0, 0, 0, 0},
    [RESERVATIONS] = {20, 0, 0, 0, 0},
    [VALUES] = {TABLE_BITS, 0, 0, 0, VALUE_WAYS - 1},
    [VALUE_BYTES] = {15, 0, 0, 0, 7},
};

/* A section: how many slots, a slot's bytes (`fixed`, and what that field says `times` over), and what comes before them. */
enum before { NOTHING, A_TABLE, A_RING, GROUPS };
static const struct {
    uint8_t count; /* enum field */
    uint8_t fixed;
    uint8_t more : 6; /* enum field */
    uint8_t times : 2;
    uint8_t before;
} rules[CS_SECTIONS] = {
#define TABLE_OF(count, payload) {count, sizeof(struct slot) + sizeof(payload), KEY_BYTES, 1, A_TABLE}
    [CS_SECTION_COUNTERS] = TABLE_OF(COUNTERS, struct number),
    [CS_SECTION_GAUGES] = TABLE_OF(GAUGES, struct number),
    [CS_SECTION_AREAS] = TABLE_OF(AREAS, struct area),
    [CS_SECTION_AGENTS] = TABLE_OF(AGENTS, struct agent),
    [CS_SECTION_DETAILS] = {AGENTS, 2 * sizeof(struct details), DETAILS_BYTES, 2, NOTHING},
    [CS_SECTION_LOCKS] = TABLE_OF(LOCKS, struct lock),
    [CS_SECTION_KINDS] = {EVENT_KINDS, sizeof(struct slot), KEY_BYTES, 1, A_TABLE},
    [CS_SECTION_EVENTS] = {EVENTS, sizeof(struct event), EVENT_BYTES, 1, A_RING},
    [CS_SECTION_PARTICIPANTS] = {PARTICIPANTS, sizeof(struct participant), 0, 0, NOTHING},
    [CS_SECTION_BUDGETS] = TABLE_OF(BUDGETS, struct budget),
    [CS_SECTION_RESERVATIONS] = {RESERVATIONS, sizeof(struct reservation), 0, 0, NOTHING},
    [CS_SECTION_VALUES] = {VALUES, sizeof(struct value), VALUE_BYTES, 1, GROUPS},
};

static bool within(uint32_t n, uint32_t field)
{
    uint32_t bits = bounds[field].bits, most = (1u << bits) - bounds[field].below;
    return (!bits || n <= most) && !(n & bounds[field].rest) && (n || !bounds[field].some) &&
           !(bounds[field].power && (n & (n - 1)));
}

/* Lines of a section, or more than there may be. */
static uint32_t place(struct section *section, uint32_t kind, const uint32_t values[FIELDS])
{
    uint32_t count = values[rules[kind].count], line = values[LINE_BYTES];
    uint32_t bytes = rules[kind].fixed + values[rules[kind].more] * rules[kind].times;
    if (kind == CS_SECTION_DETAILS && !values[DETAILS_BYTES])
        count = 0;
    section->count = count;
    section->stride = (bytes + line - 1) & ~(line - 1);
    uint64_t slots = (uint64_t)count * section->stride;
    if (slots > REGION_LIMIT)
        return MOST_LINES + 1;
    uint32_t lines = (uint32_t)lines_for(slots), before = rules[kind].before;
    if (before == A_RING || (before == A_TABLE && count))
        lines++;
    if (before == A_TABLE)
        lines += bucket_lines(count);
    if (before == GROUPS)
        lines += count / VALUE_WAYS;
    return section->size = lines;
}

uint32_t csi_plan(const cs_config *config, struct plan *plan)
{
    const uint32_t header = sizeof(struct header) / LAYOUT_LINE, engine = sizeof(struct engine) / LAYOUT_LINE;
    const uint32_t *values = (const uint32_t *)(const void *)config;
    uint32_t lines = header + engine;
    for (uint32_t field = 0; field < FIELDS; field++)
        if (!within(values[field], field))
            return field;
    if (values[EVENT_BYTES] < sizeof(cs_change))
        return EVENT_BYTES;
    if (values[VALUES] && !values[VALUE_BYTES])
        return VALUE_BYTES;
    plan->sections[CS_SECTION_ENGINE] = (struct section){header, engine, 1, sizeof(struct engine)};
    for (uint32_t kind = CS_SECTION_ENGINE + 1; kind < CS_SECTIONS; kind++) {
        plan->sections[kind].offset = lines;
        lines += place(&plan->sections[kind], kind, values);
        if (lines > MOST_LINES)
            return AGENTS;
    }
    plan->size = (uint64_t)lines * LAYOUT_LINE;
    return FIELDS;
}

const char csi_config_names[] = "agents\0areas\0counters\0gauges\0locks\0events\0event_bytes\0event_kinds\0"
                                "participants\0agent_details_bytes\0key_bytes\0line_bytes\0fcl_window\0budgets\0"
                                "reservations\0values\0value_bytes\0"
                                "engine\0details\0kinds";

const char *csi_config_field(uint32_t field) { return field < FIELDS ? csi_word(csi_config_names, field) : 0; }

int cs_config_check(const cs_config *config, const char **field)
{
    struct plan plan;
    if (!config)
        return CS_E_INVALID;
    uint32_t wrong = csi_plan(config, &plan);
    if (field)
        *field = csi_config_field(wrong);
    return wrong == FIELDS ? CS_OK : CS_E_RANGE;
}

uint64_t cs_region_size(const cs_config *config)
{
    struct plan plan;
    return config && csi_plan(config, &plan) == FIELDS ? plan.size : 0;
}
