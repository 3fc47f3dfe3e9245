"""What is in a region, as plain data for JSON and as tables for people. The commands choose from it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.text import Text

from corestate.cli.output import BAD, DIM, GOOD, WARN, ago, brief, clean, number, size, table, when

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from corestate.events import Event
    from corestate.locks import Lock
    from corestate.state import StateManager

__all__ = [
    "agent_rows",
    "agents_table",
    "counters_data",
    "engine_table",
    "event_data",
    "events_table",
    "locks_data",
    "locks_table",
    "named_tables",
    "participants_table",
    "region_data",
    "state_data",
    "state_text",
    "values",
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


def counters_data(state: StateManager) -> dict[str, dict[str, Any]]:
    """Every counter, gauge and area."""
    return {
        "counters": values(state.counters.values()),
        "gauges": values(state.gauges.values()),
        "areas": _areas(state),
    }


def values(cells: Iterable[Any]) -> dict[str, Any]:
    """Name to value of counters or gauges, leaving out what is removed meanwhile."""
    found = {}
    for cell in cells:
        with suppress(KeyError):
            found[cell.name] = cell.value
    return dict(sorted(found.items()))


def _areas(state: StateManager) -> dict[str, dict[str, int]]:
    found = {}
    for area in state.areas.values():
        with suppress(KeyError):
            found[area.name] = {"index": area.index, **area.snapshot()}
    return found


def state_data(state: StateManager) -> dict[str, Any]:
    """Everything but agents, locks and events."""
    return {
        **region_data(state),
        "engine": state.engine.snapshot(),
        **counters_data(state),
        "participants": [one.to_dict() for one in state.participants()],
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


def named_tables(data: dict[str, Any], rates: dict[str, float] | None = None, most: int | None = None) -> list[Any]:
    """Tables of counters, gauges and areas, as many as are not empty; ``most`` rows each."""
    made = []
    if data["counters"]:
        rows = [
            (clean(name), number(value), f"{rate:+,.0f}" if (rate := (rates or {}).get(name)) else "")
            for name, value in _first(data["counters"], most)
        ]
        made.append(
            table(_title("counters", data, most), ("counter", "value", "a second"), rows, ("value", "a second"))
        )
    if data["gauges"]:
        gauges = [(clean(name), number(value)) for name, value in _first(data["gauges"], most)]
        made.append(table(_title("gauges", data, most), ("gauge", "value"), gauges, ("value",)))
    if data["areas"]:
        areas = [
            (clean(name), *(number(area[field]) for field in _AREA_FIELDS))
            for name, area in _first(data["areas"], most)
        ]
        headings = ("area", "index", "neurons", "synapses in", "synapses out", "fcl window")
        made.append(table(_title("areas", data, most), headings, areas, headings[1:]))
    return made


_AREA_FIELDS = ("index", "neuron_count", "incoming_synapse_count", "outgoing_synapse_count", "fcl_window")


def _first(found: dict[str, Any], most: int | None) -> list[tuple[str, Any]]:
    return list(found.items())[:most]


def _title(word: str, data: dict[str, Any], most: int | None) -> str:
    total = len(data[word])
    return f"{word}, {most} of {total}" if most is not None and total > most else word


# -- who ------------------------------------------------------------------------------------------


def participants_table(state: StateManager) -> RenderableType:
    """The processes attached for writing."""
    rows = [
        (str(one.id), str(one.pid), state_text("live" if one.alive else "dead"), ago(one.attached_at))
        for one in state.participants()
    ]
    return table("processes", ("id", "pid", "state", "attached for"), rows, ("id", "pid", "attached for"))


def agent_rows(state: StateManager, stale_after: float | None = 30.0) -> list[dict[str, Any]]:
    """Every agent, with the process it came from and whether that and it are alive."""
    processes = {one.id: one for one in state.participants()}
    now, found = time.time_ns(), []
    for agent in state.agents.values():
        process = processes.get(agent.participant)
        silent = (now - agent.last_seen) / 1e9
        found.append(
            {
                **agent.to_dict(),
                "pid": process.pid if process else None,
                "alive": bool(process and process.alive),
                "stale": stale_after is not None and silent > stale_after,
            }
        )
    return found


def agents_table(rows: list[dict[str, Any]], most: int | None = None) -> RenderableType:
    """Agents from ``agent_rows``."""
    shown = [
        (
            clean(row["id"]),
            row["type"],
            state_text(row["status"]),
            str(row["pid"] or "-"),
            state_text("dead" if not row["alive"] else "stale" if row["stale"] else "live"),
            ago(row["last_seen"]),
            "" if row["capabilities"] is None else brief(row["capabilities"], 40),
        )
        for row in rows[:most]
    ]
    title = f"agents, {most} of {len(rows)}" if most is not None and len(rows) > most else "agents"
    columns = ("agent", "type", "status", "pid", "process", "last seen", "capabilities")
    return table(title, columns, shown, ("pid", "last seen"))


def locks_data(state: StateManager, *, free_areas: bool = False) -> list[dict[str, Any]]:
    """Every named lock, and the locks of areas that are held (or all, with ``free_areas``)."""
    processes = {one.id: one for one in state.participants()}

    def one(lock: Lock, kind: str) -> dict[str, Any] | None:
        try:
            holder, inherited, mine = lock.info()
        except KeyError:
            return None
        process = processes.get(holder)
        alive = bool(process and process.alive)
        return {
            "name": lock.name,
            "kind": kind,
            "state": "free" if not holder else "held" if alive else "dead",
            "holder": holder or None,
            "pid": process.pid if process else None,
            "inherited": inherited,
            "mine": mine,
        }

    found = [one(lock, "lock") for lock in state.locks.values()]
    areas = [one(area.lock, "area") for area in state.areas.values()]
    found += [row for row in areas if row is not None and (free_areas or row["state"] != "free")]
    return [row for row in found if row is not None]


def locks_table(rows: list[dict[str, Any]], most: int | None = None) -> RenderableType:
    """Locks from ``locks_data``."""
    shown = [
        (
            clean(row["name"]),
            row["kind"],
            state_text(row["state"]),
            str(row["pid"] or "-"),
            "inherited from the dead" if row["inherited"] else "",
        )
        for row in rows[:most]
    ]
    title = f"locks, {most} of {len(rows)}" if most is not None and len(rows) > most else "locks"
    return table(title, ("lock", "kind", "state", "pid", ""), shown, ("pid",))


# -- events --------------------------------------------------------------------------------------


def event_data(event: Event) -> dict[str, Any]:
    """An event for JSON."""
    return event._asdict()


def events_table(events: list[Event], title: str = "events") -> RenderableType:
    """Events, oldest first."""
    rows = [
        (str(event.sequence), when(event.time_ns), clean(event.kind), str(event.source), brief(event.data))
        for event in events
    ]
    return table(title, ("sequence", "time", "kind", "source", "data"), rows, ("sequence", "source"))
