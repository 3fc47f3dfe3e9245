"""One process's region at another place: what readers see there, and what a bad line does to it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing

import pytest

import corestate
from corestate import AgentType, BurstEngineState, RegionConfig
from corestate.errors import AddressError, RegionExistsError, TooBigError, UnsupportedError, WaitTimeoutError
from corestate.links import is_link, open_link
from corestate.mirror import Mirror, Sender

SMALL = RegionConfig(
    agents=16, areas=8, counters=8, gauges=4, locks=4, events=64, event_bytes=64, event_kinds=4, participants=4,
    agent_details_bytes=96, budgets=2, reservations=4, values=0,
)  # fmt: skip


def until(holds, seconds=20.0):
    """Wait until something holds; what it gave."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.005)):
        found = holds()
        if found:
            return found
        tick.wait(0.005)
    raise AssertionError(f"not within {seconds} s: {holds}")


def free_port(kind=socket.SOCK_DGRAM):
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def source(tmp_path):
    with corestate.create(tmp_path / "source.state", config=SMALL) as state:
        state.counters["spikes"].set(7)
        state.agents.register("camera", AgentType.SENSORY, capabilities={"fps": 30})
        state.areas["v1"].fcl_window = 33
        state.engine.burst_state = BurstEngineState.RUNNING
        yield state


@pytest.fixture(params=["udp", "tcp", "tcp-listen"])
def line(request):
    """Two ends of a line: the receiver's, the sender's."""
    if request.param == "udp":
        port = free_port()
        return f"udp:{port}", f"udp:127.0.0.1:{port}"
    port = free_port(socket.SOCK_STREAM)
    ends = f"tcp-listen:{port}", f"tcp:127.0.0.1:{port}"
    return ends if request.param == "tcp" else ends[::-1]


def sections(state):
    """Name to bytes of every section but the participants', whose liveness is another process's here."""
    from corestate._binding import check, ffi, lib, text

    found = {}
    info = ffi.new("cs_section_info *")
    for kind in range(lib.CS_SECTIONS):
        check(lib.cs_region_section(state.region.view, kind, info))
        name = text(lib.cs_section_name(kind))
        if name != "participants":
            found[name] = bytes(state.region.memory[info.offset : info.offset + info.size])
    return found


def same(one, other):
    a, b = sections(one), sections(other)
    return all(a[name] == b[name] for name in a)


# -- what readers see


def test_readers_see_the_source(source, line, tmp_path):
    copy = tmp_path / "copy.state"
    with Mirror(line[0], copy) as mirror, Sender(source.address, line[1]):
        mirror.wait_ready(20)
        with corestate.attach(copy, mode="r") as seen:
            assert seen.counters["spikes"].value == 7
            assert seen.areas["v1"].fcl_window == 33
            assert seen.engine.burst_state is BurstEngineState.RUNNING
            assert seen.agents["camera"].capabilities == {"fps": 30}
            assert until(lambda: same(source, seen))
            source.counters["spikes"].add(1)
            source.agents.deregister("camera")
            source.agents.register("motor", AgentType.MOTOR)
            assert until(lambda: seen.counters["spikes"].value == 8)
            assert until(lambda: list(seen.agents) == ["motor"])
            assert until(lambda: same(source, seen))
            health = seen.health()
            assert health.participants.used == 1
            assert health.participants_dead == 0
            assert health.reasons == ()


def test_a_region_larger_than_the_buffer_of_its_sender(line, tmp_path):
    """Of the usual size: its picture leaves in several steps, and each of them whole."""
    copy = tmp_path / "copy.state"
    with corestate.create(tmp_path / "large.state") as source:
        for number in range(500):
            source.agents.register(f"agent-{number}", AgentType.SENSORY, metadata={"n": number})
        with Mirror(line[0], copy) as mirror, Sender(source.address, line[1]):
            mirror.wait_ready(60)
            with corestate.attach(copy, mode="r") as seen:
                assert len(seen.agents) == 500
                assert seen.agents["agent-499"].metadata == {"n": 499}
            assert until(lambda: not mirror.report().behind)


