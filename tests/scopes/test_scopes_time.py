"""Time to live, history, views of the past, forks and timelines."""

import datetime as dt
import time

import pytest

import corestate


@pytest.fixture(name="state")
def _state(tmp_path):
    with corestate.open(tmp_path / "s.state") as state:
        yield state


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("values", [0, 64])
def test_time_to_live_is_honoured_to_the_reader_and_swept(tmp_path, values):
    with corestate.open(tmp_path / "t.state", config=corestate.RegionConfig(values=values)) as state:
        scope = state.scope("session", "s")
        scope.set("k", 1, ttl=0.05)
        scope["stays"] = 2
        _until(lambda: scope.get("k") is None)
        assert "k" not in scope
        assert dict(scope) == {"stays": 2}
        assert len(scope) == 1
        assert scope.set("k2", 1, if_version=0) == 1
        with state.changes(since=0) as feed:
            feed.drain()
            assert state.sweep_expired() == 1
            (change,) = feed.drain()
        assert (change.operation, change.key, change.value) == ("expire", "k", None)
        assert [version.operation for version in scope.history("k")] == ["set", "expire"]
        assert state.sweep_expired() == 0


def test_a_set_renews_or_ends_the_time_to_live(state):
    scope = state.scope("global")
    scope.set("k", 1, ttl=0.05)
    scope.set("k", 2)
    scope.set("n", 1, ttl=1000)
    scope.increment("n")
    assert scope.entry("n").expires_ns > 0
    assert scope.entry("k").expires_ns == 0
    time.sleep(0.06)
    assert scope["k"] == 2
    for ttl in (0, -1, float("nan"), float("inf"), "1", True):
        with pytest.raises((ValueError, TypeError)):
            scope.set("k", 3, ttl=ttl)
    assert scope["k"] == 2


def test_history_and_views(state):
    scope = state.scope("workflow", "w")
    feed = state.changes(since=0)
    scope["a"] = 1
    before = time.time()
    scope["a"] = 2
    scope["b"] = "x"
    del scope["a"]
    changes = feed.drain()
    assert [(c.operation, c.key, c.version, c.value) for c in changes] == [
        ("set", "a", 1, 1),
        ("set", "a", 2, 2),
        ("set", "b", 1, "x"),
        ("delete", "a", 3, None),
    ]
    assert [(v.version, v.value, v.deleted) for v in scope.history("a")] == [
        (1, 1, False),
        (2, 2, False),
        (3, None, True),
    ]
    assert dict(scope.at(change=changes[0].sequence)) == {"a": 1}
    assert dict(scope.at(change=changes[2].sequence)) == {"a": 2, "b": "x"}
    assert dict(scope.at(change=changes[3].sequence)) == {"b": "x"}
    assert dict(scope.at(before)) == {"a": 1}
    assert dict(scope.at(dt.datetime.fromtimestamp(before, dt.timezone.utc))) == {"a": 1}
    assert dict(scope.at(change=0)) == {}
    view = scope.at(before)
    difference = scope.diff(view)
    assert difference.added == {"b": "x"}
    assert difference.removed == {"a": 1}
    assert not difference.changed
    assert not scope.diff(view, view)
    with pytest.raises(KeyError):
        view["b"]
    with pytest.raises(TypeError):
        view["b"] = 1
    for arguments in ({}, {"time": 1.0, "change": 1}, {"time": dt.datetime.now()}):  # noqa: DTZ005 - what is refused
        with pytest.raises(ValueError, match="expected"):
            scope.at(**arguments)


def test_revert(state):
    scope = state.scope("global")
    scope["a"] = 1
    scope["a"] = 2
    del scope["a"]
    assert scope.revert("a", 1) == 4
    assert scope["a"] == 1
    assert scope.revert("a", 3) == 5
    assert "a" not in scope
    with pytest.raises(KeyError):
        scope.revert("a", 99)


def test_fork(state):
    scope = state.workflow("train")
    scope.update({"a": 1, "b": 2})
    then = scope.at(time.time())
    scope["a"] = 3
    fork = scope.fork("what-if", at=then)
    assert dict(fork) == {"a": 1, "b": 2}
    fork["a"] = 100
    assert scope["a"] == 3
    assert dict(scope.fork("now")) == {"a": 3, "b": 2}
    with pytest.raises(ValueError, match="empty scope"):
        scope.fork("now")


def test_retention_keeps_what_is_current(state):
    scope = state.scope("global")
    for n in range(10):
        scope["a"] = n
        scope["b"] = n
    assert state.retain(versions=3) == 14
    assert [v.value for v in scope.history("a")] == [7, 8, 9]
    assert state.retain(age=0) == 4
    assert [v.value for v in scope.history("b")] == [9]
    scope["a"] = 10
    assert scope.history("a")[-1].version == 11
    for arguments in ({}, {"age": -1}, {"versions": 0}):
        with pytest.raises(ValueError, match="expected"):
            state.retain(**arguments)


