"""Errors end in logs: a value somebody gave, or that is stored, is not repeated in them."""

from __future__ import annotations

import ast
import enum
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import corestate
from corestate import StateManager
from corestate._shown import kind_of, named, shown, typed
from corestate.errors import CorestateError

SECRET = "hunter2-s3cret"
SOURCE = Path(corestate.__file__).parent


class Opaque:
    """Something whose text gives the secret away."""

    def __repr__(self) -> str:
        return SECRET


class Word(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"Word({SECRET})"


def calls(s: StateManager, value: Any) -> dict[str, Callable[[], Any]]:
    """What takes a value, given one it cannot take."""
    scope, ephemeral = s.scope("user", "u"), s.scope("user", "u", ephemeral=True)
    stored = s.scope("user", "stored")
    stored["text"], stored["number"] = SECRET, 8155_1234_5678
    names = ("neuron_count", "burst_state", "synapse_util")
    field = {name: lambda name=name: setattr(s.engine, name, value) for name in names}
    return {
        **{f"engine.{name}": call for name, call in field.items()},
        "counter.add": lambda: s.counters["c"].add(value),
        "counter.set": lambda: s.counters["c"].set(value),
        "counter.wait": lambda: s.counters["c"].wait(value),
        "gauge.set": lambda: s.gauges["g"].set(value),
        "gauge.wait": lambda: s.gauges["g"].wait(value),
        "area.add": lambda: s.areas["a"].add("neuron_count", value),
        "area.field": lambda: setattr(s.areas["a"], "neuron_count", value),
        "lock timeout": lambda: s.locks["l"].acquire(timeout=value),
        "config": lambda: corestate.RegionConfig(agents=value),
        "limits": lambda: corestate.Limits(keys=value),
        "open config": lambda: corestate.open("heap:", config=value),
        "agent type": lambda: s.agents.register("a", value),
        "agent details": lambda: s.agents.register("b", corestate.AgentType.MOTOR, metadata={"x": [Opaque()]}),
        "reap": lambda: s.agents.reap(value),
        "publish": lambda: s.events.publish("k", {"x": Opaque()}),
        "subscribe since": lambda: s.events.subscribe(since=value),
        "subscription timeout": lambda: s.events.subscribe().get(value),
        "listen": lambda: s.events.on("k", value),
        "scope value": lambda: scope.set("k", {"a": [Opaque()]}),
        "scope key of a value": lambda: scope.set("k", {Opaque(): 1}),
        "ttl": lambda: scope.set("k", 1, ttl=value),
        "increment": lambda: scope.increment("k", value),
        "increment what is text": lambda: stored.increment("text", 1),
        "get_as text": lambda: stored.get_as("text", int),
        "get_as number": lambda: stored.get_as("number", str),
        "ephemeral value": lambda: ephemeral.set("k", Opaque()),
        "ephemeral increment": lambda: ephemeral.increment("k", value),
        "at": lambda: scope.at(value),
        "changes": lambda: s.changes(value),
        "task data": lambda: s.tasks.push("t", Opaque()),
        "task priority": lambda: s.tasks.push("t", 1, priority=value),
        "task delay": lambda: s.tasks.push("t", 1, delay=value),
        "task lease": lambda: s.tasks.pop(lease=value),
        "audit details": lambda: s.audit.log("a", "t", {"x": Opaque()}),
        "audit agent": lambda: s.audit.log(Opaque(), "t", {}),
        "audit since": lambda: s.audit.query(since=value),
        "audit key": lambda: s.audit.use_key(value),
        "audit anchor of a key": lambda: s.audit.use_key(b"short"),
        "budget": lambda: s.budgets.create("b", value),
        "governed data": lambda: s.agents.govern("x", data=Opaque()),
        "id": lambda: corestate.ApiTokenId.parse(value),
        "url": lambda: corestate.open(f"postgres://ann:{SECRET}@db/x"),
    }


def complaint(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as problem:
        return problem
    return None


GIVEN = (SECRET, Opaque(), SECRET.encode(), [SECRET], {"x": SECRET}, Word(SECRET))


@pytest.mark.parametrize("value", GIVEN, ids=kind_of)
def test_field_x15_a_value_is_not_repeated_in_an_error(path, value):
    with corestate.open(path) as state:
        complaints = {name: complaint(call) for name, call in calls(state, value).items()}
    said = {name: f"{problem} {problem!r}" for name, problem in complaints.items() if problem is not None}
    assert {name: text for name, text in said.items() if SECRET in text} == {}
    ours = [name for name, problem in complaints.items() if isinstance(problem, CorestateError)]
    assert len(ours) > 25, said


def test_field_x15_a_stored_number_is_not_repeated_either(path):
    with corestate.open(path) as state, pytest.raises(corestate.WrongTypeError) as caught:
        state.scope("user", "u")["pin"] = 815512345678
        state.scope("user", "u").get_as("pin", str)
    assert "815512345678" not in str(caught.value)
    assert "an int" in str(caught.value)


def test_what_appears_of_a_value():
    class Colour(enum.IntEnum):
        RED = 1

    assert [shown(one) for one in (1, -2.5, True, None, Colour.RED, np.int64(7), 2j)] == [
        *("1", "-2.5", "True", "None", "Colour.RED"),
        *("7 (int64)", "2j (complex)"),
    ]
    assert [shown(one) for one in ("x", b"x", [], {}, object())] == [
        "a str",
        "a bytes",
        "a list",
        "a dict",
        "an object",
    ]
    assert shown(2**10_000) == "an int of 10001 bits"
    assert [typed(one) for one in (5, 5.0, "x", None, True)] == [
        "5 (int)",
        "5.0 (float)",
        "a str",
        "None",
        "True (bool)",
    ]
    assert named("a\x1b\u202eb") == r"'a\x1b\u202eb'"
    assert len(named("x" * 10_000)) == 103
    assert named(Opaque()) == "an Opaque"


def test_field_x15_no_error_is_made_with_the_text_of_a_value():
    """``found=`` says what was found; a raw ``!r`` or ``repr()`` there is how a value gets into a log."""
    raw = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "found":
                text = ast.unparse(node.value)
                if re.search(r"!r|\brepr\(", text):
                    raw.append(f"{path.relative_to(SOURCE)}:{node.value.lineno}: {text}")
    assert raw == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux what a core dump would hold")
@pytest.mark.parametrize("address", ["heap:", "file"])
def test_field_x15_a_region_is_in_no_core_dump(path, address):
    """Of private memory the kernel is told; a file that is mapped shared, and has a name, is left out by default."""
    from corestate._binding import address_of, ffi

    with corestate.open(path if address == "file" else address) as state:
        start = address_of(ffi.cast("void *", ffi.from_buffer(state.region.memory)))
        flags = ""
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                inside = int(match[1], 16) <= start < int(match[2], 16)
            elif line.startswith("VmFlags:") and inside:
                flags = line.split()[1:]
    assert ("dd" if address == "heap:" else "sh") in flags
