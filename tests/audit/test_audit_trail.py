"""B5: what is logged is there, in order, to be queried and exported."""

import csv
import datetime as dt
import io
import json
import os
import threading
from pathlib import Path

import pytest

import corestate
from corestate import AuditEvent, errors


@pytest.fixture
def state(path):
    with corestate.open(path) as opened:
        yield opened


def test_a_row_comes_back_as_it_went_in(state):
    details = {"text": "é\n\0", "n": 2**80, "list": [1, None, True, 0.5], "": {}}
    before = dt.datetime.now(dt.timezone.utc)
    assert state.audit.log("agent 1", "ANYTHING at all", details) == 1
    assert state.audit.log("agent 1", AuditEvent.PII_DETECTED) == 2
    first, second = state.audit.query()
    assert (first.sequence, first.agent_id, first.event_type, first.details) == (
        1,
        "agent 1",
        "ANYTHING at all",
        details,
    )
    assert before - dt.timedelta(seconds=1) < first.time < dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=1)
    assert (second.event_type, second.details) == ("PII_DETECTED", {})
    assert len(first.hash) == 64
    assert first.hash != second.hash
    assert state.audit.verify() is True


def test_looking_makes_no_store(state, path):
    assert state.audit.query() == state.audit.tail() == list(state.audit) == []
    assert len(state.audit) == 0
    assert state.audit.verify() is True
    assert state.audit.head().sequence == 0
    assert not Path(f"{path}.d").exists()


def test_query_by_agent_type_and_time(state):
    for n in range(20):
        state.audit.log(f"a{n % 2}", f"T{n % 5}", {"n": n})
    assert [row.details["n"] for row in state.audit.query(agent_id="a0", event_type="T2")] == [2, 12]
    assert [row.sequence for row in state.audit.query(limit=3)] == [1, 2, 3]
    assert [row.sequence for row in state.audit.tail(3)] == [18, 19, 20]
    assert state.audit.query(agent_id="nobody") == []
    moment = state.audit.tail(1)[0].time
    assert [row.sequence for row in state.audit.query(until=moment - dt.timedelta(hours=1))] == []
    assert len(state.audit.query(since=moment - dt.timedelta(hours=1), until=moment + dt.timedelta(hours=1))) == 20
    assert len(state.audit.query(since=moment.timestamp() + 3600)) == 0
    with pytest.raises(errors.InvalidError, match="time zone"):
        state.audit.query(since=dt.datetime(2020, 1, 1))  # noqa: DTZ001 - that is the mistake
    with pytest.raises(errors.NotANumberError):
        state.audit.query(until=float("nan"))
    with pytest.raises(errors.WrongTypeError):
        state.audit.query(until="yesterday")


def test_a_long_query_takes_every_row_once(state):
    state.audit.log_many((f"a{n % 3}", "TICK", {"n": n}) for n in range(5000))
    assert [row.details["n"] for row in state.audit] == list(range(5000))
    assert len(state.audit.query(agent_id="a1")) == 1667


def test_export(state, tmp_path):
    state.audit.log("=cmd", "A,B", {"quote": '"', "line": "a\nb"})
    state.audit.log("b", "C")
    assert state.audit.export(tmp_path / "x.jsonl") == 2
    lines = (tmp_path / "x.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [row.to_dict() for row in state.audit]
    out = io.StringIO()
    assert state.audit.export(out, "csv", agent_id="=cmd") == 1
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (row["agent_id"], row["event_type"]) == ("'=cmd", "A,B")
    assert json.loads(row["details"]) == {"quote": '"', "line": "a\nb"}
    with pytest.raises(errors.InvalidError, match="jsonl"):
        state.audit.export(io.StringIO(), "xml")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ((None, "T"), errors.WrongTypeError),
        (("", "T"), errors.InvalidError),
        (("x" * 257, "T"), errors.InvalidError),
        (("a", ""), errors.InvalidError),
        (("a", "é" * 33), errors.InvalidError),
        (("a\ud800", "T"), errors.InvalidError),
        (("a", "AUDIT_PRUNED"), errors.InvalidError),
        (("a", "T", {"x": float("nan")}), errors.NotANumberError),
        (("a", "T", {"x": b"raw"}), errors.WrongTypeError),
        (("a", "T", {"x": "\ud800"}), errors.InvalidError),
        (("a", "T", "x" * (1 << 20)), errors.TooBigError),
    ],
)
def test_what_is_no_row_is_refused_and_nothing_added(state, row, kind):
    state.audit.log("a", "T")
    with pytest.raises(kind):
        state.audit.log(*row)
    assert len(state.audit) == 1


