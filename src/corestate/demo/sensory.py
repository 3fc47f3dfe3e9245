"""The sensory agent: publishes what a device of this machine does, and takes over another's device when it dies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from corestate import AgentType
from corestate.demo.machine import DEVICES, Machine

if TYPE_CHECKING:
    import threading

    from corestate import StateManager

__all__ = ["agent_id", "run"]


def agent_id(device: str) -> str:
    """The id under which the agent of a device registers, and the prefix of its counters."""
    return f"sensory_{device}"


def run(
    state: StateManager, stop: threading.Event, *, device: str, standby: str | None = None, period: float = 0.05
) -> None:
    """Publish a "sense" event for each device held, every ``period``, until ``stop`` is set.

    Whoever senses a device holds its lock. An agent told to stand by waits for the lock of another's device between
    its own senses; should that agent be killed, the lock is inherited, and its device sensed on.

    Args:
        state: the region, writable.
        stop: ends the run.
        device: the device to sense, a key of `corestate.demo.machine.DEVICES`.
        standby: the device to take over when its agent dies.
        period: seconds from one round of senses to the next.
    """
    me = agent_id(device)
    machine = Machine()
    locks = {name: state.locks[f"device.{name}"] for name in (device, standby) if name}
    sent = state.counters[f"{me}.sent"]
    locks[device].acquire()
    held = [device]
    agent = state.agents.register(me, AgentType.SENSORY, capabilities={"senses": list(DEVICES[device])})
    next_round = time.monotonic()
    while not stop.is_set():
        levels = machine.read()
        for name in held:
            sent.add()
            state.events.publish("sense", {sense: levels[sense] for sense in DEVICES[name]})
        state.agents.heartbeat(agent)
        next_round = max(next_round + period, time.monotonic())
        while (rest := next_round - time.monotonic()) > 0 and not stop.is_set():
            if standby is None or standby in held:
                stop.wait(rest)
            elif locks[standby].acquire(timeout=rest):
                held.append(standby)
    state.agents.deregister(agent)
    for name in held:
        locks[name].release()
