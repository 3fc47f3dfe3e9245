"""A call whose commit has succeeded returns its result, although the state is closed before it does."""

from __future__ import annotations

import pytest

import corestate
from corestate.enums import AgentStatus, AgentType
from corestate.stores import sqlite

CALLS = {
    "set": lambda state, scope: scope.set("k", 1),
    "set_default": lambda state, scope: scope.set_default("d", 1),
    "increment": lambda state, scope: scope.increment("n"),
    "delete": lambda state, scope: scope.__delitem__("n"),
    "transact": lambda state, scope: state.transact(lambda tx: tx(scope).__setitem__("t", 1)),
    "revert": lambda state, scope: scope.revert("n", 1),
    "copy": lambda state, scope: scope.copy_to(state.scope("user", "z")),
    "fork": lambda state, scope: scope.fork("other"),
    "move": lambda state, scope: scope.move_to(state.scope("user", "y")),
    "clear": lambda state, scope: scope.clear(),
    "erase": lambda state, scope: scope.erase("n"),
    "retain": lambda state, scope: state.retain(versions=1),
    "update_state": lambda state, scope: state.update_state("i", "agent", {}),
    "push": lambda state, scope: state.tasks.push("t"),
    "pop": lambda state, scope: state.tasks.pop("w"),
    "log": lambda state, scope: state.audit.log("a", "E"),
    "log_many": lambda state, scope: state.audit.log_many([("a", "E", None)]),
    "prune": lambda state, scope: state.audit.prune(count=1),
    "spend": lambda state, scope: state.budgets["b"].spend(1),
    "create": lambda state, scope: state.budgets.create("new", 1),
    "set_limit": lambda state, scope: state.budgets["b"].set_limit(50),
    "complete": None,
    "remove agent": lambda state, scope: state.agents.remove("agent"),
    "sweep": lambda state, scope: state.sweep_expired(),
    "govern": lambda state, scope: state.agents.govern("other", limit=5),
    "detect": lambda state, scope: state.agents.detect("agent", 1, {}),
    "set_status": lambda state, scope: state.agents.set_status("agent", AgentStatus.RUNNING),
    "update": lambda state, scope: state.agents.update("agent", lambda found: found.with_(data={"z": 1})).version,
}


@pytest.mark.parametrize("name", CALLS)
def test_field_x17_a_committed_call_returns_although_the_state_was_closed(tmp_path, monkeypatch, name):
    with corestate.open(tmp_path / "x.state") as state:
        scope = state.scope("user", "u")
        scope["n"] = 0
        scope["n"] = 1
        state.budgets.create("b", 100)
        state.agents.register("agent", AgentType.BOTH)
        state.agents.govern("agent", limit=100)
        state.agents.register("other", AgentType.BOTH)
        state.tasks.push("t")
        state.tasks.push("t")
        scope.set("short", 1, ttl=0.001)
        state.audit.log("a", "E")
    state = corestate.open(tmp_path / "x.state")
    task = state.tasks.pop("w") if name == "complete" else None
    scope = state.scope("user", "u")
    scope.get("n")
    assert state.budgets["b"].spent == 0
    assert state.agents.state_of("agent").id == "agent"
    left = len(state.audit)  # the trail is open
    assert left > 0
    commit, armed = sqlite.SQLiteStore._commit, [state]

    def closing(self, connection, *, writes):
        commit(self, connection, writes=writes)
        if writes and armed:
            armed.pop().close()

    with monkeypatch.context() as patched:
        patched.setattr(sqlite.SQLiteStore, "_commit", closing)
        if task is not None:
            task.complete()
        else:
            CALLS[name](state, scope)
    assert not armed, "nothing was committed"
    state.close()
    with corestate.open(tmp_path / "x.state") as again:
        assert again.audit.verify()
        assert again.durable.store.check() == []
        if name == "spend":
            assert again.budgets["b"].spent == 1
            assert again.budgets["b"].reserved == 0
