"""Tasks: newest first, one lease at a time, nothing lost whoever is killed."""

import dataclasses
import multiprocessing
import os
import queue
import signal
import threading
import time
from contextlib import suppress

import pytest

import corestate
from corestate.tasks import LeaseLostError, TaskNotFoundError, TaskStateError, TaskStatus

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(name="state")
def _state(tmp_path):
    with corestate.open(tmp_path / "s.state") as state:
        yield state


def test_newest_first(state):
    for n in range(5):
        state.tasks.push("count", n)
    assert len(state.tasks) == 5
    assert [state.tasks.pop().data for _ in range(5)] == [4, 3, 2, 1, 0]
    assert state.tasks.pop() is None


def test_priority_only_when_asked(state):
    for n, priority in enumerate((5, 9, 1, 9)):
        state.tasks.push("t", n, priority=priority)
    assert state.tasks.pop().data == 3
    assert state.tasks.pop(by_priority=True).data == 1
    assert state.tasks.pop(by_priority=True).data == 0


def test_complete(state):
    pushed = state.tasks.push("add", {"a": 1}, workflow="w")
    task = state.tasks.pop("me", lease=60)
    assert (task.id, task.worker, task.attempts, task.status) == (pushed.id, "me", 1, TaskStatus.LEASED)
    task.heartbeat(120)
    task.complete([1, b"x"])
    done = state.tasks.get(task.id)
    assert (done.status, done.result, done.worker) == (TaskStatus.DONE, [1, b"x"], None)
    for use in (task.complete, task.heartbeat, lambda: task.fail("x"), task.suspend):
        with pytest.raises(LeaseLostError):
            use()
    assert [moment.what for moment in state.workflow("w").timeline()] == ["pushed", "done"]


def test_fail_retries_then_dead_letter(state):
    state.tasks.push("t", max_attempts=2)
    task = state.tasks.pop()
    assert task.fail("first", retry_in=0) is TaskStatus.READY
    task = state.tasks.pop()
    assert (task.attempts, task.error) == (2, "first")
    assert task.fail(ValueError("second")) is TaskStatus.DEAD
    assert state.tasks.pop() is None
    (dead,) = state.tasks.find("dead")
    assert dead.error == "second"
    state.tasks.requeue(dead.id)
    assert state.tasks.pop().attempts == 1
    with pytest.raises(TaskStateError):
        state.tasks.requeue(dead.id)


def test_a_failed_task_pauses_longer_each_time(state):
    state.tasks.push("t", max_attempts=5)
    pauses = []
    for _ in range(3):
        task = state.tasks.pop()
        before = time.time_ns()
        task.fail("again")
        pauses.append((state.tasks.get(task.id).due_ns - before) / 1e9)
        assert state.tasks.pop() is None
        with state.durable.store.write() as rows:
            rows.run("UPDATE tasks SET due_ns = 0")
    assert [round(pause) for pause in pauses] == [1, 2, 4]


def test_a_worker_that_slept_past_its_lease_is_refused(state):
    state.tasks.push("t")
    slow = state.tasks.pop("slow", lease=0.02)
    quick = state.tasks.pop("quick", timeout=30)
    assert quick.id == slow.id
    assert quick.token > slow.token
    for use in (slow.complete, slow.heartbeat, lambda: slow.fail("x")):
        with pytest.raises(LeaseLostError):
            use()
    quick.complete("done")
    assert state.tasks.get(quick.id).result == "done"


def test_past_its_lease_also_when_nobody_took_it(state):
    state.tasks.push("t")
    task = state.tasks.pop(lease=0.001)
    time.sleep(0.002)
    with pytest.raises(LeaseLostError, match="over"):
        task.complete()
    assert state.tasks.pop().id == task.id


def test_a_task_whose_last_lease_runs_out_is_dead(state):
    state.tasks.push("t", max_attempts=1)
    state.tasks.pop(lease=0.001)
    time.sleep(0.002)
    assert state.tasks.pop() is None
    assert state.tasks.find("dead")[0].error == "the lease ran out"


