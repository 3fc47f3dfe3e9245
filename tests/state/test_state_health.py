"""A11: one call that says how things are."""

import json
import time

import pytest

import corestate
from corestate import AgentType, BurstEngineState, GenomeState, ServiceState, Verdict

HOLD = """
import corestate, sys
state = corestate.attach(sys.argv[1])
state.locks["x"].acquire()
state.agents.register("agent", corestate.AgentType.MOTOR)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_an_idle_region_is_well(state, reader):
    for manager in (state, reader):
        health = manager.health()
        assert health.verdict is Verdict.OK
        assert health.reasons == ()
        assert str(health.participants) == "1 of 256"
        assert (health.agents.capacity, health.areas.capacity, health.locks.capacity) == (1024, 256, 256)


def test_it_counts_everything(state):
    state.agents.register("a", AgentType.MOTOR)
    state.counters["c"], state.gauges["g"], state.areas["v1"]
    state.engine.neuron_count = 12
    with state.locks["x"], state.areas["v1"].lock:
        health = state.health()
    assert [use.used for use in (health.agents, health.counters, health.gauges, health.areas, health.locks)] == [1] * 5
    assert (health.locks_held, health.locks_dead) == (2, 0)
    assert health.engine["neuron_count"] == 12
    assert health.events_newest == state.events.newest
    assert health.events_depth == health.events_newest
    assert abs(health.time_ns - time.time_ns()) < 60e9


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        (lambda e: setattr(e, "burst_state", BurstEngineState.ERROR), Verdict.FAILED, "engine_error"),
        (lambda e: setattr(e, "genome_state", GenomeState.ERROR), Verdict.FAILED, "genome_error"),
        (lambda e: setattr(e, "connectome_state", 5), Verdict.FAILED, "connectome_error"),
        (lambda e: setattr(e, "api_state", ServiceState.ERROR), Verdict.DEGRADED, "service_error"),
        (lambda e: setattr(e, "zmq_state", ServiceState.DEGRADED), Verdict.DEGRADED, "service_degraded"),
        (lambda e: setattr(e, "fatigue_active", True), Verdict.DEGRADED, "fatigue"),
    ],
)
def test_each_trouble_has_its_verdict_and_reason(state, reader, change, verdict, reason):
    change(state.engine)
    for manager in (state, reader):
        health = manager.health()
        assert health.verdict is verdict
        assert reason in health.reasons


def test_the_dead_show(state, reader, child):
    dead = child(HOLD, state.address)
    assert dead.line() == "ready"
    assert state.health().participants.used == 2
    dead.kill()
    for manager in (state, reader):
        health = manager.health()
        assert health.verdict is Verdict.DEGRADED
        assert {"dead_participants", "dead_locks"} <= set(health.reasons)
        assert (health.participants.used, health.participants_dead) == (1, 1)
        assert (health.locks_held, health.locks_dead, health.agents_dead) == (1, 1, 1)
    state.agents.reap()
    with state.locks["x"]:
        pass
    assert state.health().locks_dead == 0


def test_the_silent_show(state):
    state.agents.register("a", AgentType.MOTOR)
    assert state.health().agents_stale == 0
    while state.health(0.01).agents_stale == 0:
        pass
    assert "stale_agents" in state.health(0.01).reasons
    assert state.health(None).agents_stale == 0
    with pytest.raises(corestate.RangeError):
        state.health(-1)


def test_full_tables_show(small):
    for name in "abcd":
        small.agents.register(name, AgentType.MOTOR)
    for name in "abc":
        small.counters[name], small.gauges[name], small.areas[name], small.locks[name]
    found = small.health().reasons
    assert {"agents_full", "counters_full", "gauges_full", "areas_full", "locks_full"} <= set(found)


def test_it_is_frozen_and_goes_into_json(state):
    state.engine.burst_state = BurstEngineState.ERROR
    health = state.health()
    with pytest.raises(AttributeError):
        health.verdict = Verdict.OK
    found = json.loads(json.dumps(health.to_dict()))
    assert (found["verdict"], found["engine"]["burst_state"]) == ("failed", "error")
    assert found["agents"] == {"used": 0, "capacity": 1024}
    assert found["reasons"] == ["engine_error"]


def test_participants_are_listed(state, reader, child):
    other = child(HOLD, state.address)
    assert other.line() == "ready"
    for manager in (state, reader):
        found = {one.pid: one for one in manager.participants()}
        assert found[other.pid].alive
        assert not found[other.pid].me
    assert sum(one.me for one in state.participants()) == 1
    assert sum(one.me for one in reader.participants()) == 0
    other.kill()
    assert not {one.pid: one for one in state.participants()}[other.pid].alive
