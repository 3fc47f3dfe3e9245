"""Commands that look once: show, agents, locks, health."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.text import Text

import corestate
from corestate.cli.describe import (
    agent_rows,
    agents_table,
    counters_data,
    engine_table,
    locks_data,
    locks_table,
    named_tables,
    participants_table,
    state_data,
    state_text,
)
from corestate.cli.output import console, emit, json_option, number, size
from corestate.errors import CorestateError

if TYPE_CHECKING:
    from corestate.health import Health

__all__ = ["agents", "health", "locks", "show"]

_STALE = click.option(
    "--stale-after",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds of silence of an agent.",
)


@click.command()
@click.argument("address")
@json_option
def show(address: str, as_json: bool) -> None:
    """What is in a region: engine, counters, gauges, areas, processes."""
    with corestate.attach(address, mode="r") as state:
        if as_json:
            emit(state_data(state))
            return
        out = console()
        out.print(f"{state.address}, {size(state.region.size)}, events up to {number(state.events.newest)}")
        out.print(engine_table(state.engine.snapshot()))
        for made in named_tables(counters_data(state)):
            out.print(made)
        out.print(participants_table(state))
        out.print(f"{len(state.agents)} agents, {len(state.locks)} locks")


@click.command()
@click.argument("address")
@_STALE
@json_option
def agents(address: str, stale_after: float, as_json: bool) -> None:
    """The registered agents, and whether their processes live."""
    with corestate.attach(address, mode="r") as state:
        rows = agent_rows(state, stale_after)
        if as_json:
            emit(rows)
        else:
            console().print(agents_table(rows))


@click.command()
@click.argument("address")
@click.option("--all", "everything", is_flag=True, help="Also the locks of areas that nobody holds.")
@json_option
def locks(address: str, everything: bool, as_json: bool) -> None:
    """Named locks and the held locks of areas, and who holds them."""
    with corestate.attach(address, mode="r") as state:
        rows = locks_data(state, free_areas=everything)
        if as_json:
            emit(rows)
        else:
            console().print(locks_table(rows))


@click.command()
@click.argument("address")
@_STALE
@json_option
def health(address: str, stale_after: float, as_json: bool) -> int:
    """How a region is. Exits 0 when ok, 1 when degraded, 2 when failed or when there is no region to ask."""
    try:
        with corestate.attach(address, mode="r") as state:
            found = state.health(stale_after)
    except CorestateError as problem:
        click.echo(f"corestate: {problem}", err=True)
        return 2
    if as_json:
        emit(found.to_dict())
    else:
        console().print(_health(found))
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
