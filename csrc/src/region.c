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
    header->key_bytes = config->key_bytes;
    header->line_bytes = config->line_bytes;
    header->fcl_window = config->fcl_window;
    header->event_bytes = config->event_bytes;
    header->agent_details_bytes = config->agent_details_bytes;
    header->value_bytes = config->value_bytes;
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

static void read_config(const struct header *header, cs_config *config)
{
    const struct section *s = header->sections;
    *config = (cs_config){.agents = s[CS_SECTION_AGENTS].count,
                          .areas = s[CS_SECTION_AREAS].count,
                          .counters = s[CS_SECTION_COUNTERS].count,
                          .gauges = s[CS_SECTION_GAUGES].count,
                          .locks = s[CS_SECTION_LOCKS].count,
                          .events = s[CS_SECTION_EVENTS].count,
                          .event_bytes = header->event_bytes,
                          .event_kinds = s[CS_SECTION_KINDS].count,
                          .participants = s[CS_SECTION_PARTICIPANTS].count,
                          .agent_details_bytes = header->agent_details_bytes,
                          .key_bytes = header->key_bytes,
                          .line_bytes = header->line_bytes,
                          .fcl_window = header->fcl_window,
                          .budgets = s[CS_SECTION_BUDGETS].count,
                          .reservations = s[CS_SECTION_RESERVATIONS].count,
                          .values = s[CS_SECTION_VALUES].count,
                          .value_bytes = header->value_bytes};
}

static int judge(const struct header *header, uint64_t size, struct plan *plan, cs_region_info *info)
{
    if (memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) != 0)
        return CS_E_NOT_REGION;
    info->size = header->size;
    info->instance[0] = header->instance[0];
    info->instance[1] = header->instance[1];
    info->boot[0] = header->boot[0];
    info->boot[1] = header->boot[1];
    info->created_ns = header->created_ns;
    info->version = header->version;
    info->byte_order = header->byte_order;
    info->ready = header->ready;
    info->sections = header->section_count;
    if (!header->byte_order) /* a maker that died before it wrote any of it */
        return CS_E_NOT_READY;
    if (header->byte_order != LAYOUT_BYTE_ORDER)
        return CS_E_BYTE_ORDER;
    if (header->version != CS_LAYOUT_VERSION)
        return CS_E_VERSION;
    if (header->ready != 1)
        return header->ready ? CS_E_CORRUPT : CS_E_NOT_READY;
    read_config(header, &info->config);
    if (header->section_count != CS_SECTIONS || csi_plan(&info->config, plan, 0) != CS_OK)
        return CS_E_CORRUPT;
    info->expected = plan->size;
    if (memcmp(header->sections, plan->sections, sizeof plan->sections) != 0 || header->size != plan->size)
        return CS_E_CORRUPT;
    return size == plan->size ? CS_OK : CS_E_TRUNCATED;
}

static int inspect(const void *memory, uint64_t size, struct plan *plan, cs_region_info *info)
{
    memset(info, 0, sizeof *info);
    if (!memory || (uintptr_t)memory % LAYOUT_LINE)
        return CS_E_INVALID;
    if (size < sizeof(struct header)) {
        unsigned char start[8] = {0};
        if (size < sizeof start)
            return CS_E_NOT_REGION;
        copy_out(start, memory, sizeof start);
        return memcmp(start, LAYOUT_MAGIC, sizeof start) == 0 ? CS_E_TRUNCATED : CS_E_NOT_REGION;
    }
    struct header header;
    copy_header(&header, memory);
    return judge(&header, size, plan, info);
}

int cs_region_probe(const void *memory, uint64_t size, cs_region_info *info)
{
    struct plan plan;
    cs_region_info ignored;
    return inspect(memory, size, &plan, info ? info : &ignored);
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
    t->slots = start + sizeof(struct table) + (size_t)padded_to(4ull * t->count, LAYOUT_LINE);
}

int cs_region_attach(cs_region *region, void *memory, uint64_t size, uint32_t flags, int64_t handle)
{
    if (!region || (flags & ~(uint32_t)(CS_READ_ONLY | CS_PRIVATE)))
        return CS_E_INVALID;
    struct plan plan;
    cs_region_info info;
    int result = inspect(memory, size, &plan, &info);
    if (result != CS_OK)
        return result;
    view *v = view_of(region);
    memset(region, 0, sizeof *region);
    v->memory = memory;
    v->size = size;
    v->flags = flags;
    v->handle = handle;
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
    v->event_mask = info.config.events - 1;
    while ((1u << v->event_shift) < info.config.events)
        v->event_shift++;
    v->event_stride = plan.sections[CS_SECTION_EVENTS].stride;
    v->event_bytes = info.config.event_bytes;
    v->details_bytes = info.config.agent_details_bytes;
    v->details_stride = plan.sections[CS_SECTION_DETAILS].stride;
    v->participant_count = info.config.participants;
    v->participant_stride = plan.sections[CS_SECTION_PARTICIPANTS].stride;
    v->reservation_count = info.config.reservations;
    v->reservation_stride = plan.sections[CS_SECTION_RESERVATIONS].stride;
    v->value_groups = info.config.values / VALUE_WAYS;
    v->value_stride = plan.sections[CS_SECTION_VALUES].stride;
    v->value_bytes = info.config.value_bytes;
    v->key_bytes = info.config.key_bytes;
    v->line_bytes = info.config.line_bytes;
    v->fcl_window = info.config.fcl_window;
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
    memset(info, 0, sizeof *info);
    info->size = info->expected = v->size;
    info->version = CS_LAYOUT_VERSION;
    info->byte_order = LAYOUT_BYTE_ORDER;
    info->ready = 1;
    info->sections = CS_SECTIONS;
    memcpy(info->instance, header.instance, sizeof info->instance);
    memcpy(info->boot, header.boot, sizeof info->boot);
    info->created_ns = header.created_ns;
    info->config = (cs_config){.agents = v->tables[TABLE_AGENTS].count,
                               .areas = v->tables[TABLE_AREAS].count,
                               .counters = v->tables[TABLE_COUNTERS].count,
                               .gauges = v->tables[TABLE_GAUGES].count,
                               .locks = v->tables[TABLE_LOCKS].count,
                               .events = v->event_mask + 1,
                               .event_bytes = v->event_bytes,
                               .event_kinds = v->tables[TABLE_KINDS].count,
                               .participants = v->participant_count,
                               .agent_details_bytes = v->details_bytes,
                               .key_bytes = v->key_bytes,
                               .line_bytes = v->line_bytes,
                               .fcl_window = v->fcl_window,
                               .budgets = v->tables[TABLE_BUDGETS].count,
                               .reservations = v->reservation_count,
                               .values = v->value_groups * VALUE_WAYS,
                               .value_bytes = v->value_bytes};
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
    cs_region_info described;
    struct plan plan;
    int result = cs_region_describe(region, &described);
    if (result != CS_OK)
        return result;
    (void)csi_plan(&described.config, &plan, 0);
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
    static const char *const names[CS_SECTIONS] = {"engine",  "counters",     "gauges", "areas",  "agents",
                                                   "details", "locks",        "kinds",  "events", "participants",
                                                   "budgets", "reservations", "values"};
    return kind < CS_SECTIONS ? names[kind] : 0;
}

const table_view *csi_table(const view *v, uint32_t section)
{
    for (uint32_t table = 0; table < TABLES; table++)
        if (v->tables[table].section == section)
            return &v->tables[table];
    return 0;
}
