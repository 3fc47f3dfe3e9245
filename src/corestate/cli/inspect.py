"""The command inspect: what a region file says of itself, also after a crash, and without touching it."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import corestate
from corestate import snapshot
from corestate._binding import ffi, lib
from corestate.cli.describe import (
    agent_rows,
    agents_table,
    counters_data,
    engine_table,
    event_data,
    events_table,
    locks_data,
    locks_table,
    named_tables,
    participants_table,
    region_data,
)
from corestate.cli.output import console, emit, json_option, number, size, when
from corestate.config import RegionConfig
from corestate.errors import CorestateError, FormatError

if TYPE_CHECKING:
    from corestate.snapshot import SnapshotInfo
    from corestate.state import StateManager

__all__ = ["inspect"]

_HEAD = 4096  # bytes of a file that are enough to say what its header says


@click.command()
@click.argument("address")
@click.option("--events", "most", type=click.IntRange(min=0), default=20, show_default=True, help="How many to show.")
@json_option
def inspect(address: str, most: int, as_json: bool) -> None:
    """What a region was doing: who was attached and lives, who held what, the last events. Changes nothing.

    For any region, in use or left by a crash; of a damaged file, and of a snapshot, what can still be told.
    """
    try:
        state = corestate.attach(address, mode="r")
    except FormatError as problem:
        _damaged(address, problem, as_json=as_json)
        raise
    with state:
        found = _collect(state, most)
        if as_json:
            emit({**found, "events": [event_data(event) for event in found["events"]]})
        else:
            _print(state, found)


def _collect(state: StateManager, most: int) -> dict[str, Any]:
    newest = state.events.newest
    info = ffi.new("cs_region_info *")
    lib.cs_region_describe(state.region.view, info)
    with state.events.subscribe(since=max(0, newest - most)) as subscription:
        events = [event for event in subscription.drain() if event.sequence > newest - most]
        holes = subscription.holes
    return {
        **region_data(state),
        "created_ns": int(info.created_ns),
        "layout_version": int(info.version),
        "engine": state.engine.snapshot(),
        **counters_data(state),
        "participants": [one.to_dict() for one in state.participants()],
        "agents": agent_rows(state, None),
        "locks": locks_data(state),
        "events_newest": newest,
        "events_holes": holes,
        "events": events,
    }


def _print(state: StateManager, found: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{found['address']}, {size(found['size'])}, layout version {found['layout_version']}, "
        f"made {when(found['created_ns'], date=True)}, instance {found['instance']}"
    )
    alive = [one["pid"] for one in found["participants"] if one["alive"]]
    dead = [one["pid"] for one in found["participants"] if not one["alive"]]
    out.print(
        f"in use by {', '.join(map(str, alive))}" if alive else "in use by nobody",
        f"; died attached: {', '.join(map(str, dead))}" if dead else "",
        sep="",
    )
    out.print(engine_table(found["engine"]))
    if found["participants"]:
        out.print(participants_table(state))
    if found["agents"]:
        out.print(agents_table(found["agents"]))
    held = [row for row in found["locks"] if row["state"] != "free"]
    if held:
        out.print(locks_table(held))
    for made in named_tables(found):
        out.print(made)
    if found["events"]:
        title = f"the last events, of {number(found['events_newest'])}"
        holes = f" ({found['events_holes']} never finished by their producer)" if found["events_holes"] else ""
        out.print(events_table(found["events"], title + holes))


def _damaged(address: str, problem: FormatError, *, as_json: bool) -> None:
    """Say what can be told of bytes that cannot be attached to."""
    picture = _as_snapshot(address)
    if picture is not None:
        text = (
            f"a snapshot of {when(picture.time_ns, date=True)}, {size(picture.bytes)}; see it with: corestate restore"
        )
        found: dict[str, Any] = {"snapshot": {"time_ns": picture.time_ns, "changed": picture.changed}}
    else:
        found = _header(address)
        text = "\n".join(f"{name}: {value}" for name, value in found.items() if name != "config")
    if as_json:
        emit({"address": address, "error": str(problem), **found})
    else:
        click.echo(text)


def _as_snapshot(address: str) -> SnapshotInfo | None:
    try:
        return snapshot.probe(address)
    except CorestateError:
        return None


def _header(address: str) -> dict[str, Any]:
    """What the header says, believed or not; nothing when it cannot even be read."""
    try:
        with Path(address).open("rb") as file:
            head = file.read(_HEAD)
            total = file.seek(0, 2)
    except OSError:
        return {}
    info = ffi.new("cs_region_info *")
    with mmap.mmap(-1, _HEAD) as aligned:
        aligned.write(head)
        code = lib.cs_region_probe(ffi.from_buffer(aligned), len(head), info)
    if code == lib.CS_E_NOT_REGION:
        return {}
    found: dict[str, Any] = {
        "bytes": total,
        "bytes by its header": int(info.size),
        "layout version": int(info.version),
        "made": when(info.created_ns, date=True),
        "ready": bool(info.ready),
        "instance": f"{info.instance[1]:016x}{info.instance[0]:016x}",
    }
    try:
        config = RegionConfig.from_core(info.config, RegionConfig().permissions)
    except CorestateError:
        return found  # nonsense in the section table
    found["config"] = {name: getattr(config, name) for name in config.__dataclass_fields__}
    return found
