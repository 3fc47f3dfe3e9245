#include "bell.h"
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

static void read_config(const struct header *header, cs_config *config)
{
    const unsigned char *from = (const unsigned char *)header;
    unsigned char *to = (unsigned char *)config;
    for (uint32_t i = 0; i < sizeof config_words; i++, to += sizeof(uint32_t))
        memcpy(to, from + config_words[i] * sizeof(uint32_t), sizeof(uint32_t));
}

/* The other way round; the sections' counts, which belong to the table of sections, too. */
static void write_config(struct header *header, const cs_config *config)
{
    unsigned char *to = (unsigned char *)header;
    const unsigned char *from = (const unsigned char *)config;
    for (uint32_t i = 0; i < sizeof config_words; i++, from += sizeof(uint32_t))
        memcpy(to + config_words[i] * sizeof(uint32_t), from, sizeof(uint32_t));
}

int cs_region_format(void *memory, uint64_t size, const cs_config *config, uint32_t flags)
{
    if (!memory || !config || (uintptr_t)memory % LAYOUT_LINE || (flags & ~(uint32_t)CS_ZEROED))
        return CS_E_INVALID;
    struct plan plan;
    int result = csi_plan(config, &plan, 0);
    if (result != CS_OK)
        return result;
    if (size < plan.size || size > SIZE_MAX)
        return CS_E_TRUNCATED;
    struct header *header = memory;
    store32(&header->ready, 0);
    if (!(flags & CS_ZEROED))
        memset(memory, 0, (size_t)plan.size);
    STEP();
    memcpy(header->magic, LAYOUT_MAGIC, sizeof header->magic);
    STEP();
    header->version = CS_LAYOUT_VERSION;
    header->byte_order = LAYOUT_BYTE_ORDER;
    header->size = plan.size;
    cs_port_random(header->instance);
    STEP();
    header->section_count = CS_SECTIONS;
    write_config(header, config);
    header->created_ns = cs_port_now_ns();
    cs_identity self;
    cs_port_identify(&self);
    memcpy(header->boot, self.boot, sizeof header->boot);
    STEP();
    memcpy(header->sections, plan.sections, sizeof header->sections);
    store32(&header->ready, 1);
    return CS_OK;
}

/* One look at the header, into memory nobody else writes; everything after judges the copy. */
static void copy_header(struct header *copy, const void *memory)
{
    const struct header *header = memory;
    uint32_t ready = load32(&header->ready); /* first: who sees it sees what was written before it */
    copy_out(copy, memory, sizeof *copy);
    poke32(&copy->ready, ready);
}

/* Is this the header of a region of so many bytes? What it was read to mean stays zero where it makes no sense. */
static int judge(const struct header *header, uint64_t size, struct plan *plan, cs_config *config)
{
    if (memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) != 0)
        return CS_E_NOT_REGION;
    if (!header->byte_order) /* a maker that died before it wrote any of it */
        return CS_E_NOT_READY;
    if (header->byte_order != LAYOUT_BYTE_ORDER)
        return CS_E_BYTE_ORDER;
    if (header->version != CS_LAYOUT_VERSION)
        return CS_E_VERSION;
    if (header->ready != 1)
        return header->ready ? CS_E_CORRUPT : CS_E_NOT_READY;
    read_config(header, config);
    if (header->section_count != CS_SECTIONS || csi_plan(config, plan, 0) != CS_OK ||
        memcmp(header->sections, plan->sections, sizeof plan->sections) != 0 || header->size != plan->size)
        return CS_E_CORRUPT;
    return size == plan->size ? CS_OK : CS_E_TRUNCATED;
}

/* The header of these bytes, zero where there are too few of them, and what is wrong with it. */
static int inspect(const void *memory, uint64_t size, struct header *header, struct plan *plan, cs_config *config)
{
    memset(header, 0, sizeof *header);
    if (!memory || (uintptr_t)memory % LAYOUT_LINE)
        return CS_E_INVALID;
    if (size < sizeof *header) {
        if (size >= sizeof header->magic)
            copy_out(header->magic, memory, sizeof header->magic);
        int result = judge(header, size, plan, config);
        return result == CS_E_NOT_REGION ? result : CS_E_TRUNCATED;
    }
    copy_header(header, memory);
    return judge(header, size, plan, config);
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
    int result = inspect(memory, size, &header, &plan, &found.config);
    found.expected = plan.size;
    if (result != CS_E_NOT_REGION)
        describe(&header, &found);
    if (info)
        *info = found;
    return result;
}

