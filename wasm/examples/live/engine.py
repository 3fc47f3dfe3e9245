"""A burst engine in plain Python, on a region the page has opened: `handle` is what the page posted.

The same shape as the engine of `corestate demo`, which has NumPy: take in the senses, step the neurons, publish the
burst, put the figures into the region. Between two bursts it is asleep in its subscription; whatever comes wakes it.
"""
# ruff: noqa: INP001, S311 - a script that a worker runs, and chance that nobody needs to guess

import random
import time

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, ConnectomeState

AREAS = ("pointer", "frames", "association")
NEURONS = 360
FAN_OUT = 14
LEAK, THRESHOLD, REST = 0.88, 1.0, 2
NOISE, GAIN, WEIGHT, BALANCE = 0.2, 0.16, 0.11, 4.0


class Network:
    """Leaky integrate-and-fire neurons with fixed random synapses; a fifth of them inhibit."""

    def __init__(self) -> None:
        wiring = random.Random(0)
        self.potential, self.resting, self.arriving = [0.0] * NEURONS, [0] * NEURONS, [0.0] * NEURONS
        self.synapses = []
        for _ in range(NEURONS):
            sign = -BALANCE if wiring.random() < 0.2 else 1.0
            targets = [wiring.randrange(NEURONS) for _ in range(FAN_OUT)]
            self.synapses.append([(target, sign * wiring.uniform(0.5, 1.5) * WEIGHT) for target in targets])

    def step(self, current: list[float]) -> list[int]:
        """One step; the neurons that fired."""
        potential, resting, arriving, chance = self.potential, self.resting, self.arriving, random.random
        fired = []
        for neuron in range(NEURONS):
            if resting[neuron]:
                resting[neuron] -= 1
                potential[neuron] *= LEAK
                continue
            value = potential[neuron] * LEAK + arriving[neuron] + current[neuron] + NOISE * chance()
            if value >= THRESHOLD:
                fired.append(neuron)
                value, resting[neuron] = 0.0, REST
            potential[neuron] = value
        self.arriving = arriving = [0.0] * NEURONS
        for neuron in fired:
            for target, weight in self.synapses[neuron]:
                arriving[target] += weight
        return fired


class Engine:
    """The network, the region, and what the page has asked for."""

    def __init__(self, state: corestate.StateManager) -> None:
        self.state, self.network = state, Network()
        self.current = [0.0] * NEURONS
        self.running, self.period = True, 0.05
        size = NEURONS // len(AREAS)
        self.areas = {name: range(i * size, (i + 1) * size) for i, name in enumerate(AREAS)}
        self.activity = {name: state.gauges[f"activity.{name}"] for name in AREAS}
        self.spikes = state.counters["spikes"]

    def describe(self) -> None:
        """Put the network's figures into the region."""
        engine, state = self.state.engine, self.state
        engine.connectome_state = ConnectomeState.INITIALIZING
        engine.neuron_count, engine.synapse_count = NEURONS, NEURONS * FAN_OUT
        engine.cortical_area_count = len(AREAS)
        for name, neurons in self.areas.items():
            state.areas[name].neuron_count = len(neurons)
            state.areas[name].outgoing_synapse_count = len(neurons) * FAN_OUT
        engine.connectome_state = ConnectomeState.READY

    def hear(self, event: corestate.Event) -> None:
        """Take in what was sensed, or do what the page asks for."""
        if event.kind == "sense":
            for name, level in event.data.items():
                for neuron in self.areas[name]:
                    self.current[neuron] = GAIN * level
            return
        command = event.data
        if "frequency" in command:
            self.period = 1 / command["frequency"]
        if "running" in command:
            self.running = command["running"]
            self.state.engine.burst_state = BurstEngineState.RUNNING if self.running else BurstEngineState.PAUSED
        if command.get("excite"):
            for neuron in self.areas["association"]:
                self.network.potential[neuron] += 0.8

    def burst(self, interval: float) -> None:
        """One burst; `interval` is the seconds since the last one."""
        started = time.perf_counter()
        engine, fired = self.state.engine, self.network.step(self.current)
        bits = bytearray(NEURONS // 8)
        for neuron in fired:
            bits[neuron >> 3] |= 1 << (neuron & 7)
        self.state.events.publish("burst", {"burst": engine.add("burst_count", 1), "fired": bytes(bits)})
        self.spikes.add(len(fired))
        for name, neurons in self.areas.items():
            share = 100 * sum(1 for neuron in fired if neuron in neurons) / len(neurons)
            self.activity[name].set(0.8 * self.activity[name].value + 0.2 * share)
        engine.burst_frequency = 0.9 * engine.burst_frequency + 0.1 / interval
        engine.regular_neuron_util = 100 * len(fired) / NEURONS
        engine.fatigue_index = min(100.0, 100 * (time.perf_counter() - started) / interval)

    def run(self) -> None:
        """Until the worker is terminated."""
        state = self.state
        state.agents.reap()  # an engine before this one may have been terminated
        me = state.agents.register("burst_engine", AgentType.INFRASTRUCTURE, capabilities={"neurons": NEURONS})
        state.agents.set_status(me, AgentStatus.RUNNING)
        before = time.perf_counter()
        with state.events.subscribe(["sense", "command"]) as inbox:
            state.engine.burst_state = BurstEngineState.RUNNING
            state.engine.brain_ready = True
            while True:
                due = before + self.period
                event = inbox.get(timeout=max(0.0, due - time.perf_counter()) if self.running else 1.0)
                if event is not None:
                    self.hear(event)
                now = time.perf_counter()
                if self.running and now >= due:
                    self.burst(now - before)
                    before = max(due, now - self.period)
                state.agents.heartbeat(me)


state = corestate.attach(handle)  # noqa: F821 - the worker has put it there
engine = Engine(state)
engine.describe()
engine.run()