def test_the_last_child_resumes_its_parent_with_the_results(state):
    state.tasks.push("parent")
    parent = state.tasks.pop()
    with pytest.raises(TaskStateError, match="children"):
        parent.suspend()
    for n in range(3):
        parent.push("child", n)
    with pytest.raises(TaskStateError, match="open children"):
        parent.complete()
    parent.suspend()
    for n in (2, 1, 0):
        child = state.tasks.pop(types=["child"])
        assert (child.data, child.parent, child.depth) == (n, parent.id, 1)
        assert state.tasks.pop(types=["parent"]) is None
        if n == 1:
            with state.durable.store.write() as rows:
                rows.run("UPDATE tasks SET max_attempts = 1 WHERE id = ?", child.id)
            child.fail("bad")
        else:
            child.complete(n * 10)
    again = state.tasks.pop()
    assert (again.id, again.attempts) == (parent.id, 1)
    assert [(c.status.value, c.result, c.error) for c in again.children()] == [
        ("done", 0, None),
        ("dead", None, "bad"),
        ("done", 20, None),
    ]
    again.complete(sum(c.result or 0 for c in again.children()))
    assert state.tasks.get(parent.id).result == 20
    with pytest.raises(TaskStateError):
        state.tasks.push("late", parent=parent.id)
    assert state.tasks.forget() == 4


def test_depth_is_limited(state):
    task = state.tasks.push("t")
    with pytest.raises(corestate.LimitExceededError):
        for _ in range(100):
            task = state.tasks.push("t", parent=task)
    assert task.depth == 63


def test_a_cycle_of_parents_cannot_be_made_and_one_in_the_file_hangs_nobody(state):
    first = state.tasks.push("t")
    with pytest.raises(TaskNotFoundError):
        state.tasks.push("t", parent=first.id + 1)  # its own id, or any later one
    second = state.tasks.push("t", parent=first)
    with state.durable.store.write() as rows:  # what no call does
        rows.run("UPDATE tasks SET parent = 3 - id, open_children = 1")
    assert [first.id, second.id] == [1, 2]
    assert [task.id for task in state.tasks.children(first.id)] == [second.id]
    worker = state.tasks.pop()
    assert worker.id == second.id
    with pytest.raises(TaskStateError, match="children"):
        worker.complete()
    worker.suspend()
    worker = state.tasks.pop()
    worker.suspend()
    assert state.tasks.pop() is None, "each waits for the other, and no worker for them"
    assert state.tasks.forget() == 0


def test_completing_what_another_worker_has(state):
    state.tasks.push("t")
    mine = state.tasks.pop("me", lease=60)
    forged = dataclasses.replace(mine, token=mine.token + 1)
    for use in (forged.complete, forged.heartbeat, lambda: forged.fail("no")):
        with pytest.raises(LeaseLostError):
            use()
    mine.complete("done")
    assert state.tasks.get(mine.id).result == "done"
    with pytest.raises(LeaseLostError):
        mine.complete("again")
    assert state.tasks.get(mine.id).result == "done"


def test_bad_input_changes_nothing(state):
    for wrong in (
        lambda: state.tasks.push(""),
        lambda: state.tasks.push(5),
        lambda: state.tasks.push("t", float("nan")),
        lambda: state.tasks.push("t", object()),
        lambda: state.tasks.push("t", max_attempts=0),
        lambda: state.tasks.push("t", priority=True),
        lambda: state.tasks.push("t", delay=-1),
        lambda: state.tasks.pop(lease=0),
        lambda: state.tasks.pop(lease=float("inf")),
        lambda: state.tasks.pop(timeout=-1),
        lambda: state.tasks.find("lost"),
    ):
        with pytest.raises((ValueError, TypeError)):
            wrong()
    for missing in (
        lambda: state.tasks.get(7),
        lambda: state.tasks.push("t", parent=7),
        lambda: state.tasks.requeue(7),
    ):
        with pytest.raises(TaskNotFoundError):
            missing()
    assert sum(state.tasks.counts().values()) == 0


