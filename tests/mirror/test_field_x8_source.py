"""X8: one source has the region's place; who else sends is refused, counted and named."""

from __future__ import annotations

import socket
import time
from contextlib import closing

import pytest
from mirror_lines import Tap, frame, free_port, free_udp, region, seen, stream_of, until

from corestate.errors import LayoutVersionError, RegionExistsError, TooBigError, UnsupportedError
from corestate.mirror import Mirror, Sender


def test_field_x8_a_second_sender_does_not_take_the_place(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        region(tmp_path / "evil.state", 666) as evil,
        Mirror(f"udp:{port}", view) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{port}"),
    ):
        mirror.wait_ready(20)
        with Sender(evil.address, f"udp:127.0.0.1:{port}"):
            until(lambda: mirror.report().refused > 10)
            for number in range(60):
                true.counters["n"].set(43 + number)
                assert seen(view) != 666
                time.sleep(0.05)
            until(lambda: seen(view) == 102)
        report = mirror.report()
        assert report.restarts == 0
        assert "another sender" in report.reason


def test_field_x8_a_recording_does_not_take_the_place(tmp_path):
    """Neither from elsewhere nor over the very line of the source."""
    port, view = free_udp(), tmp_path / "view.state"
    tap = Tap(port)
    with Mirror(f"udp:{port}", view, silence=1.0) as mirror:
        with region(tmp_path / "old.state", 1) as old, Sender(old.address, f"udp:127.0.0.1:{tap.port}"):
            mirror.wait_ready(20)
        recorded = list(tap.kept)
        with region(tmp_path / "live.state", 99) as live, Sender(live.address, f"udp:127.0.0.1:{tap.port}"):
            until(lambda: seen(view) == 99)
            restarts = mirror.report().restarts
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as elsewhere:
                for sends in (elsewhere.sendto, tap.socket.sendto):
                    before = mirror.report().refused
                    for _ in range(5):
                        for data in recorded:
                            sends(data, ("127.0.0.1", port))
                        time.sleep(0.1)
                        assert seen(view) == 99
                    until(lambda before=before: mirror.report().refused > before)
            assert mirror.report().restarts == restarts
            assert mirror.ready
    tap.close()


def test_field_x8_a_source_made_anew_is_followed_when_the_old_one_is_silent(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "a.state", 1) as a,
        region(tmp_path / "b.state", 2) as b,
        Mirror(f"udp:{port}", view, silence=1.0) as mirror,
    ):
        with Sender(a.address, f"udp:127.0.0.1:{port}"):
            mirror.wait_ready(20)
            with Sender(b.address, f"udp:127.0.0.1:{port}"):
                time.sleep(1.5)
                assert seen(view) == 1
        with Sender(b.address, f"udp:127.0.0.1:{port}"):
            until(lambda: seen(view) == 2)


def test_field_x8_a_source_too_large_does_not_end_the_mirror(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "small.state", 5) as small,
        region(tmp_path / "large.state", 6, events=1024) as large,
        Mirror(f"udp:{port}", view, largest=small.region.size, silence=0.5) as mirror,
    ):
        with Sender(large.address, f"udp:127.0.0.1:{port}"):
            with pytest.raises(TooBigError, match=f"{small.region.size} bytes at most"):
                mirror.wait_ready(1)
            report = mirror.report()
            assert report.refused
            assert "bytes at most" in report.reason
            with Sender(small.address, f"udp:127.0.0.1:{port}"):  # while the other goes on
                mirror.wait_ready(20)
                assert seen(view) == 5
        assert mirror.failed is None


def test_field_x8_a_hostile_hello_leaves_the_region_that_is_there(tmp_path):
    """It comes when the source is silent, and the source comes back."""
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "small.state", 5) as small,
        region(tmp_path / "large.state", 6, events=1024) as large,
        Mirror(f"udp:{port}", view, largest=small.region.size, silence=0.5) as mirror,
    ):
        with Sender(small.address, f"udp:127.0.0.1:{port}"):
            mirror.wait_ready(20)
        inode = view.stat().st_ino
        with Sender(large.address, f"udp:127.0.0.1:{port}"):
            until(lambda: "bytes at most" in mirror.report().reason)
            assert seen(view) == 5
        with Sender(small.address, f"udp:127.0.0.1:{port}"):
            small.counters["n"].set(7)
            until(lambda: seen(view) == 7)
        assert view.stat().st_ino == inode


def test_field_x8_another_wire_version_is_refused_by_name(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(f"udp:{port}", view, silence=0.5) as mirror,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as old,
    ):
        old.sendto(frame(2, 77, 0, 0, bytes(16)), ("127.0.0.1", port))  # a beat of version 1 says none
        with pytest.raises(LayoutVersionError, match=r"expected wire version 2, found wire version 1;"):
            mirror.wait_ready()
        with Sender(true.address, f"udp:127.0.0.1:{port}"):
            mirror.wait_ready(20)

    line = free_port()
    with (
        region(tmp_path / "again.state", 42) as true,
        Sender(true.address, f"tcp-listen:{line}") as sender,
        socket.create_connection(("127.0.0.1", line)) as old,
    ):
        old.sendall(frame(3, 77, 0, 0))
        until(lambda: sender.report().refused)
        assert "expected wire version 2, found wire version 1" in sender.report().reason


