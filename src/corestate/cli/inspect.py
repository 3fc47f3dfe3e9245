"""The command inspect: what a region file says of itself, also after a crash, and without touching it."""

from __future__ import annotations

import mmap
import os
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from corestate import snapshot
from corestate._binding import ffi, lib
from corestate._trusted import Place
from corestate.cli.describe import (
    agent_rows,
    agents_table,
    engine_table,
    event_data,
    events_table,
    lock_rows,
    locks_table,
    locks_total,
    named_data,
    named_parts,
    named_tables,
    participants_table,
    region_data,
)
from corestate.cli.opening import looking
from corestate.cli.output import LIMIT, emit, json_option, limit_option, number, say, show, size, when
from corestate.config import RegionConfig
from corestate.errors import CorestateError, FormatError

if TYPE_CHECKING:
    from corestate.events import Event
    from corestate.snapshot import SnapshotInfo
    from corestate.state import StateManager

__all__ = ["inspect"]

_HEAD = 4096  # bytes of a file that are enough to say what its header says


@click.command()
@click.argument("address")
@click.option(
    "--events", "most", type=click.IntRange(min=0, max=2**32), default=20, show_default=True, help="How many to show."
)
@limit_option
@json_option
def inspect(address: str, most: int, limit: int | None, as_json: bool) -> None:
    """What a region was doing: who was attached and lives, who held what, the last events. Changes nothing.

    For any region, in use or left by a crash; of a damaged file, and of a snapshot, what can still be told.
    """
    try:
        state = looking(address)
    except FormatError as problem:
        _damaged(address, problem, as_json=as_json)
        raise
    with state:
        if as_json:
            emit(_collect(state, most, limit))
        else:
            _print(state, most, limit or LIMIT)


def _head(state: StateManager) -> dict[str, Any]:
    info = ffi.new("cs_region_info *")
    lib.cs_region_describe(state.region.view, info)
    return {**region_data(state), "created_ns": int(info.created_ns), "layout_version": int(info.version)}


def _last_events(state: StateManager, most: int) -> tuple[int, list[Event], int]:
    newest = state.events.newest
    with state.events.subscribe(since=max(0, newest - most)) as subscription:
        events = [event for event in subscription.drain() if event.sequence > newest - most]
        return newest, events, subscription.holes


def _collect(state: StateManager, most: int, limit: int | None) -> dict[str, Any]:
    newest, events, holes = _last_events(state, most)
    return {
        **_head(state),
        "engine": state.engine.snapshot(),
        **named_data(named_parts(state, limit)),
        "participants": (one.to_dict() for one in state.participants()),
        "agents": islice(agent_rows(state, None), limit),
        "locks": islice(lock_rows(state), limit),
        "events_newest": newest,
        "events_holes": holes,
        "events": (event_data(event) for event in events),
    }


def _print(state: StateManager, most: int, limit: int) -> None:
    head, (newest, events, holes) = _head(state), _last_events(state, most)
    people = state.participants()
    alive, dead = ([str(one.pid) for one in people if one.alive is here] for here in (True, False))
    say(
        f"{head['address']}, {size(head['size'])}, layout version {head['layout_version']}, "
        f"made {when(head['created_ns'], date=True)}, instance {head['instance']}",
        (f"in use by {_some(alive, limit)}" if alive else "in use by nobody")
        + (f"; died attached: {_some(dead, limit)}" if dead else ""),
    )
    show(engine_table(state.engine.snapshot()))
    if people:
        show(participants_table(state, limit))
    if total := len(state.agents):
        show(agents_table(islice(agent_rows(state, None), limit), total))
    if total := locks_total(state, free=False):
        show(locks_table(islice(lock_rows(state, free=False), min(limit, total)), total))
    show(*named_tables(named_parts(state, limit)))
    if events:
        title = f"the last events, of {number(newest)}"
        unfinished = f" ({holes} never finished by their producer)" if holes else ""
        show(events_table(events, title + unfinished))


def _some(words: list[str], limit: int) -> str:
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def _damaged(address: str, problem: FormatError, *, as_json: bool) -> None:
    """Say what can be told of bytes that cannot be attached to."""
    picture = _as_snapshot(address)
    if picture is not None:
        text = [
            f"a snapshot of {when(picture.time_ns, date=True)}, {size(picture.bytes)}; see it with: corestate restore"
        ]
        found: dict[str, Any] = {"snapshot": {"time_ns": picture.time_ns, "changed": picture.changed}}
    else:
        found = _header(address)
        text = [f"{name}: {value}" for name, value in found.items() if name != "config"]
    if as_json:
        emit({"address": address, "error": str(problem), **found})
    else:
        say(*text)


def _as_snapshot(address: str) -> SnapshotInfo | None:
    """What a snapshot says of itself, if it is one; only a regular file that begins like one is read."""
    head = _beginning(address)[0]
    if lib.cs_snapshot_probe(ffi.from_buffer(head), len(head), ffi.new("cs_snapshot_info *")) == lib.CS_E_NOT_REGION:
        return None
    try:
        return snapshot.probe(address)
    except CorestateError:
        return None


def _beginning(address: str) -> tuple[bytes, int]:
    """The first bytes of a regular file, and how many it has; nothing of anything else, and without waiting."""
    try:
        with Place(address, f"region {address}") as place, os.fdopen(place.open(), "rb") as file:
            return file.read(_HEAD), file.seek(0, 2)
    except (OSError, CorestateError):
        return b"", 0


def _header(address: str) -> dict[str, Any]:
    """What the header says, believed or not; nothing when it cannot even be read."""
    head, total = _beginning(address)
    if not head:
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
