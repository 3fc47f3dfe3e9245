"""What corestate's costs do as things grow: areas, subscribers, keys and history; agents are in `directory`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import corestate
from bench.results import OURS
from bench.roles import Statement
from bench.session import Session
from corestate import RegionConfig

VALUE = {"name": "ann", "credit": 12}
BATCH = 1000
MOST_SUBSCRIBERS = 1000


def run(session: Session) -> None:
    """growth_areas, growth_subscribers, growth_keys and growth_history."""
    for size in session.form.growth:
        _areas(session, size)
    for size in session.form.growth:
        if size <= MOST_SUBSCRIBERS:
            _subscribers(session, size)
    for size in session.form.growth:
        _keys(session, size)
    for size in session.form.depth:
        _history(session, size)


def _one(session: Session, work: str, what: str, code: str, names: dict[str, Any], **sizes: int) -> None:
    statement = Statement(code, dict(names))
    statement.result()
    codes = {OURS: statement}
    parameters: dict[str, Any] = dict(sizes)
    session.keep(work, what, "us", session.turns(codes), codes=codes, **parameters)


def _areas(session: Session, size: int) -> None:
    path = session.place() / "areas.state"
    with corestate.create(path, config=RegionConfig(areas=size)) as state:
        for number in range(size):
            state.areas[f"area{number}"].neuron_count = number
        names: dict[str, Any] = {"areas": state.areas, "name": f"area{size // 2}"}
        _one(session, "growth_areas", "an area found by name, its neuron count read", "areas[name].neuron_count", names,
             areas=size)  # fmt: skip
        taken = (RegionConfig(areas=size).size - RegionConfig(areas=0).size) / size
        session.keep("memory_area", "memory of one area", "bytes", {OURS: [taken]}, areas=size)


def _subscribers(session: Session, size: int) -> None:
    path = session.place() / "subscribers.state"
    with corestate.create(path) as state:
        subscriptions = [state.events.subscribe() for _ in range(size)]
        data = b"forty bytes, as an event often carries.."
        names: dict[str, Any] = {"publish": state.events.publish, "data": data}
        _one(session, "growth_subscribers", "an event published", "publish('tick', data)", names, subscribers=size)
        for one in subscriptions:
            one.close()


def _keys(session: Session, size: int) -> None:
    place = session.place()
    path = place / "keys.state"
    with corestate.create(path, config=RegionConfig(values=0)) as state:
        scope = state.scope("user", "ann")
        scope["first"] = VALUE
        empty = _stored(place)
        for start in range(0, size, BATCH):
            with state.transaction() as tx:
                inside = tx(scope)
                for number in range(start, min(start + BATCH, size)):
                    inside[f"key{number}"] = VALUE
        names: dict[str, Any] = {"scope": scope, "key": f"key{size // 2}", "value": VALUE}
        _one(session, "growth_keys_get", "a durable value got, cold", "scope[key]", names, keys=size)
        stored = (_stored(place) - empty) / size
    session.keep("memory_key", "disk of one key of 9 bytes and its value of 28", "bytes", {OURS: [stored]}, keys=size)
    with corestate.attach(path) as state:
        names = {
            "scope": state.scope("user", "ann"),
            "key": f"key{size // 2}",
            "numbers": itertools.count(),
        }
        _one(session, "growth_keys_set", "a durable value set", "scope[key] = next(numbers)", names, keys=size)


def _stored(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir() if ".db" in path.name)


def _history(session: Session, size: int) -> None:
    with corestate.create(session.place() / "history.state") as state:
        scope = state.scope("user", "ann")
        for number in range(size):
            scope["key"] = number
        first = scope.history("key")[0].change
        names: dict[str, Any] = {"scope": scope, "first": first, "numbers": itertools.count()}
        what = "a value as it was, so many changes ago"
        _one(session, "growth_history_at", what, "scope.at(change=first)['key']", names, versions=size)
        what = "a durable value set, by the versions it has"
        _one(session, "growth_history_set", what, "scope['key'] = next(numbers)", names, versions=size)
