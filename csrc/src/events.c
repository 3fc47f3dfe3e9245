#include "corestate/events.h"

#include "ring.h"
#include "table.h"

/* By enum cs_kind, from 1. */
static const char built_in[] = "burst_engine_state_changed\0"
                               "genome_state_changed\0"
                               "connectome_state_changed\0"
                               "service_state_changed\0"
                               "brain_ready_changed\0"
                               "agent_registered\0"
                               "agent_deregistered\0"
                               "agent_status_changed\0"
                               "lock_inherited\0"
                               "area_changed\0"
                               "budget_warning\0"
#if !CORESTATE_ALONE /* where nothing is kept beside a region */
                               "state_changed\0"
                               "task_changed\0"
                               "limit_exceeded\0"
                               "budget_overrun\0"
#endif
    ;

static int kind_of(const cs_region *region, const char *name, uint32_t length, uint32_t *kind, bool make)
{
    if (!region || !name || !kind)
        return CS_E_INVALID;
    uint32_t built_in_kind = 1;
    for (const char *word = built_in; *word; built_in_kind++) {
        uint32_t n = 0;
        while (n < length && word[n] && word[n] == name[n])
            n++;
        if (!word[n] && (n == length || (length == CS_NUL && !name[n]))) {
            *kind = built_in_kind; /* which needs no room */
            return CS_OK;
        }
        while (*word++) {}
    }
    cs_handle handle;
    int result = make ? csi_open((cs_region *)(uintptr_t)region, name, length, &handle, TABLE_KINDS, 0)
                      : csi_find(region, name, length, &handle, TABLE_KINDS);
    *kind = result == CS_OK ? CS_KIND_USER + (uint32_t)handle : 0;
    return result;
}

int cs_kind_open(cs_region *region, const char *name, uint32_t length, uint32_t *kind)
{
    return kind_of(region, name, length, kind, true);
}

int cs_kind_find(const cs_region *region, const char *name, uint32_t length, uint32_t *kind)
{
    return kind_of(region, name, length, kind, false);
}

int cs_kind_name(const cs_region *region, uint32_t kind, char name[64], uint32_t *length)
{
    cs_handle handle;
    if (!region || !name || !length)
        return CS_E_INVALID;
    if (kind - CS_KIND_BURST_ENGINE_STATE_CHANGED < (ALONE ? CS_KIND_BUDGET_WARNING : CS_KIND_BUDGET_OVERRUN)) {
        const char *word = csi_word(built_in, kind - CS_KIND_BURST_ENGINE_STATE_CHANGED);
        uint32_t n = 0;
        memset(name, 0, 64);
        for (; word[n]; n++)
            name[n] = word[n];
        *length = n;
        return CS_OK;
    }
    /* One below CS_KIND_USER is far beyond the last. */
    if (cs_names_at(region, CS_SECTION_KINDS, kind - CS_KIND_USER, &handle) != CS_OK ||
        cs_names_get(region, CS_SECTION_KINDS, handle, name, length) != CS_OK)
        return CS_E_NOT_FOUND;
    return CS_OK;
}
