"""What is in a region, as plain data for JSON and as tables for people. The commands choose from it."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from rich.text import Text

from corestate._binding import ffi, lib
from corestate._reserved import LOCKS
from corestate.cli.output import BAD, DIM, GOOD, WARN, Members, ago, brief, number, size, table, when
from corestate.names import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType

    from corestate.areas import Area
    from corestate.events import Event
    from corestate.names import NamedTable
    from corestate.state import StateManager

    _Pairs = list[tuple[str, Any]]

__all__ = [
    "Part",
    "agent_rows",
    "agents_table",
    "engine_table",
    "event_data",
    "events_table",
    "lock_rows",
    "locks_table",
    "locks_total",
    "named_data",
    "named_parts",
    "named_tables",
    "participants_table",
    "region_data",
    "state_data",
    "state_text",
]

_STYLES = {
    **dict.fromkeys(("running", "ready", "loaded", "ok", "live", "true"), GOOD),
    **dict.fromkeys(("error", "failed", "dead", "unavailable", "missing"), BAD),
    **dict.fromkeys(("degraded", "paused", "initializing", "loading", "saving", "updating", "snapshotting"), WARN),
    **dict.fromkeys(("suspended", "waiting", "starting", "stale"), WARN),
    "unavailable": DIM,
    "missing": DIM,
    "false": DIM,
}


def state_text(value: Any) -> Text:
    """A state in its colour."""
    word = str(getattr(value, "name", value)).lower()
    return Text(word, style=_STYLES.get(word, ""))


def region_data(state: StateManager) -> dict[str, Any]:
    """What the region is."""
    region = state.region
    return {
        "address": state.address,
        "size": region.size,
        "instance": region.instance,
        "config": {name: getattr(state.config, name) for name in state.config.__dataclass_fields__},
    }


_SORTED = 2000  # a table up to this long is sorted whole; of a longer one the first that are found are shown


class Part:
    """Some of the named things of one table: sorted, of how many, and never more than ``most`` of them in memory."""

    def __init__(self, table: NamedTable[Any], most: int | None, row: Callable[[Any], Any]) -> None:
        self._table, self._most, self._row = table, most, row
        self.total = len(table)

    def pairs(self) -> Iterable[tuple[str, Any]]:
        """Name and row of each; what is removed meanwhile is left out."""
        if self.total <= _SORTED:
            return islice(iter(sorted(self._found(), key=itemgetter(0))), self._most)
        return islice(self._found(), self._most)

    def _found(self) -> Iterator[tuple[str, Any]]:
        for one in self._table.values():
            with suppress(KeyError):
                yield one.name, self._row(one)


def named_parts(state: StateManager, most: int | None = None) -> dict[str, Part]:
    """Counters, gauges and areas, ``most`` of each."""
    return {
        "counters": Part(state.counters, most, _VALUE),
        "gauges": Part(state.gauges, most, _VALUE),
        "areas": Part(state.areas, most, _area),
    }


_VALUE = attrgetter("value")


def _area(area: Area) -> dict[str, int]:
    return {"index": area.index, **area.snapshot()}


def named_data(parts: dict[str, Part]) -> dict[str, Any]:
    """The same for JSON, written as it is read."""
    return {word: Members(part.pairs()) for word, part in parts.items()}


def state_data(state: StateManager, most: int | None = None) -> dict[str, Any]:
    """Everything but agents, locks and events."""
    return {
        **region_data(state),
        "engine": state.engine.snapshot(),
        **named_data(named_parts(state, most)),
        "participants": (one.to_dict() for one in state.participants()),
        "agents": len(state.agents),
        "locks": len(state.locks),
        "events_newest": state.events.newest,
    }


# -- engine --------------------------------------------------------------------------------------


def engine_table(engine: dict[str, Any], rates: dict[str, float] | None = None) -> RenderableType:
    """The engine's states and numbers side by side; ``rates`` adds how fast numbers grow, a second."""
    shown = {k: v for k, v in engine.items() if k not in ("changes", "quiet")}
    states = [(name, state_text(value)) for name, value in shown.items() if name in engine["changes"]]
    numbers: list[tuple[str, str | Text]] = []
    for name, value in shown.items():
        if name in engine["changes"] or (name.endswith("_hash") and not value):
            continue
        numbers.append((name, _engine_number(name, value, (rates or {}).get(name))))
    rows: list[tuple[str | Text, ...]] = []
    half = (len(numbers) + 1) // 2
    for i in range(max(len(states), half)):
        left = states[i] if i < len(states) else ("", "")
        middle = numbers[i] if i < half else ("", "")
        right = numbers[half + i] if half + i < len(numbers) else ("", "")
        rows.append((left[0], left[1], middle[0], middle[1], right[0], right[1]))
    return table("engine", ("state", "", "number", " ", "number ", "  "), rows, right=(" ", "  "))


