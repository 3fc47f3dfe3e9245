"""What governance costs: audit rows, verifying them, budgets, updates of agents; beside SQLite used plainly."""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import time

import pytest

import corestate
from corestate import AgentStatus, AgentType

VERIFIED = 200_000


@pytest.fixture
def state(tmp_path):
    with corestate.open(tmp_path / "governed.state") as made:
        yield made


def _times(call, count):
    """How long each of many calls took, in seconds."""
    took = []
    for _ in range(count):
        before = time.perf_counter()
        call()
        took.append(time.perf_counter() - before)
    return sorted(took)


def _plain(path, count):
    """Rows a second that SQLite takes with a commit each, in the same mode, without a chain."""
    with sqlite3.connect(path, isolation_level=None) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = NORMAL")
        made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, time INTEGER, agent TEXT, type TEXT, details TEXT)")
        sql = "INSERT INTO t (time, agent, type, details) VALUES (?, ?, ?, ?)"
        took = _times(lambda: made.execute(sql, (time.time_ns(), "agent", "PII_DETECTED", '{"field":"email"}')), count)
    made.close()
    return 1 / statistics.median(took)


def test_audit_log(row, benchmark, state, tmp_path):
    state.audit.log("agent", "STARTED")
    took = _times(lambda: state.audit.log("agent", "PII_DETECTED", {"field": "email"}), 5000)
    plain = _plain(tmp_path / "plain.db", 5000)
    benchmark.pedantic(lambda: state.audit.log("agent", "PII_DETECTED", {"field": "email"}), rounds=100)
    row(
        "audit log, a durable row each",
        10_000,
        unit="/s",
        value=1 / statistics.median(took),
        least=True,
        beside=f"{plain:.0f} /s plain SQLite insert, committed",
    )
    benchmark.extra_info["p99_ms"] = took[len(took) * 99 // 100] * 1e3


def test_audit_log_slowest(row, benchmark, state):
    state.audit.log("agent", "STARTED")
    took = _times(lambda: state.audit.log("agent", "PII_DETECTED", {"field": "email"}), 5000)
    benchmark.pedantic(lambda: state.audit.log("agent", "PII_DETECTED"), rounds=100)
    row("audit log, p99 of a durable row", 10, unit="ms", value=took[len(took) * 99 // 100] * 1e3)


def test_audit_verify(row, benchmark, state):
    for _ in range(VERIFIED // 10_000):
        state.audit.log_many([("agent", "PII_DETECTED", {"field": "email"})] * 10_000)
    benchmark.pedantic(state.audit.verify, rounds=3)
    value = statistics.median(benchmark.stats.stats.data) * 1e6 / VERIFIED
    row(f"audit verify, a million rows (from {VERIFIED:,})", 10, unit="s", value=value)


def test_live_budget(operation, state):
    budget = state.budgets.create("live", 1 << 60, durable=False)
    operation("budget reserve and commit, live in the region", "budget.reserve(10).commit(7)", 2, "us", budget=budget)


def test_durable_budget(row, benchmark, state):
    budget = state.budgets.create("durable", 1 << 60)
    took = _times(lambda: budget.spend(7), 2000)
    benchmark.pedantic(lambda: budget.spend(7), rounds=100)
    row("budget reserve and durable commit", None, unit="/s", value=1 / statistics.median(took))


def test_budget_spent(operation, state):
    budget = state.budgets.create("read", 1000)
    operation("budget spent, read", "budget.spent", None, "us", budget=budget)


def test_agent_update(row, benchmark, state):
    numbers = itertools.count()
    state.agents.register("a", AgentType.BOTH)
    state.agents.govern("a", limit=1 << 60)
    state.agents.set_status("a", AgentStatus.RUNNING)

    def update():
        state.agents.update("a", lambda found: found.with_(data={"n": next(numbers)}))

    took = _times(update, 2000)
    benchmark.pedantic(update, rounds=100)
    row("agent update, durable, p99", 5, unit="ms", value=took[len(took) * 99 // 100] * 1e3)


def test_agent_state(operation, state):
    state.agents.register("a", AgentType.BOTH)
    state.agents.govern("a", limit=1000)
    operation("agent state, from the store", "agents.state_of('a')", 1000, "us", agents=state.agents)