static void see_table(view *v, uint32_t table, const struct plan *plan)
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
    t->slots = start + sizeof(struct table) + (size_t)(lines_for(4ull * t->count) * LAYOUT_LINE);
}

int cs_region_attach(cs_region *region, void *memory, uint64_t size, uint32_t flags, int64_t handle)
{
    if (!region || (flags & ~(uint32_t)(CS_READ_ONLY | CS_PRIVATE)))
        return CS_E_INVALID;
    struct header header;
    struct plan plan;
    cs_config config;
    int result = inspect(memory, size, &header, &plan, &config);
    if (result != CS_OK)
        return result;
    view *v = view_of(region);
    memset(region, 0, sizeof *region);
    v->memory = memory;
    v->size = size;
    v->flags = flags;
    v->handle = handle;
    v->config = config;
#define START(kind) (v->memory + (size_t)plan.sections[kind].offset * LAYOUT_LINE)
    v->engine = (struct engine *)(void *)START(CS_SECTION_ENGINE);
    v->ring = (struct ring *)(void *)START(CS_SECTION_EVENTS);
    v->events = START(CS_SECTION_EVENTS) + sizeof(struct ring);
    v->details = START(CS_SECTION_DETAILS);
    v->participants = START(CS_SECTION_PARTICIPANTS);
    v->reservations = START(CS_SECTION_RESERVATIONS);
    v->values = START(CS_SECTION_VALUES);
#undef START
    for (uint32_t table = 0; table < TABLES; table++)
        see_table(v, table, &plan);
    v->event_mask = config.events - 1;
    while ((1u << v->event_shift) < config.events)
        v->event_shift++;
    v->event_stride = plan.sections[CS_SECTION_EVENTS].stride;
    v->event_bytes = config.event_bytes;
    v->details_bytes = config.agent_details_bytes;
    v->details_stride = plan.sections[CS_SECTION_DETAILS].stride;
    v->participant_count = config.participants;
    v->participant_stride = plan.sections[CS_SECTION_PARTICIPANTS].stride;
    v->reservation_count = config.reservations;
    v->reservation_stride = plan.sections[CS_SECTION_RESERVATIONS].stride;
    v->value_groups = config.values / VALUE_WAYS;
    v->value_stride = plan.sections[CS_SECTION_VALUES].stride;
    v->value_bytes = config.value_bytes;
    v->key_bytes = config.key_bytes;
    if (flags & CS_READ_ONLY)
        return CS_OK;
    result = csi_join(v);
    if (result == CS_OK)
        (void)cs_sweep(region);
    return result;
}

void cs_region_detach(cs_region *region)
{
    view *v = view_of(region);
    poke32(&v->closed, 1);
    if (peek32(&v->owner))
        csi_leave(v);
}

void cs_region_close(cs_region *region)
{
    /* Sequentially consistent, so that a waiter that does not see it is found asleep by the wake below. */
    view *v = view_of(region);
    (void)swap32(&v->closed, 1);
    if (peek32(&v->owner))
        bell_ring(&v->ring->bell); /* who waits for anything else looks at its next slice */
}

int cs_region_after_fork(cs_region *region, int64_t handle)
{
    view *v = view_of(region);
    if (v->flags & CS_READ_ONLY)
        return CS_OK;
    uint32_t parent = peek32(&v->owner);
    poke32(&v->owner, 0);
    poke32(&v->id, 0);
    v->handle = handle;
    if (handle < -1)
        return CS_E_DETACHED;
    if (parent && v->flags & CS_PRIVATE) {
        /* The child has a copy of the bytes of its own, in which the parent is nobody. */
        struct participant *p = participant_at(v, owner_slot(parent));
        uint64_t word = load64(&p->word);
        (void)cas64(&p->word, &word, (word & ~(3ull << 52)) | ((uint64_t)SEAT_DEAD << 52));
    }
    int result = csi_join(v);
    if (result == CS_OK)
        (void)cs_sweep(region);
    return result;
}

int cs_region_describe(const cs_region *region, cs_region_info *info)
{
    if (!region || !info)
        return CS_E_INVALID;
    const view *v = const_view_of(region);
    struct header header;
    copy_header(&header, v->memory);
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
    (void)csi_plan(&const_view_of(region)->config, &plan, 0);
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