def _engine_number(name: str, value: Any, rate: float | None) -> str | Text:
    if isinstance(value, bool):
        return state_text(value)
    if name == "memory_usage":
        return size(value)
    if name in ("last_modified", "genome_timestamp"):
        return f"{ago(value)} ago" if value else "-"
    if name.endswith("_hash"):
        return f"{value:016x}"
    if name.endswith("_util") or name == "fatigue_index":
        return f"{value:.1f} %"
    return number(value) + (f"  {rate:+,.0f}/s" if rate else "")


# -- named things --------------------------------------------------------------------------------


def named_tables(parts: dict[str, Part], rates: dict[str, float] | None = None) -> Iterator[RenderableType]:
    """Tables of counters, gauges and areas, as many as are not empty."""
    for word, part in parts.items():
        if part.total:
            yield _NAMED[word](list(part.pairs()), part.total, rates or {})


def _counters_table(found: _Pairs, total: int, rates: dict[str, float]) -> RenderableType:
    rows = [
        (name, number(value), f"{rate:+,.0f}" if (rate := rates.get(name)) else "") for name, value in found
    ]  # fmt: skip
    return table(_title("counters", len(rows), total), ("counter", "value", "a second"), rows, ("value", "a second"))


def _gauges_table(found: _Pairs, total: int, _: dict[str, float]) -> RenderableType:
    rows = [(name, number(value)) for name, value in found]
    return table(_title("gauges", len(rows), total), ("gauge", "value"), rows, ("value",))


def _areas_table(found: _Pairs, total: int, _: dict[str, float]) -> RenderableType:
    rows = [(name, *(number(area[field]) for field in _AREA_FIELDS)) for name, area in found]
    headings = ("area", "index", "neurons", "synapses in", "synapses out", "fcl window")
    return table(_title("areas", len(rows), total), headings, rows, headings[1:])


_NAMED = {"counters": _counters_table, "gauges": _gauges_table, "areas": _areas_table}
_AREA_FIELDS = ("index", "neuron_count", "incoming_synapse_count", "outgoing_synapse_count", "fcl_window")


def _title(word: str, shown: int, total: int | None) -> str:
    return f"{word}, {number(shown)} of {number(total)}" if total is not None and total > shown else word


# -- who ------------------------------------------------------------------------------------------


def participants_table(state: StateManager, most: int | None = None) -> RenderableType:
    """The processes attached for writing."""
    found = state.participants()
    rows = [
        (str(one.id), str(one.pid), state_text("live" if one.alive else "dead"), ago(one.attached_at))
        for one in found[:most]
    ]
    title = _title("processes", len(rows), len(found))
    return table(title, ("id", "pid", "state", "attached for"), rows, ("id", "pid", "attached for"))


