"""Durable values: got and set with persistence on."""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path

import corestate
from bench import roles
from bench.results import OURS
from bench.roles import Statement
from bench.session import Session

VALUE = {"name": "ann", "credit": 12}
KEEPS_LESS = (
    "A durable set commits to SQLite the value and the change from which history and the change feed are read, under "
    "the lock of its key, then publishes the hot value and an event; lmdb and Redis write the value alone (Redis to a "
    "file it syncs once a second), in C, and plain SQLite writes one row."
)


def run(session: Session) -> None:
    """scope_get, hot and cold, and scope_set."""
    with session.entered(roles.Store) as cast:
        for one in cast.values():
            one.set("key", VALUE)
        codes = {name: one.reading("'key'") for name, one in cast.items()}
        for name, code in codes.items():
            assert code.result() == VALUE, name
        session.keep("scope_get", "get a durable value", "us", session.turns(codes), codes=codes, value="hot")
        codes = {name: _with(one.writing("'key'"), value=VALUE) for name, one in cast.items()}
        session.keep("scope_set", "set a durable value", "us", session.turns(codes), codes=codes)
        del codes
    _cold(session)
    session.reason(
        "scope_get",
        "A cold get asks SQLite as a plain select does, having looked first whether a write of the key is pending and "
        "afterwards at its age; lmdb reads its pages in this process. A hot one is in the region, where one process's "
        "copy is everybody's.",
    )
    session.reason("scope_set", KEEPS_LESS)


def _with(statement: Statement, **names: object) -> Statement:
    return Statement(statement.code, {**statement.names, **names})


def _cold(session: Session) -> None:
    """Keys drawn from many, in a region that keeps no hot values."""
    with session.playing(roles.Store) as made, tempfile.TemporaryDirectory() as folder:
        keys = [f"key{n}" for n in range(session.form.keys)]
        drawn = random.Random(7).choices(keys, k=10_000)
        codes, cast = {}, {}
        for name, (played, spec) in made.items():
            with session.excused(name):
                cast[name] = played(_without_hot_values(Path(folder), keys) if name == OURS else spec)
                if name != OURS:
                    for key in keys:
                        cast[name].set(key, VALUE)
                codes[name] = _with(cast[name].reading("next(keys)"), keys=itertools.cycle(drawn))
                assert codes[name].result() == VALUE, name
        session.keep("scope_get", "get a durable value", "us", session.turns(codes), codes=codes, value="cold",
                     keys=len(keys))  # fmt: skip
        codes.clear()
        for one in cast.values():
            one.close()


def _without_hot_values(folder: Path, keys: list[str]) -> Path:
    """A region that keeps none, and in its store the keys, set."""
    path = folder / "cold.state"
    with corestate.create(path, config=corestate.RegionConfig(values=0)) as state:
        scope = state.scope("user", "ann")
        for start in range(0, len(keys), 1000):
            with state.transaction() as tx:
                inside = tx(scope)
                for key in keys[start : start + 1000]:
                    inside[key] = VALUE
    return path
