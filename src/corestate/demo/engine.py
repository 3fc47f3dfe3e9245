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

    from corestate import StateManager

__all__ = ["AREAS", "run"]

#: The areas, in the order of their neurons: four hear the machine, the last hears only the other neurons.
AREAS = ("processor", "memory", "disk", "network", "association")
NOISE = 0.16  # largest random current into a neuron
GAIN = 0.10  # current into an area whose sense is at 1
REAP_SECONDS = 0.25


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
    me = state.agents.register("burst_engine", AgentType.INFRASTRUCTURE, capabilities={"frequency": frequency})
    sent, received, spikes = (state.counters[name] for name in ("burst_engine.sent", "burst_engine.received", "spikes"))
    feedback = state.gauges["motor.feedback"]
    activity = {name: state.gauges[f"activity.{name}"] for name in AREAS}
    current = np.zeros(neurons, np.float32)
    random = np.random.default_rng()
    period = 1.0 / frequency
    last_start, next_reap = time.perf_counter(), 0.0

    with state.events.subscribe(["sense"], since=0) as senses:
        engine.burst_state = BurstEngineState.RUNNING
        engine.brain_ready = True
        while not stop.is_set():
            start = time.perf_counter()
            for event in senses.drain():
                received.add()
                for sense, level in event.data.items():
                    current[areas[sense]] = GAIN * level
            noise = random.random(neurons, np.float32) * NOISE
            fired = network.step(current + noise + feedback.value)

            spikes.add(len(fired))
            burst = engine.add("burst_count", 1)
            sent.add()  # counted first: a count without its event shows, an event nobody counted would not
            state.events.publish("burst", {"burst": burst, "fired": len(fired)})

            for name, where in areas.items():
                share = np.count_nonzero((fired >= where.start) & (fired < where.stop)) / (where.stop - where.start)
                activity[name].set(0.9 * activity[name].value + 0.1 * share)
            engine.regular_neuron_util = 100.0 * len(fired) / neurons
            engine.synapse_util = engine.regular_neuron_util  # every neuron has equally many synapses
            busy = time.perf_counter() - start
            engine.fatigue_index = min(100.0, 0.9 * engine.fatigue_index + 10.0 * busy / period)
            engine.fatigue_active = engine.fatigue_index > 80.0
            engine.burst_frequency = 0.95 * engine.burst_frequency + 0.05 / max(start - last_start, period / 10)
            last_start = start

            state.agents.heartbeat(me)
            if start >= next_reap:  # an agent whose process was killed leaves the registry here
                state.agents.reap(older_than=10.0)
                next_reap = start + REAP_SECONDS
            stop.wait(max(0.0, period - (time.perf_counter() - start)))

        received.add(len(senses.drain()))
        state.counters["burst_engine.lost"].add(senses.lost)
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