def agent_rows(state: StateManager, stale_after: float | None = 30.0) -> Iterator[dict[str, Any]]:
    """Every agent, with the process it came from and whether that and it are alive; each is read when it is taken."""
    processes = {one.id: one for one in state.participants()}
    now = time.time_ns()
    for _, name in walk(state.region, lib.CS_SECTION_AGENTS):
        agent = state.agents.get(name)
        if agent is None:
            continue
        process = processes.get(agent.participant)
        silent = (now - agent.last_seen) / 1e9
        yield {
            **agent.to_dict(),
            "pid": process.pid if process else None,
            "alive": bool(process and process.alive),
            "stale": stale_after is not None and silent > stale_after,
        }


def agents_table(rows: Iterable[dict[str, Any]], total: int) -> RenderableType:
    """Agents from ``agent_rows``, some of ``total``."""
    shown = [
        (
            row["id"],
            row["type"],
            state_text(row["status"]),
            str(row["pid"] or "-"),
            state_text("dead" if not row["alive"] else "stale" if row["stale"] else "live"),
            ago(row["last_seen"]),
            "" if row["capabilities"] is None else brief(row["capabilities"], 40),
        )
        for row in rows
    ]
    columns = ("agent", "type", "status", "pid", "process", "last seen", "capabilities")
    return table(_title("agents", len(shown), total), columns, shown, ("pid", "last seen"))


def lock_rows(state: StateManager, *, free: bool = True, free_areas: bool = False) -> Iterator[dict[str, Any]]:
    """Every named lock (or those that are held), and the locks of areas that are held (or all)."""
    processes = {one.id: one for one in state.participants()}
    for kind, section, free_too in (("lock", lib.CS_SECTION_LOCKS, free), ("area", lib.CS_SECTION_AREAS, free_areas)):
        for name, holder, inherited, mine in _held(state, section, free_too=free_too):
            process = processes.get(holder)
            alive = bool(process and process.alive)
            yield {
                "name": name,
                "kind": kind,
                "state": "held" if alive else "dead" if holder or inherited else "free",
                "holder": holder or None,
                "pid": process.pid if process else None,
                "inherited": inherited,
                "mine": mine,
            }


def _held(state: StateManager, section: int, *, free_too: bool = False) -> Iterator[tuple[str, int, bool, bool]]:
    """Name, holder, whether inherited and whether this process's, of the locks of a table; no object for each."""
    info = ffi.new("cs_lock_info *")
    for handle, name in walk(state.region, section):
        if lib.cs_lock_get(state.region.view, section, handle, info) < 0:
            continue  # removed meanwhile
        if info.holder or info.inherited or (free_too and name not in LOCKS):  # the durable parts' own, while held
            yield name, int(info.holder), bool(info.inherited), bool(info.mine)


def locks_total(state: StateManager, *, free: bool = True, free_areas: bool = False) -> int:
    """How many rows ``lock_rows`` has, without making them."""
    if not free and not free_areas:
        return state.health().locks_held
    own = [state.locks.get(name) for name in LOCKS]  # of the durable parts: shown while somebody has them
    held = sum(lock is not None and lock.locked() for lock in own)
    if free_areas:
        return len(state.locks) + held + len(state.areas)
    return len(state.locks) + held + sum(1 for _ in _held(state, lib.CS_SECTION_AREAS))


def locks_table(rows: Iterable[dict[str, Any]], total: int | None = None) -> RenderableType:
    """Locks from ``lock_rows``, some of ``total``."""
    shown = [
        (
            row["name"],
            row["kind"],
            state_text(row["state"]),
            str(row["pid"] or "-"),
            "inherited from the dead" if row["inherited"] else "",
        )
        for row in rows
    ]
    return table(_title("locks", len(shown), total), ("lock", "kind", "state", "pid", ""), shown, ("pid",))


# -- events --------------------------------------------------------------------------------------


def event_data(event: Event) -> dict[str, Any]:
    """An event for JSON."""
    return event._asdict()


def events_table(events: list[Event], title: str = "events") -> RenderableType:
    """Events, oldest first."""
    rows = [
        (str(event.sequence), when(event.time_ns), event.kind, str(event.source), brief(event.data)) for event in events
    ]
    return table(title, ("sequence", "time", "kind", "source", "data"), rows, ("sequence", "source"))
