"""What is no regular file is refused at once: nothing is read without end, nobody waits."""

import os
import resource
import subprocess
import sys

import pytest
from every_command import command_line

import corestate

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs FIFOs and devices")


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


@pytest.fixture
def odd(tmp_path):
    """By name, what is no file to read."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    huge = tmp_path / "huge"
    huge.touch()
    os.truncate(huge, 1 << 40)
    (tmp_path / "link").symlink_to("/dev/zero")
    return {
        "device": "/dev/zero",
        "fifo": str(tmp_path / "fifo"),
        "directory": str(tmp_path / "directory"),
        "huge": str(huge),
        "link": str(tmp_path / "link"),
        "nothing": str(tmp_path / "nothing"),
    }


ODD = ("device", "fifo", "directory", "huge", "link", "nothing")
COMMANDS = (
    *("inspect FILE", "inspect FILE --json", "show FILE", "doctor FILE", "unlink FILE"),
    *("restore FILE TARGET", "audit REGION --key-file FILE"),
)


@pytest.mark.parametrize(("command", "what"), [(c, w) for c in COMMANDS for w in ODD])
def test_field_l5_what_is_no_region_is_not_read(tmp_path, odd, what, command):
    corestate.create(tmp_path / "region").close()
    names = {"FILE": odd[what], "TARGET": str(tmp_path / "target"), "REGION": str(tmp_path / "region")}
    done = subprocess.run(
        command_line(*[names.get(word, word) for word in command.split()]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert len(done.stdout) < 4000
    assert not (tmp_path / "target").exists()
    if not command.startswith("doctor"):
        assert done.stderr.startswith("corestate: ")


def test_field_x11_a_snapshot_that_asks_for_more_is_refused(run, tmp_path):
    picture, target = tmp_path / "picture", tmp_path / "target"
    with corestate.create(tmp_path / "r") as state:
        state.snapshot(picture)
        size = state.region.size
    assert run("restore", picture, target, "--largest", size - 1).code == 1
    assert not target.exists()
    assert run("restore", picture, target, "--largest", size).code == 0
    assert run("restore", picture, tmp_path / "other", "--largest", 0).code == 2
