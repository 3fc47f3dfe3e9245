"""Rows held back, lost stores and odd arguments of the audit trail."""

import io
import threading
import time
from pathlib import Path

import pytest

import corestate
from corestate import Anchor, errors

KEY = b"a key of enough bytes, kept elsewhere"


def anchor_of(path):
    with corestate.attach(path, mode="r") as state:
        return state.durable.anchor_path


def store_of(path):
    with corestate.attach(path, mode="r") as state:
        return state.durable.path


@pytest.fixture(params=[None, KEY], ids=["plain", "keyed"])
def key(request):
    return request.param


@pytest.fixture
def trail(path, key):
    with corestate.open(path) as state:
        if key:
            state.audit.use_key(key)
        state.audit.log("a", "T")
    return path


# -- V5: rows held back ----------------------------------------------------------------------------


def settled():
    """Wait for the threads that could not commit in time."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(30)


HOLDER = """
    import sys, sqlite3, corestate
    state = corestate.open(sys.argv[1])
    if sys.argv[2] == "corestate":
        with state.durable.store.write() as rows:
            print("held", flush=True)
            input()
    else:
        database = sqlite3.connect(str(state.durable.path), isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        print("held", flush=True)
        input()
"""


@pytest.mark.parametrize("who", ["corestate", "sqlite3"])
def test_field_v5_close_while_the_store_is_held_loses_no_row(path, child, who):
    with corestate.open(path) as state:
        state.audit.log("a", "T", -1)
    holder = child(HOLDER, path, who)
    assert holder.line() == "held"
    state = corestate.open(path, durability="batched")
    for n in range(3):
        state.audit.log("held", "T", n)
    begun = time.monotonic()
    state.audit.close()
    assert time.monotonic() - begun < 9
    holder.kill()
    settled()
    state.close()
    with corestate.open(path) as after:
        after.audit.log("next", "T")
        assert [row.details for row in after.audit if row.agent_id == "held"] == [0, 1, 2]
        assert after.audit.verify()
        after.audit.close()
    with corestate.open(path) as again:
        again.audit.log("again", "T")
        assert len([row for row in again.audit if row.agent_id == "held"]) == 3
    assert not list(anchor_of(path).parent.glob("*held-*"))


def test_field_v5_kept_rows_are_added_once_however_often_that_is_interrupted(path, child, monkeypatch):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
    holder = child(HOLDER, path, "corestate")
    assert holder.line() == "held"
    state = corestate.open(path, durability="batched")
    state.audit.log("held", "T")
    state.audit.close(0.1)
    holder.kill()
    settled()
    state.close()
    (kept,) = anchor_of(path).parent.glob("*held-*")
    content = kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600
    with corestate.open(path) as after:
        after.audit.log("next", "T")
    kept.write_bytes(content)  # as who is killed between the commit and the removal leaves it
    with corestate.open(path) as after:
        after.audit.log("next", "T")
        assert [row.agent_id for row in after.audit] == ["a", "held", "next", "next"]
        assert after.audit.verify()
    assert not kept.exists()


def test_field_v5_rows_that_can_be_kept_nowhere_come_with_the_error(path, child, monkeypatch):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
    holder = child(HOLDER, path, "corestate")
    assert holder.line() == "held"
    state = corestate.open(path, durability="batched")
    state.audit.log("held", "T", {"n": 1})
    monkeypatch.setattr("corestate.audit.held.Place.make", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(corestate.AuditHeldError) as found:
        state.audit.close(0.1)
    assert [row[1:] for row in found.value.rows] == [("held", "T", '{"n":1}')]
    holder.kill()
    monkeypatch.undo()
    settled()
    state.close()


def test_field_v5_nothing_is_held_back_of_what_is_closed(path):
    state = corestate.open(path, durability="batched")
    state.audit.log("a", "T")
    state.close()
    with pytest.raises(errors.ClosedError):
        state.audit.log("a", "T")


# -- V1: a store that is gone ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["r", "rw"])
def test_field_v1_a_lost_store_is_said_by_the_trail(trail, key, mode):
    store, anchor = store_of(trail), anchor_of(trail)
    for name in (store, anchor, f"{store}-wal", f"{store}-shm"):
        Path(name).unlink(missing_ok=True)
    with corestate.attach(trail, mode=mode) as state:
        calls = [
            state.audit.query,
            state.audit.tail,
            state.audit.head,
            state.audit.pruned,
            state.audit.verify,
            lambda: list(state.audit),
            lambda: len(state.audit),
            lambda: state.audit.timeline("w"),
            lambda: state.audit.export(io.StringIO()),
        ]
        for call in calls:
            with pytest.raises(errors.StoreGoneError):
                call()


def test_field_v1_a_batched_row_for_a_lost_store_is_refused_at_once(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
    store = store_of(path)
    for name in (store, f"{store}-wal", f"{store}-shm"):
        Path(name).unlink(missing_ok=True)
    with corestate.open(path, durability="batched") as state, pytest.raises(errors.StoreGoneError):
        state.audit.log("a", "T")


# -- D16: arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda audit: audit.query(limit="x"),
        lambda audit: audit.query(limit=-1),
        lambda audit: audit.query(limit=2**70),
        lambda audit: audit.query("\udc80"),
        lambda audit: audit.query(5),
        lambda audit: audit.query(event_type=5),
        lambda audit: audit.tail("x"),
        lambda audit: audit.tail(-1),
        lambda audit: audit.prune(age=float("nan")),
        lambda audit: audit.prune(age="x"),
        lambda audit: audit.prune(count=1.5),
        lambda audit: audit.prune(count=-1),
        lambda audit: audit.log_many([("a", "b"), "abc"]),
        lambda audit: audit.log_many(["abc"]),
        lambda audit: audit.log_many("abc"),
        lambda audit: audit.log_many(5),
        lambda audit: audit.log_many([("a", "b", None, None)]),
        lambda audit: audit.verify("7:00"),
        lambda audit: audit.log("\udc80", "T"),
        lambda audit: audit.export(io.StringIO(), 5),
        lambda audit: Anchor.parse(5),
    ],
)
def test_field_d16_odd_arguments_are_errors_of_ours(path, call):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        with pytest.raises(errors.CorestateError):
            call(state.audit)
        assert len(state.audit) == 1


def test_field_d16_what_is_beyond_all_time_is_no_error(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        assert state.audit.query(since=1e300) == []
        assert len(state.audit.query(until=1e300)) == 1
        assert state.audit.prune(age=1e300) == 0
        assert state.audit.prune(count=2**70) == 0
        assert state.audit.log_many([("a", "T")]) == 2
