"""What the pages say of hooks and views, at its edges."""

from __future__ import annotations

import pytest

import corestate


@pytest.fixture
def state(tmp_path):
    with corestate.open(tmp_path / "a.state") as opened:
        yield opened


def test_field_v10_a_view_stays_as_it_was(state):
    scope = state.scope("user", "u")
    scope["l"], scope["d"] = [1], {"a": [1]}
    view = scope.at(change=2)
    view["l"].append(2)
    view["d"]["a"].append(2)
    for values in (view.values(), [found for _, found in view.items()]):
        next(iter(values)).clear()
    assert dict(view) == {"l": [1], "d": {"a": [1]}}


def test_field_v10_hooks_of_a_conflict_are_called(state):
    scope, called = state.scope("user", "u"), []
    scope["k"] = 1
    state.hooks.before("conflict", lambda subject: called.append(("before", subject.key, subject.after)))
    state.hooks.after("conflict", lambda subject: called.append(("after", subject.key, subject.after)))
    with pytest.raises(corestate.ConflictError):
        scope.set("k", 2, if_version=7)
    assert called == [("before", "k", False), ("after", "k", True)]
    with pytest.raises(corestate.ConflictError), state.transaction() as tx:
        tx(scope)["k"] = tx(scope)["k"] + 1
        scope["k"] = 5
    assert len(called) == 4


def test_field_v10_a_refusal_after_the_write_says_that_it_is_done(state):
    scope = state.scope("user", "u")
    state.hooks.after("write", lambda subject: subject.refuse("too late"))
    with pytest.raises(corestate.RefusedError, match="after it was done: too late"):
        scope["k"] = 1
    assert scope["k"] == 1


def test_field_v10_a_fork_of_the_global_scope_is_a_custom_one(state):
    state.scope("global")["k"] = 1
    forked = state.scope("global").fork("x")
    assert str(forked.path) == "custom:x"
    assert dict(forked) == {"k": 1}
