"""What was erased is in no file any more: of a key, a prefix, a scope, with history and hot copies."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import corestate
from corestate import Erased, RegionConfig

MARK = "m4rked-f0r-erasure"
KEPT = "to-be-kept-as-it-is"


def files_with(directory: Path, text: str) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes())


@pytest.fixture
def state(tmp_path):
    # Few hot values, so that keys share places with what they leave behind.
    with corestate.open(tmp_path / "a.state", config=RegionConfig(values=8)) as opened:
        yield opened


def fill(scope) -> None:
    """Short and long values, versions, deletions, expiries, values that are not hot, and pages of their own."""
    for n in range(12):
        scope[f"a{n}"] = f"{MARK} {n} " + "x" * (n * 23)
        scope[f"a{n}"] = {"said": f"{MARK}!"}
        scope[f"b{n}"] = KEPT
    scope["a large"] = MARK * 2000
    scope["a larger"] = MARK * 20000
    scope["a larger"] = MARK
    scope["a gone"] = MARK * 100
    del scope["a gone"]
    scope.set("a short", MARK, ttl=1e-9)
    scope.increment("a number")
    for n in range(12):
        assert scope.get(f"a{n}")
        assert scope[f"b{n}"] == KEPT


def test_field_s10_a_prefix_is_gone_from_every_file(state, tmp_path):
    scope = state.scope("user", "u")
    fill(scope)
    assert len(files_with(tmp_path, MARK)) >= 2  # region and store
    erased = scope.erase(prefix="a")
    assert erased.complete
    assert (erased.keys, erased.versions) == (17, 2 * 12 + 1 + 2 + 1 + 1 + 1)
    assert files_with(tmp_path, MARK) == []
    assert scope.keys() == sorted(f"b{n}" for n in range(12))
    assert all(scope[key] == KEPT for key in scope.keys())  # noqa: SIM118 - a list
    assert files_with(tmp_path, KEPT) != []
    assert [version.operation for version in scope.history("a1")] == ["erase"]
    assert scope.at(change=40).keys() <= set(scope.keys())
    state.close()
    assert files_with(tmp_path, MARK) == []


def test_field_s10_a_key(state, tmp_path):
    scope = state.scope("user", "u")
    scope["k"], scope["k"], scope["other"] = f"{MARK} {'y' * 300}", MARK, KEPT
    for n in range(20):
        scope[f"{n}"] = KEPT[: n % 7]
    assert scope.erase("k") == Erased(1, 2, complete=True)
    assert files_with(tmp_path, MARK) == []
    assert scope.get("k") is None and scope["other"] == KEPT  # noqa: PT018
    assert scope.erase("k") == Erased(0, 0, complete=True)
    assert scope.set("k", 1) == 4  # versions go on
    assert scope.erase("never there") == Erased(0, 0, complete=True)


def test_field_s10_what_had_been_forgotten_or_deleted_before(state, tmp_path):
    scope = state.scope("user", "u")
    fill(scope)
    scope.clear()
    state.retain(versions=1)
    assert scope.erase().complete
    assert files_with(tmp_path, MARK) == []


def test_field_s10_a_scope_and_a_workflow_with_its_steps(state, tmp_path):
    line = state.workflow("line")
    for scope in (line, line.step("one"), line.step("two")):
        scope["k"] = MARK
    assert line.erase("k").keys == 1
    assert files_with(tmp_path, MARK)
    assert state.erase(line) == Erased(2, 2, complete=True)
    assert files_with(tmp_path, MARK) == []
    other = state.scope("user", "other")
    other["k"] = KEPT
    state.update_state("x", "task", {"said": MARK})
    assert state.states.erase("x", "task").complete
    assert files_with(tmp_path, MARK) == []
    assert other["k"] == KEPT


def test_field_s10_the_feed_says_so_without_the_value(state):
    scope = state.scope("user", "u")
    scope["k"] = MARK
    with state.changes() as feed:
        scope.erase("k")
        found = feed.get(timeout=60)
        assert (found.operation, found.key, found.value, found.version) == ("erase", "k", None, 2)
    with state.changes(since=0) as feed:
        assert [change.value for change in feed.drain()] == [None, None]


def test_field_s10_ephemeral_values(state, tmp_path):
    scope = state.scope("session", "s", ephemeral=True)
    scope["a1"], scope["b"] = f"{MARK} {'z' * 100}", KEPT
    scope["a1"], scope["a2"] = MARK, MARK
    assert state.erase(scope, prefix="a") == Erased(2, 2, complete=True)
    assert files_with(tmp_path, MARK) == []
    assert dict(scope) == {"b": KEPT}


def test_field_s10_a_reader_of_an_older_moment_is_reported_not_waited_out(state, tmp_path):
    scope = state.scope("user", "u")
    scope["k"] = MARK
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with state.durable.store.read() as rows:
            rows.all("SELECT count(*) FROM changes")
            reading.set()
            done.wait()

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait()
    try:
        first = scope.erase("k")
        assert (first.keys, first.versions, first.complete) == (1, 1, False)
        assert scope.get("k") is None
    finally:
        done.set()
        thread.join()
    assert scope.erase("k") == Erased(0, 0, complete=True)
    assert files_with(tmp_path, MARK) == []


def test_field_s10_hooks_limits_and_refusals(state):
    scope = state.scope("user", "u", limits=corestate.Limits(keys=1))
    scope["k"] = 1
    hook = state.hooks.before("delete", lambda subject: subject.refuse("never"))
    with pytest.raises(corestate.RefusedError):
        scope.erase()
    assert scope["k"] == 1
    hook.remove()
    scope.erase()
    scope["other"] = 2  # what was erased does not count
    for wrong in ({"key": "k", "prefix": "k"}, {"key": 5}, {"prefix": 5}, {"key": ""}, {"key": "\ud800"}):
        with pytest.raises(corestate.CorestateError):
            scope.erase(**wrong)
    with corestate.open(state.address, mode="r") as observer, pytest.raises(corestate.ReadOnlyError):
        observer.scope("user", "u").erase()
    assert scope["other"] == 2


def test_field_s10_keys_made_meanwhile_are_erased_or_stay_whole(state):
    scope, ended = state.scope("user", "u"), threading.Event()

    def write() -> None:
        n = 0
        while not ended.is_set():
            scope[f"k{n % 50}"] = n
            n += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(5):
            with suppress(corestate.StoreBusyError):
                scope.erase(prefix="k")
    finally:
        ended.set()
        thread.join()
    for key in scope.keys():  # noqa: SIM118
        entry = scope.entry(key)
        assert scope[key] == entry.value == scope.history(key)[-1].value
    assert scope.erase().complete
    assert len(scope) == 0


def test_field_s10_the_command(tmp_path):
    path = tmp_path / "c.state"
    with corestate.open(path) as state:
        state.scope("user", "ann").update({"a1": MARK, "a2": MARK, "b": KEPT})

    def run(*arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "corestate", "erase", path, "user:ann", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    run(code=2)
    run("a1", "--all", code=2)
    assert "erased 1 keys with 1 versions" in run("a1")
    assert '"complete": true' in run("--prefix", "a", "--json")
    assert files_with(tmp_path, MARK) == []
    assert files_with(tmp_path, KEPT)
    run("--all")
    assert files_with(tmp_path, KEPT) == []
