/* engine_fields.h: types and limits of the engine section's fields and states. */
#ifndef CORESTATE_ENGINE_FIELDS_H
#define CORESTATE_ENGINE_FIELDS_H

#include "view.h"

typedef struct engine_state {
    uint8_t max;
    uint8_t kind; /* of the event that tells of its change */
} engine_state;

CS_INTERNAL extern const uint8_t csi_engine_types[CS_ENGINE_FIELDS]; /* enum cs_field_type */
CS_INTERNAL extern const engine_state csi_engine_states[CS_STATES];

#endif
