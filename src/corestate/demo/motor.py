"""The motor agent: reacts to bursts, and calms or wakes the engine through a gauge that feeds back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate import AgentType

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from corestate import Event, StateManager, Subscription

__all__ = ["run"]

TARGET = 0.03  # share of the neurons that fire in a burst, as the agent would have it
BAND = 0.002  # how far the share may stray before the agent acts
GAIN = 0.02  # change of the feedback for a share that is off by 1
LIMIT = 0.06  # the feedback's largest size


def run(state: StateManager, stop: threading.Event) -> None:
    """Follow the "burst" events until ``stop`` is set and all have been seen.

    While the share of firing neurons, smoothed, is away from its target, each burst is answered by an "act" event and
    a step of the gauge ``motor.feedback``, which the engine adds to the current into every neuron.

    Args:
        state: the region, writable.
        stop: ends the run once every event published before it has been taken in.
    """
    agent = state.agents.register("motor", AgentType.MOTOR, capabilities={"target": TARGET})
    sent, received = state.counters["motor.sent"], state.counters["motor.received"]
    feedback = state.gauges["motor.feedback"]
    level = TARGET
    with state.events.subscribe(["burst"], since=0) as bursts:
        for event in _follow(bursts, stop):
            received.add()
            share = event.data["fired"] / max(state.engine.neuron_count, 1)
            level = 0.95 * level + 0.05 * share
            if abs(level - TARGET) > BAND:
                value = min(max(feedback.value + GAIN * (TARGET - level), -LIMIT), LIMIT)
                feedback.set(value)
                sent.add()
                state.events.publish("act", {"burst": event.data["burst"], "feedback": value})
            state.agents.heartbeat(agent)
        state.counters["motor.lost"].add(bursts.lost)
    state.agents.deregister(agent)


def _follow(subscription: Subscription, stop: threading.Event, patience: float = 0.05) -> Iterator[Event]:
    while not stop.is_set():
        event = subscription.get(patience)
        if event is not None:
            yield event
    yield from subscription.drain()
