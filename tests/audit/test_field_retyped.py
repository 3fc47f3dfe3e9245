"""What an audit trail hides from queries, and what takes its key or its anchor away."""

import contextlib
import io
import sqlite3
import subprocess
import sys

import pytest

import corestate

KEY = b"a key of enough bytes, kept elsewhere"
ROWS = 12


@pytest.fixture(params=[None, KEY], ids=["plain", "keyed"])
def key(request):
    return request.param


def opened(path, key, mode="rw", **rest):
    state = corestate.open(path, **rest) if mode == "rw" else corestate.attach(path, mode=mode)
    if key:
        state.audit.use_key(key)
    return state


@pytest.fixture
def trail(path, key):
    with opened(path, key) as state:
        for n in range(ROWS):
            state.audit.log(f"a{n % 2}", "T", {"n": n})
        assert state.audit.verify()
    return path


@contextlib.contextmanager
def by_hand(path):
    """The store as who has the file has it."""
    with corestate.attach(path, mode="r") as state:
        database = sqlite3.connect(state.durable.path, isolation_level=None)
    triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        database.execute(f"DROP TRIGGER {name}")
    yield database
    for _, sql in triggers:
        database.execute(sql)
    database.close()


def refused(path, key, *, kind=corestate.AuditError, anchor=None):
    with opened(path, key, "r") as state, pytest.raises(kind) as found:
        state.audit.verify(anchor)
    return found.value


# -- S8: rows that queries do not find -------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "agent_id = CAST(agent_id AS BLOB)",
        "event_type = CAST(event_type AS BLOB)",
        "details = CAST(details AS BLOB)",
        "hash = CAST(hash AS TEXT)",
        "time_ns = 'x'",
        "time_ns = 0.5",
        "details = zeroblob(3000000)",
    ],
)
def test_field_s8_a_retyped_row_is_the_first_broken_row(trail, key, change):
    with opened(trail, key, "r") as state:
        elsewhere = state.audit.head()
    with by_hand(trail) as database:
        database.execute(f"UPDATE audit SET {change} WHERE sequence >= 5")
    for anchor in (None, elsewhere):
        assert refused(trail, key, kind=corestate.AuditBrokenError, anchor=anchor).sequence == 5


def reindexed(database, name, where):
    """Leave rows out of an index, whose schema says nothing of it afterwards."""
    (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    for text in (sql + where, sql):
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (text, name))
        (version,) = database.execute("PRAGMA schema_version").fetchone()
        database.execute(f"PRAGMA schema_version = {version + 1}")
        database.execute("PRAGMA writable_schema = RESET")
        if text != sql:
            database.execute("REINDEX")


@pytest.mark.parametrize(
    ("name", "where"),
    [("audit_of_agent", " WHERE agent_id <> 'a1'"), ("audit_of_type", " WHERE sequence <> 7")],
)
def test_field_s8_rows_left_out_of_an_index_are_reported(trail, key, name, where):
    with opened(trail, key, "r") as state:
        elsewhere = state.audit.head()
    with by_hand(trail) as database:
        reindexed(database, name, where)
    for anchor in (None, elsewhere):
        assert name in str(refused(trail, key, kind=corestate.AuditBrokenError, anchor=anchor))


def test_field_s8_an_index_of_another_kind_is_reported(path, key):
    with opened(path, key) as state:
        state.audit.log("a", "T")
        database = sqlite3.connect(state.durable.path)
        database.execute("DROP INDEX audit_of_type")
        database.execute("CREATE INDEX audit_of_type ON audit (event_type, sequence) WHERE sequence > 1")
        database.commit()
        database.close()
        with pytest.raises(corestate.AuditBrokenError, match="audit_of_type"):
            state.audit.verify()


# -- V6: an anchor kept elsewhere beside one that is gone ------------------------------------------


@pytest.mark.parametrize("how", ["gone", "empty", "damaged"])
def test_field_v6_an_anchor_kept_elsewhere_does_not_stand_for_the_file(trail, key, how):
    with opened(trail, key) as state:
        elsewhere = state.audit.anchor()
        for n in range(5):
            state.audit.log("rogue", "T", n)
        anchor = state.durable.anchor_path
    if how == "gone":
        anchor.unlink()
    else:
        anchor.write_bytes(b"" if how == "empty" else b"csaudit2" + bytes(100))
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence > ?", (ROWS,))
    for given in (None, elsewhere):
        refused(trail, key, kind=corestate.AuditAnchorError, anchor=given)
    with opened(trail, key) as state:
        assert state.audit.anchor() == elsewhere  # after a look of somebody's
        assert state.audit.verify(elsewhere)


# -- V6: emptied with its mark and its anchor ------------------------------------------------------


@pytest.mark.parametrize("room", [{}, {"values": 0}, {"counters": 0}, {"counters": 0, "values": 0}], ids=repr)
def test_field_v6_the_region_remembers_a_trail_whatever_room_it_has(path, key, room):
    with opened(path, key, config=corestate.RegionConfig(**room)) as state:
        state.audit.log("a", "T")
        anchor = state.durable.anchor_path
    with by_hand(path) as database:
        database.execute("DELETE FROM audit")
        database.execute("DELETE FROM meta WHERE name = 'audit_key'")
    anchor.unlink()
    refused(path, key, kind=corestate.AuditBrokenError)
    with opened(path, key) as state:
        state.audit.log("a", "T")
    refused(path, key, kind=corestate.AuditBrokenError)


# -- what is of another type is shown, and stops nobody --------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "agent_id = X'ff00'",
        "event_type = X'54'",
        "details = X'7b7d'",
        "details = '['",
        "details = replace(hex(zeroblob(25000)), '0', '[')",
        "hash = 'abc'",
        "hash = 7",
        "time_ns = 'x'",
        "time_ns = X'00'",
        "time_ns = -1 << 63",
        "time_ns = 1e300",
    ],
)
def test_field_s9_rows_of_other_types_are_listed_and_exported(path, change):
    with corestate.open(path) as state:
        for n in range(3):
            state.audit.log("a", "T", {"n": n})
    with by_hand(path) as database:
        database.execute(f"UPDATE audit SET {change} WHERE sequence = 2")
    with corestate.attach(path, mode="r") as state:
        found = state.audit.query()
        assert [row.sequence for row in found] == [1, 2, 3]
        assert len(state.audit.tail(2)) == 2
        assert state.audit.timeline("w") == []
        for form in ("jsonl", "csv"):
            assert state.audit.export(io.StringIO(), form) == 3
        assert isinstance(found[1].agent_id, str)
        assert isinstance(found[1].event_type, str)
        assert found[1].time.tzinfo
    for options in ([], ["--export", "jsonl"]):
        command = [sys.executable, "-m", "corestate", "audit", str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    with corestate.attach(path, mode="r") as state, pytest.raises(corestate.AuditBrokenError):
        state.audit.verify()
