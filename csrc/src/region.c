#include "bell.h"
#include "plan.h"

int cs_region_format(void *memory, uint64_t size, const cs_config *config, uint32_t flags)
{
    if (!memory || !config || (uintptr_t)memory % LAYOUT_LINE || (flags & ~(uint32_t)(CS_ZEROED | CS_MAKING)))
        return CS_E_INVALID;
    struct plan plan;
    if (csi_plan(config, &plan) != CONFIG_FIELDS)
        return CS_E_RANGE;
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
    store32(&header->ready, !(flags & CS_MAKING));
    return CS_OK;
}

/* Is this the header of a region of so many bytes? What it was read to mean stays zero where it makes no sense. */
static int judge(const struct header *header, uint64_t size, uint32_t flags, struct plan *plan, cs_config *config)
{
    if (memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) != 0)
        return CS_E_NOT_REGION;
    if (!header->byte_order) /* a maker that died before it wrote any of it */
        return CS_E_NOT_READY;
    if (header->byte_order != LAYOUT_BYTE_ORDER)
        return CS_E_BYTE_ORDER;
    if (header->version != CS_LAYOUT_VERSION)
        return CS_E_VERSION;
    if (header->ready != !(flags & CS_MAKING))
        return header->ready ? CS_E_CORRUPT : CS_E_NOT_READY;
    csi_header_config(header, config);
    if (header->section_count != CS_SECTIONS || csi_plan(config, plan) != CONFIG_FIELDS ||
        memcmp(header->sections, plan->sections, sizeof plan->sections) != 0 || header->size != plan->size)
        return CS_E_CORRUPT;
    return size == plan->size ? CS_OK : CS_E_TRUNCATED;
}

/* The header of these bytes, in memory nobody else writes (zero where there are too few), what is wrong with it, and what
 * it was read to mean. */
static int inspect(const void *memory, uint64_t size, uint32_t flags, struct header *header, struct plan *plan,
                   cs_config *config)
{
    memset(header, 0, sizeof *header);
    if (!memory || (uintptr_t)memory % LAYOUT_LINE)
        return CS_E_INVALID;
    if (size < sizeof *header) {
        if (size >= sizeof header->magic)
            copy_out(header->magic, memory, sizeof header->magic);
        int result = judge(header, size, flags, plan, config);
        return result == CS_E_NOT_REGION ? result : CS_E_TRUNCATED;
    }
    csi_header_copy(header, memory);
    return judge(header, size, flags, plan, config);
}

int cs_region_probe(const void *memory, uint64_t size, cs_region_info *info)
{
    struct header header;
    struct plan plan;
    cs_region_info found;
    plan.size = 0;
    memset(&found, 0, sizeof found);
    int result = inspect(memory, size, 0, &header, &plan, &found.config);
    if (result != CS_E_NOT_REGION)
        csi_describe(&header, &found);
    found.expected = plan.size;
    if (info)
        *info = found;
    return result;
}

int cs_region_attach(cs_region *region, void *memory, uint64_t size, uint32_t flags, int64_t handle)
{
    if (!region || (flags & ~(uint32_t)(CS_READ_ONLY | CS_PRIVATE | CS_MAKING)))
        return CS_E_INVALID;
    struct header header;
    struct plan plan;
    cs_config config;
    int result = inspect(memory, size, flags, &header, &plan, &config);
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
    csi_see_tables(v, &plan);
    v->event_mask = config.events - 1;
    while ((1u << v->event_shift) < config.events)
        v->event_shift++;
    v->event_stride = plan.sections[CS_SECTION_EVENTS].stride;
    v->details_stride = plan.sections[CS_SECTION_DETAILS].stride;
    v->participant_stride = plan.sections[CS_SECTION_PARTICIPANTS].stride;
    v->reservation_stride = plan.sections[CS_SECTION_RESERVATIONS].stride;
    v->value_groups = config.values / VALUE_WAYS;
    v->value_stride = plan.sections[CS_SECTION_VALUES].stride;
    if (flags & CS_READ_ONLY)
        return CS_OK;
    result = csi_join(v);
    if (result == CS_OK)
        (void)cs_sweep(region);
    return result;
}

int cs_region_make(cs_region *region, void *memory, uint64_t size, const cs_config *config, uint32_t flags)
{
    int result = region ? cs_region_format(memory, size, config, flags) : CS_E_INVALID;
    return result == CS_OK ? cs_region_attach(region, memory, cs_region_size(config), CS_PRIVATE, -1) : result;
}

void cs_region_detach(cs_region *region)
{
    view *v = view_of(region);
    poke32(&v->closed, 1);
    if (peek32(&v->owner))
        csi_leave(v);
    if (v->flags & CS_MAKING)
        store32(&((struct header *)(void *)v->memory)->ready, 1);
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
    uint32_t parent = peek32(&v->id);
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
