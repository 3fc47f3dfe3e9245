"""States with governed agents."""

import pytest

import corestate
from corestate import AgentStatus, AgentType


@pytest.fixture
def state(path):
    with corestate.open(path) as opened:
        yield opened


@pytest.fixture
def governed(state):
    """The same, with a running governed agent "a" that may spend 1,000."""
    state.agents.register("a", AgentType.BOTH)
    state.agents.govern("a", limit=1000)
    state.agents.set_status("a", AgentStatus.RUNNING)
    return state