def test_field_x8_a_forged_number_is_no_loss_of_billions(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    tap = Tap(port)
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(f"udp:{port}", view) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{tap.port}"),
    ):
        mirror.wait_ready(20)
        stream, number = stream_of(tap.kept[-1])
        for ahead in (0x10000000, 0x7FFFFFF0, 0x20000000):
            tap.socket.sendto(frame(2, stream, (number + ahead) & 0xFFFFFFFF, 2, bytes(16)), ("127.0.0.1", port))
        for value in range(50):
            true.counters["n"].set(value)
            until(lambda value=value: seen(view) == value)
        report = mirror.report()
        assert report.lost < 1000
        assert report.loss < 0.9
        assert report.refused >= 3
    tap.close()


def test_field_x8_a_silent_connection_keeps_nobody_out(tmp_path):
    port, view = free_port(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(f"tcp-listen:{port}", view, silence=1.0) as mirror,
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        time.sleep(0.2)
        with Sender(true.address, f"tcp:127.0.0.1:{port}"):
            mirror.wait_ready(20)
            silent.settimeout(10)
            assert silent.recv(1) == b""  # it was dropped
            assert mirror.report().refused
            with socket.create_connection(("127.0.0.1", port)) as another:  # and one that comes later harms nobody
                another.settimeout(10)
                another.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert another.recv(1) == b""
            true.counters["n"].set(43)
            until(lambda: seen(view) == 43)


def test_field_x8_a_silent_connection_to_a_sender_keeps_nobody_out(tmp_path):
    port, view = free_port(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Sender(true.address, f"tcp-listen:{port}", silence=1.0) as sender,
        socket.create_connection(("127.0.0.1", port)),
    ):
        until(lambda: sender.report().frames)
        with Mirror(f"tcp:127.0.0.1:{port}", view) as mirror:
            mirror.wait_ready(20)
            assert seen(view) == 42
            with Mirror(f"tcp:127.0.0.1:{port}", tmp_path / "second.state") as second:  # the first keeps its place
                time.sleep(2.5)
                assert not second.ready
            true.counters["n"].set(43)
            until(lambda: seen(view) == 43)


def test_field_x8_what_appears_at_the_address_is_left_alone(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with region(tmp_path / "true.state", 42) as true, Mirror(f"udp:{port}", view) as mirror:
        view.write_text("my thesis")
        with Sender(true.address, f"udp:127.0.0.1:{port}"):
            with pytest.raises(RegionExistsError, match="something else"):
                mirror.wait_ready(2)
            assert view.read_text() == "my thesis"
            assert "something else" in mirror.report().reason
            view.unlink()
            mirror.wait_ready(20)
            assert seen(view) == 42
    assert sorted(path.name for path in tmp_path.iterdir()) == ["true.state", "view.state"]


def test_field_x8_only_the_file_that_was_shown_is_replaced(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with Mirror(f"udp:{port}", view, silence=0.5) as mirror:
        with region(tmp_path / "a.state", 1) as a, Sender(a.address, f"udp:127.0.0.1:{port}"):
            mirror.wait_ready(20)
        view.unlink()
        view.write_text("my thesis")
        with region(tmp_path / "b.state", 2) as b, Sender(b.address, f"udp:127.0.0.1:{port}"):
            until(lambda: "something else" in mirror.report().reason)
            assert view.read_text() == "my thesis"


def test_field_x8_a_stranger_has_no_part_in_the_frames_of_the_source(tmp_path):
    """A datagram of somebody else is glued to none of the source's, and takes no answer away from it."""
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(f"udp:{port}", view) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{port}"),
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger,
    ):
        mirror.wait_ready(20)
        stranger.setblocking(False)
        before = mirror.report()
        for number in range(200):
            stranger.sendto(b"no zero at its end", ("127.0.0.1", port))
            true.counters["n"].set(number)
            time.sleep(0.002)
        until(lambda: seen(view) == 199)
        after = mirror.report()
        assert (after.corrupt, after.lost) == (before.corrupt, before.lost)
        assert after.refused > before.refused
        with pytest.raises(BlockingIOError):
            stranger.recv(100)


def test_field_x8_a_keyless_end_says_that_the_other_has_a_key(tmp_path):
    port, view = free_udp(), tmp_path / "view.state"
    with (
        region(tmp_path / "true.state", 42) as true,
        Mirror(f"udp:{port}", view) as mirror,
        Sender(true.address, f"udp:127.0.0.1:{port}", key=b"0123456789abcdef") as sender,
    ):
        with pytest.raises(UnsupportedError, match="one with a key"):
            mirror.wait_ready()
        until(lambda: "one without" in sender.report().reason)
        assert sender.report().refused
        assert not sender.report().connected
