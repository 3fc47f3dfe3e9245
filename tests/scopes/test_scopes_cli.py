"""The command line on scoped state, as a user calls it."""

import json
import subprocess
import sys

import pytest

import corestate


def run(*arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "corestate", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(name="path")
def _path(tmp_path):
    path = tmp_path / "s.state"
    corestate.create(path).close()
    return path


def test_get_set_keys_history_at_changes(path):
    assert "version 1" in run("set", path, "user:ann", "credit", "10")
    assert json.loads(run("set", path, "user:ann", "credit", "12.5", "--if-version", 1, "--json")) == {"version": 2}
    run("set", path, "user:ann", "name", "Ann Lee")
    run("set", path, "workflow:a%2Fb/step:load", "rows", '{"n": [1, null]}', "--ttl", 1000)
    assert run("get", path, "user:ann", "credit") == "12.5\n"
    entry = json.loads(run("get", path, "user:ann", "name", "--json"))
    assert (entry["value"], entry["version"]) == ("Ann Lee", 1)
    assert json.loads(run("get", path, "workflow:a%2Fb/step:load", "rows")) == {"n": [1, None]}
    assert [row["key"] for row in json.loads(run("keys", path, "user:ann", "--json"))] == ["credit", "name"]
    assert "credit" in run("keys", path, "user:ann", "cr")
    assert [row["value"] for row in json.loads(run("history", path, "user:ann", "credit", "--json"))] == [10, 12.5]
    assert "12.5" in run("history", path, "user:ann", "credit")
    assert json.loads(run("at", path, "user:ann", "#1", "--json"))["values"] == {"credit": 10}
    assert "name" in run("at", path, "user:ann", "2100-01-01T00:00:00")
    lines = [json.loads(line) for line in run("changes", path, "--since", 0, "--seconds", 0, "--json").splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3, 4]
    assert lines[3]["scope"] == "workflow:a%2Fb/step:load"
    assert "credit" in run("changes", path, "--since", 0, "--count", 1)
    run("delete", path, "user:ann", "credit")
    assert "credit" in run("get", path, "user:ann", "credit", code=1)


def test_tasks(path):
    with corestate.attach(path) as state:
        state.tasks.push("weld", {"seam": 4}, max_attempts=1)
        state.tasks.pop("robot").fail("no gas")
        state.tasks.push("paint")
    shown = json.loads(run("tasks", path, "--json"))
    assert shown["counts"] == {"ready": 1, "leased": 0, "waiting": 0, "done": 0, "dead": 1}
    assert [(task["id"], task["type"], task["error"]) for task in shown["tasks"]] == [
        (2, "paint", None), (1, "weld", "no gas"),
    ]  # fmt: skip
    assert [task["id"] for task in json.loads(run("tasks", path, "--status", "dead", "--json"))["tasks"]] == [1]
    text = run("tasks", path, "--type", "weld")
    assert "no gas" in text
    assert "paint" not in text
    run("tasks", path, "--requeue", 1)
    assert json.loads(run("tasks", path, "--json"))["counts"]["ready"] == 2
    assert "dead" in run("tasks", path, "--requeue", 1, code=1)


def test_a_store_that_is_gone_is_said_and_another_adopted(path):
    run("set", path, "global", "k", "1")
    store = path.with_name(path.name + ".d") / "store.db"
    store.unlink()
    assert "adopt" in run("get", path, "global", "k", code=1)
    assert not store.exists()
    run("adopt", path)
    run("set", path, "global", "k", "2")
    assert run("get", path, "global", "k") == "2\n"
    assert len(json.loads(run("history", path, "global", "k", "--json"))) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "nothing", "global", "k"),
        ("get", "PATH", "planet:x", "k"),
        ("get", "PATH", "user:ann/leg:x", "k"),
        ("set", "PATH", "global", "k", "NaN"),
        ("set", "PATH", "global", "k" * 300, "1"),
        ("set", "PATH", "global", "k", "1", "--if-version", "9"),
        ("at", "PATH", "global", "yesterday"),
        ("delete", "PATH", "global", "none"),
    ],
)
def test_bad_input_is_one_message(path, arguments):
    run("set", path, "global", "there", "1")
    assert "expected" in run(*(str(path) if word == "PATH" else word for word in arguments), code=1)
    assert len(json.loads(run("keys", path, "global", "--json"))) == 1
