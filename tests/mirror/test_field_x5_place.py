"""X5, X7: the file of a mirrored region: whose it is to read, and that nobody can put another under it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import stat
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from mirror_lines import free_udp, region, seen, until

import corestate
from corestate.errors import CorestateError, InvalidError, RegionExistsError
from corestate.mirror import Mirror, Sender

SIZE = {"events": 1 << 15, "event_bytes": 512}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("asked", "found"), [({}, 0o400), ({"permissions": 0o440}, 0o440), ({"permissions": 0o444}, 0o444)]
)
def test_field_x7_a_mirrored_region_is_read_by_its_user_alone(asked, found, tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    before = os.umask(0)
    try:
        with (
            region(tmp_path / "true.state", 42) as true,
            Mirror(f"udp:{port}", view, **asked) as mirror,
            Sender(true.address, f"udp:127.0.0.1:{port}"),
        ):
            mirror.wait_ready(20)
            assert mode(view) == found
    finally:
        os.umask(before)


@pytest.mark.parametrize("permissions", [0o600, 0o666, 0o040, 0o4400, 0o500, 0])
def test_field_x7_nothing_but_reading_can_be_asked_for(permissions, tmp_path):
    with pytest.raises(InvalidError, match="permissions to read"):
        Mirror(f"udp:{free_udp()}", tmp_path / "view.state", permissions=permissions)


class Racer(threading.Thread):
    """Puts a link to another file under each name as soon as it appears in a directory."""

    def __init__(self, directory, victim):
        super().__init__(daemon=True)
        self.directory, self.victim = directory, victim
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.watch = self.libc.inotify_init()
        self.libc.inotify_add_watch(self.watch, os.fsencode(directory), 0x100)  # IN_CREATE
        self.ended = False
        self.raced = []
        self.start()

    def run(self):
        while not self.ended:
            if not select.select([self.watch], [], [], 0.01)[0]:
                continue
            data = os.read(self.watch, 65536)
            while data:
                length = int.from_bytes(data[12:16], sys.byteorder)
                name, data = os.fsdecode(data[16 : 16 + length].rstrip(b"\0")), data[16 + length :]
                if name.startswith(".view") and not name.endswith(".x"):
                    with suppress(OSError):
                        path = self.directory / name
                        path.rename(self.directory / f"{name}.x")
                        path.symlink_to(self.victim)
                        self.raced.append(name)
        os.close(self.watch)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify")
@pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed", "named"])
def test_field_x5_a_racer_at_the_temporary_name_gets_no_file(unnamed, tmp_path, monkeypatch):
    if not unnamed:
        monkeypatch.setattr("corestate._mirror_place.UNNAMED", 0)
    shared, home = tmp_path / "shared", tmp_path / "home"
    shared.mkdir()
    home.mkdir()
    victim = home / "id_key"
    victim.write_text("secret")
    victim.chmod(0o600)
    racer = Racer(shared, victim)
    try:
        for attempt in range(3):
            port = free_udp()
            with (
                region(tmp_path / f"true{attempt}.state", 42, **SIZE) as true,
                suppress(CorestateError),
                Mirror(f"udp:{port}", shared / "view.state", silence=0.5) as mirror,
                Sender(true.address, f"udp:127.0.0.1:{port}"),
            ):
                until(lambda: mirror.ready or mirror.report().refused, 60)
            assert mode(victim) == 0o600
            assert victim.read_text() == "secret"
            assert unnamed or racer.raced
            with suppress(FileNotFoundError):
                (shared / "view.state").unlink()
    finally:
        racer.ended = True
        racer.join()


@pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed", "named"])
def test_field_x5_each_way_to_make_it(unnamed, tmp_path, monkeypatch):
    """Shown at first, made anew, and with nothing left beside it."""
    if not unnamed:
        monkeypatch.setattr("corestate._mirror_place.UNNAMED", 0)
    port, view = free_udp(), tmp_path / "views" / "view.state"
    view.parent.mkdir()
    with Mirror(f"udp:{port}", view, silence=0.3) as mirror:
        for value in (1, 2, 3):
            with region(tmp_path / f"{value}.state", value) as true, Sender(true.address, f"udp:127.0.0.1:{port}"):
                mirror.wait_ready(20)
                until(lambda value=value: seen(view) == value)
                assert mode(view) == 0o400
        assert [path.name for path in view.parent.iterdir()] == ["view.state"]
    with (  # of which nobody is left
        Mirror(f"udp:{port}", view, silence=0.3) as mirror,
        region(tmp_path / "4.state", 4) as true,
        Sender(true.address, f"udp:127.0.0.1:{port}"),
    ):
        mirror.wait_ready(20)
        assert seen(view) == 4


HALF = """
import sys, threading
import corestate._mirror_place as place
from corestate.address import parse
if sys.argv[2] == "named": place.UNNAMED = 0
name = place.Name(parse(sys.argv[1]))
file = place.File(name, 1 << 20, 0o400)
print("made", flush=True)
threading.Event().wait()
"""


def test_field_x5_what_a_killed_mirror_left_is_swept_by_the_next(tmp_path):
    view = tmp_path / "view.state"
    for way, left in (("named", 1), ("unnamed", 0)):
        with subprocess.Popen([sys.executable, "-c", HALF, str(view), way], stdout=subprocess.PIPE, text=True) as half:
            assert half.stdout.readline() == "made\n"
            if way == "named":
                Mirror(f"udp:{free_udp()}", view).close()
                assert len(list(tmp_path.iterdir())) == 1  # its maker lives
            half.send_signal(signal.SIGKILL)
        assert len(list(tmp_path.iterdir())) == left
        Mirror(f"udp:{free_udp()}", view).close()
        assert not list(tmp_path.iterdir())


def test_field_x5_a_foreign_name_of_the_kind_is_left_alone(tmp_path):
    view, other = tmp_path / "view.state", tmp_path / "other"
    other.write_text("mine")
    link = tmp_path / ".view.state.0123456789abcdef.corestate-tmp"
    link.symlink_to(other)
    Mirror(f"udp:{free_udp()}", view).close()
    assert link.is_symlink()
    assert other.read_text() == "mine"


def test_field_x5_a_mirror_at_work_keeps_its_place(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(f"udp:{port}", view) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{port}"),
    ):
        mirror.wait_ready(20)
        with pytest.raises(RegionExistsError):
            Mirror(f"udp:{free_udp()}", view)


def test_field_x7_shared_memory_too(tmp_path):
    port, name = free_udp(), f"corestate-mirror-test-{os.getpid()}"
    with region(tmp_path / "true.state", 42) as true:
        try:
            with Mirror(f"udp:{port}", f"shm:{name}") as mirror, Sender(true.address, f"udp:127.0.0.1:{port}"):
                mirror.wait_ready(20)
                with closing(corestate.attach(f"shm:{name}", mode="r")) as state:
                    assert state.counters["n"].value == 42
                assert mode(Path("/dev/shm") / name) == 0o400
        finally:
            corestate.unlink(f"shm:{name}")