def test_with_blocks(state):
    state.tasks.push("t", 1, max_attempts=1)
    with pytest.raises(ZeroDivisionError), state.tasks.pop() as task:
        task.data / 0
    assert state.tasks.get(task.id).error == "ZeroDivisionError: division by zero"
    state.tasks.push("t")
    with state.tasks.pop() as task:
        pass
    assert state.tasks.get(task.id).status is TaskStatus.DONE
    state.tasks.push("t")
    for task in state.tasks.work():
        with task:
            task.complete("by hand")
        break
    assert state.tasks.get(task.id).result == "by hand"


def test_a_waiting_worker_is_woken(state):
    found = queue.Queue()
    threads = [threading.Thread(target=lambda: found.put(state.tasks.pop(timeout=30))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(2):
        state.tasks.push("t", n)
    for thread in threads:
        thread.join()
    assert {found.get().data, found.get().data} == {0, 1}


def test_a_delay_and_the_end_of_a_lease_wake_too(state):
    state.tasks.push("much later", delay=3600)
    assert state.tasks.pop() is None
    state.tasks.push("later", delay=0.05)
    assert state.tasks.pop(lease=0.05, timeout=30).type == "later"
    assert state.tasks.pop(timeout=30).attempts == 2


def _work(path, name):
    with corestate.attach(path) as state:
        while (task := state.tasks.pop(name, lease=0.25, timeout=None)) is not None:
            if task.type != "stop":
                state.scope("global").increment(f"done.{task.data}")
            with suppress(LeaseLostError):  # a slow moment of the machine: the task is somebody else's by now
                task.complete(name)
            if task.type == "stop":
                return


def test_p7_killed_workers_lose_no_task(tmp_path):
    path = tmp_path / "s.state"
    with corestate.open(path) as state:
        for n in range(60):
            state.tasks.push("work", n, max_attempts=100)
        workers = [SPAWN.Process(target=_work, args=(str(path), f"w{n}")) for n in range(3)]
        for worker in workers:
            worker.start()
        deadline = time.monotonic() + 100
        for kill in range(5):
            target = 8 * (kill + 1)
            while state.tasks.counts()["done"] < target:
                assert time.monotonic() < deadline, state.tasks.counts()
                time.sleep(0.001)
            os.kill(workers[0].pid, signal.SIGKILL)
            workers[0].join()
            workers[0] = SPAWN.Process(target=_work, args=(str(path), f"again{kill}"))
            workers[0].start()
        while state.tasks.counts()["done"] < 60:
            assert time.monotonic() < deadline, state.tasks.counts()
            time.sleep(0.01)
        done = dict(state.scope("global"))
        assert sorted(done) == sorted(f"done.{n}" for n in range(60))  # each at least once
        for _ in workers:
            state.tasks.push("stop")
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0


def test_states_by_id(state):
    assert state.get_state("a1", "agent") is None
    with state.states.subscribe("agent", "a1") as feed:
        assert state.update_state("a1", "agent", {"status": "running"}) == 1
        assert state.update_state("a2", "agent", 1) == 1
        assert state.update_state("a1", "shared", 2) == 1
        assert state.update_state("a1", "agent", {"status": "stopped"}, if_version=1) == 2
        assert state.get_state("a1", "agent") == {"status": "stopped"}
        assert state.delete_state("a1", "agent")
        assert not state.delete_state("a1", "agent")
        assert [feed.get(timeout=0).value for _ in range(3)] == [{"status": "running"}, {"status": "stopped"}, None]
        assert feed.get(timeout=0) is None
    with pytest.raises(corestate.ConflictError):
        state.update_state("a2", "agent", 2, if_version=9)
    with pytest.raises(ValueError, match="type of a state"):
        state.update_state("a1", "planet", 1)