def test_p4_subscriptions_work_on_a_mirror(source, line, tmp_path):
    copy = tmp_path / "copy.state"
    with Mirror(line[0], copy) as mirror, Sender(source.address, line[1]):
        mirror.wait_ready(20)
        with corestate.attach(copy, mode="r") as seen:
            subscription = seen.events.subscribe()
            got = []
            for number in range(200):
                source.events.publish("tick", {"n": number})
                if number % 20 == 19:
                    wanted = number
                    while not got or got[-1] != wanted:
                        event = subscription.get(timeout=20)
                        if event.kind == "tick":
                            got.append(event.data["n"])
            assert got == list(range(200))
            assert subscription.lost == 0


def test_the_region_at_the_other_end_cannot_be_written(source, line, tmp_path):
    copy = tmp_path / "copy.state"
    with Mirror(line[0], copy) as mirror, Sender(source.address, line[1]):
        mirror.wait_ready(20)
        assert copy.stat().st_mode & 0o222 == 0


def test_a_mirror_of_a_mirror(source, tmp_path):
    first, second = free_port(), free_port()
    middle, end = tmp_path / "middle.state", tmp_path / "end.state"
    with Mirror(f"udp:{first}", middle) as one, Sender(source.address, f"udp:127.0.0.1:{first}"):
        one.wait_ready(20)
        with Mirror(f"udp:{second}", end) as two, Sender(middle, f"udp:127.0.0.1:{second}"):
            two.wait_ready(20)
            with corestate.attach(end, mode="r") as seen:
                source.counters["spikes"].set(99)
                assert until(lambda: seen.counters["spikes"].value == 99)
                assert seen.health().participants.used == 1


# -- a bad line


class BadLine(threading.Thread):
    """A relay of datagrams that loses, repeats, reorders and corrupts one in four."""

    def __init__(self, to, seed):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.to = ("127.0.0.1", to)
        self.random = random.Random(seed)
        self.did = dict.fromkeys(("lost", "repeated", "reordered", "corrupted"), 0)
        self.bad = True

    def run(self):
        kept, sender = None, None
        while True:
            try:
                data, peer = self.socket.recvfrom(65536)
            except OSError:
                return
            if peer[1] == self.to[1]:  # a request, going back
                if sender:
                    self.socket.sendto(data, sender)
                continue
            sender = peer
            fate = (
                self.random.choice(["lost", "repeated", "reordered", "corrupted"])
                if self.bad and self.random.random() < 0.25
                else ""
            )
            if fate:
                self.did[fate] += 1
            if fate == "lost":
                continue
            if fate == "reordered" and kept is None:
                kept = data
                continue
            if fate == "corrupted":
                at = self.random.randrange(len(data))
                data = data[:at] + bytes([data[at] ^ (1 << self.random.randrange(8))]) + data[at + 1 :]
            self.socket.sendto(data, self.to)
            if fate == "repeated":
                self.socket.sendto(data, self.to)
            if kept is not None:
                self.socket.sendto(kept, self.to)
                kept = None


def test_p2_lost_repeated_reordered_and_corrupt_frames_are_survived_and_counted(source, tmp_path):
    port = free_port()
    copy = tmp_path / "copy.state"
    bad = BadLine(port, seed=5)
    bad.start()
    with (
        Mirror(f"udp:{port}", copy) as mirror,
        Sender(source.address, f"udp:127.0.0.1:{bad.port}", picture_every=0.5, interval=0.002),
    ):
        mirror.wait_ready(20)
        with corestate.attach(copy, mode="r") as seen:
            for number in range(400):
                source.agents.update(
                    "camera", capabilities={"n": number, "pad": "x" * (number % 40)}, metadata={"n": number}
                )
                source.engine.neuron_count = number
                source.counters["spikes"].set(number << 32 | number)
                value = seen.counters["spikes"].value
                assert value == 7 or value >> 32 == value & 0xFFFFFFFF
                found = seen.agents["camera"]
                if "n" in found.capabilities:
                    assert found.capabilities["n"] == found.metadata["n"]
                    assert len(found.capabilities["pad"]) == found.capabilities["n"] % 40
            until(lambda: all(bad.did.values()))
            bad.bad = False
            assert until(lambda: same(source, seen) and not mirror.report().behind)
            health, report = seen.health(), mirror.report()
        assert abs(health.link_loss - report.loss) < 0.05
        assert 0 < health.link_age < 10
        assert source.health().link_loss == source.health().link_age == 0
        assert report.lost > 0
        assert report.repeated > 0
        assert report.reordered > 0
        assert report.corrupt > 0
        assert 0 < report.loss < 0.5
    bad.socket.close()


