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

#define CONFIG_FIELDS 17u

/* The first field of cs_config that is out of bounds, by its ordinal; CONFIG_FIELDS when all are within. */
CS_INTERNAL uint32_t csi_plan(const cs_config *config, struct plan *plan);

/* One look at a header, into memory nobody else writes. */
CS_INTERNAL void csi_header_copy(struct header *copy, const void *memory);
CS_INTERNAL void csi_header_config(const struct header *header, cs_config *config);
/* All of an info but its config; what is expected is what the header says. */
CS_INTERNAL void csi_describe(const struct header *header, cs_region_info *info);
/* A view's tables, where the plan has them. */
CS_INTERNAL void csi_see_tables(view *v, const struct plan *plan);

/* The names of the fields of cs_config, and after them of sections that have no field of their name. */
CS_INTERNAL extern const char csi_config_names[];
/* The name of a field of cs_config, by its ordinal; null behind the last. */
CS_INTERNAL const char *csi_config_field(uint32_t field);

/* Lines that hold so many bytes. */
static inline uint64_t lines_for(uint64_t bytes) { return (bytes + LAYOUT_LINE - 1) / LAYOUT_LINE; }

/* Lines of a table's buckets. */
static inline uint32_t bucket_lines(uint32_t count) { return (count + 15) / 16; }

#endif
