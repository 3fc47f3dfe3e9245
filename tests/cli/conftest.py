"""The command line, run in this process: the same function the console script calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, StateManager
from corestate.cli import main


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """``run("show", address)``: exit code, standard output and standard error."""

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Result(ended.value.code or 0, out, err)

    return run


@pytest.fixture
def live(path: str) -> Iterator[StateManager]:
    """A region with something of everything in it."""
    with corestate.create(path) as state:
        engine = state.engine
        engine.burst_state, engine.neuron_count, engine.burst_frequency = BurstEngineState.RUNNING, 120_000, 40.0
        engine.memory_usage, engine.synapse_util, engine.morphologies_hash = 3 << 30, 12.5, 0xABC
        state.counters["spikes"].set(2**64 - 1)
        state.gauges["load"].set(0.5)
        state.areas["v1"].fcl_window = 30
        state.agents.register("camera", AgentType.SENSORY, capabilities={"fps": 30})
        state.agents.set_status("camera", AgentStatus.RUNNING)
        state.locks["held"].acquire()
        state.locks["free"]
        state.areas["v1"].lock.acquire()
        state.events.publish("spike", {"neuron": 17})
        yield state
