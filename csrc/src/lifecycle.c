/* What an agent's status may change to. */
#include "corestate/agents.h"

/* Row: from; bit: to. Nothing goes back to starting; stopped and completed go back to running (a restart); failed and
 * cancelled are final. */
#define TO(status) (1u << ((status) - 1u))
#define TO_END (TO(CS_AGENT_STOPPED) | TO(CS_AGENT_COMPLETED) | TO(CS_AGENT_FAILED) | TO(CS_AGENT_CANCELLED))
static const uint8_t lifecycle[CS_AGENT_STATUSES] = {
    [CS_AGENT_STARTING] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_STOPPED) | TO(CS_AGENT_FAILED) | TO(CS_AGENT_CANCELLED),
    [CS_AGENT_RUNNING] = TO(CS_AGENT_PAUSED) | TO(CS_AGENT_WAITING) | TO(CS_AGENT_SUSPENDED) | TO_END,
    [CS_AGENT_PAUSED] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_SUSPENDED) | TO_END,
    [CS_AGENT_WAITING] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_PAUSED) | TO(CS_AGENT_SUSPENDED) | TO_END,
    [CS_AGENT_SUSPENDED] = TO(CS_AGENT_RUNNING) | TO(CS_AGENT_PAUSED) | TO_END,
    [CS_AGENT_STOPPED] = TO(CS_AGENT_RUNNING),
    [CS_AGENT_COMPLETED] = TO(CS_AGENT_RUNNING),
};

int cs_agent_may(uint32_t from, uint32_t to)
{
    return from < CS_AGENT_STATUSES && to < CS_AGENT_STATUSES && (lifecycle[from] << 1 >> to & 1);
}
