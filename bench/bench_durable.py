"""What durable operations cost, with persistence on, beside SQLite used plainly in the same run."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import sqlite3
import statistics
import time

import pytest

import corestate

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def state(tmp_path):
    with corestate.open(tmp_path / "durable.state") as made:
        yield made


@pytest.fixture
def plain(tmp_path):
    """A table of keys and values in a file of its own, in write-ahead mode, a commit for each write."""
    made = sqlite3.connect(tmp_path / "plain.db", isolation_level=None)
    made.execute("PRAGMA journal_mode = WAL")
    made.execute("PRAGMA synchronous = NORMAL")
    made.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB)")
    made.execute("INSERT INTO t VALUES ('key', x'01')")
    yield made
    made.close()


def test_plain_get(operation, plain):
    operation(
        "plain SQLite select of a key",
        "run(sql, ('key',)).fetchone()",
        None,
        "us",
        run=plain.execute,
        sql="SELECT v FROM t WHERE k = ?",
    )


def test_plain_set(operation, plain):
    operation(
        "plain SQLite upsert of a key, committed",
        "run(sql, ('key', b'value'))",
        None,
        "us",
        run=plain.execute,
        sql="INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
    )


def test_get_hot(operation, state):
    scope = state.scope("user", "ann")
    scope["credit"] = 12
    operation("scope get, hot", "scope['credit']", 1, "us", scope=scope)


def test_get_cold(operation, tmp_path):
    with corestate.open(tmp_path / "cold.state", config=corestate.RegionConfig(values=0)) as state:
        scope = state.scope("user", "ann")
        scope["credit"] = 12
        operation("scope get, cold", "scope['credit']", 10, "us", scope=scope)


def test_ephemeral_set(operation, state):
    scope = state.scope("session", "s", ephemeral=True)
    operation("ephemeral scope set", "scope['credit'] = 12", None, "us", scope=scope)


def _per_second(row, benchmark, what, floor, call, count=2000):
    def run():
        for _ in range(count):
            call()

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    row(what, floor, unit="/s", value=count / statistics.median(benchmark.stats.stats.data), least=True)


def test_set(row, benchmark, state):
    scope, numbers = state.scope("user", "ann"), itertools.count()
    _per_second(
        row, benchmark, "scope set, one process, normal durability", 10_000, lambda: scope.set("n", next(numbers))
    )


def test_transaction(row, benchmark, state):
    scope, numbers = state.scope("user", "ann"), itertools.count()
    keys = [f"key{n}" for n in range(100)]

    def run():
        with state.transaction() as tx:
            inside, value = tx(scope), next(numbers)
            for key in keys:
                inside[key] = value

    benchmark.pedantic(run, rounds=30, warmup_rounds=2)
    row("transaction of 100 keys", 2, unit="ms", value=statistics.median(benchmark.stats.stats.data) * 1e3)


def test_push_and_pop(row, benchmark, state):
    count = 500

    def push():
        for n in range(count):
            state.tasks.push("work", n)

    def pop():
        for _ in range(count):
            state.tasks.pop("worker")

    pushed, popped = [], []
    for _ in range(5):
        for act, times in ((push, pushed), (pop, popped)):
            before = time.perf_counter()
            act()
            times.append(time.perf_counter() - before)
    benchmark.pedantic(push, rounds=1)
    slower = max(statistics.median(pushed), statistics.median(popped))
    row("task push, and task pop with a lease (the slower)", 5_000, unit="/s", value=count / slower, least=True)


def _write(path, name, seconds, together, out):
    with corestate.attach(path) as state:
        scope, took, period = state.scope("user", name), [], 1 / 1000
        scope["n"] = 0
        together.wait()  # else the first write while the others are being started
        time.sleep(random.random() * period)  # and then each at its own moments
        end, due = time.monotonic() + seconds, time.perf_counter()
        while time.monotonic() < end:
            before = time.perf_counter()
            scope.increment("n")
            took.append(time.perf_counter() - before)
            due += period
            time.sleep(max(0.0, due - time.perf_counter()))
        out.put((name, len(took), statistics.quantiles(took, n=100)[98], scope["n"]))


def test_eight_writers(row, benchmark, tmp_path):
    path, seconds = tmp_path / "eight.state", 3
    corestate.create(path).close()
    out, together = SPAWN.Queue(), SPAWN.Barrier(8)

    def run():
        workers = [SPAWN.Process(target=_write, args=(str(path), f"w{n}", seconds, together, out)) for n in range(8)]
        for worker in workers:
            worker.start()
        found.extend(out.get(timeout=60) for _ in workers)
        for worker in workers:
            worker.join()

    found = []
    benchmark.pedantic(run, rounds=1)
    assert all(count == kept for _, count, _, kept in found)  # none lost
    row(
        "scope increments a second from each of 8 processes (1,000 asked for), the slowest",
        1_000 * 0.95,
        unit="/s",
        value=min(count for _, count, _, _ in found) / seconds,
        least=True,
        beside=f"p99 {max(p99 for _, _, p99, _ in found) * 1e3:.1f} ms, which is to be under 5",
    )


def _set_times(path, count, go):
    with corestate.attach(path) as state:
        go.wait()
        for _ in range(count):
            state.scope("global")["sent"] = time.perf_counter_ns()
            time.sleep(0.002)


def test_change_seen_in_another_process(row, benchmark, tmp_path):
    path, count = tmp_path / "seen.state", 500
    with corestate.open(path) as state:
        go = SPAWN.Event()
        other = SPAWN.Process(target=_set_times, args=(str(path), count, go))
        other.start()
        took = []
        with state.changes() as feed:

            def run():
                go.set()
                for _ in range(count):
                    change = feed.get(timeout=30)
                    took.append((time.perf_counter_ns() - change.value) / 1e6)

            benchmark.pedantic(run, rounds=1)
        other.join()
    row(
        "a committed change seen in another process, from before its write, p99",
        1,
        unit="ms",
        value=statistics.quantiles(took, n=100)[98],
        beside=f"median {statistics.median(took):.2f} ms",
    )
