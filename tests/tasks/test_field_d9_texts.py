"""Texts of somebody else's making are stored with escapes, and nothing they do replaces the worker's own exception."""

from __future__ import annotations

import os
import socket

import pytest

import corestate
from corestate import AgentStatus, AgentType, TaskStatus
from corestate.telling import as_text

NAME = os.fsdecode(b"caf\xe9")


@pytest.fixture
def state(tmp_path):
    with corestate.open(tmp_path / "a.state") as opened:
        yield opened


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def test_field_d9_a_workers_exception_is_recorded_and_goes_on(state):
    state.tasks.push("t", max_attempts=1)
    with pytest.raises(ValueError, match="caf") as caught, state.tasks.pop():
        raise ValueError(NAME)
    assert caught.value.args == (NAME,)
    (task,) = state.tasks.find()
    assert (task.status, task.error) == (TaskStatus.DEAD, r"ValueError: caf\udce9")


def test_field_d9_a_failure_without_words(state):
    state.tasks.push("t", max_attempts=1)
    with pytest.raises(WordlessError), state.tasks.pop():
        raise WordlessError
    assert "WordlessError" in state.tasks.find()[0].error


@pytest.mark.parametrize("error", ["\udcff", ValueError("\ud800"), b"\xff", WordlessError(), None, ["\udc80"]])
def test_field_d9_fail_takes_anything(state, error):
    state.tasks.push("t")
    assert state.tasks.pop().fail(error, retry_in=0) is TaskStatus.READY
    assert state.tasks.find()[0].error.encode()  # it can be written anywhere


def test_field_d9_what_cannot_be_recorded_does_not_replace_it(state, monkeypatch):
    state.tasks.push("t")
    task = state.tasks.pop()
    monkeypatch.setattr(type(state.tasks), "fail", lambda *_, **__: (_ for _ in ()).throw(corestate.StoreBusyError()))
    with pytest.raises(ZeroDivisionError), task:
        raise ZeroDivisionError
    monkeypatch.setattr(type(state.tasks), "get", lambda *_: (_ for _ in ()).throw(corestate.StoreBusyError()))
    with pytest.raises(ZeroDivisionError), task:
        raise ZeroDivisionError


def test_field_d9_names_of_workers_and_machines(state, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: NAME)
    state.tasks.push("t")
    task = state.tasks.pop()
    assert task.worker.startswith(r"caf\udce9:")
    task.fail("again", retry_in=0)
    assert state.tasks.pop(NAME).worker == r"caf\udce9"


def test_field_d9_reasons_and_details(state):
    state.agents.register("ag", AgentType.BOTH)
    state.agents.govern("ag", limit=10)
    assert state.agents.set_status("ag", AgentStatus.RUNNING, NAME)
    assert state.agents.state_of("ag").reason == r"caf\udce9"
    now = state.agents.state_of("ag")
    assert state.agents.save(now.with_(status=AgentStatus.SUSPENDED, reason="\udcff")).reason == r"\udcff"
    assert state.audit.verify()


def test_field_d9_refusals(state):
    scope = state.scope("user", "u", limits=corestate.Limits(value_bytes=3))
    with state.events.subscribe("limit_exceeded") as refusals:
        with pytest.raises(corestate.LimitExceededError):
            scope["k"] = "\ud800" * 10
        assert "at most 3 bytes" in refusals.get(timeout=60).data["refused"]
    state.hooks.before("write", lambda subject: subject.refuse(NAME))
    with pytest.raises(corestate.RefusedError) as caught:
        scope["k"] = 1
    assert as_text(caught.value).encode()
    assert state.audit.log("a", "T", {"refused": as_text(caught.value)})
    state.tasks.push("t", max_attempts=1)
    with pytest.raises(corestate.RefusedError), state.tasks.pop():
        scope["k"] = 1
    assert r"caf\udce9" in state.tasks.find()[0].error
