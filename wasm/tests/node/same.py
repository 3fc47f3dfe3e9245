"""The host's side of the comparison: makes regions and snapshots, and says what is in one, as JSON.

same.py make DIRECTORY: a region in DIRECTORY/host.state with something of everything, and its snapshot host.snap.
same.py describe FILE: what the region in FILE holds.
same.py restore SNAPSHOT FILE: the same of a snapshot restored there.
same.py send FILE LINE: makes such a region in FILE and sends it over LINE. At each line of standard input it changes
something, and then says in a line what it holds; it ends with its input.
same.py names: what the durable parts have in a region, which is not listed.
"""
# ruff: noqa: INP001 - a script that a test runs

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, GenomeState, RegionConfig, ServiceState
from corestate._reserved import COUNTERS, LOCKS
from corestate.mirror import Sender

CONFIG = RegionConfig(agents=16, areas=8, counters=8, gauges=8, locks=8, events=64, participants=8, key_bytes=48)


def plain(value: Any) -> Any:
    """Values as JSON has them on both sides: whole numbers as text, since JavaScript's own are not exact."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def describe(state: corestate.StateManager) -> Any:
    """Everything a region holds."""
    config = {name: getattr(state.config, name) for name in state.config.__dataclass_fields__ if name != "permissions"}
    with state.events.subscribe(since=0) as subscription:
        events = [event._asdict() for event in subscription.drain()]
    health = state.health()
    return plain(
        {
            "config": config,
            "engine": state.engine.snapshot(),
            "counters": {name: counter.value for name, counter in state.counters.items()},
            "gauges": {name: gauge.value for name, gauge in state.gauges.items()},
            "areas": {name: {"index": area.index, **area.snapshot()} for name, area in state.areas.items()},
            "locks": sorted(state.locks),
            "sizes": [len(state.counters), len(state.locks)],
            "use": [[use.used, use.capacity] for use in (health.counters, health.gauges, health.locks)],
            "agents": {
                agent.id: {
                    "type": agent.type,
                    "status": agent.status,
                    "registered_at": agent.registered_at,
                    "last_seen": agent.last_seen,
                    "status_changes": agent.status_changes,
                    "details": list(agent.details),
                }
                for agent in state.agents.values()
            },
            "events": events,
        }
    )


def fill(state: corestate.StateManager) -> None:
    """Something of everything."""
    engine = state.engine
    engine.burst_state, engine.genome_state = BurstEngineState.RUNNING, GenomeState.LOADED
    engine.api_state, engine.brain_ready = ServiceState.DEGRADED, True
    engine.burst_count, engine.burst_frequency = 2**53 + 1, 30.25
    engine.neuron_count, engine.synapse_count, engine.memory_usage = 86_000_000_000, 2**64 - 1, 12345
    engine.genome_timestamp, engine.fatigue_index, engine.fatigue_active = 1_700_000_000_123_456_789, 99.5, True
    engine.cortical_areas_hash, engine.agent_data_hash = 2**63 + 7, 1
    for i, name in enumerate(("spikes", "é", "🧠", "x" * 47)):
        state.counters[name].set(2**64 - 1 - i)
        state.gauges[name].set((-1) ** i * 10.0 ** (i * 40))
    state.areas["v1"].neuron_count = 7
    state.areas["v1"].fcl_window = 2**32 - 1
    state.areas["gone"].neuron_count = 1
    del state.areas["gone"]
    state.areas["m1"].add("outgoing_synapse_count", 2**40)
    state.locks["held"].acquire()
    state.agents.register("eye", AgentType.SENSORY, capabilities={"fps": 30, "ids": [2**60, -1]}, transport="tcp://x")
    state.agents.register("hand", AgentType.MOTOR, metadata=b"\0\xff")
    state.agents.set_status("eye", AgentStatus.RUNNING)
    state.agents.deregister("hand")
    for data in (None, b"raw", {"n": [1, 2.5, None, True, "text"]}, 2**64 - 1):
        state.events.publish("mark", data)


def send(path: Path, line: str) -> None:
    """Be the source of a mirror."""
    config = dataclasses.replace(CONFIG, values=16, budgets=2, reservations=2)
    with corestate.create(path, config=config) as state, Sender(state.region, line):
        fill(state)
        for turn, _ in enumerate(sys.stdin):
            state.engine.burst_count = turn
            state.counters["turns"].add()
            state.agents.register(f"agent {turn}", AgentType.MOTOR, metadata={"turn": turn})
            state.events.publish("turn", turn)
            print(json.dumps(describe(state)), flush=True)


def main(command: str, *arguments: str) -> None:
    """Do what the module says."""
    if command == "send":
        send(Path(arguments[0]), arguments[1])
        return
    if command == "names":
        found: Any = {"counters": COUNTERS, "locks": LOCKS}
    elif command == "make":
        directory = Path(arguments[0])
        with corestate.create(directory / "host.state", config=CONFIG) as state:
            fill(state)
            state.snapshot(directory / "host.snap")
            found = describe(state)
    elif command == "describe":
        with corestate.attach(arguments[0], mode="r") as state:
            found = describe(state)
    else:
        with corestate.restore(arguments[0], arguments[1]) as state:
            found = describe(state)
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
