"""What the operations of the Python package cost. Floors are what each must keep to on an idle machine."""

from __future__ import annotations

import itertools
import statistics
import time

import pytest

import corestate
from corestate import AgentType, BurstEngineState, RegionConfig


@pytest.fixture
def state(tmp_path):
    with corestate.create(tmp_path / "bench.state") as made:
        yield made


def test_hot_read(operation, state):
    state.engine.neuron_count = 1 << 20
    operation("Python hot read, `engine.neuron_count`", "engine.neuron_count", 1.2, "x", engine=state.engine)


def test_counter_read(operation, state):
    counter = state.counters["c"]
    counter.set(1 << 20)
    operation("Python counter read, `counter.value`", "counter.value", None, "x", counter=counter)


def test_counter_add(operation, state):
    counter = state.counters["c"]
    counter.set(1 << 20)
    operation("Python `counter.add()`", "counter.add()", 1.6, "x", counter=counter)


def test_hot_write(operation, state):
    what = "Python hot write of an engine field, with version and time"
    operation(what, "engine.neuron_count = n", 2.0, "x", engine=state.engine, n=1 << 20)


def test_state_set(operation, state):
    engine, a, b = state.engine, BurstEngineState.RUNNING, BurstEngineState.PAUSED
    statement = "engine.burst_state = a; engine.burst_state = b"
    operation(
        "Python engine state set twice, with version, time, event", statement, None, "us", engine=engine, a=a, b=b
    )


def test_register(operation, tmp_path):
    with corestate.create(tmp_path / "agents.state", config=RegionConfig(agents=200_000)) as state:
        names = (f"agent_{i}" for i in itertools.count())
        operation(
            "Python agent register, with details",
            "register(next(names), kind, capabilities=details)",
            20,
            "us",
            register=state.agents.register,
            names=names,
            kind=AgentType.SENSORY,
            details={"fps": 30, "formats": ["rgb"]},
        )


@pytest.fixture
def agents(state):
    for i in range(1000):
        state.agents.register(f"agent_{i}", AgentType.SENSORY, capabilities={"fps": 30}, transport={"port": i})
    return state.agents


def test_get(operation, agents):
    operation("Python agent get, among 1,000", "get('agent_500')", 2, "us", get=agents.get)


def test_heartbeat(operation, agents):
    operation("Python agent heartbeat", "beat('agent_500')", 0.5, "us", beat=agents.heartbeat)


def test_publish(operation, state):
    data = {"neuron": 17, "strength": 0.5}
    operation(
        "Python event publish, a dict", "publish('spike', data)", 1, "us", publish=state.events.publish, data=data
    )


def test_lookup(operation, state):
    state.counters["spikes"]
    operation("Python counter looked up by name", "counters['spikes']", None, "us", counters=state.counters)


def test_lock(operation, state):
    statement = "acquire(); release()"
    lock = state.locks["l"]
    operation("Python lock taken and released", statement, None, "us", acquire=lock.acquire, release=lock.release)


@pytest.mark.usefixtures("agents")
def test_health(operation, state):
    operation("Python health, among 1,000 agents", "health()", 1, "ms", health=state.health)


def test_drain_array(benchmark, row, tmp_path):
    count = 65536
    with corestate.create(tmp_path / "drain.state", config=RegionConfig(events=count)) as state:
        for i in range(count):
            state.events.publish("k", i)
        taken = []

        def drain():
            rows = state.events.subscribe(since=0).drain_array()
            taken.append(len(rows))

        benchmark.pedantic(drain, rounds=20, iterations=1, warmup_rounds=2)
        assert set(taken) == {count}
        speed = count / benchmark.stats.stats.median / 1e6
        row("drain to NumPy", 5, unit="million events/s", value=speed, least=True)


def test_a_million_agents(benchmark, row, tmp_path):
    count = 1_000_000
    config = RegionConfig(agents=count, agent_details_bytes=0, events=64)
    without = RegionConfig(agents=0, agent_details_bytes=0, events=64)
    with corestate.create(tmp_path / "million.state", config=config) as state:
        for i in range(count):
            state.agents.register(f"agent_{i:07}", AgentType.BOTH)
        benchmark.pedantic(state.agents.array, rounds=7, iterations=1, warmup_rounds=1)
        assert len(state.agents.array()) == count
        each = (config.size - without.size) / count
        taken = benchmark.stats.stats.median * 1e3
        row("`agents.array()` of a million agents", 100, unit="ms", value=taken, beside=f"{each:.0f} bytes an agent")
        assert each <= 160


def test_snapshot(benchmark, row, state, tmp_path):
    for i in range(1000):
        state.agents.register(f"agent_{i}", AgentType.SENSORY, capabilities={"fps": 30})
    times = []

    def take():
        start = time.perf_counter()
        state.snapshot(tmp_path / "picture")
        times.append(time.perf_counter() - start)

    benchmark.pedantic(take, rounds=20, iterations=1, warmup_rounds=1)
    row("snapshot of 1,000 agents to disk, fsynced", None, unit="ms", value=statistics.median(times) * 1e3)
