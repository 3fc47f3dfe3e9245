"""X8: with a key only its holders are heard, now, and nothing they said comes twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from mirror_lines import KEY, Tap, free_port, free_udp, region, seen, until

from corestate.errors import InvalidError, UnsupportedError, UntrustedFileError, WrongTypeError
from corestate.mirror import Mirror, Sender

OTHER = b"another key, which is 32 bytes.."


@pytest.fixture(params=["udp", "tcp", "tcp-listen", "serial"])
def line(request):
    """Two ends of a line: the receiver's, the sender's."""
    if request.param == "serial":
        pytest.importorskip("serial")
        pty, tty = pytest.importorskip("pty"), pytest.importorskip("tty")
        pairs = [pty.openpty(), pty.openpty()]
        for pair in pairs:
            for end in pair:
                tty.setraw(end)

        def relay(one, other):
            try:
                while data := os.read(one, 4096):
                    os.write(other, data)
            except OSError:
                return

        for one, other in ((pairs[0][0], pairs[1][0]), (pairs[1][0], pairs[0][0])):
            threading.Thread(target=relay, args=(one, other), daemon=True).start()
        yield tuple(f"serial:{os.ttyname(end)}?baud=921600" for _, end in pairs)
        return
    if request.param == "udp":
        port = free_udp()
        yield f"udp:{port}", f"udp:127.0.0.1:{port}"
        return
    port = free_port()
    ends = f"tcp-listen:{port}", f"tcp:127.0.0.1:{port}"
    yield ends if request.param == "tcp" else ends[::-1]


def test_field_x8_two_holders_of_a_key(line, tmp_path):
    view = tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(line[0], view, key=KEY) as mirror,
        Sender(true.address, line[1], key=KEY, bytes_per_second=200_000) as sender,
    ):
        mirror.wait_ready(30)
        for value in range(30):
            true.counters["n"].set(value)
            until(lambda value=value: seen(view) == value)
        report = sender.report()
        assert report.connected
        assert report.heard is not None
        assert mirror.report().refused == 0


@pytest.mark.parametrize("keys", [(KEY, OTHER), (KEY, None), (None, KEY)])
def test_field_x8_who_has_no_or_another_key_is_refused_by_name(line, keys, tmp_path):
    """At both ends, in each way there is to say something."""
    view = tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(line[0], view, key=keys[0]) as mirror,
        Sender(true.address, line[1], key=keys[1]) as sender,
    ):
        with pytest.raises(UnsupportedError, match="key"):
            mirror.wait_ready(3)
        assert mirror.report().refused
        assert "key" in mirror.report().reason
        if OTHER not in keys:  # with another it is never answered
            until(lambda: "key" in sender.report().reason)
        assert not view.exists()


def test_field_x8_a_recording_of_an_earlier_session_is_refused(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    tap = Tap(port)
    with region(tmp_path / "true.state", 1) as true:
        with (
            Mirror(f"udp:{port}", view, key=KEY) as mirror,
            Sender(true.address, f"udp:127.0.0.1:{tap.port}", key=KEY),
        ):
            mirror.wait_ready(20)
        recorded = list(tap.kept)
        view.unlink()
        with Mirror(f"udp:{port}", view, key=KEY, silence=0.5) as mirror:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as elsewhere:
                for _ in range(10):
                    for data in recorded:
                        elsewhere.sendto(data, ("127.0.0.1", port))
                    time.sleep(0.1)
            report = mirror.report()
            assert report.refused > 10
            assert "another session" in report.reason
            assert report.frames == 0
            assert not mirror.ready
            true.counters["n"].set(2)
            with Sender(true.address, f"udp:127.0.0.1:{tap.port}", key=KEY):
                mirror.wait_ready(20)
                assert seen(view) == 2
    tap.close()


def test_field_x8_a_frame_counts_once_and_only_as_it_was_made(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    tap = Tap(port)
    with (
        region(tmp_path / "true.state", 1) as true,
        Mirror(f"udp:{port}", view, key=KEY) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{tap.port}", key=KEY),
    ):
        mirror.wait_ready(20)
        frames = mirror.report().frames
        for data in tap.kept[-20:]:
            tap.socket.sendto(data, ("127.0.0.1", port))
        until(lambda: "came before" in mirror.report().reason)
        assert mirror.report().repeated == 0
        tap.change = lambda data: data[:-2] + bytes([data[-2] % 255 + 1]) + data[-1:]
        until(lambda: "a wrong MAC" in mirror.report().reason)
        tap.change = bytes
        true.counters["n"].set(2)
        until(lambda: seen(view) == 2)
        assert mirror.report().frames > frames


def test_field_x8_requests_are_sealed_too(tmp_path):
    """A recorded request gives its sender no picture."""
    port, view = free_udp(), tmp_path / "view.state"
    tap = Tap(port)
    with (
        region(tmp_path / "true.state", 1) as true,
        Mirror(f"udp:{port}", view, key=KEY) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{tap.port}", key=KEY) as sender,
    ):
        mirror.wait_ready(20)
        until(lambda: len(tap.requests) > 3)
        before = sender.report().refused
        target = sender.link._socket.getsockname()
        for data in tap.requests[:3]:
            tap.socket.sendto(data, target)
        until(lambda: sender.report().refused > before)


def test_field_x8_ends_that_begin_anew_find_each_other_again(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with region(tmp_path / "true.state", 1) as true:
        with Mirror(f"udp:{port}", view, key=KEY, silence=0.5) as mirror:
            for value in (2, 3):
                true.counters["n"].set(value)
                with Sender(true.address, f"udp:127.0.0.1:{port}", key=KEY):
                    mirror.wait_ready(20)
                    until(lambda value=value: seen(view) == value)
        with Sender(true.address, f"udp:127.0.0.1:{port}", key=KEY):
            for value in (4, 5):
                true.counters["n"].set(value)
                with Mirror(f"udp:{port}", view, key=KEY) as mirror:
                    mirror.wait_ready(20)
                    until(lambda value=value: seen(view) == value)


def test_field_x8_a_key_that_is_none(tmp_path):
    with region(tmp_path / "true.state", 1) as true:
        for wrong, problem in (
            (b"short", InvalidError),
            (b"x" * 65, InvalidError),
            ("0123456789abcdef", WrongTypeError),
        ):
            with pytest.raises(problem):
                Mirror(f"udp:{free_udp()}", tmp_path / "view.state", key=wrong)
            with pytest.raises(problem):
                Sender(true.address, f"udp:127.0.0.1:{free_udp()}", key=wrong)


def command(*arguments):
    return [sys.executable, "-m", "corestate", *map(str, arguments)]


def test_field_x8_the_command_takes_a_key_from_a_file_of_this_user(tmp_path):
    port, view, secret = free_udp(), tmp_path / "view.state", tmp_path / "key"
    secret.write_bytes(KEY + b"\n")
    secret.chmod(0o644)
    line = f"udp:127.0.0.1:{port}"
    with region(tmp_path / "true.state", 1) as true:
        done = subprocess.run(
            command("mirror", true.address, line, "--key-file", secret), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert "chmod 600" in done.stderr
        secret.chmod(0o600)
        viewer = subprocess.Popen(
            command("mirror", f"udp:{port}", view, "--key-file", secret, "--permissions", "440"),
            stdout=subprocess.DEVNULL,
        )
        try:
            done = subprocess.run(
                command("mirror", true.address, line, "--key-file", secret, "--seconds", "3", "--json"),
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout.splitlines()[-1])["connected"]
            assert seen(view) == 1
            assert view.stat().st_mode & 0o777 == 0o440
        finally:
            viewer.send_signal(signal.SIGINT)
            assert viewer.wait(20) == 130


def test_field_x8_a_key_file_that_others_may_read_is_refused(tmp_path):
    from corestate._mirror_key import read_key

    secret = tmp_path / "key"
    secret.write_bytes(KEY)
    secret.chmod(0o604)
    with pytest.raises(UntrustedFileError):
        read_key(secret)
    secret.chmod(0o640)
    assert read_key(secret) == KEY


def test_field_x8_a_strangers_long_datagrams_are_not_looked_into(tmp_path, monkeypatch):
    """To decode one costs more than to send it: a keyed mirror would fall behind a flood of them."""
    from corestate import _mirror_door

    looked_at = []
    frame_in = _mirror_door.frame_in
    monkeypatch.setattr(_mirror_door, "frame_in", lambda piece: (looked_at.append(len(piece)), frame_in(piece))[1])
    port = free_udp()
    with Mirror(f"udp:{port}", tmp_path / "view.state", key=KEY) as mirror:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            until(lambda: (stranger.sendto(b"\x01" * 60_000, ("127.0.0.1", port)), mirror.report().refused > 5)[1])
        assert mirror.report().reason == "bytes that are no frame with a MAC"
    assert max(looked_at, default=0) <= 512
