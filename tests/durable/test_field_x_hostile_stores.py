"""Stores that somebody else made: refused with an error of ours, in bounded time and memory, and left as they are."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import time

import pytest

import corestate
from corestate import _trusted
from corestate.stores import tables

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture(name="region")
def _region(tmp_path):
    with corestate.open(tmp_path / "a.state") as state:
        state.scope("user", "u")["a"] = 1
        state.tasks.push("t")
        state.budgets.create("money", 5)
    return tmp_path / "a.state"


def _by_hand(region, *statements):
    hand = sqlite3.connect(f"{region}.d/store.db", isolation_level=None)
    for statement in statements:
        hand.execute(statement)
    hand.close()


HOSTILE = {
    "store_id a number": ["UPDATE meta SET value = 3000000000 WHERE name = 'store_id'"],
    "store_id negative": ["UPDATE meta SET value = -5 WHERE name = 'store_id'"],
    "store_id text": ["UPDATE meta SET value = 'abc' WHERE name = 'store_id'"],
    "store_id short": ["UPDATE meta SET value = x'00' WHERE name = 'store_id'"],
    "store_id huge": ["UPDATE meta SET value = zeroblob(200000000) WHERE name = 'store_id'"],
    "no store_id": ["DELETE FROM meta WHERE name = 'store_id'"],
    "version text": ["UPDATE meta SET value = 'abc' WHERE name = 'schema_version'"],
    "version blob": ["UPDATE meta SET value = zeroblob(100000000) WHERE name = 'schema_version'"],
    "a view that does not end": ["ALTER TABLE entries RENAME TO e", f"CREATE VIEW entries AS {ENDLESS}"],
    "a view of bombs": ["DROP TABLE entries", "CREATE VIEW entries AS SELECT zeroblob(900000000) AS value"],
    "a trigger that does not end": [f"CREATE TRIGGER t AFTER INSERT ON changes BEGIN {ENDLESS}; END"],
    "a trigger that rewrites": ["CREATE TRIGGER t AFTER INSERT ON entries BEGIN UPDATE entries SET tag = 9; END"],
    "a generated column": [
        "CREATE TABLE m (name TEXT PRIMARY KEY, value BLOB NOT NULL, x AS (zeroblob(700000000)))",
        "INSERT INTO m SELECT * FROM meta",
        "DROP TABLE meta",
        "ALTER TABLE m RENAME TO meta",
    ],
    "a table more": ["CREATE TABLE more (x)"],
    "an index less": ["DROP INDEX tasks_ready"],
    "a trigger less": ["DROP TRIGGER audit_kept"],
    "another program's": ["PRAGMA application_id = 7"],
}


def test_field_x9_a_store_of_another_encoding_is_refused(region):
    database = region.parent / "a.state.d" / "store.db"
    hand = sqlite3.connect(database)
    dump = list(hand.iterdump())
    hand.close()
    database.unlink()
    hand = sqlite3.connect(database, isolation_level=None)
    hand.execute("PRAGMA encoding = 'UTF-16'")
    hand.executescript("\n".join(dump))
    hand.execute("PRAGMA application_id = 0x636F7265")
    hand.close()
    with corestate.attach(region) as state, pytest.raises(corestate.StoreCorruptError, match="UTF-16"):
        state.scope("user", "u")["a"]


@pytest.mark.parametrize("mode", ["rw", "r"])
@pytest.mark.parametrize("how", HOSTILE)
def test_field_x9_a_hostile_store_is_refused(region, how, mode):
    _by_hand(region, *HOSTILE[how])
    before = (region.parent / "a.state.d" / "store.db").read_bytes()
    began = time.process_time()
    with corestate.attach(region, mode=mode) as state:
        with pytest.raises(corestate.StoreCorruptError):
            state.scope("user", "u")["a"]
        with pytest.raises(corestate.StoreCorruptError):
            state.audit.verify()
    assert time.process_time() - began < 20
    assert (region.parent / "a.state.d" / "store.db").read_bytes() == before


def test_field_x9_doctor_names_what_is_wrong(region):
    _by_hand(region, *HOSTILE["a trigger that rewrites"])
    command = [sys.executable, "-m", "corestate", "doctor", str(region)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "trigger" in done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET version = -1",
        "UPDATE entries SET version = 9223372036854775807",
        "UPDATE entries SET version = 'x'",
        "UPDATE entries SET tag = -1",
        "UPDATE entries SET tag = 99",
        "UPDATE entries SET tag = 'x'",
        "UPDATE entries SET value = 'text'",
        "UPDATE entries SET value = x'c1'",
        "UPDATE entries SET expires_ns = -1",
        "UPDATE entries SET expires_ns = 'x'",
        "UPDATE entries SET time_ns = -1",
        "UPDATE changes SET version = -1",
        "UPDATE changes SET tag = 77",
        "UPDATE changes SET value = 5",
        "UPDATE changes SET previous = sequence",
    ],
)
def test_field_x9_values_no_store_has_are_errors_of_ours(region, statement):
    _by_hand(region, statement)
    with corestate.attach(region) as state:
        scope = state.scope("user", "u")
        assert state.durable.store.check() != [] or statement.endswith(("77", "c1'", "99", "= sequence"))
        for call in (
            lambda: scope["a"],
            lambda: scope.entry("a"),
            lambda: dict(scope),
            lambda: scope.history("a"),
            lambda: state.changes(0).drain(),
            lambda: scope.increment("a"),
        ):
            with contextlib.suppress(corestate.CorestateError):
                call()


def test_field_x9_a_query_ends_when_its_store_is_closed(region):
    import threading

    state = corestate.attach(region)
    said = []

    def ask():
        try:
            state.durable.store.one(ENDLESS)
        except corestate.ClosedError as error:
            said.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.05)
    state.close()
    thread.join(60)
    assert not thread.is_alive()
    assert said


def test_field_x9_opening_a_bomb_takes_little_memory(region):
    _by_hand(region, *HOSTILE["store_id a number"])
    code = (
        "import resource, sys, corestate\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try:\n    corestate.attach(sys.argv[1]).scope('user', 'u')['a']\n"
        "except corestate.StoreCorruptError as error:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, region], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "refused\n", done.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 21


# -- another program's database ----------------------------------------------------------------------------


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("mode", ["rw", "r"])
def test_field_x10_another_programs_database_is_left_as_it_is(tmp_path, journal, mode):
    other = tmp_path / "other.db"
    hand = sqlite3.connect(other)
    hand.execute(f"PRAGMA journal_mode = {journal}")
    hand.execute("CREATE TABLE cookies (x)")
    hand.commit()
    hand.close()
    before, names = other.read_bytes(), sorted(tmp_path.iterdir())
    corestate.create(tmp_path / "f.state").close()
    with corestate.attach(tmp_path / "f.state", mode=mode, store=other) as state, pytest.raises(corestate.StoreError):
        state.scope("user", "u")["a"]
    assert other.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted([*names, tmp_path / "f.state"])
    inside = tmp_path / "given"
    inside.mkdir(mode=0o700)
    other.rename(inside / "store.db")
    with (
        corestate.attach(tmp_path / "f.state", mode=mode, store=inside) as again,
        pytest.raises(corestate.StoreCorruptError),
    ):
        again.scope("user", "u")["a"]
    assert (inside / "store.db").read_bytes() == before
    assert {entry.name for entry in inside.iterdir()} <= {"store.db", "lock", "store.db-shm"}


def test_field_x10_a_store_says_that_it_is_one(region):
    hand = sqlite3.connect(f"{region}.d/store.db")
    assert hand.execute("PRAGMA application_id").fetchone() == (0x636F7265,)
    hand.close()


def test_the_digest_of_the_tables_is_that_of_the_scripts():
    """Stale, it costs each process the reading of the scripts: put this one into tables.py."""
    assert tables.digest(tables.expected()) == tables._DIGEST


# -- files that SQLite has open ------------------------------------------------------------------------------


def test_what_a_store_has_open_is_not_opened_and_closed_by_others(region, tmp_path):
    before = set(_trusted.in_use)
    with corestate.attach(region) as state, corestate.attach(region) as again:
        state.scope("user", "u")["a"] = again.scope("user", "u")["a"]
        for name in ("store.db", "store.db-shm"):
            path = tmp_path / "a.state.d" / name
            assert (path.stat().st_dev, path.stat().st_ino) in _trusted.in_use
            with pytest.raises(corestate.UntrustedFileError), _trusted.Place(path, "test") as place:
                place.open()
        again.close()
        path = tmp_path / "a.state.d" / "store.db"
        assert (path.stat().st_dev, path.stat().st_ino) in _trusted.in_use
    assert _trusted.in_use == before
    assert os.path.exists(f"{region}.d/store.db")  # noqa: PTH110
