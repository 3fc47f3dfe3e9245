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


# How much of a huge snapshot is read is bounded where it is read.
@pytest.mark.parametrize(
    ("command", "what"),
    [(c, w) for c in COMMANDS for w in ODD if not (c.startswith("restore") and w == "huge")],
)
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
