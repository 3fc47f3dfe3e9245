"""Batched rows: together, within a bound, once, and never twice after a fork."""

import os
import threading
import time

import pytest

import corestate
from corestate.stores.base import BATCH_SECONDS


@pytest.fixture
def batched(path):
    with corestate.open(path, durability="batched") as opened:
        yield opened


def test_held_rows_are_committed_by_themselves(batched, path):
    committed = threading.Event()
    commit = batched.audit._batch._commit
    batched.audit._batch._commit = lambda held: (commit(held), committed.set())
    assert batched.audit.log("a", "T", 1) is None
    assert batched.audit.log("a", "T", 2) is None
    assert committed.wait(60)
    with corestate.attach(path, mode="r") as other:
        assert [row.details for row in other.audit] == [1, 2]
    assert BATCH_SECONDS <= 0.05


def test_flush_verify_and_close_commit(batched, path):
    for n in range(100):
        batched.audit.log("a", "T", n)
    batched.audit.flush()
    assert len(batched.audit) == 100
    batched.audit.log("a", "T", 100)
    assert batched.audit.verify()
    assert len(batched.audit) == 101
    batched.audit.log("a", "T", 101)
    batched.close()
    with corestate.attach(path, mode="r") as other:
        assert [row.details for row in other.audit] == list(range(102))
        assert other.audit.verify()


def test_p7_what_others_have_seen_of_a_batch_survives_kill_9(path, child):
    """What is held back is nobody's yet; what anybody has seen is committed."""
    with corestate.open(path) as other:
        assert len(other.audit) == 0
        writer = child(
            """
            import sys, corestate
            state = corestate.open(sys.argv[1], durability="batched")
            n = 0
            while True:
                state.audit.log("a", "T", n)
                n += 1
            """,
            path,
        )
        deadline = time.monotonic() + 60
        while (seen := len(other.audit)) < 100:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        writer.kill()
        assert other.audit.verify()
        kept = [row.details for row in other.audit]
        assert len(kept) >= seen
        assert kept == list(range(len(kept))), "only a tail is missing, never a row before others"


def test_the_end_of_the_program_commits(path, child):
    child(
        """
        import sys, corestate
        state = corestate.open(sys.argv[1], durability="batched")
        for n in range(10):
            state.audit.log("a", "T", n)
        """,
        path,
    ).finish()
    with corestate.attach(path, mode="r") as other:
        assert [row.details for row in other.audit] == list(range(10))


def test_what_a_parent_holds_its_child_does_not_commit(batched):
    batched.audit.log("parent", "T")
    held = len(batched.audit._batch._held)
    pid = os.fork()
    if pid == 0:
        try:
            batched.audit.log("child", "T")
            batched.audit.flush()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    batched.audit.flush()
    assert held <= 1
    assert sorted(row.agent_id for row in batched.audit) == ["child", "parent"]
    assert batched.audit.verify()


def test_what_the_store_refuses_is_kept_and_tried_again(batched, path, monkeypatch, caplog):
    batched.audit.log("a", "T", 0)
    batched.audit.flush()
    real = batched.audit._commit
    refusals = iter([True])

    def refuse(packed):
        if next(refusals, False):
            raise corestate.StoreFullError.because("store")
        return real(packed)

    monkeypatch.setattr(batched.audit, "_commit", refuse)
    batched.audit._batch._turn.acquire()  # the timer waits meanwhile
    batched.audit.log("a", "T", 1)
    batched.audit._batch._turn.release()
    try:
        batched.audit.flush()
    except corestate.StoreFullError:
        batched.audit.flush()
    batched.audit.flush()
    assert [row.details for row in batched.audit] == [0, 1]
