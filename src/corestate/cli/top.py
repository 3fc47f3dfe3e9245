"""The command top: a region live, drawn in place."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from corestate.cli.arguments import Real, Whole
from corestate.cli.describe import (
    Part,
    agent_rows,
    agents_table,
    engine_table,
    lock_rows,
    locks_table,
    named_parts,
    named_tables,
    state_text,
)
from corestate.cli.opening import looking
from corestate.cli.output import console, number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from corestate.state import StateManager

__all__ = ["Sample", "render", "sample", "top"]

_MOST = 12  # rows a table; the view must fit a screen


@dataclass(frozen=True)
class Sample:
    """Numbers of one moment, to tell rates from two."""

    seconds: float
    engine: dict[str, Any]
    counters: dict[str, int]
    events: int


def sample(state: StateManager) -> Sample:
    """The numbers of now."""
    counters = dict(Part(state.counters, _MOST, attrgetter("value")).pairs())
    return Sample(time.monotonic(), state.engine.snapshot(), counters, state.events.newest)


def _rates(now: dict[str, Any], before: dict[str, Any], seconds: float) -> dict[str, float]:
    return {
        name: (value - before[name]) / seconds
        for name, value in now.items()
        if isinstance(value, int) and not isinstance(value, bool) and isinstance(before.get(name), int)
    }


def render(state: StateManager, previous: Sample | None = None) -> RenderableType:
    """The region as it is now, for a rich console. Of each table only the rows that are shown are read.

    Args:
        state: a region opened in any mode.
        previous: what ``sample`` gave a while ago; with it the view shows rates.

    Raises:
        ClosedError, StaleError never: what is removed meanwhile is left out. ClosedError when the region is closed.
    """
    health, parts = state.health(), named_parts(state, _MOST)
    engine_rates: dict[str, float] = {}
    counter_rates: dict[str, float] = {}
    events_rate = ""
    if previous is not None:
        seconds = max(time.monotonic() - previous.seconds, 1e-9)
        names = ("burst_count", "neuron_count", "synapse_count", "version")
        rates = _rates(health.engine, previous.engine, seconds)
        engine_rates = {name: rates[name] for name in names if name in rates}
        counter_rates = _rates(dict(parts["counters"].pairs()), previous.counters, seconds)
        events_rate = f" ({(health.events_newest - previous.events) / seconds:+,.0f}/s)"
    title = Text.assemble(
        (state.address, "bold"),
        "  ",
        state_text(health.verdict),
        f"  {', '.join(health.reasons)}" if health.reasons else "",
        f"  processes {health.participants.used}",
        f"  events {number(health.events_newest)}{events_rate}",
        f"  lost {number(health.events_lost)}  holes {number(health.events_holes)}",
    )
    shown: list[RenderableType] = [title, engine_table(health.engine, engine_rates)]
    if total := len(state.agents):
        shown.append(agents_table(islice(agent_rows(state), _MOST), total))
    shown.extend(named_tables(parts, counter_rates))
    if total := health.locks_held:
        shown.append(locks_table(islice(lock_rows(state, free=False), min(_MOST, total)), total))
    return Group(*shown)


@click.command()
@click.argument("address")
@click.option("--interval", type=Real(0.05), default=0.5, show_default=True, help="Seconds from frame to frame.")
@click.option("--frames", type=Whole(1), metavar="N", help="End after this many frames.")
def top(address: str, interval: float, frames: int | None) -> None:
    """A region live, drawn in place, until Ctrl-C. Where the output is no terminal: one frame."""
    out = console()
    if not out.is_terminal:
        frames = frames or 1
    with looking(address) as state:
        if not out.is_terminal:
            _print_frames(state, interval, frames or 1)
            return
        with Live(console=out, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
            try:
                _draw_frames(state, live, interval, frames)
            except KeyboardInterrupt:
                return  # how one leaves it


def _print_frames(state: StateManager, interval: float, frames: int) -> None:
    out, before = console(), None
    for frame in range(frames):
        if frame:
            time.sleep(interval)
        out.print(render(state, before))
        before = sample(state)


def _draw_frames(state: StateManager, live: Live, interval: float, frames: int | None) -> None:
    before, drawn = None, 0
    while True:
        now = sample(state)
        live.update(render(state, before), refresh=True)
        before, drawn = now, drawn + 1
        if frames is not None and drawn >= frames:
            return
        time.sleep(interval)