def test_a_history_goes_through_deletions_and_batches(state):
    scope, before = state.scope("user", "ann"), {}
    for value in (1, 2, None, None, 3):  # the second deletion finds nothing
        if value is None:
            scope.delete("a")
        else:
            scope["a"] = value
        before[value] = state.changes(since=0).drain()[-1].sequence
    with state.transaction() as tx:
        tx(scope)["a"] = 4
        tx(scope)["b"] = 1
    assert [(v.version, v.value, v.deleted) for v in scope.history("a")] == [
        (1, 1, False), (2, 2, False), (3, None, True), (4, 3, False), (5, 4, False),
    ]  # fmt: skip
    assert [dict(scope.at(change=before[key])) for key in (1, 2, None, 3)] == [{"a": 1}, {"a": 2}, {}, {"a": 3}]
    scope.clear()
    assert [v.version for v in scope.history("b")] == [1, 2]
    assert dict(scope.at(change=before[2])) == {"a": 2}
    assert scope.set("b", 5) == 3
    assert state.retain(versions=2) == 5  # four of a, one of b
    assert [(v.version, v.deleted) for v in scope.history("a")] == [(5, False), (6, True)]
    assert dict(scope.at(change=before[2])) == {}, "forgotten, and nothing else in its place"
    assert scope.set("a", 6) == 7
    assert [(c.key, c.version, c.value) for c in state.changes(since=0).drain()][:2] == [("a", 1, None), ("a", 2, None)]


def test_timeline_of_a_workflow(state):
    workflow = state.workflow("train")
    workflow["started"] = True
    workflow.step("load")["rows"] = 10
    workflow.step("fit")["loss"] = 0.5
    state.workflow("other")["x"] = 1
    del workflow.step("load")["rows"]
    assert workflow.steps() == ["fit", "load"]
    line = workflow.timeline()
    assert [(m.what, m.where, m.details["key"]) for m in line] == [
        ("set", "workflow:train", "started"),
        ("set", "workflow:train/step:load", "rows"),
        ("set", "workflow:train/step:fit", "loss"),
        ("delete", "workflow:train/step:load", "rows"),
    ]
    state.events.publish("milestone", {"workflow": "train", "epoch": 3})
    state.events.publish("milestone", {"workflow": "other"})
    state.tasks.push("fit", workflow="train")
    state.audit.log("agent-7", "PII_DETECTED", {"workflow": "train", "field": "name"})
    state.audit.log("agent-7", "PII_DETECTED", {"workflow": "other"})
    state.audit.log("agent-7", "NOTE", ["workflow"])
    assert [(m.source, m.what, m.where) for m in workflow.timeline()[4:]] == [
        ("event", "milestone", "workflow:train"),
        ("task", "pushed", "task:1"),
        ("audit", "PII_DETECTED", "agent-7"),
    ]
    assert workflow.timeline()[-1].details == {"sequence": 1, "workflow": "train", "field": "name"}
    with pytest.raises(ValueError, match="workflow"):
        corestate.ScopePath.of("user", "x").step("y")


def test_a_clock_that_steps_back(state, monkeypatch):
    scope = state.scope("global")
    scope["a"] = 1
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 3600 * 10**9)
    scope["a"] = 2
    monkeypatch.undo()
    scope["a"] = 3
    assert [(v.version, v.value) for v in scope.history("a")] == [(1, 1), (2, 2), (3, 3)]  # in the order of the commits
    with state.changes(since=0) as feed:
        assert [change.value for change in feed.drain()] == [1, 2, 3]
    assert scope.at(time.time())["a"] == 3
    assert scope["a"] == 3


def test_expired_values_are_swept_while_nobody_writes(state):
    with state.changes(since=0) as feed:
        state.scope("session", "s").set("k", 1, ttl=0.01)
        assert feed.get(timeout=10).operation == "set"
        change = feed.get(timeout=10)
    assert (change.operation, change.key) == ("expire", "k")


def test_field_x9_heads_that_a_stranger_put_into_one_chain_cost_no_more_than_it(tmp_path):
    """Each key's history is followed along that key alone: 300 keys whose newest change lies in one chain of 3,000."""
    import sqlite3

    from corestate.scopes import rows

    with corestate.open(tmp_path / "a.state") as state:
        state.scope("user", "u")["k"] = 1
        store = state.durable.path
    database = sqlite3.connect(store)
    ((scope,),) = database.execute("SELECT scope FROM entries")
    database.executemany(
        "INSERT INTO changes (sequence, time_ns, operation, scope, key, version, previous, kept, tag, value) "
        "VALUES (?, 1, 'set', ?, 'k', ?, ?, 1, 0, x'c0')",
        [(1000 + number, scope, number + 2, 1000 + number - 1) for number in range(3000)],
    )
    database.executemany(
        "INSERT INTO entries (scope, key, version, change, tag, value, time_ns) VALUES (?, ?, 9, ?, 0, x'c0', 1)",
        [(scope, f"other{number}", 3999 - number) for number in range(300)],
    )
    database.execute("UPDATE entries SET change = 3999 WHERE key = 'k'")
    database.commit()
    assert len(database.execute(rows.CHANGES_OF, (scope,)).fetchall()) <= 3001
    database.close()
