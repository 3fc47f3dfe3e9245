"""A burst engine on a region: reads senses, steps its neurons, publishes each burst. Start your own from here."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from corestate import AgentType, BurstEngineState, ConnectomeState
from corestate.demo.neurons import LeakyIntegrateAndFire

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from corestate import StateManager

__all__ = ["AREAS", "run"]

#: The areas, in the order of their neurons: four hear the machine, the last hears only the other neurons.
AREAS = ("processor", "memory", "disk", "network", "association")
NOISE = 0.16  # largest random current into a neuron
GAIN = 0.10  # current into an area whose sense is at 1
REAP_BURSTS = 10  # how often the registry is cleared of the dead


def run(state: StateManager, stop: threading.Event, *, neurons: int = 4000, frequency: float = 100.0) -> None:
    """Run the engine until ``stop`` is set.

    Args:
        state: the region, writable.
        stop: ends the run after the burst at hand; senses already published are still taken in.
        neurons: how many neurons, shared evenly among the areas.
        frequency: bursts a second to aim for, Hz.
    """
    engine = state.engine
    engine.burst_state = BurstEngineState.INITIALIZING
    network = LeakyIntegrateAndFire(neurons)
    areas = describe(state, network)
    state.agents.reap()  # an engine before this one may have been killed
    me = state.agents.register("burst_engine", AgentType.INFRASTRUCTURE, capabilities={"frequency": frequency})
    sent, received = state.counters["burst_engine.sent"], state.counters["burst_engine.received"]
    feedback = state.gauges["motor.feedback"]
    current = np.zeros(neurons, np.float32)
    random = np.random.default_rng()
    period = 1.0 / frequency
    due = time.perf_counter()
    before = due - period

    with state.events.subscribe(["sense"], since=0) as senses:
        engine.burst_state = BurstEngineState.RUNNING
        engine.brain_ready = True
        while not stop.is_set():
            start = time.perf_counter()
            for event in senses.drain():
                received.add()
                for sense, level in event.data.items():
                    current[areas[sense]] = GAIN * level
            fired = network.step(current + NOISE * random.random(neurons, np.float32) + feedback.value)

            sent.add()  # counted first, so that the books are right also if this process is killed in between
            state.events.publish("burst", {"burst": engine.add("burst_count", 1), "fired": len(fired)})
            report(state, areas, fired, interval=start - before, busy=time.perf_counter() - start)
            before = start

            state.agents.heartbeat(me)
            if engine.burst_count % REAP_BURSTS == 0:
                state.agents.reap()  # an agent whose process was killed leaves the registry here
            due = max(due + period, time.perf_counter())
            stop.wait(due - time.perf_counter())

        received.add(len(senses.drain()))
        state.counters["burst_engine.lost"].add(senses.lost)
    engine.brain_ready = False
    engine.burst_state = BurstEngineState.READY
    state.agents.deregister(me)


def describe(state: StateManager, network: LeakyIntegrateAndFire) -> dict[str, slice]:
    """Put the network's figures into the region; return which neurons belong to which area."""
    engine = state.engine
    engine.connectome_state = ConnectomeState.INITIALIZING
    engine.neuron_count = network.neurons
    engine.synapse_count = network.synapse_count
    engine.cortical_area_count = len(AREAS)
    engine.memory_usage = network.memory_bytes
    edges = np.linspace(0, network.neurons, len(AREAS) + 1).astype(int).tolist()
    areas = {name: slice(*ends) for name, ends in zip(AREAS, pairwise(edges), strict=True)}
    for name, where in areas.items():
        area = state.areas[name]
        area.neuron_count = where.stop - where.start
        area.incoming_synapse_count = network.incoming(where.start, where.stop)
        area.outgoing_synapse_count = network.outgoing(where.start, where.stop)
    engine.connectome_state = ConnectomeState.READY
    return areas


def report(
    state: StateManager, areas: dict[str, slice], fired: NDArray[np.intp], *, interval: float, busy: float
) -> None:
    """Put one burst's figures into the region, smoothed; ``interval`` and ``busy`` are seconds."""
    engine = state.engine
    state.counters["spikes"].add(len(fired))
    engine.burst_frequency += 0.05 * (1.0 / interval - engine.burst_frequency) if interval > 0 else 0.0
    engine.fatigue_index = min(100.0, 0.9 * engine.fatigue_index + 10.0 * busy / max(interval, busy))
    engine.fatigue_active = engine.fatigue_index > 80.0
    engine.regular_neuron_util = engine.synapse_util = 100.0 * len(fired) / engine.neuron_count
    edges = np.searchsorted(fired, [where.start for where in areas.values()] + [engine.neuron_count])
    for name, where, count in zip(areas, areas.values(), np.diff(edges).tolist(), strict=True):
        activity = state.gauges[f"activity.{name}"]
        activity.set(0.9 * activity.value + 10.0 * count / (where.stop - where.start))
