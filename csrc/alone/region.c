#include "alone.h"
#include "plan.h"

static int format(struct header *header, uint64_t size, const cs_config *config, uint32_t flags, struct plan *plan)
{
    if (!header || !config || (uintptr_t)header % LAYOUT_LINE || flags > CS_ZEROED)
        return CS_E_INVALID;
    if (csi_plan(config, plan) != CONFIG_FIELDS)
        return CS_E_RANGE;
    if (size < plan->size)
        return CS_E_TRUNCATED;
    if (!flags)
        memset(header, 0, (size_t)plan->size);
    memcpy(header->magic, LAYOUT_MAGIC, sizeof header->magic);
    header->version = CS_LAYOUT_VERSION;
    header->byte_order = LAYOUT_BYTE_ORDER;
    header->size = plan->size;
    cs_port_random(header->instance);
    header->section_count = CS_SECTIONS;
    header->key_bytes = config->key_bytes;
    header->line_bytes = config->line_bytes;
    header->fcl_window = config->fcl_window;
    header->event_bytes = config->event_bytes;
    header->agent_details_bytes = config->agent_details_bytes;
    header->value_bytes = config->value_bytes;
    header->created_ns = cs_port_now_ns();
    memcpy(header->sections, plan->sections, sizeof header->sections);
    store32(&header->ready, 1);
    return CS_OK;
}

/* A view of what the plan says, and its seat. */
static int see(cs_region *region, unsigned char *memory, const cs_config *config, uint32_t flags,
               const struct plan *plan)
{
    const struct section *s = plan->sections;
    view *v = view_of(region);
    memset(region, 0, sizeof *region);
    v->memory = memory;
    v->size = plan->size;
    v->flags = flags;
    v->config = *config;
#define START(kind) (memory + (size_t)s[kind].offset * LAYOUT_LINE)
    v->engine = (struct engine *)(void *)START(CS_SECTION_ENGINE);
    v->ring = (struct ring *)(void *)START(CS_SECTION_EVENTS);
    v->events = (unsigned char *)(v->ring + 1);
    v->details = START(CS_SECTION_DETAILS);
    v->participants = START(CS_SECTION_PARTICIPANTS);
    v->reservations = START(CS_SECTION_RESERVATIONS);
    v->values = START(CS_SECTION_VALUES);
#undef START
    csi_see_tables(v, plan);
    v->event_mask = config->events - 1;
    v->event_shift = (uint32_t)__builtin_ctz(config->events);
    v->event_stride = s[CS_SECTION_EVENTS].stride;
    v->details_stride = s[CS_SECTION_DETAILS].stride;
    v->participant_stride = s[CS_SECTION_PARTICIPANTS].stride;
    v->reservation_stride = s[CS_SECTION_RESERVATIONS].stride;
    v->value_groups = config->values / VALUE_WAYS;
    v->value_stride = s[CS_SECTION_VALUES].stride;
    return flags & CS_READ_ONLY ? CS_OK : csi_join(v);
}

int cs_region_format(void *memory, uint64_t size, const cs_config *config, uint32_t flags)
{
    struct plan plan;
    return format(memory, size, config, flags, &plan);
}

int cs_region_make(cs_region *region, void *memory, uint64_t size, const cs_config *config, uint32_t flags)
{
    struct plan plan;
    int result = region ? format(memory, size, config, flags, &plan) : CS_E_INVALID;
    return result == CS_OK ? see(region, memory, config, CS_PRIVATE, &plan) : result;
}

/* Bytes nobody else writes are judged where they lie. */
static int judge(const struct header *header, uint64_t size, struct plan *plan, cs_config *config)
{
    if (!header || (uintptr_t)header % LAYOUT_LINE)
        return CS_E_INVALID;
    if (size < sizeof header->magic || memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) != 0)
        return CS_E_NOT_REGION;
    if (size < sizeof *header)
        return CS_E_TRUNCATED;
    if (header->byte_order != LAYOUT_BYTE_ORDER)
        return header->byte_order ? CS_E_BYTE_ORDER : CS_E_NOT_READY;
    if (header->version != CS_LAYOUT_VERSION)
        return CS_E_VERSION;
    uint32_t ready = peek32(&header->ready);
    if (ready != 1)
        return ready ? CS_E_CORRUPT : CS_E_NOT_READY;
    csi_header_config(header, config);
    if (header->section_count != CS_SECTIONS || csi_plan(config, plan) != CONFIG_FIELDS ||
        memcmp(header->sections, plan->sections, sizeof plan->sections) != 0 || header->size != plan->size)
        return CS_E_CORRUPT;
    return size == plan->size ? CS_OK : CS_E_TRUNCATED;
}

int cs_region_probe(const void *memory, uint64_t size, cs_region_info *info)
{
    struct plan plan;
    cs_region_info unwanted;
    if (!info)
        info = &unwanted;
    plan.size = 0;
    memset(info, 0, sizeof *info);
    int result = judge(memory, size, &plan, &info->config);
    if (result != CS_E_INVALID && result != CS_E_NOT_REGION && size >= sizeof(struct header))
        csi_describe(memory, info);
    info->expected = plan.size;
    return result;
}

int cs_region_attach(cs_region *region, void *memory, uint64_t size, uint32_t flags, int64_t handle)
{
    struct plan plan;
    cs_config config;
    (void)handle; /* nobody is asked who lives */
    if (!region || (flags & ~(uint32_t)(CS_READ_ONLY | CS_PRIVATE)))
        return CS_E_INVALID;
    int result = judge(memory, size, &plan, &config);
    return result == CS_OK ? see(region, memory, &config, flags, &plan) : result;
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
    view *v = view_of(region);
    store32(&v->closed, 1);
    if (peek32(&v->owner))
        bell_ring(&v->ring->bell); /* who waits for anything else looks at its next slice */
}

int cs_region_after_fork(cs_region *region, int64_t handle)
{
    view *v = view_of(region);
    if (v->flags & CS_READ_ONLY)
        return CS_OK;
    poke32(&v->owner, 0);
    poke32(&v->id, 0);
    return handle < -1 ? CS_E_DETACHED : csi_join(v);
}
