"""Everything there is to read of a state, and a little of everything there is to write, as named functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, RegionConfig, StateManager

CONFIG = RegionConfig(
    agents=8,
    areas=4,
    counters=6,
    gauges=4,
    locks=6,
    events=16,
    event_bytes=96,
    event_kinds=6,
    participants=4,
    budgets=4,
    values=16,
    value_bytes=256,
)
NAMES = ("one", "zwei", "три", "四" * 21)
WORTH = {"a": [1, 2.5, None, True], "b": b"bytes", "c": {"deep": {"deeper": "text"}}}


def furnish(state: StateManager) -> None:
    """Put something into every section."""
    for name in NAMES:
        state.counters[name].set(7)
        state.gauges[name].set(1.5)
        state.areas[name].add("neuron_count", 3)
        state.agents.register(name, AgentType.BOTH, capabilities=WORTH, transport=[name], metadata=b"m" * 60)
        state.events.publish(name[:5], WORTH)
        state.events.publish(name[:5], name.encode())
        state.scope("user", "ann", ephemeral=True)[name[:5]] = WORTH
    state.locks["held"].acquire()
    state.areas["one"].lock.acquire()
    state.engine.burst_state = BurstEngineState.RUNNING
    state.agents.set_status("one", AgentStatus.RUNNING)
    state.budgets.create("money", 1000, durable=False).reserve(10)
    state.events.publish("nothing")


def named(table: Any) -> list[Any]:
    return [(name, repr(thing)) for name, thing in table.items()] + [len(table), "one" in table, repr(table)]


def agents(state: StateManager) -> list[Any]:
    found: list[Any] = [agent.to_dict() for agent in state.agents.values()]
    return [*found, list(state.agents), state.agents.array().tolist(), len(state.agents)]


def locks(state: StateManager) -> list[Any]:
    every = [*state.locks.values(), *(area.lock for area in state.areas.values())]
    return [(lock.info(), lock.holder, repr(lock), lock.locked()) for lock in every]


def events(state: StateManager) -> list[Any]:
    with state.events.subscribe(since=0) as log:
        first = [str(log.get(0)), repr(log)]
        found = [(event.kind, repr(event.data), str(event.data)) for event in log.drain()]
    with state.events.subscribe("one", since=0) as log:
        arrays = log.drain_array().tolist()
    return [first, found, arrays, state.events.kinds(), state.events.newest]


def columns(state: StateManager) -> list[Any]:
    return [table.array().current() for table in (state.counters, state.gauges)]


def values(state: StateManager) -> list[Any]:
    scope = state.scope("user", "ann", ephemeral=True)
    return [list(scope), [scope.get(name[:5]) for name in NAMES], len(scope), dict(scope)]


def budget(state: StateManager) -> list[Any]:
    found = state.budgets["money"]
    return [found.info(), repr(found), list(state.budgets)]


def reading(state: StateManager, target: str) -> dict[str, Callable[[], Any]]:
    """Every way to read, by name."""

    def picture() -> Any:
        state.snapshot(target)
        with corestate.restore(target, "heap:") as again:
            return [agents(again), events(again), named(again.counters)]

    return {
        "engine": lambda: [state.engine.snapshot(), repr(state.engine), state.engine.burst_state, state.engine.version],
        "counters": lambda: named(state.counters),
        "gauges": lambda: named(state.gauges),
        "columns": lambda: columns(state),
        "areas": lambda: [area.snapshot() for area in state.areas.values()] + named(state.areas) + [state.areas.get(0)],
        "locks": lambda: locks(state),
        "agents": lambda: agents(state),
        "an agent": lambda: [state.agents.get(name) for name in NAMES],
        "events": lambda: events(state),
        "values": lambda: values(state),
        "budget": lambda: budget(state),
        "health": lambda: state.health().to_dict(),
        "participants": lambda: [one.to_dict() for one in state.participants()],
        "picture": picture,
        "repr": lambda: repr(state),
    }


def writing(state: StateManager) -> dict[str, Callable[[], Any]]:
    """A little of every way to write; none waits longer than a moment for what others hold."""

    def lock() -> Any:
        return state.locks["new"].acquire(timeout=0.01) and state.locks["new"].release()

    def put() -> None:
        state.scope("user", "ann", ephemeral=True)["new"] = WORTH

    def spend() -> None:
        state.budgets["money"].reserve(1).commit()

    def register() -> None:
        state.agents.register("new", AgentType.MOTOR, metadata=WORTH)
        state.agents.update("new", metadata=1)
        state.agents.deregister("new")

    return {
        "engine": lambda: setattr(state.engine, "burst_state", BurstEngineState.PAUSED),
        "counter": lambda: state.counters["new"].add(),
        "counter wait": lambda: state.counters["one"].wait(7, timeout=0),
        "area": lambda: state.areas["one"].add("neuron_count", 1),
        "lock": lock,
        "register": register,
        "status": lambda: state.agents.set_status("one", AgentStatus.PAUSED),
        "heartbeat": lambda: state.agents.heartbeat("one"),
        "reap": lambda: state.agents.reap(older_than=1e6),
        "publish": lambda: state.events.publish("new", 5),
        "put": put,
        "spend": spend,
    }
