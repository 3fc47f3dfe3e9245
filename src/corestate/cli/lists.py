"""Commands that look once: show, agents, locks, health."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.text import Text

from corestate.cli.arguments import Real
from corestate.cli.describe import (
    agent_rows,
    agents_table,
    engine_table,
    lock_rows,
    locks_table,
    locks_total,
    named_parts,
    named_tables,
    participants_table,
    state_data,
    state_text,
)
from corestate.cli.opening import looking
from corestate.cli.output import LIMIT, emit, json_option, limit_option, number, say, say_more, size
from corestate.cli.output import show as show_on_console
from corestate.errors import CorestateError

if TYPE_CHECKING:
    from corestate.health import Health

__all__ = ["agents", "health", "locks", "show"]

_STALE = click.option(
    "--stale-after",
    type=Real(0),
    default=30.0,
    show_default=True,
    help="Seconds of silence of an agent.",
)


@click.command()
@click.argument("address")
@limit_option
@json_option
def show(address: str, limit: int | None, as_json: bool) -> None:
    """What is in a region: engine, counters, gauges, areas, processes."""
    with looking(address) as state:
        if as_json:
            emit(state_data(state, limit))
            return
        most = limit or LIMIT
        parts = named_parts(state, most)
        say(f"{state.address}, {size(state.region.size)}, events up to {number(state.events.newest)}")
        show_on_console(engine_table(state.engine.snapshot()), *named_tables(parts), participants_table(state, most))
        say(f"{number(len(state.agents))} agents, {number(len(state.locks))} locks")
        for word, part in parts.items():
            if part.total > most:
                say(f"and {number(part.total - most)} more {word}; --limit N shows more, --json all")


@click.command()
@click.argument("address")
@_STALE
@limit_option
@json_option
def agents(address: str, stale_after: float, limit: int | None, as_json: bool) -> None:
    """The registered agents, and whether their processes live."""
    with looking(address) as state:
        rows = agent_rows(state, stale_after)
        if as_json:
            emit(islice(rows, limit))
            return
        shown, total = list(islice(rows, limit or LIMIT)), len(state.agents)
        show_on_console(agents_table(shown, total))
        say_more(len(shown), total)


@click.command()
@click.argument("address")
@click.option("--all", "everything", is_flag=True, help="Also the locks of areas that nobody holds.")
@limit_option
@json_option
def locks(address: str, everything: bool, limit: int | None, as_json: bool) -> None:
    """Named locks and the held locks of areas, and who holds them."""
    with looking(address) as state:
        rows = lock_rows(state, free_areas=everything)
        if as_json:
            emit(islice(rows, limit))
            return
        shown = list(islice(rows, limit or LIMIT))
        total = max(locks_total(state, free_areas=everything), len(shown))
        show_on_console(locks_table(shown, total))
        say_more(len(shown), total)


@click.command()
@click.argument("address")
@_STALE
@json_option
def health(address: str, stale_after: float, as_json: bool) -> int:
    """How a region is. Exits 0 when ok, 1 when degraded, 2 when failed or when there is no region to ask."""
    try:
        with looking(address) as state:
            found = state.health(stale_after)
    except CorestateError as problem:
        say(f"corestate: {problem}", err=True)
        return 2
    if as_json:
        emit(found.to_dict())
    else:
        show_on_console(_health(found))
    return int(found.verdict)


def _health(found: Health) -> Group:
    lines = [Text.assemble("verdict      ", state_text(found.verdict))]
    if found.reasons:
        lines.append(Text(f"because      {', '.join(found.reasons)}"))
    lines += [
        Text(f"processes    {found.participants} live, {found.participants_dead} dead"),
        Text(f"agents       {found.agents}, {found.agents_stale} stale, {found.agents_dead} of dead processes"),
        Text(f"areas        {found.areas}"),
        Text(f"counters     {found.counters}"),
        Text(f"gauges       {found.gauges}"),
        Text(f"locks        {found.locks}, {found.locks_held} held, {found.locks_dead} by the dead"),
        Text(
            f"events       up to {number(found.events_newest)}, {found.events_depth} of {found.events_capacity} still "
            f"readable, {number(found.events_lost)} lost by readers, {number(found.events_holes)} holes"
        ),
    ]
    if found.link_age:  # a mirror
        lines.append(Text(f"line         heard {found.link_age:.1f} s ago, {found.link_loss:.1%} of its frames lost"))
    return Group(*lines)
