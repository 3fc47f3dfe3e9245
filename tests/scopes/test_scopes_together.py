"""Transactions, hooks, the change feed and triggers: many threads and processes on the same keys."""

import asyncio
import multiprocessing
import os
import queue
import signal
import threading
import time

import pytest

import corestate

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(name="state")
def _state(tmp_path):
    with corestate.open(tmp_path / "s.state") as state:
        yield state


def test_all_or_nothing(state):
    ann, bob = state.scope("user", "ann"), state.scope("user", "bob")
    ann["credit"] = 10
    with state.transaction() as tx:
        tx(ann)["credit"] = tx(ann)["credit"] - 4
        tx(bob)["credit"] = tx(bob).get("credit", 0) + 4
        assert tx(ann)["credit"] == 6  # its own writes
        assert ann["credit"] == 10  # which nobody else sees yet
    assert (ann["credit"], bob["credit"]) == (6, 4)
    with pytest.raises(ZeroDivisionError), state.transaction() as tx:
        tx(ann)["credit"] = 0
        raise ZeroDivisionError
    with pytest.raises(corestate.LimitExceededError), state.transaction() as tx:
        tx(ann)["credit"] = 0
        tx(state.scope("custom", "none", limits=corestate.Limits(keys=0)))["x"] = 1
    assert (ann["credit"], bob["credit"]) == (6, 4)
    with pytest.raises(corestate.StoreError):
        tx(ann)["credit"] = 1


def test_a_transaction_that_read_what_changed_is_refused(state):
    scope = state.scope("global")
    scope["a"] = 1
    with pytest.raises(corestate.ConflictError), state.transaction() as tx:
        tx(scope)["b"] = tx(scope)["a"] + 1
        scope["a"] = 5
    assert "b" not in scope
    with pytest.raises(corestate.ConflictError), state.transaction() as tx:
        tx(scope)["first"] = "x" not in tx(scope)
        scope["x"] = 1
    with pytest.raises(corestate.ConflictError), state.transaction() as tx:
        tx(scope)["count"] = len(tx(scope).keys())
        scope["y"] = 1
    assert scope.keys() == ["a", "x", "y"]


def test_keys_and_deletions_inside_a_transaction(state):
    scope = state.scope("global")
    scope.update({"a": 1, "b": 2})
    with state.transaction() as tx:
        inside = tx(scope)
        inside["c"] = 3
        del inside["a"]
        assert inside.keys() == ["b", "c"]
        assert not inside.delete("a")
        assert inside.increment("b") == 3
        with pytest.raises(KeyError):
            inside["a"]
    assert dict(scope) == {"b": 3, "c": 3}


def test_ten_threads_lose_no_update(state):
    scope = state.scope("global")
    scope["n"] = 0

    def work():
        for _ in range(10):
            state.transact(lambda tx: tx(scope).increment("n"), attempts=10_000)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scope["n"] == 100


def _transfer(path, seed, rounds):
    with corestate.attach(path) as state:
        for n in range(rounds):
            source, target = state.scope("user", str((seed + n) % 4)), state.scope("user", str((seed + 3 * n + 1) % 4))

            def move(tx, source=source, target=target):
                amount = min(7, tx(source)["credit"])
                tx(source)["credit"] = tx(source)["credit"] - amount
                tx(target)["credit"] = tx(target)["credit"] + amount

            state.transact(move, attempts=10_000)
            state.scope("global").increment("transfers")


