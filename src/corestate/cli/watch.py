"""The command watch: events as they happen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from corestate.cli.arguments import Real, Whole
from corestate.cli.describe import event_data
from corestate.cli.opening import looking
from corestate.cli.output import brief, clean, emit, say, when

if TYPE_CHECKING:
    from corestate.events import Event, Subscription

__all__ = ["watch"]


@click.command()
@click.argument("address")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind; may be given several times.")
@click.option("--since", type=Whole(0), metavar="N", help="Start after this sequence; 0: the oldest still there.")
@click.option("--count", type=Whole(1), metavar="N", help="End after this many events.")
@click.option("--seconds", type=Real(0), help="End after this time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def watch(
    address: str,
    kinds: tuple[str, ...],
    since: int | None,
    count: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Print events as they happen, until Ctrl-C. What was lost is said, never passed over."""
    deadline = None if seconds is None else time.monotonic() + seconds
    with looking(address) as state, state.events.subscribe(kinds or None, since) as events:
        told, shown = 0, 0
        while count is None or shown < count:
            event = events.get(None if deadline is None else max(0.0, deadline - time.monotonic()))
            told = _tell_loss(events, told, as_json=as_json)
            if event is None:
                return
            _print(event, as_json=as_json)
            shown += 1


def _print(event: Event, *, as_json: bool) -> None:
    if as_json:
        emit(event_data(event))
    else:
        line = f"{when(event.time_ns)}  {event.sequence:>8}  {clean(event.kind):<28} {event.source:>7}  "
        say(line + ("" if event.data is None else brief(event.data, 200)))


def _tell_loss(events: Subscription, told: int, *, as_json: bool) -> int:
    lost = events.lost
    if lost > told and events.last_loss is not None:
        first, last = events.last_loss
        if as_json:
            emit({"lost": lost - told, "from": first, "to": last})
        else:
            say(f"-- {lost - told} events lost, the last of them {first} to {last}", err=True)
    return lost