def test_many_are_all_or_none(state):
    with pytest.raises(errors.WrongTypeError):
        state.audit.log_many([("a", "T", None), ("a", 7, None)])
    with pytest.raises(errors.InvalidError):
        state.audit.log_many([])
    assert len(state.audit) == 0


def test_an_observer_reads_and_cannot_write(state, path):
    state.audit.log("a", "T")
    with corestate.attach(path, mode="r") as reader:
        assert [row.agent_id for row in reader.audit] == ["a"]
        assert reader.audit.verify()
        for write in (lambda: reader.audit.log("a", "T"), lambda: reader.audit.prune(count=0), reader.audit.anchor):
            with pytest.raises(errors.ReadOnlyError):
                write()


def test_threads_and_processes_write_one_chain(state, path, child):
    source = """
        import sys, corestate
        with corestate.open(sys.argv[1]) as state:
            print("ready", flush=True)
            input()
            for n in range(200):
                state.audit.log(sys.argv[2], "T", {"n": n})
    """
    others = [child(source, path, f"p{n}") for n in range(3)]
    for other in others:
        assert other.line() == "ready"
    for other in others:
        other.tell()
    threads = [
        threading.Thread(target=lambda n=n: [state.audit.log(f"t{n}", "T", {"n": i}) for i in range(100)])
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.finish()
    assert state.audit.verify()
    rows = list(state.audit)
    assert [row.sequence for row in rows] == list(range(1, 901))
    for name, count in [("p0", 200), ("p1", 200), ("p2", 200), ("t0", 100), ("t1", 100), ("t2", 100)]:
        assert [row.details["n"] for row in rows if row.agent_id == name] == list(range(count))


def test_of_a_state_in_memory():
    with corestate.open("heap:") as state:
        state.audit.log("a", "T")
        state.audit.log("a", "T")
        assert state.audit.verify()
        assert len(state.audit) == 2


def test_a_child_of_fork_goes_on(state):
    state.audit.log("parent", "T")
    child = os.fork()
    if child == 0:
        try:
            state.audit.log("child", "T")
            os._exit(0 if state.audit.verify() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    state.audit.log("parent", "T")
    assert [row.agent_id for row in state.audit] == ["parent", "child", "parent"]
    assert state.audit.verify()


def test_a_clock_that_steps_back_leaves_the_order(state, monkeypatch):
    times = iter([3 * 10**18, 10**18, 2 * 10**18])
    monkeypatch.setattr("corestate.audit.trail.time.time_ns", lambda: next(times))
    for n in range(3):
        state.audit.log("a", "T", n)
    monkeypatch.undo()
    assert [row.details for row in state.audit] == [0, 1, 2]
    assert [row.details for row in state.audit.query(since=1.5e9)] == [0, 2]
    assert state.audit.prune(age=3600) == 0, "the oldest row is of a time to come, and what is behind it stays with it"
    assert state.audit.verify()


def test_a_transaction_that_comes_to_nothing_leaves_the_anchor(state):
    state.audit.log("a", "T")
    with pytest.raises(ZeroDivisionError), state.durable.store.write() as rows:
        state.audit.add(rows, "a", "T")
        _ = 1 / 0
    assert len(state.audit) == 1
    assert state.audit.log("a", "T") == 2
    assert state.audit.verify()
