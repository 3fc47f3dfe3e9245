"""The command line on the audit trail, as a user calls it."""

import csv
import io
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
    with corestate.create(path) as state:
        for n in range(5):
            state.audit.log(f"a{n % 2}", "T\x1b[31m", {"n": n})
    return path


def test_list_filter_and_export(path):
    assert "\x1b[31m" not in run("audit", path)
    rows = json.loads(run("audit", path, "--json"))
    assert [row["details"]["n"] for row in rows] == [0, 1, 2, 3, 4]
    rows = json.loads(run("audit", path, "--agent", "a0", "--tail", 2, "--json"))
    assert [row["details"]["n"] for row in rows] == [2, 4]
    assert json.loads(run("audit", path, "--until", "2001-01-01T00:00:00", "--json")) == []
    lines = run("audit", path, "--export", "jsonl", "--type", "T\x1b[31m").splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [1, 2, 3, 4, 5]
    assert len(list(csv.DictReader(io.StringIO(run("audit", path, "--export", "csv"))))) == 5
    assert "write 2026" in run("audit", path, "--since", "soon", code=1)


def test_verify_and_prune(path, tmp_path):
    assert "5 rows, all as they were written" in run("audit", path, "--verify")
    anchor = json.loads(run("audit", path, "--verify", "--json"))["anchor"]
    assert "2 rows" in run("audit-prune", path, "--count", 3)
    found = json.loads(run("audit", path, "--verify", "--anchor", anchor, "--json"))
    assert found["rows"] == 4
    assert "row 7" in run("audit", path, "--verify", "--anchor", "9:" + "0" * 64, code=1)
    assert "age" in run("audit-prune", path, code=1)
    assert "key" in run("audit", path, "--verify", "--key-file", tmp_path / "none", code=1)
    (tmp_path / "key").write_bytes(b"x" * 32)
    assert "key" in run("audit", path, "--verify", "--key-file", tmp_path / "key", code=1)
    assert json.loads(run("audit-prune", path, "--age", 1000, "--json")) == {"pruned": 0}


def test_where_there_is_none(tmp_path):
    path = tmp_path / "s.state"
    corestate.create(path).close()
    assert json.loads(run("audit", path, "--json")) == []
    assert "0 rows" in run("audit", path, "--verify")
    run("audit", tmp_path / "nothing", code=1)


def test_field_s8_doctor_needs_the_key_of_a_keyed_trail_and_calls_nothing_broken(tmp_path):
    path, key, other = tmp_path / "s.state", tmp_path / "key", tmp_path / "other"
    key.write_bytes(b"k" * 32)
    other.write_bytes(b"o" * 32)
    with corestate.create(path) as state:
        state.audit.use_key(b"k" * 32)
        state.audit.log("a", "T")

    def trail(*arguments):
        return json.loads(run("doctor", path, "--json", *arguments))[-1]

    assert trail()["result"] == "limited"
    assert "--key-file" in trail()["detail"]
    assert trail("--key-file", key)["result"] == "ok"
    run("doctor", path, "--key-file", other, code=1)
    run("doctor", path, "--key-file", tmp_path / "none", code=1)
    run("doctor", "--key-file", key, code=2)
    with corestate.attach(path, mode="r") as state:
        state.durable.anchor_path.unlink()
    run("doctor", path, "--key-file", key, code=1)