def test_a_silent_source_shows_in_health_and_comes_back(source, tmp_path):
    port = free_port()
    copy = tmp_path / "copy.state"
    with Mirror(f"udp:{port}", copy, silence=0.3) as mirror:
        with Sender(source.address, f"udp:127.0.0.1:{port}"):
            mirror.wait_ready(20)
            with corestate.attach(copy, mode="r") as seen:
                assert until(lambda: seen.health().participants.used == 1)
        with corestate.attach(copy, mode="r") as seen:
            health = until(lambda: (found := seen.health()).participants_dead and found)
            assert "dead_participants" in health.reasons
            health = until(lambda: "link_silent" in (found := seen.health()).reasons and found)
            assert mirror.report().age > 1.9
            with Sender(source.address, f"udp:127.0.0.1:{port}"):
                source.counters["spikes"].set(123)
                assert until(lambda: seen.counters["spikes"].value == 123)
                assert until(lambda: seen.health().reasons == ())
            assert mirror.report().restarts == 1


def test_a_source_made_anew_takes_the_place_of_the_one_before(source, tmp_path):
    port = free_port()
    copy = tmp_path / "copy.state"
    with Mirror(f"udp:{port}", copy) as mirror:
        with Sender(source.address, f"udp:127.0.0.1:{port}"):
            mirror.wait_ready(20)
        first = copy.stat()
        with corestate.attach(copy, mode="r") as before:
            with corestate.create(
                tmp_path / "other.state", config=RegionConfig(agents=4, counters=2, events=16)
            ) as other:
                other.counters["new"].set(5)
                with Sender(other.address, f"udp:127.0.0.1:{port}"):
                    assert until(lambda: before.health().participants_dead == 1)
                    assert until(lambda: copy.stat().st_ino != first.st_ino)
                    with corestate.attach(copy, mode="r") as after:
                        assert after.counters["new"].value == 5
                        assert after.region.config.agents == 4
            assert before.counters["spikes"].value == 7


def test_a_cut_tcp_line_is_connected_again(source, tmp_path):
    """The first peer is cut by us; the next one gets everything."""
    port = free_port(socket.SOCK_STREAM)
    copy = tmp_path / "copy.state"
    with Sender(source.address, f"tcp-listen:{port}"):
        with socket.create_connection(("127.0.0.1", port)) as half:
            half.recv(100)
        with Mirror(f"tcp:127.0.0.1:{port}", copy) as mirror:
            mirror.wait_ready(20)
            with corestate.attach(copy, mode="r") as seen:
                assert seen.counters["spikes"].value == 7


# -- serial


def test_serial(source, tmp_path):
    pytest.importorskip("serial")
    pty = pytest.importorskip("pty")
    tty = pytest.importorskip("tty")
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    copy = tmp_path / "copy.state"
    other_ours, other_theirs = pty.openpty()
    tty.setraw(other_ours)
    tty.setraw(other_theirs)

    def relay(one, other):
        try:
            while data := os.read(one, 4096):
                os.write(other, data)
        except OSError:
            return

    for pair in ((ours, other_ours), (other_ours, ours)):
        threading.Thread(target=relay, args=pair, daemon=True).start()
    with (
        Mirror(f"serial:{os.ttyname(other_theirs)}?baud=921600", copy) as mirror,
        Sender(source.address, f"serial:{os.ttyname(theirs)}", bytes_per_second=200_000),
    ):
        mirror.wait_ready(20)
        with corestate.attach(copy, mode="r") as seen:
            source.counters["spikes"].set(11)
            assert until(lambda: seen.counters["spikes"].value == 11)
            assert until(lambda: same(source, seen))
        assert mirror.report().corrupt == 0


