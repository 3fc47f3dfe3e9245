/*
 * plan.h: where everything lies in a region of a configuration. It follows from the configuration alone, so an attach
 * can work it out again and compare.
 */
#ifndef CORESTATE_PLAN_H
#define CORESTATE_PLAN_H

#include "view.h"

struct plan {
    struct section sections[CS_SECTIONS];
    uint64_t size;
};

/* Each table's section, and the bytes of a slot between struct slot and the key. */
typedef struct table_kind {
    uint8_t section;
    uint8_t payload;
} table_kind;
CS_INTERNAL extern const table_kind csi_table_kinds[TABLES];

/* CS_OK, or CS_E_RANGE with *wrong (which may be null) the number of the first field of cs_config that is out of bounds. */
CS_INTERNAL int csi_plan(const cs_config *config, struct plan *plan, uint32_t *wrong);

/* The name of a field of cs_config, by its ordinal; null behind the last. */
CS_INTERNAL const char *csi_config_field(uint32_t field);

/* Lines that hold so many bytes. */
static inline uint64_t lines_for(uint64_t bytes) { return (bytes + LAYOUT_LINE - 1) / LAYOUT_LINE; }

#endif