def test_processes_transfer_and_the_sum_stands(tmp_path):
    path = tmp_path / "s.state"
    with corestate.open(path) as state:
        for n in range(4):
            state.scope("user", str(n))["credit"] = 100
        workers = [SPAWN.Process(target=_transfer, args=(str(path), n, 25)) for n in range(4)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            with state.transaction() as tx:
                total = sum(tx(state.scope("user", str(n)))["credit"] for n in range(4))
                try:
                    tx.commit()
                except corestate.ConflictError:
                    continue
            assert total == 400
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        assert sum(state.scope("user", str(n))["credit"] for n in range(4)) == 400
        assert state.scope("global")["transfers"] == 100


def _count_for_ever(path, ready):
    with corestate.attach(path) as state:
        scope = state.scope("global")
        n = 0
        while True:
            n += 1
            with state.transaction() as tx:
                tx(scope)["a"] = n
                tx(scope)["b"] = n
            ready.set()


def test_p7_writers_killed_leave_whole_transactions_and_block_nobody(tmp_path):
    path = tmp_path / "s.state"
    with corestate.open(path) as state:
        scope = state.scope("global")
        for round_ in range(8):
            ready = SPAWN.Event()
            writer = SPAWN.Process(target=_count_for_ever, args=(str(path), ready))
            writer.start()
            assert ready.wait(30)
            time.sleep(0.003 * round_)
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
            with state.durable.store.read() as rows:
                stored = {key for (key,) in rows.all("SELECT value FROM entries WHERE key IN ('a', 'b')")}
            assert len(stored) == 1
            assert scope["a"] == scope["b"]
            scope["alive"] = round_  # nothing is held by the dead


def test_changes_resume_without_loss_or_repeat(tmp_path):
    path = tmp_path / "s.state"
    seen = []
    with corestate.open(path) as state:
        for n in range(700):
            state.scope("global").set(f"k{n % 7}", n)
        with state.changes(since=0) as feed:
            seen += [feed.get().sequence for _ in range(300)]
    with corestate.open(path) as state:
        state.scope("global")["more"] = 1
        with state.changes(since=seen[-1]) as feed:
            seen += [change.sequence for change in feed.drain()]
    assert seen == list(range(1, 702))


def test_a_waiting_feed_is_woken(state):
    found = queue.Queue()
    feed = state.changes()
    thread = threading.Thread(target=lambda: found.put(feed.get(timeout=30)))
    thread.start()
    state.scope("global")["x"] = 5
    thread.join()
    assert found.get().value == 5
    assert feed.get(timeout=0) is None


async def test_changes_async(state):
    scope = state.scope("global")

    async def first(feed):
        async for change in feed:
            return change
        return None

    task = asyncio.create_task(first(state.changes()))
    await asyncio.sleep(0)
    while not task.done():
        await asyncio.to_thread(scope.set, "x", 1)
    assert task.result().key == "x"


def test_triggers_fire_for_every_process(tmp_path):
    path = tmp_path / "s.state"
    fired = queue.Queue()
    with corestate.open(path) as state, state.trigger(fired.put, keys="watch.*"):
        worker = SPAWN.Process(target=_set, args=(str(path), ["other", "watch.a", "watch.b"]))
        worker.start()
        assert [fired.get(timeout=30).key for _ in range(2)] == ["watch.a", "watch.b"]
        worker.join()
        assert fired.empty()


def _set(path, keys):
    with corestate.attach(path) as state:
        for key in keys:
            state.scope("global")[key] = 1


def test_a_failing_trigger_goes_on(state, caplog):
    fired = queue.Queue()

    def call(change):
        fired.put(change.key)
        if change.key == "a":
            raise RuntimeError("on purpose")

    with state.trigger(call):
        state.scope("global")["a"] = 1
        state.scope("global")["b"] = 1
        assert [fired.get(timeout=30) for _ in range(2)] == ["a", "b"]
    assert "on purpose" in caplog.text


def test_hooks_change_and_refuse(state):
    scope = state.scope("global")
    scope["kept"] = 1
    calls = []

    def refuse(subject):
        if subject.key.startswith("kept"):
            subject.refuse("it is kept")

    hooks = [
        state.hooks.before("write", lambda s: setattr(s, "value", s.value.strip()), keys="name*"),
        state.hooks.before("delete", refuse),
        state.hooks.after("write", lambda s: calls.append((s.key, s.value))),
        state.hooks.after("read", lambda s: setattr(s, "value", "***"), keys="secret"),
        state.hooks.before("conflict", lambda s: calls.append(("conflict", s.key))),
    ]
    scope["name"] = "  Ann "
    assert scope["name"] == "Ann"
    with pytest.raises(corestate.RefusedError, match="it is kept"):
        del scope["kept"]
    assert scope["kept"] == 1
    with pytest.raises(PermissionError), state.transaction() as tx:
        tx(scope)["other"] = 1
        del tx(scope)["kept"]
    assert "other" not in scope
    scope["secret"] = "word"
    assert scope["secret"] == "***"
    with pytest.raises(corestate.ConflictError):
        scope.set("kept", 2, if_version=7)
    assert calls == [("name", "Ann"), ("secret", "word"), ("conflict", "kept")]
    for hook in hooks:
        hook.remove()
        hook.remove()
    assert scope["secret"] == "word"
    with pytest.raises(ValueError, match="hook"):
        state.hooks.before("burn", print)


async def test_async_hooks(state):
    async def refuse(subject):
        await asyncio.sleep(0)
        subject.refuse("asynchronously")

    state.hooks.before("write", refuse, keys="no")
    with pytest.raises(corestate.RefusedError, match="asynchronously"):
        state.scope("global")["no"] = 1


def test_ephemeral_scopes_live_in_the_region_alone(tmp_path):
    path = tmp_path / "s.state"
    with corestate.open(path) as state, corestate.open(path) as other:
        scope = state.scope("session", "s", ephemeral=True)
        again = other.scope("session", "s", ephemeral=True)
        scope["a"] = {"x": [1, 2]}
        assert again["a"] == {"x": [1, 2]}
        assert again.set("a", 2) == 2
        assert scope["a"] == 2
        assert scope.increment("n", 5) == 5
        assert again.increment("n") == 6
        assert sorted(scope) == ["a", "n"]
        assert scope.set_default("a", 9) == 2
        with pytest.raises(corestate.ConflictError):
            scope.set("a", 1, if_version=1)
        scope.set("gone", 1, ttl=0.001)
        time.sleep(0.002)
        assert "gone" not in scope
        del again["a"]
        assert scope.get("a") is None
        with pytest.raises(KeyError):
            scope["a"]
        assert dict(state.scope("session", "s")) == {}  # the durable one of that name
        with pytest.raises(corestate.TooBigError):
            scope["big"] = "x" * 1000
        with pytest.raises(corestate.FullError):
            for n in range(5000):
                scope[f"key{n}"] = n
        assert scope["key0"] == 0
