"""The observer: draws the region live from a mapping it cannot write, and counts every event."""

from __future__ import annotations

import statistics
import time
import timeit
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from corestate.cli.output import clean, console, say

if TYPE_CHECKING:
    import threading

    from corestate import Event, StateManager
    from corestate.cli.top import Sample

__all__ = ["run"]

_SENSES = ("processor", "memory", "disk", "network")
_READS = 10_000  # reads timed in one go


def run(state: StateManager, stop: threading.Event, *, plain: bool = False) -> dict[str, Any]:
    """Show the region on standard error until ``stop`` is set and every event published before it is counted.

    Args:
        state: the region; reading is enough.
        stop: ends the run.
        plain: one line a second instead of a view drawn in place.

    Returns:
        ``received`` by kind, ``lost``, ``holes`` and ``disorder`` (events not newer than the one before); ``reads``
        timed, and ``read_ns``, the median time of one read of an engine field in ns, the loop around it included.
    """
    received: Counter[str] = Counter()
    newest = disorder = 0
    reader = timeit.Timer("engine.burst_count", globals={"engine": state.engine})
    costs: list[float] = []
    view: _View = _Lines(state) if plain else _Screen(state)
    with view, state.events.subscribe(since=0) as subscription:
        next_frame = next_timing = time.monotonic()

        def take(event: Event) -> None:
            nonlocal newest, disorder
            received[event.kind] += 1
            disorder += event.sequence <= newest
            newest = event.sequence
            view.take(event)

        while not stop.is_set():
            event = subscription.get(max(0.0, next_frame - time.monotonic()))
            if event is not None:
                take(event)
            if time.monotonic() >= next_frame:
                view.draw()
                next_frame = time.monotonic() + view.period
            if time.monotonic() >= next_timing:
                costs.append(reader.timeit(_READS) / _READS * 1e9)
                next_timing = time.monotonic() + 0.25
        for event in subscription.drain():
            take(event)
        lost, holes = subscription.lost, subscription.holes
    return {
        "received": dict(received),
        "lost": lost,
        "holes": holes,
        "disorder": disorder,
        "reads": len(costs) * _READS,
        "read_ns": statistics.median(costs) if costs else 0.0,
    }


def _story(event: Event) -> str | None:
    """What an event means to a person, or None where it is one of the many."""
    if event.kind in ("burst", "sense", "act", "area_changed"):
        return None
    return str(event.data) if event.kind == "note" else f"{event.kind} {event.data}"


class _View(Protocol):
    period: float

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def take(self, event: Event) -> None: ...
    def draw(self) -> None: ...


class _Lines:
    """A line a second, and one for each thing that happens."""

    period = 1.0

    def __init__(self, state: StateManager) -> None:
        self._state = state
        self._start = time.monotonic()
        self._senses: dict[str, float] = {}
        self._events = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def take(self, event: Event) -> None:
        self._events += 1
        if event.kind == "sense":
            self._senses.update(event.data)
        story = _story(event)
        if story is not None:
            self._say(story)

    def draw(self) -> None:
        engine = self._state.engine
        senses = "  ".join(f"{name} {100 * self._senses.get(name, 0.0):.0f} %" for name in _SENSES)
        self._say(
            f"bursts {engine.burst_count}  {engine.burst_frequency:.0f} Hz  firing {engine.regular_neuron_util:.1f} %  "
            f"{senses}  events {self._events}"
        )

    def _say(self, text: str) -> None:
        say(f"{time.monotonic() - self._start:5.1f} s  {text}", err=True)


class _Screen:
    """The view of ``corestate top``, drawn in place, under the latest news."""

    period = 0.25

    def __init__(self, state: StateManager) -> None:
        from corestate.cli.top import render, sample

        self._render, self._sample = render, sample
        self._before: Sample | None = None
        self._state = state
        self._start = time.monotonic()
        self._news: deque[str] = deque(maxlen=5)
        self._live = Live(console=console(err=True), auto_refresh=False, transient=True)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, event: Event) -> None:
        story = _story(event)
        if story is not None:
            self._news.append(clean(f"{time.monotonic() - self._start:5.1f} s  {story}"))

    def draw(self) -> None:
        news = Text("\n".join(self._news), no_wrap=True, overflow="ellipsis")
        now = self._sample(self._state)
        self._live.update(Group(news, self._render(self._state, self._before)), refresh=True)
        self._before = now