def test_bandwidth_is_bounded(source, tmp_path):
    port = free_port(socket.SOCK_STREAM)
    with Sender(source.address, f"tcp-listen:{port}", bytes_per_second=20_000) as sender:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            clock = threading.Event()
            clock.wait(1.0)
            sent = sender.report().bytes
        assert sent < 20_000 * 1.5
        assert peer is not None


# -- addresses and the command


def test_what_is_no_mirror_is_left_alone(source, tmp_path):
    (tmp_path / "text").write_text("hello")
    for address in (tmp_path / "text", source.address):
        with pytest.raises(RegionExistsError):
            Mirror(f"udp:{free_port()}", address)
    assert (tmp_path / "text").read_text() == "hello"
    with pytest.raises(AddressError):
        Mirror(f"udp:{free_port()}", "heap:")


def test_p5_a_source_too_large_is_refused(source, tmp_path):
    port = free_port()
    with Mirror(f"udp:{port}", tmp_path / "copy.state", largest=4096) as mirror:
        with Sender(source.address, f"udp:127.0.0.1:{port}"), pytest.raises(TooBigError, match="4096"):
            mirror.wait_ready()
        assert mirror.report().refused
        assert mirror.failed is None
    assert not (tmp_path / "copy.state").exists()


def test_no_source_no_region(tmp_path):
    with Mirror(f"udp:{free_port()}", tmp_path / "copy.state") as mirror:
        with pytest.raises(WaitTimeoutError, match="whole picture"):
            mirror.wait_ready(0.05)
        assert mirror.report().age is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["tcp:nowhere", "udp:1:2:99999", "tcp-listen:x", "serial:/dev/null?baud=0", "file:x"])
def test_bad_lines_are_refused(text):
    with pytest.raises((AddressError, UnsupportedError)):
        open_link(text)


def test_lines_are_told_from_regions():
    assert is_link("udp:4000")
    assert is_link("serial:/dev/ttyACM0")
    assert not is_link("shm:udp")
    assert not is_link("brain.state")
    assert not is_link("./udp:4000")


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "corestate", *arguments], capture_output=True, text=True, timeout=60)


def test_the_command_receives_and_sends(source, tmp_path):
    port = free_port()
    copy = str(tmp_path / "copy.state")
    receiver = subprocess.Popen(
        [sys.executable, "-m", "corestate", "mirror", f"udp:{port}", copy], stdout=subprocess.DEVNULL
    )
    try:
        sent = run("mirror", str(source.address), f"udp:127.0.0.1:{port}", "--seconds", "1.5", "--json")
        assert sent.returncode == 0, sent.stderr
        assert json.loads(sent.stdout.splitlines()[-1] if sent.stdout.count("\n{") else sent.stdout)["frames"] > 0
        shown = run("show", copy, "--json")
        assert shown.returncode == 0, shown.stderr
        assert '"spikes"' in shown.stdout
    finally:
        receiver.send_signal(signal.SIGKILL)
        receiver.wait()
    with corestate.attach(copy, mode="r") as seen:  # P3: nobody keeps it up, and it says so
        assert seen.health().participants_dead == 1
        assert seen.counters["spikes"].value == 7
    with Mirror(f"udp:{port}", copy) as mirror, Sender(source.address, f"udp:127.0.0.1:{port}"):
        mirror.wait_ready(20)


def test_the_command_says_when_nobody_was_heard(tmp_path):
    done = run("mirror", f"udp:{free_port()}", str(tmp_path / "copy.state"), "--seconds", "0.2")
    assert done.returncode == 1
    assert "never heard" in done.stdout
    done = run("mirror", "udp:1", "udp:2")
    assert done.returncode == 2
    assert "a line and a region" in done.stderr
