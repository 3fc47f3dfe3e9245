"""M4, M9, X8: lines that do not read, do not answer, or are not there."""

from __future__ import annotations

import errno
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
from mirror_lines import KEY, free_port, free_udp, region, seen, until

from corestate.errors import AddressError, StorageError
from corestate.links import open_link
from corestate.mirror import Mirror, Sender

LARGE = {"events": 1 << 15, "event_bytes": 512}
"""More than the buffers of any socket."""


@pytest.fixture(params=["tcp", "tcp-listen", "unix", "serial"])
def deaf(request, tmp_path):
    """The address of a line whose other end takes nothing."""
    if request.param == "serial":
        pytest.importorskip("serial")
        pty = pytest.importorskip("pty")
        ours, theirs = pty.openpty()
        pytest.importorskip("tty").setraw(theirs)
        yield f"serial:{os.ttyname(theirs)}"
        os.close(ours)
        os.close(theirs)
        return
    if request.param == "tcp-listen":
        port = free_port()
        with closing(socket.socket()) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

            def connect():
                until(lambda: peer.connect_ex(("127.0.0.1", port)) in (0, errno.EISCONN))

            threading.Thread(target=connect, daemon=True).start()
            yield f"tcp-listen:{port}"
        return
    family = socket.AF_UNIX if request.param == "unix" else socket.AF_INET
    with closing(socket.socket(family)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(str(tmp_path / "line") if request.param == "unix" else ("127.0.0.1", 0))
        listener.listen(1)
        yield f"unix:{tmp_path / 'line'}" if request.param == "unix" else f"tcp:127.0.0.1:{listener.getsockname()[1]}"


def ends_within(seconds, close):
    thread = threading.Thread(target=close, daemon=True)
    begun = time.monotonic()
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert time.monotonic() - begun < seconds


def test_field_m4_a_sender_that_seldom_looks_ends_at_once(tmp_path):
    with region(tmp_path / "true.state", 1) as true:
        sender = Sender(true.address, f"udp:127.0.0.1:{free_udp()}", interval=60)
        until(lambda: sender.report().frames)
        ends_within(5, sender.close)


@pytest.mark.parametrize("key", [None, KEY], ids=["keyless", "key"])
def test_field_m4_a_sender_ends_although_nobody_reads(deaf, key, tmp_path):
    with region(tmp_path / "true.state", 1, **LARGE) as true:
        sender = Sender(true.address, deaf, silence=60, key=key)
        if key is None:
            until(lambda: sender.report().frames and sender.link.pending)
        else:
            time.sleep(0.5)
        ends_within(5, sender.close)
        with region(tmp_path / "more.state", 1) as more:  # and gives back what it held
            assert more.participants()


def test_field_m4_a_mirror_ends_although_nobody_reads(deaf, tmp_path):
    mirror = Mirror(deaf, tmp_path / "view.state")
    time.sleep(0.6)
    ends_within(5, mirror.close)


def test_field_m4_the_command_ends_at_ctrl_c(deaf, tmp_path):
    with region(tmp_path / "true.state", 1, **LARGE) as true:
        address = str(true.address)
        command = [sys.executable, "-m", "corestate", "mirror", address, deaf, "--every", "0.2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            lines = [process.stdout.readline()]
            while len(lines) < 12 or len(set(lines[-4:])) > 1 or "sent 0 " in lines[-1] or "sent" not in lines[-1]:
                lines.append(process.stdout.readline())  # until it goes on no more
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(20) == 130
            finally:
                process.kill()


def test_field_m4_a_peer_that_takes_nothing_is_given_up(tmp_path):
    """It may come back; and another that connects is served meanwhile."""
    port = free_port()
    with (
        region(tmp_path / "true.state", 1, **LARGE) as true,
        Sender(true.address, f"tcp-listen:{port}", silence=0.5),
        socket.create_connection(("127.0.0.1", port)),
        Mirror(f"tcp:127.0.0.1:{port}", tmp_path / "view.state") as mirror,
    ):
        mirror.wait_ready(30)
        assert seen(tmp_path / "view.state") == 1


def run(*arguments):
    command = [sys.executable, "-m", "corestate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("kind", ["tcp", "udp", "unix", "tcp-listen"])
def test_field_m9_the_command_says_that_nobody_is_there(kind, tmp_path):
    line = {
        "tcp": f"tcp:127.0.0.1:{free_port()}",
        "udp": f"udp:127.0.0.1:{free_udp()}",
        "unix": f"unix:{tmp_path / 'none'}",
        "tcp-listen": f"tcp-listen:{free_port()}",
    }[kind]
    with region(tmp_path / "true.state", 1) as true:
        done = run("mirror", true.address, line, "--seconds", "1")
        assert done.returncode == 1
        assert "nobody" in done.stdout
        assert "sent" not in done.stdout
        done = run("mirror", true.address, line, "--seconds", "1", "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout.splitlines()[-1])["connected"] is False


def test_field_m9_a_port_in_use_is_named_as_such(tmp_path):
    with closing(socket.socket()) as other, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as datagrams:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        datagrams.bind(("127.0.0.1", 0))
        for line in (f"tcp-listen:{other.getsockname()[1]}", f"udp:{datagrams.getsockname()[1]}"):
            with pytest.raises(StorageError, match="in use"):
                Mirror(line, tmp_path / "view.state")
            done = run("mirror", line, tmp_path / "view.state")
            assert done.returncode == 1
            assert "in use" in done.stderr
            assert "disk" not in done.stderr
    with pytest.raises(StorageError, match="address of this machine"):
        open_link("tcp-listen:192.0.2.1:4000")


def test_field_m9_a_socket_path_too_long_is_refused_at_once(tmp_path):
    with pytest.raises(AddressError, match="at most 10"):
        open_link(f"unix:{tmp_path / ('x' * 120)}")


def test_field_m9_the_addresses_of_a_host_are_tried_in_turn(tmp_path, monkeypatch):
    """The first is of a family, or a machine, where nobody listens."""
    for kind, line in (("tcp", "tcp-listen"), ("udp", "udp")):
        port = free_port() if kind == "tcp" else free_udp()
        socket_type = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
        found = [
            (socket.AF_INET6, socket_type, 0, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket_type, 0, "", ("127.0.0.2", port)),
            (socket.AF_INET, socket_type, 0, "", ("127.0.0.1", port)),
        ]
        view = tmp_path / f"{kind}.view"
        with region(tmp_path / f"{kind}.state", 42) as true, Mirror(f"{line}:127.0.0.1:{port}", view) as mirror:
            with monkeypatch.context() as patch:
                patch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
                sender = Sender(true.address, f"{kind}:two.example:{port}")
            with sender:
                mirror.wait_ready(20)
                assert seen(view) == 42


def test_field_m4_a_serial_port_comes_back_when_it_is_plugged_in_again(tmp_path):
    pytest.importorskip("serial")
    pty, tty = pytest.importorskip("pty"), pytest.importorskip("tty")
    name = tmp_path / "ttyTEST"

    def plug():
        ours, theirs = pty.openpty()
        tty.setraw(ours)
        tty.setraw(theirs)
        name.unlink(missing_ok=True)
        name.symlink_to(os.ttyname(theirs))
        return ours, theirs

    ours, theirs = plug()
    with region(tmp_path / "true.state", 1) as true, Sender(true.address, f"serial:{name}") as sender:
        assert os.read(ours, 100)
        os.close(ours)
        os.close(theirs)
        ours, theirs = plug()
        os.set_blocking(ours, False)

        def comes():
            try:
                return os.read(ours, 100)
            except BlockingIOError:
                return b""

        until(comes)
        assert sender.failed is None
    os.close(ours)
    os.close(theirs)
