/* What is known of a region: of bytes that may be one, and of one that is attached. */
#include "plan.h"

void cs_config_default(cs_config *config)
{
    *config = (cs_config){.agents = 1024,
                          .areas = 256,
                          .counters = 256,
                          .gauges = 64,
                          .locks = 256,
                          .events = 1024,
                          .event_bytes = 128,
                          .event_kinds = 64,
                          .participants = 256,
                          .agent_details_bytes = 256,
                          .key_bytes = 64,
                          .line_bytes = 64,
                          .fcl_window = 20,
                          .budgets = 1024,
                          .reservations = 1024,
                          .values = 1024,
                          .value_bytes = 464};
}

/* Where the header has the fields of cs_config, as words from its start. */
#define WORD_OF(member) (uint8_t)(offsetof(struct header, member) / sizeof(uint32_t))
#define COUNT_OF(section) WORD_OF(sections[section].count)
static const uint8_t config_words[sizeof(cs_config) / sizeof(uint32_t)] = {
    COUNT_OF(CS_SECTION_AGENTS),  COUNT_OF(CS_SECTION_AREAS),   COUNT_OF(CS_SECTION_COUNTERS),
    COUNT_OF(CS_SECTION_GAUGES),  COUNT_OF(CS_SECTION_LOCKS),   COUNT_OF(CS_SECTION_EVENTS),
    WORD_OF(event_bytes),         COUNT_OF(CS_SECTION_KINDS),   COUNT_OF(CS_SECTION_PARTICIPANTS),
    WORD_OF(agent_details_bytes), WORD_OF(key_bytes),           WORD_OF(line_bytes),
    WORD_OF(fcl_window),          COUNT_OF(CS_SECTION_BUDGETS), COUNT_OF(CS_SECTION_RESERVATIONS),
    COUNT_OF(CS_SECTION_VALUES),  WORD_OF(value_bytes),
};

void csi_header_config(const struct header *header, cs_config *config)
{
    const unsigned char *from = (const unsigned char *)header;
    unsigned char *to = (unsigned char *)config;
    for (uint32_t i = 0; i < sizeof config_words; i++, to += sizeof(uint32_t))
        memcpy(to, from + config_words[i] * sizeof(uint32_t), sizeof(uint32_t));
}

/* One look at the header, into memory nobody else writes; everything after judges the copy. */
void csi_header_copy(struct header *copy, const void *memory)
{
    const struct header *header = memory;
    uint32_t ready = load32(&header->ready); /* first: who sees it sees what was written before it */
    copy_out(copy, memory, sizeof *copy);
    poke32(&copy->ready, ready);
}

static void describe(const struct header *header, cs_region_info *info)
{
    info->size = header->size;
    memcpy(info->instance, header->instance, sizeof info->instance);
    memcpy(info->boot, header->boot, sizeof info->boot);
    info->created_ns = header->created_ns;
    info->version = header->version;
    info->byte_order = header->byte_order;
    info->ready = header->ready;
    info->sections = header->section_count;
}

int cs_region_probe(const void *memory, uint64_t size, cs_region_info *info)
{
    struct header header;
    struct plan plan = {.size = 0};
    cs_region_info found;
    memset(&found, 0, sizeof found);
    int result = csi_inspect(memory, size, &header, &plan, &found.config);
    found.expected = plan.size;
    if (result != CS_E_NOT_REGION)
        describe(&header, &found);
    if (info)
        *info = found;
    return result;
}

int cs_region_describe(const cs_region *region, cs_region_info *info)
{
    if (!region || !info)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    struct header header;
    csi_header_copy(&header, v->memory);
    describe(&header, info);
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
    memcpy(boot, self.boot, sizeof self.boot);
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
    static const char names[] = "engine\0counters\0gauges\0areas\0agents\0details\0locks\0kinds\0events\0"
                                "participants\0budgets\0reservations\0values";
    return kind < CS_SECTIONS ? csi_word(names, kind) : 0;
}

const table_view *csi_table(const view *v, uint32_t section)
{
    for (uint32_t table = 0; table < TABLES; table++)
        if (v->tables[table].section == section)
            return &v->tables[table];
    return 0;
}

void csi_see_table(view *v, uint32_t table, const struct plan *plan)
{
    const struct section *section = &plan->sections[csi_table_kinds[table].section];
    table_view *t = &v->tables[table];
    t->section = csi_table_kinds[table].section;
    t->payload = csi_table_kinds[table].payload;
    t->stride = section->stride;
    t->count = section->count;
    if (!t->count)
        return;
    unsigned char *start = v->memory + (size_t)section->offset * LAYOUT_LINE;
    t->head = (struct table *)(void *)start;
    t->buckets = (a32 *)(void *)(start + sizeof(struct table));
    t->slots = start + sizeof(struct table) + (size_t)bucket_lines(t->count) * LAYOUT_LINE;
}
