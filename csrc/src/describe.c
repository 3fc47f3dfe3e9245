/* What is known of a region: of bytes that may be one, and of one that is attached. */
#include "plan.h"

void cs_config_default(cs_config *config)
{
    static const uint16_t numbers[] = {
#define DEFAULT(field, number) [offsetof(cs_config, field) / sizeof(uint32_t)] = number
        DEFAULT(agents, 1024),       DEFAULT(areas, 256),
        DEFAULT(counters, 256),      DEFAULT(gauges, 64),
        DEFAULT(locks, 256),         DEFAULT(events, 1024),
        DEFAULT(event_bytes, 128),   DEFAULT(event_kinds, 64),
        DEFAULT(participants, 256),  DEFAULT(agent_details_bytes, 256),
        DEFAULT(key_bytes, 64),      DEFAULT(line_bytes, 64),
        DEFAULT(fcl_window, 20),     DEFAULT(budgets, 1024),
        DEFAULT(reservations, 1024), DEFAULT(values, 1024),
        DEFAULT(value_bytes, 464),
#undef DEFAULT
    };
    _Static_assert(sizeof(cs_config) == sizeof numbers / sizeof *numbers * sizeof(uint32_t), "a number for each");
    unsigned char *to = (unsigned char *)config;
    for (uint32_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint32_t number = numbers[i];
        memcpy(to + i * sizeof number, &number, sizeof number);
    }
}

/* Where the header has the words of a cs_config, and of a cs_region_info before its config, as words from its start. */
#define WORD_OF(member) (uint8_t)(offsetof(struct header, member) / sizeof(uint32_t))
#define TWO_OF(member) WORD_OF(member), WORD_OF(member) + 1
#define COUNT_OF(section) WORD_OF(sections[section].count)
static const uint8_t config_words[] = {
    COUNT_OF(CS_SECTION_AGENTS),  COUNT_OF(CS_SECTION_AREAS),   COUNT_OF(CS_SECTION_COUNTERS),
    COUNT_OF(CS_SECTION_GAUGES),  COUNT_OF(CS_SECTION_LOCKS),   COUNT_OF(CS_SECTION_EVENTS),
    WORD_OF(event_bytes),         COUNT_OF(CS_SECTION_KINDS),   COUNT_OF(CS_SECTION_PARTICIPANTS),
    WORD_OF(agent_details_bytes), WORD_OF(key_bytes),           WORD_OF(line_bytes),
    WORD_OF(fcl_window),          COUNT_OF(CS_SECTION_BUDGETS), COUNT_OF(CS_SECTION_RESERVATIONS),
    COUNT_OF(CS_SECTION_VALUES),  WORD_OF(value_bytes),
};
static const uint8_t info_words[] = {
    TWO_OF(size),        TWO_OF(size), /* what is expected, until something else is */
    TWO_OF(instance[0]), TWO_OF(instance[1]), TWO_OF(boot[0]), TWO_OF(boot[1]),        TWO_OF(created_ns),
    WORD_OF(version),    WORD_OF(byte_order), WORD_OF(ready),  WORD_OF(section_count),
};
_Static_assert(sizeof config_words == sizeof(cs_config) / sizeof(uint32_t) &&
                   sizeof info_words == offsetof(cs_region_info, config) / sizeof(uint32_t),
               "a word for each");

static void pick(const struct header *header, const uint8_t *words, uint32_t count, void *to)
{
    const unsigned char *from = (const unsigned char *)header;
    unsigned char *at = to;
    for (uint32_t i = 0; i < count; i++, at += sizeof(uint32_t))
        memcpy(at, from + words[i] * sizeof(uint32_t), sizeof(uint32_t));
}

void csi_header_config(const struct header *header, cs_config *config)
{
    pick(header, config_words, sizeof config_words, config);
}

void csi_describe(const struct header *header, cs_region_info *info)
{
    pick(header, info_words, sizeof info_words, info);
}

