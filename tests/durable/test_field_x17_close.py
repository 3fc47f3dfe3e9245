"""``close()`` returns at once, whatever other threads do; they have their error, or have finished."""

from __future__ import annotations

import threading
import time

import pytest

import corestate


def test_field_x17_close_while_threads_write(tmp_path):
    """Again and again: six threads in durable writes, each of which ends, and a store that is sound."""
    path, slowest, odd = tmp_path / "a.state", 0.0, []
    corestate.create(path).close()

    def work(state, number):
        scope, n = state.scope("global"), 0
        try:
            while True:
                n += 1
                if number == 4:
                    state.tasks.push("t", n)
                elif number == 5:
                    state.audit.log("ann", "T")
                else:
                    scope[f"k{number}"] = n
        except corestate.ClosedError:
            pass
        except BaseException as error:
            odd.append(error)

    for turn in range(500):
        state = corestate.attach(path)
        threads = [threading.Thread(target=work, args=(state, number), daemon=True) for number in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.001 * (turn % 7))
        began = time.monotonic()
        state.close()
        slowest = max(slowest, time.monotonic() - began)
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), f"round {turn}"
    assert not odd, odd[0]
    assert slowest < 30
    with corestate.attach(path) as state:
        assert state.durable.store.check() == []
        assert state.durable.store.begun, "nothing is held by those who are gone"
        assert state.audit.verify()


def test_field_x17_a_thread_in_a_transaction_does_not_hold_up_close(tmp_path):
    state = corestate.create(tmp_path / "a.state")
    inside, go, said = threading.Event(), threading.Event(), []

    def work():
        try:
            with state.durable.store.write() as rows:
                rows.run("INSERT INTO meta VALUES ('late', 1)")
                inside.set()
                go.wait(60)
        except corestate.ClosedError as error:
            said.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(60)
    began = time.monotonic()
    state.close()
    assert time.monotonic() - began < 30
    assert thread.is_alive(), "it is not waited for"
    go.set()
    thread.join(60)
    assert said, "what it wanted to commit after the close came to nothing"
    with corestate.attach(tmp_path / "a.state") as again:
        assert again.durable.store.one("SELECT 1 FROM meta WHERE name = 'late'") is None
        assert again.durable.store.begun


def test_field_x17_close_while_another_process_opens(tmp_path, monkeypatch):
    """Who holds the turn of opening and closing, stopped, holds up nobody for long, and what is open is closed."""
    monkeypatch.setattr("corestate.stores.sqlite.CLOSING_SECONDS", 0.05)
    monkeypatch.setattr("corestate.stores.session.TURN_SECONDS", 0.05)
    state = corestate.create(tmp_path / "a.state")
    state.scope("global")["a"] = 1
    with corestate.attach(tmp_path / "a.state") as other:
        other.scope("global")["a"] = 2
        with other.durable.store._lock_file.turn():
            state.close()
            with corestate.attach(tmp_path / "a.state") as third, pytest.raises(corestate.StoreBusyError, match="lock"):
                third.scope("global")["a"]


def test_field_x17_memory_closes_too():
    state = corestate.open("heap:")
    scope = state.scope("global")
    ended = []

    def work():
        try:
            while True:
                scope.increment("n")
        except corestate.ClosedError:
            ended.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    state.close()
    for thread in threads:
        thread.join(60)
    assert len(ended) == 3


def test_field_v4_what_close_cannot_do_is_raised_after_everything_is_closed(tmp_path, monkeypatch):
    state = corestate.create(tmp_path / "a.state")
    state.scope("global")["a"] = 1

    def fail():
        raise corestate.StoreBusyError.because("held back")

    monkeypatch.setattr(state.audit, "close", fail)
    with pytest.raises(corestate.StoreBusyError):
        state.close()
    assert state.closed
    with corestate.attach(tmp_path / "a.state") as again:
        again.scope("global")["a"] = 2
        assert again.durable.store.begun


def test_a_failing_disk_is_not_a_full_one():
    import sqlite3

    from corestate.stores.connection import error

    said = error("/nowhere/store.db", sqlite3.OperationalError("disk I/O error"))
    assert type(said) is corestate.StoreError
    assert "dmesg" in str(said)
    assert isinstance(error("/x", sqlite3.OperationalError("database or disk is full")), corestate.StoreFullError)


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_field_s10_scrubbed_is_gone_from_the_files(tmp_path, durability):
    with corestate.open(tmp_path / "a.state", durability=durability) as state:
        scope = state.scope("user", "ann")
        secret = "s3cret" * 4000
        scope["token"] = secret
        scope["small"] = "tiny-s3cret"
        with state.durable.store.write() as rows:
            for table in ("entries", "changes", "deleted"):
                rows.run(f"DELETE FROM {table}")
        state.durable.store.scrub()
        for entry in (tmp_path / "a.state.d").iterdir():
            assert b"s3cret" not in entry.read_bytes(), entry
        assert state.durable.store.check() == []
        scope["on"] = 1
    with corestate.open("heap:") as state:
        state.scope("global")["a"] = 1
        state.durable.store.scrub()
