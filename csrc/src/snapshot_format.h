/*
 * snapshot_format.h: what a picture is made of.
 *
 * A stream of MessagePack arrays, each starting with its tag, then an unsigned 32-bit integer: the
 * CRC-32C of all bytes before it.
 *
 *   ["corestate", version, time_ns, {configuration}]       first
 *   ["engine", {fields}, {states}, {changes of each}, quiet]
 *   ["kind", name]                                         in the order of their numbers
 *   ["counter", name, u64]  ["gauge", name, f64]
 *   ["area", name, neurons, incoming, outgoing, fcl_window]
 *   ["lock", name]
 *   ["budget", name, limit, spent, detections]             reservations are of the moment and left out
 *   ["agent", id, type, status, changes, registered_ns, last_seen_ns, participant,
 *             capabilities, transport, metadata]
 *   ["events", newest sequence]
 *   ["event", sequence, time_ns, kind, source, format, data]
 *   ["void"]                                               the array before this one does not count
 *   ["end", changed]                                       last
 */
#ifndef CORESTATE_SNAPSHOT_FORMAT_H
#define CORESTATE_SNAPSHOT_FORMAT_H

#include "view.h"

#define TAG_PICTURE "corestate"
#define TAG_ENGINE "engine"
#define TAG_KIND "kind"
#define TAG_COUNTER "counter"
#define TAG_GAUGE "gauge"
#define TAG_AREA "area"
#define TAG_LOCK "lock"
#define TAG_BUDGET "budget"
#define TAG_AGENT "agent"
#define TAG_EVENTS "events"
#define TAG_EVENT "event"
#define TAG_VOID "void"
#define TAG_END "end"

static const struct {
    const char *name;
    size_t offset;
} config_fields[] = {
    {"agents", offsetof(cs_config, agents)},
    {"areas", offsetof(cs_config, areas)},
    {"counters", offsetof(cs_config, counters)},
    {"gauges", offsetof(cs_config, gauges)},
    {"locks", offsetof(cs_config, locks)},
    {"events", offsetof(cs_config, events)},
    {"event_bytes", offsetof(cs_config, event_bytes)},
    {"event_kinds", offsetof(cs_config, event_kinds)},
    {"participants", offsetof(cs_config, participants)},
    {"agent_details_bytes", offsetof(cs_config, agent_details_bytes)},
    {"key_bytes", offsetof(cs_config, key_bytes)},
    {"line_bytes", offsetof(cs_config, line_bytes)},
    {"fcl_window", offsetof(cs_config, fcl_window)},
    {"budgets", offsetof(cs_config, budgets)},
    {"reservations", offsetof(cs_config, reservations)},
    {"values", offsetof(cs_config, values)},
    {"value_bytes", offsetof(cs_config, value_bytes)},
};
#define CONFIG_FIELDS (uint32_t)(sizeof config_fields / sizeof *config_fields)

static inline uint32_t *config_field(cs_config *config, uint32_t index)
{
    return (uint32_t *)(void *)((unsigned char *)config + config_fields[index].offset);
}

#endif