/* One look at the header, into memory nobody else writes; everything after judges the copy. */
void csi_header_copy(struct header *copy, const void *memory)
{
    const struct header *header = memory;
    uint32_t ready = load32(&header->ready); /* first: who sees it sees what was written before it */
    copy_out(copy, memory, sizeof *copy);
    poke32(&copy->ready, ready);
}

int cs_region_describe(const cs_region *region, cs_region_info *info)
{
    if (!region || !info)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    struct header copy;
    const struct header *header;
    if (ALONE) {
        header = (const struct header *)(const void *)v->memory;
    } else {
        csi_header_copy(&copy, v->memory);
        header = &copy;
    }
    csi_describe(header, info);
    info->size = info->expected = v->size;
    info->version = CS_LAYOUT_VERSION;
    info->byte_order = LAYOUT_BYTE_ORDER;
    info->ready = 1;
    info->sections = CS_SECTIONS;
    info->config = v->config;
    return CS_OK;
}

void cs_boot_id(uint64_t boot[2])
{
    cs_identity self;
    cs_port_identify(&self);
    boot[0] = self.boot[0];
    boot[1] = self.boot[1];
}

int cs_region_section(const cs_region *region, uint32_t kind, cs_section_info *info)
{
    if (!region || !info || kind >= CS_SECTIONS)
        return CS_E_INVALID;
    struct plan plan;
    (void)csi_plan(&const_view_of(region)->config, &plan);
    const struct section *section = &plan.sections[kind];
    *info = (cs_section_info){.offset = (uint64_t)section->offset * LAYOUT_LINE,
                              .size = (uint64_t)section->size * LAYOUT_LINE,
                              .kind = kind,
                              .count = section->count,
                              .stride = section->stride};
    return CS_OK;
}

const char *cs_section_name(uint32_t kind)
{
    static const uint8_t words[CS_SECTIONS] = {
#define FIELD(field) (offsetof(cs_config, field) / sizeof(uint32_t))
        [CS_SECTION_ENGINE] = CONFIG_FIELDS,   [CS_SECTION_COUNTERS] = FIELD(counters),
        [CS_SECTION_GAUGES] = FIELD(gauges),   [CS_SECTION_AREAS] = FIELD(areas),
        [CS_SECTION_AGENTS] = FIELD(agents),   [CS_SECTION_DETAILS] = CONFIG_FIELDS + 1,
        [CS_SECTION_LOCKS] = FIELD(locks),     [CS_SECTION_KINDS] = CONFIG_FIELDS + 2,
        [CS_SECTION_EVENTS] = FIELD(events),   [CS_SECTION_PARTICIPANTS] = FIELD(participants),
        [CS_SECTION_BUDGETS] = FIELD(budgets), [CS_SECTION_RESERVATIONS] = FIELD(reservations),
        [CS_SECTION_VALUES] = FIELD(values),
#undef FIELD
    };
    return kind < CS_SECTIONS ? csi_word(csi_config_names, words[kind]) : 0;
}

const table_view *csi_table(const view *v, uint32_t section)
{
    for (const table_view *t = v->tables; t < v->tables + TABLES; t++)
        if (t->section == section)
            return t;
    return 0;
}

void csi_see_tables(view *v, const struct plan *plan)
{
    for (uint32_t table = 0; table < TABLES; table++) {
        table_view *t = &v->tables[table];
        t->section = csi_table_kinds[table].section;
        t->payload = csi_table_kinds[table].payload;
        const struct section *section = &plan->sections[t->section];
        t->stride = section->stride;
        t->count = section->count;
        if (!t->count)
            continue;
        unsigned char *start = v->memory + (size_t)section->offset * LAYOUT_LINE;
        t->head = (struct table *)(void *)start;
        t->buckets = (a32 *)(void *)(start + sizeof(struct table));
        t->slots = start + sizeof(struct table) + (size_t)bucket_lines(t->count) * LAYOUT_LINE;
    }
}
