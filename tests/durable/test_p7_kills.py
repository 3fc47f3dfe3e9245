"""P7: kill -9 inside every durable operation.

It was done as a whole or not at all; who lives on finds neither a half of it nor a lock; what had returned is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from killing import killed_at, lines_of

import corestate
from corestate import AgentStatus, AgentType, AuditAnchorError, StateManager

POINTS = 30
"""At how many lines of each operation it is killed, spread over all of it; and at the last ones, after the commit."""
LAST = 10
OPENING = 4
"""And while the child opens the store, which takes far more lines than what it then does."""


@dataclass
class Operation:
    """What is done, and what can be seen of it: ``before``, ``after``, and nothing else."""

    prepare: Callable[[StateManager], Any]
    act: Callable[[StateManager], Any]
    observe: Callable[[StateManager], Any]


def both(state: StateManager, kind: str, name: str | None, key: str) -> tuple[Any, Any]:
    """A value as hot readers have it, and as the store has it."""
    scope = state.scope(kind, name)
    entry = scope.entry(key)
    return scope.get(key), None if entry is None else entry.value


def opened(state: StateManager) -> None:
    """In a child of fork: the store is open there, too."""
    assert "nothing of this name" not in state.scope("global")


def warm(state: StateManager) -> None:
    scope = state.scope("global")
    scope.update({"a": 1, "b": 1})
    assert (scope["a"], scope["b"]) == (1, 1)
    state.scope("user", "ann")["c"] = 1
    assert state.scope("user", "ann")["c"] == 1


def transfer(state: StateManager) -> None:
    with state.transaction() as tx:
        tx(state.scope("global"))["a"] = 2
        tx(state.scope("global")).delete("b")
        tx(state.scope("user", "ann"))["c"] = 2


def govern(state: StateManager) -> None:
    state.agents.register("a", AgentType.BOTH)
    state.agents.govern("a", limit=1000)
    state.agents.set_status("a", AgentStatus.RUNNING)
    state.agents.budget("a").spend(100)


def kept(state: StateManager) -> Any:
    found = state.agents.state_of("a")
    money = state.budgets["a"].info()
    assert money.spent == found.budget_spent, "region and store agree on what is spent"
    assert money.reserved == 0, "what the dead had reserved lapses"
    return found.status, found.budget_spent, found.pii_detections, found.data, len(state.audit)


def money(state: StateManager) -> Any:
    budget = state.budgets.get("b")
    if budget is None:
        return None
    with budget.reserve(1):
        pass
    stored = state.durable.store.one("SELECT amount_limit, spent FROM budgets WHERE name = 'b'")
    info = budget.info()
    assert (info.limit, info.spent) == stored
    return stored, info.reserved


def do_all(agent: corestate.AgentState) -> corestate.AgentState:
    return agent.with_(status=AgentStatus.PAUSED, budget_spent=950, pii_detections=3, data={"x": 1}, reason="why")


def leased(state: StateManager) -> Any:
    (task,) = state.tasks.find()
    return task.status


def popped(state: StateManager) -> None:
    task = state.tasks.pop("worker", lease=1000)
    assert task is not None
    task.complete({"x": 1})


def result(state: StateManager) -> Any:
    (task,) = state.tasks.find()
    if task.status == "leased":  # its worker died: the next finds it when the lease is over
        with state.durable.store.write() as rows:  # which is now
            rows.run("UPDATE tasks SET due_ns = 1 WHERE status = 'leased'")
        again = state.tasks.pop("other", lease=1000)
        assert again is not None
        again.fail("died", retry_in=0)
        (task,) = state.tasks.find()
    return task.status, task.result


def trail(state: StateManager) -> Any:
    assert state.audit.verify()
    return len(state.audit), state.audit.pruned()


def logged(state: StateManager) -> None:
    for n in range(5):
        state.audit.log("a", "T", n)


def everything(state: StateManager) -> Any:
    """All of three scopes as the store has them, and each value of them as hot readers have it."""
    scopes = [state.scope("user", name) for name in ("ann", "bob", "cid")]
    stored = [dict(scope) for scope in scopes]
    shown = [{key: scope[key] for key in "abcd" if scope.get(key) is not None} for scope in scopes]
    assert shown == stored
    return stored


def two_scopes(state: StateManager) -> None:
    state.scope("user", "ann").update({"a": 1, "b": 2})
    state.scope("user", "ann")["a"] = 3
    state.scope("user", "bob").update({"c": 4})
    everything(state)


def expired(state: StateManager) -> None:
    state.scope("user", "ann").set("a", 1, ttl=0.001)
    state.scope("user", "ann")["b"] = 1
    time.sleep(0.002)


def swept(state: StateManager) -> Any:
    assert everything(state)[0] == {"b": 1}, "what has expired is not shown, swept or not"
    return state.durable.store.one("SELECT count(*) FROM entries")


def histories(state: StateManager) -> Any:
    scope = state.scope("user", "ann")
    everything(state)
    return [[version.version for version in scope.history(key)] for key in "ab"]


def parent_and_child(state: StateManager) -> None:
    state.tasks.push("parent")
    parent = state.tasks.pop(lease=1000)
    assert parent is not None
    parent.push("child")
    parent.suspend()

    state.tasks.pop(types=["child"], lease=1000)


def resumed(state: StateManager) -> Any:
    statuses = state.tasks.get(1).status, state.tasks.get(2).status
    assert statuses in (("waiting", "leased"), ("ready", "done")), "a parent is resumed when its child is done"
    return statuses


def dead(state: StateManager) -> None:
    state.tasks.push("t", 1, max_attempts=1)
    failed(state)


def failed(state: StateManager) -> None:
    task = state.tasks.pop(lease=1000)
    assert task is not None
    task.fail("no")


def unanchored(state: StateManager) -> None:
    logged(state)
    Path(f"{state.address}.d/anchor").unlink()


def anchored(state: StateManager) -> bool:
    """Whether the trail can be verified; without its anchor file it cannot, and a half of one is as bad as none."""
    try:
        return state.audit.verify()
    except AuditAnchorError:
        return False


def held(state: StateManager) -> corestate.Task:
    (task,) = state.tasks.find("leased")
    return task


OPERATIONS = {
    "scope update": Operation(
        two_scopes, lambda s: s.scope("user", "ann").update({"a": 8, "b": 9, "c": 10}), everything
    ),
    "scope set of a new key": Operation(two_scopes, lambda s: s.scope("user", "cid").set_default("d", 1), everything),
    "scope move": Operation(two_scopes, lambda s: s.scope("user", "ann").move_to(s.scope("user", "bob")), everything),
    "scope clear": Operation(two_scopes, lambda s: s.scope("user", "ann").clear(), everything),
    "scope revert": Operation(two_scopes, lambda s: s.scope("user", "ann").revert("a", 1), everything),
    "scope fork": Operation(two_scopes, lambda s: s.scope("user", "ann").fork("cid"), everything),
    "sweep": Operation(expired, lambda s: s.sweep_expired(), swept),
    "retain": Operation(two_scopes, lambda s: s.retain(versions=1), histories),
    "child complete": Operation(parent_and_child, lambda s: held(s).complete("result"), resumed),
    "task fail": Operation(
        lambda s: (s.tasks.push("t", 1), s.tasks.pop(lease=1000)),
        lambda s: held(s).fail("no"),
        lambda s: [(task.status, task.error) for task in s.tasks.find()],
    ),
    "task heartbeat": Operation(
        lambda s: (s.tasks.push("t", 1), s.tasks.pop(lease=1000)),
        lambda s: held(s).heartbeat(lease=5000),
        lambda s: held(s).due_ns > time.time_ns() + 2000 * 10**9,
    ),
    "task suspend": Operation(
        lambda s: (s.tasks.push("parent"), s.tasks.pop(lease=1000).push("child")),
        lambda s: held(s).suspend(),
        lambda s: [task.status for task in s.tasks.find()],
    ),
    "task requeue": Operation(dead, lambda s: s.tasks.requeue(1), lambda s: s.tasks.get(1).status),
    "task forget": Operation(dead, lambda s: s.tasks.forget(), lambda s: len(s.tasks.find())),
    "scope set": Operation(warm, lambda s: s.scope("global").set("a", 2), lambda s: both(s, "global", None, "a")),
    "scope increment": Operation(
        warm, lambda s: s.scope("global").increment("a"), lambda s: both(s, "global", None, "a")
    ),
    "scope delete": Operation(warm, lambda s: s.scope("global").delete("a"), lambda s: both(s, "global", None, "a")),
    "transaction": Operation(
        warm,
        transfer,
        lambda s: (both(s, "global", None, "a"), both(s, "global", None, "b"), both(s, "user", "ann", "c")),
    ),
    "state by id": Operation(
        lambda s: s.update_state("x", "agent", 1),
        lambda s: s.update_state("x", "agent", 2),
        lambda s: s.get_state("x", "agent"),
    ),
    "audit log": Operation(logged, lambda s: s.audit.log("a", "T"), trail),
    "audit log of the first row": Operation(lambda s: s.durable.store, lambda s: s.audit.log("a", "T"), trail),
    "audit log of many": Operation(logged, lambda s: s.audit.log_many([("a", "T", n) for n in range(50)]), trail),
    "audit anchor": Operation(unanchored, lambda s: s.audit.anchor(), anchored),
    "audit prune": Operation(logged, lambda s: s.audit.prune(count=2), trail),
    "govern": Operation(
        lambda s: s.agents.register("a", AgentType.BOTH),
        lambda s: s.agents.govern("a", limit=5),
        lambda s: [(found.id, found.budget_limit) for found in s.agents.states()],
    ),
    "agent status": Operation(govern, lambda s: s.agents.set_status("a", AgentStatus.PAUSED, "why"), kept),
    "agent update": Operation(govern, lambda s: s.agents.update("a", do_all), kept),
    "agent detect": Operation(govern, lambda s: s.agents.detect("a", 2), kept),
    "agent remove": Operation(
        govern,
        lambda s: s.agents.remove("a"),
        lambda s: ([found.id for found in s.agents.states()], "a" in s.budgets),
    ),
    "budget create": Operation(lambda s: s.durable.store, lambda s: s.budgets.create("b", 1000), money),
    "budget spend": Operation(lambda s: s.budgets.create("b", 1000), lambda s: s.budgets["b"].spend(600), money),
    "budget limit": Operation(lambda s: s.budgets.create("b", 1000), lambda s: s.budgets["b"].set_limit(2000), money),
    "task push": Operation(
        lambda s: s.tasks.push("t", 1), lambda s: s.tasks.push("t", 2), lambda s: [task.data for task in s.tasks.find()]
    ),
    "task pop and complete": Operation(lambda s: s.tasks.push("t", 1), popped, result),
}


def made(path: Path, operation: Operation) -> StateManager:
    state = corestate.create(path)
    operation.prepare(state)
    return state


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of fork with threads, from 3.12 on
def test_p7_killed_inside(name, tmp_path):
    operation = OPERATIONS[name]
    with made(tmp_path / "whole.state", operation) as state:
        before = operation.observe(state)
        opening, count = lines_of(lambda: opened(state)), lines_of(lambda: operation.act(state), lambda: opened(state))
        after = operation.observe(state)
    assert before != after
    seen = set()
    spread, last = {1 + count * n // POINTS for n in range(POINTS)}, {count - n for n in range(LAST)}
    early = {1 + opening * n // OPENING for n in range(OPENING)}
    for number, (first, line) in enumerate(
        [(None, line) for line in early] + [(opened, line) for line in spread | last]
    ):
        with made(tmp_path / f"{number}.state", operation) as state:
            assert operation.observe(state) == before
            killed_at(line, lambda state=state: operation.act(state), first and (lambda state=state: opened(state)))
            found = operation.observe(state)
            assert found in (before, after), f"killed at line {line} of {count}"
            seen.add(found == after)
            with corestate.attach(state.address) as other:
                assert operation.observe(other) == found, f"somebody new, after a kill at line {line} of {count}"
            if found == before:
                operation.act(state)
                assert operation.observe(state) == after, f"done again, after a kill at line {line} of {count}"
        Path(tmp_path / f"{number}.state").unlink()
        with corestate.open(tmp_path / f"{number}.state") as state:
            assert state.audit.verify()
    assert seen == {True, False}, "some kills came before the commit, and some after"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_p7_killed_while_filling_a_miss(tmp_path):
    """Who reads what is not hot puts it there; killed on the way, it leaves no old value and stops no writer."""
    with corestate.create(tmp_path / "x.state") as state:
        state.scope("global")["a"] = 0
    Path(tmp_path / "x.state").unlink()
    with corestate.open(tmp_path / "x.state") as state:
        count = lines_of(lambda: state.scope("global")["a"])
    for number, line in enumerate(sorted({1 + count * n // POINTS for n in range(POINTS)} | {count - 1, count})):
        Path(tmp_path / "x.state").unlink()  # and with it what was hot
        with corestate.open(tmp_path / "x.state") as state:
            killed_at(line, lambda state=state: state.scope("global")["a"])
            assert both(state, "global", None, "a") == (number, number)
            state.scope("global")["a"] = number + 1
            assert both(state, "global", None, "a") == (number + 1, number + 1)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_p7_what_has_returned_is_there(name, tmp_path):
    """The process dies as soon as the call has returned; then everything of the region is lost, too."""
    operation = OPERATIONS[name]
    if name in ("agent status", "agent update", "agent detect", "agent remove", "govern"):
        shown = lambda state: [found.to_dict() for found in state.agents.states()]  # noqa: E731
    else:
        shown = operation.observe
    with made(tmp_path / "x.state", operation) as state:
        assert not killed_at(-1, lambda: operation.act(state))
        after = shown(state)
    Path(tmp_path / "x.state").unlink()
    began = time.monotonic()
    with corestate.open(tmp_path / "x.state") as state:
        found = shown(state)
        assert without_clocks(found) == without_clocks(after)
        assert state.audit.verify()
    assert time.monotonic() - began < 60


def without_clocks(found: Any) -> Any:
    """When it was is not what it was."""
    if isinstance(found, list):
        return [without_clocks(item) for item in found]
    return {key: item for key, item in found.items() if key != "updated_ns"} if isinstance(found, dict) else found
