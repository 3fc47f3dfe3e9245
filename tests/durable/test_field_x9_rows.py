"""Rows of types that no store has, in every column: an error that names table and column, never one of Python's."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import suppress

import pytest

import corestate
from corestate.enums import AgentStatus, AgentType

VALUES = {
    "null": None,
    "negative": -1,
    "huge": (1 << 63) - 1,
    "fraction": 1.5,
    "infinite": float("inf"),
    "text": "x",
    "long text": "[" * 100_000,
    "bytes": b"\xff\xfe\x00",
    "broken messagepack": b"\xc1",
    "deep messagepack": b"\x91" * 5000 + b"\xc0",
    "messagepack bomb": b"\xdd\xff\xff\xff\xff",
}
UNREADABLE = "CAST(X'fffe80' AS TEXT)"
COLUMNS = {
    "scopes": "path keys bytes",
    "entries": "key version change tag value expires_ns time_ns",
    "deleted": "version change",
    "changes": "time_ns operation key version previous kept tag value",
    "tasks": "type tag data parent depth priority workflow status attempts max_attempts open_children worker token "
    "due_ns result_tag result error pushed_ns changed_ns",
    "leases": "token",
    "budgets": "amount_limit spent detections version warned period period_number",
    "commitments": "amount",
    "governed": "type status reason data version updated_ns registration changes",
}


@pytest.fixture(name="base", scope="module")
def _base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "x.state"
    with corestate.open(path) as state:
        scope = state.scope("user", "u")
        scope["a"] = 10
        scope["a"] = 11
        scope.set("ttl", 5, ttl=10_000)
        scope["gone"] = 1
        del scope["gone"]
        state.workflow("w").step("one")["x"] = 1
        first = state.tasks.push("t", {"q": 1}, workflow="w")
        state.tasks.push("t", {}, parent=first)
        state.tasks.pop("worker")
        state.agents.register("agent", AgentType.BOTH)
        state.agents.govern("agent", limit=5000, data={"p": 1})
        state.agents.set_status("agent", AgentStatus.RUNNING)
        state.agents.budget("agent").spend(10)
        state.budgets.create("b", 1000, period="month").spend(1)
    return path


def _loosened(base, target, apply):
    """A copy whose tables take anything while ``apply`` works on it."""
    shutil.copytree(base.parent, target)
    (target / "x.state").unlink()
    hand = sqlite3.connect(target / "x.state.d" / "store.db", isolation_level=None)
    tables = hand.execute("SELECT rowid, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL").fetchall()
    hand.execute("PRAGMA writable_schema = ON")
    for row, sql in tables:
        if "WITHOUT ROWID" not in sql:
            hand.execute("UPDATE sqlite_master SET sql = ? WHERE rowid = ?", (sql.replace(" NOT NULL", ""), row))
    hand.close()
    hand = sqlite3.connect(target / "x.state.d" / "store.db", isolation_level=None)
    try:
        apply(hand)
    finally:
        hand.execute("PRAGMA writable_schema = ON")
        for row, sql in tables:
            hand.execute("UPDATE sqlite_master SET sql = ? WHERE rowid = ?", (sql, row))
        hand.close()


def _refused(call) -> str:
    try:
        call()
    except corestate.CorestateError as error:
        return str(error)
    return ""


def _calls(state):
    scope = state.scope("user", "u")
    yield from (
        lambda: scope["a"],
        lambda: scope.entry("a"),
        lambda: scope.entries(),
        lambda: scope.history("a"),
        lambda: scope.history("gone"),
        lambda: dict(scope.at(change=3)),
        lambda: state.changes(0).drain(),
        lambda: state.workflow("w").steps(),
        lambda: state.workflow("w").timeline(),
        lambda: state.tasks.find(),
        lambda: state.tasks.get(1),
        lambda: state.tasks.counts(),
        lambda: state.agents.state_of("agent"),
        lambda: state.agents.filter(status=AgentStatus.RUNNING),
        lambda: state.agents.counts(governed=True),
        lambda: [budget.info() for budget in state.budgets.values()],
        lambda: state.durable.store.check(),
        lambda: scope.set("a", 12),
        lambda: scope.increment("a"),
        lambda: scope.set("gone", 1),
        lambda: scope.revert("a", 1),
        lambda: state.transact(lambda tx: tx(scope).__setitem__("a", tx(scope)["a"])),
        lambda: state.sweep_expired(),
        lambda: state.retain(versions=1),
        lambda: state.tasks.push("n", parent=1),
        lambda: state.tasks.pop("w"),
        lambda: state.tasks.requeue(1),
        lambda: state.agents.govern("agent"),
        lambda: state.agents.set_status("agent", AgentStatus.PAUSED),
        lambda: state.agents.update("agent", lambda found: found.with_(data={"z": 1})),
        lambda: state.agents.detect("agent", 1),
        lambda: state.budgets["b"].spend(10),
        lambda: state.budgets["b"].set_limit(900),
        lambda: scope.erase("a"),
    )


@pytest.mark.parametrize("where", [f"{table}.{name}" for table, names in COLUMNS.items() for name in names.split()])
def test_field_x9_no_column_comes_out_as_an_error_of_pythons(base, tmp_path, where):
    table, column = where.split(".")
    said = set()
    for number, (name, value) in enumerate([*VALUES.items(), ("unreadable", UNREADABLE)]):
        target = tmp_path / str(number)
        expression = value if name == "unreadable" else "?"

        def apply(hand, expression=expression, value=value):
            values = () if expression != "?" else (value,)
            with suppress(sqlite3.IntegrityError):
                one = "WHERE key IN ('a', 'gone')" if where in ("entries.key", "deleted.key") else ""
                hand.execute(f"UPDATE {table} SET {column} = {expression} {one}", values)

        _loosened(base, target, apply)
        with corestate.open(target / "x.state") as state:
            for call in _calls(state):
                said.add(_refused(call))
    assert all(re.search(r"[a-z_]+ of [a-z]+ in the store", one) for one in said if " in the store:" in one)
    rarely_read = (
        "keys",
        "bytes",
        "previous",
        "kept",
        "version",
        "registration",
        "priority",
        "open_children",
        "amount",
    )
    if column not in rarely_read:
        assert any(f"{column} of {table} in the store" in one or "damaged" in one for one in said), said


def test_field_x9_an_index_that_has_lost_rows_is_found(base, tmp_path):
    """A partial index in the place of ours; then the schema is put back, so that only the index itself shows it."""

    def apply(hand):
        name, sql = hand.execute("SELECT name, sql FROM sqlite_master WHERE name = 'governed_by_status'").fetchone()
        hand.execute(f"DROP INDEX {name}")
        hand.execute(f"{sql} WHERE status > 100")
        hand.execute("PRAGMA writable_schema = ON")
        hand.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
        version = hand.execute("PRAGMA schema_version").fetchone()[0]
        hand.execute(f"PRAGMA schema_version = {version + 1}")

    _loosened(base, tmp_path / "0", apply)
    for mode in ("rw", "r"):
        with corestate.open(tmp_path / "0" / "x.state", mode=mode) as state:
            assert any("governed_by_status" in fault for fault in state.durable.store.check())
