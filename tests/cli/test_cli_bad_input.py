"""Bad input: its own message, its exit code, no traceback, nothing changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import corestate

ONE_ADDRESS = ["show", "agents", "locks", "watch", "top", "inspect", "unlink"]


@pytest.mark.parametrize("command", ONE_ADDRESS)
def test_an_address_with_nothing_there(run, path, command):
    result = run(command, path)
    assert result.code == 1
    assert result.err.startswith("corestate: ")
    assert path in result.err
    assert len(result.err.splitlines()) == 1
    assert result.out == ""


@pytest.mark.parametrize("command", [*ONE_ADDRESS, "health"])
@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100_000])
def test_a_file_that_is_no_region(run, path, command, content):
    Path(path).write_bytes(content)
    result = run(command, path)
    assert result.code == (2 if command == "health" else 1)
    assert path in result.err
    assert Path(path).read_bytes() == content


@pytest.mark.parametrize("command", ONE_ADDRESS)
@pytest.mark.parametrize("address", ["", "shm:", "shm:a/b", "heap:x", "http://example.org/x"])
def test_an_address_that_cannot_be(run, command, address):
    result = run(command, address)
    assert result.code == 1
    assert result.err.startswith("corestate: ")


def test_a_directory_is_no_region(run, tmp_path):
    assert run("show", tmp_path).code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["show"],
        ["show", "a", "b"],
        ["show", "a", "--nothing"],
        ["watch", "a", "--since", "-1"],
        ["watch", "a", "--count", "0"],
        ["watch", "a", "--seconds", "soon"],
        ["top", "a", "--interval", "0"],
        ["health", "a", "--stale-after", "-1"],
        ["create", "a", "--agents", "many"],
        ["create", "a", "--permissions", "999"],
        ["demo", "--seconds", "0"],
        ["demo", "--neurons", "0"],
    ],
)
def test_wrong_usage_exits_2(run, arguments):
    result = run(*arguments)
    assert result.code == 2
    assert "Usage: corestate" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    "arguments",
    [["--events", "5"], ["--agents", "-1"], ["--participants", "0"], ["--event-bytes", "7"], ["--agents", 2**40]],
)
def test_sizes_outside_their_bounds(run, path, arguments):
    result = run("create", path, *arguments)
    assert result.code == 1
    assert arguments[0].lstrip("-").replace("-", "_") in result.err
    assert not Path(path).exists()


def test_creating_over_something_changes_nothing(run, path):
    with corestate.create(path) as state:
        state.counters["c"].set(5)
        assert run("create", path).code == 1
        with corestate.attach(path) as again:
            assert again.counters["c"].value == 5


def test_snapshot_and_restore_say_what_is_wrong(run, path, tmp_path):
    corestate.create(path).close()
    assert run("snapshot", path, tmp_path / "nowhere" / "picture").code == 1
    assert run("restore", tmp_path / "absent", tmp_path / "back").code == 1
    (tmp_path / "text").write_text("no snapshot")
    result = run("restore", tmp_path / "text", tmp_path / "back")
    assert result.code == 1
    assert "snapshot" in result.err
    assert not (tmp_path / "back").exists()


def test_the_demo_refuses_an_address_that_is_taken(run, path):
    corestate.create(path).close()
    result = run("demo", "--address", path, "--seconds", 1)
    assert result.code == 1
    assert path in result.err


def test_python_m_corestate_cli_is_the_same(path):
    command = [sys.executable, "-m", "corestate.cli", "show", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("corestate: ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_top_is_drawn_in_place_and_left_by_ctrl_c(path):
    import pty

    with corestate.create(path) as state:
        state.counters["spikes"].set(12345)
        pid, terminal = pty.fork()
        if pid == 0:
            code = "from corestate.cli import main; main()"
            os.execve(
                sys.executable,
                [sys.executable, "-c", code, "top", path, "--interval", "0.05"],
                {**os.environ, "TERM": "xterm"},
            )
        seen = b""
        while b"12,345" not in seen:
            seen += os.read(terminal, 65536)
        state.counters["spikes"].set(54321)
        while b"54,321" not in seen:
            seen += os.read(terminal, 65536)
        os.write(terminal, b"\x03")
        try:
            while chunk := os.read(terminal, 65536):
                seen += chunk
        except OSError:
            pass  # how a terminal says that its last process has gone
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(terminal)
    assert b"\x1b[?1049h" in seen, "it has the screen to itself"
    assert b"\x1b[?1049l" in seen, "and gives it back"
    assert b"Traceback" not in seen
