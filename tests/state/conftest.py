"""The state under test: on a file, so that other processes can have it too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import corestate
from corestate import RegionConfig, StateManager

SMALL = RegionConfig(
    agents=4,
    areas=3,
    counters=3,
    gauges=3,
    locks=3,
    events=16,
    event_bytes=64,
    event_kinds=3,
    participants=8,
    agent_details_bytes=64,
)


@pytest.fixture
def state(path: str) -> Iterator[StateManager]:
    """An empty state of the default sizes."""
    with corestate.create(path) as made:
        yield made


@pytest.fixture
def small(tmp_path) -> Iterator[StateManager]:
    """A state with room for hardly anything."""
    with corestate.create(tmp_path / "small.state", config=SMALL) as made:
        yield made


@pytest.fixture
def reader(state: StateManager) -> Iterator[StateManager]:
    """The same state as an observer has it."""
    with corestate.attach(state.address, mode="r") as opened:
        yield opened
