/* What the engine section's fields and states are called, and what they may hold. */
#include "engine_fields.h"

#include "view.h"

const uint8_t csi_engine_types[CS_ENGINE_FIELDS] = {
    [CS_AGENT_COUNT] = CS_TYPE_U64,
    [CS_BURST_COUNT] = CS_TYPE_U64,
    [CS_BURST_FREQUENCY] = CS_TYPE_F64,
    [CS_NEURON_COUNT] = CS_TYPE_U64,
    [CS_SYNAPSE_COUNT] = CS_TYPE_U64,
    [CS_CORTICAL_AREA_COUNT] = CS_TYPE_U64,
    [CS_MEMORY_USAGE] = CS_TYPE_U64,
    [CS_GENOME_TIMESTAMP] = CS_TYPE_U64,
    [CS_FATIGUE_INDEX] = CS_TYPE_PERCENT,
    [CS_REGULAR_NEURON_UTIL] = CS_TYPE_PERCENT,
    [CS_MEMORY_NEURON_UTIL] = CS_TYPE_PERCENT,
    [CS_SYNAPSE_UTIL] = CS_TYPE_PERCENT,
    [CS_FATIGUE_ACTIVE] = CS_TYPE_BOOL,
    [CS_HASH_BRAIN_REGIONS] = CS_TYPE_U64,
    [CS_HASH_CORTICAL_AREAS] = CS_TYPE_U64,
    [CS_HASH_BRAIN_GEOMETRY] = CS_TYPE_U64,
    [CS_HASH_MORPHOLOGIES] = CS_TYPE_U64,
    [CS_HASH_CORTICAL_MAPPINGS] = CS_TYPE_U64,
    [CS_HASH_CLASSIFIERS] = CS_TYPE_U64,
    [CS_HASH_AGENT_DATA] = CS_TYPE_U64,
    [CS_VERSION] = CS_TYPE_U64,
    [CS_LAST_MODIFIED] = CS_TYPE_U64,
};

const engine_state csi_engine_states[CS_STATES] = {
    [CS_STATE_BURST] = {CS_BURST_DEEP_SLEEP, CS_KIND_BURST_ENGINE_STATE_CHANGED},
    [CS_STATE_GENOME] = {CS_GENOME_ERROR, CS_KIND_GENOME_STATE_CHANGED},
    [CS_STATE_CONNECTOME] = {CS_CONNECTOME_ERROR, CS_KIND_CONNECTOME_STATE_CHANGED},
    [CS_STATE_BRAIN_READY] = {1, CS_KIND_BRAIN_READY_CHANGED},
    [CS_STATE_FQ_SAMPLER] = {CS_SERVICE_ERROR, CS_KIND_SERVICE_STATE_CHANGED},
    [CS_STATE_API] = {CS_SERVICE_ERROR, CS_KIND_SERVICE_STATE_CHANGED},
    [CS_STATE_ZMQ] = {CS_SERVICE_ERROR, CS_KIND_SERVICE_STATE_CHANGED},
};

uint32_t cs_engine_field_type(uint32_t field)
{
    return field < CS_ENGINE_FIELDS ? csi_engine_types[field] : CS_TYPE_NONE;
}

uint32_t cs_engine_state_max(uint32_t state) { return state < CS_STATES ? csi_engine_states[state].max : 0; }

const char *cs_engine_field_name(uint32_t field)
{
    static const char names[] = "agent_count\0"
                                "burst_count\0"
                                "burst_frequency\0"
                                "neuron_count\0"
                                "synapse_count\0"
                                "cortical_area_count\0"
                                "memory_usage\0"
                                "genome_timestamp\0"
                                "fatigue_index\0"
                                "regular_neuron_util\0"
                                "memory_neuron_util\0"
                                "synapse_util\0"
                                "fatigue_active\0"
                                "\0\0\0" /* 13 to 15 are nothing yet */
                                "brain_regions_hash\0"
                                "cortical_areas_hash\0"
                                "brain_geometry_hash\0"
                                "morphologies_hash\0"
                                "cortical_mappings_hash\0"
                                "classifiers_hash\0"
                                "agent_data_hash\0"
                                "\0" /* nor is 23 */
                                "version\0"
                                "last_modified";
    return cs_engine_field_type(field) ? csi_word(names, field) : 0;
}

const char *cs_engine_state_name(uint32_t state)
{
    static const char names[] = "burst_state\0"
                                "genome_state\0"
                                "connectome_state\0"
                                "brain_ready\0"
                                "fq_sampler_state\0"
                                "api_state\0"
                                "zmq_state";
    return state < CS_STATES ? csi_word(names, state) : 0;
}
