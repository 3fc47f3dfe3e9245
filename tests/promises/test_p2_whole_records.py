"""P2: nobody sees half a record, also when the writer is killed at any instruction."""

import os
import signal
import time

import numpy as np
import pytest

import corestate
from corestate import AgentStatus, AgentType, RegionConfig
from corestate._binding import ffi, lib

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children of fork, which this platform has not"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # 3.12 and later, where another thread lives
]

KILLS = 150


class Child:
    """A child of fork that runs a function for ever, until it is killed at some instruction."""

    def __init__(self, work):
        self.gone = False
        self.pid = os.fork()
        if self.pid == 0:
            try:
                work()
            finally:
                os._exit(1)

    def runs(self):
        """Whether it has not ended of itself."""
        self.gone = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return not self.gone

    def stop(self):
        """Whether it could be stopped, because it had not ended."""
        os.kill(self.pid, signal.SIGSTOP)
        self.gone = not os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])
        return not self.gone

    def kill(self):
        if self.gone:
            return
        self.gone = True
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "it died of something else first"


@pytest.fixture
def writing():
    """``writing(work)`` starts a writer; none outlives the test."""
    writers = []

    def start(work):
        writers.append(Child(work))
        return writers[-1]

    yield start
    for writer in writers:
        writer.kill()


@pytest.fixture
def state(tmp_path):
    with corestate.create(tmp_path / "p2.state", config=RegionConfig(agents=8, agent_details_bytes=1024)) as made:
        yield made


def whole(agent):
    """The three details were written as one: all of one letter, as long as the first says."""
    first, second, third = agent.capabilities, agent.transport, agent.metadata
    assert len(set(first)) == 1, first
    assert second == first[::-1]
    assert third == {"letter": first[0], "length": len(first)}
    return first


def rewrite(state):
    """Writes details that a reader can tell to be whole, at full speed."""
    i = 0
    while True:
        letter, length = chr(ord("a") + i % 26), 1 + i * 37 % 300
        text = letter * length
        state.agents.update("a", capabilities=text, transport=text, metadata={"letter": letter, "length": length})
        i += 1


def test_p2_a_record_is_whole_after_each_kill(state, writing):
    state.agents.register("a", AgentType.MOTOR, capabilities="x", transport="x", metadata={"letter": "x", "length": 1})
    random, versions = np.random.default_rng(2), set()
    for delay in random.integers(0, 3_000_000, KILLS):
        before = state.agents["a"].details_version
        writer = writing(lambda: rewrite(state))
        while state.agents["a"].details_version == before:
            pass  # it is writing now
        end = time.monotonic_ns() + int(delay)
        while time.monotonic_ns() < end:
            whole(state.agents["a"])
        writer.kill()
        agent = state.agents["a"]
        whole(agent)
        versions.add(agent.details_version)
        # The next writer takes over what the dead one held, and readers have that.
        state.agents.update("a", capabilities="zz", transport="zz", metadata={"letter": "z", "length": 2})
        assert whole(state.agents["a"]) == "zz"
    assert len(versions) > KILLS // 2, "the writers hardly wrote"


def test_p2_a_record_is_whole_while_it_is_written(state, writing):
    state.agents.register("a", AgentType.MOTOR, capabilities="x", transport="x", metadata={"letter": "x", "length": 1})
    for _ in range(2):
        writing(lambda: rewrite(state))
    seen = set()
    while len(seen) < 500:
        seen.add(whole(state.agents["a"]))


def test_p2_a_record_overwritten_while_it_is_read_is_whole(tmp_path, writing):
    """A reader that does little but copy a large record is stopped at some instruction, both buffers are written again,
    and it goes on: the half of the old one that it has is never given out with half of the new one."""
    size = 65528
    letters = {letter: bytes([letter]) * size for letter in b"abcdefgh"}
    with corestate.create(tmp_path / "large.state", config=RegionConfig(agents=8, agent_details_bytes=size)) as state:
        handle, reads = state.agents.register("a", AgentType.MOTOR).handle, state.counters["reads"]

        def write(letter):
            data = ffi.from_buffer(letters[letter])
            details = ffi.new("cs_details *", {"capabilities": data, "capabilities_length": size})
            assert lib.cs_agent_set_details(state.region.view, handle, details) == 0

        def read():
            info, out = ffi.new("cs_agent_info *"), ffi.new("unsigned char[]", size)
            while lib.cs_agent_get(state.region.view, handle, info, out, size) == 0:
                found = ffi.buffer(out)[:]
                if found != letters[found[0]]:
                    os._exit(2)
                reads.add()

        write(ord("h"))
        reader, random = writing(read), np.random.default_rng(5)
        for _ in range(KILLS):
            onwards = reads.value + int(random.integers(1, 20))
            while reads.value < onwards:
                assert reader.runs(), "it got half a record"
            assert reader.stop(), "it got half a record"
            for letter in random.permutation(list(letters))[:3]:
                write(letter)
            os.kill(reader.pid, signal.SIGCONT)
        reader.kill()


def test_p2_an_event_is_whole_or_a_hole(tmp_path, writing):
    config = RegionConfig(events=256, event_bytes=256)
    with corestate.create(tmp_path / "events.state", config=config) as state:
        state.events.publish("k", "x")

        def publish():
            i = 0
            while True:
                state.events.publish("k", chr(ord("a") + i % 26) * (1 + i * 37 % 200))
                i += 1

        random, seen = np.random.default_rng(3), 0
        with state.events.subscribe("k") as events:
            for delay in random.integers(0, 3_000_000, KILLS):
                newest = state.events.newest
                writer = writing(publish)
                while state.events.newest < newest + 3:
                    pass
                end = time.monotonic_ns() + int(delay)
                while time.monotonic_ns() < end:
                    for event in events.drain():
                        assert len(set(event.data)) == 1
                        seen += 1
                writer.kill()
                for event in events.drain():
                    assert len(set(event.data)) == 1
                    seen += 1
                assert state.events.publish("k", "z") == state.events.newest
            seen += len(events.drain())
            taken = seen + events.lost + events.holes
            assert taken == state.events.newest - 1, "each position is an event, a loss or a hole"
        assert seen > KILLS


def test_p2_an_event_overwritten_while_it_is_read_is_lost_and_not_torn(tmp_path, writing):
    """Large events in a ring of two: the writers are always where the reader reads."""
    config = RegionConfig(events=2, event_bytes=16384)
    with corestate.create(tmp_path / "events.state", config=config) as state:
        letters = [bytes([letter]) * 16384 for letter in b"abcdefgh"]

        def publish():
            while True:
                for data in letters:
                    state.events.publish("k", data)

        with state.events.subscribe("k") as events:
            for _ in range(2):
                writing(publish)
            seen = 0
            while seen < 3000 or events.lost < 3000:
                for event in events.drain():
                    assert event.data in letters
                    seen += 1


def test_p2_the_engine_is_of_one_instant(state, writing):
    """Two numbers are written one after the other; in a picture that says it is quiet, the first is never behind."""

    def write():
        n = 0
        while True:
            n += 1
            state.engine.synapse_count = n
            state.engine.neuron_count = n

    writer, quiet = writing(write), 0
    while quiet < 200:
        found = state.engine.snapshot()
        if found["quiet"]:
            quiet += 1
            assert found["synapse_count"] - found["neuron_count"] in (0, 1)
    writer.kill()
    found = state.engine.snapshot()
    assert found["quiet"]
    assert found["synapse_count"] - found["neuron_count"] in (0, 1)


def test_p2_the_engine_changed_while_it_is_read_is_of_one_instant(state, writing):
    """A reader that does little else is stopped at some instruction and the engine's first and last numbers are set to
    the same value, which they have in every picture that says it is quiet."""
    first, last, reads = lib.CS_BURST_COUNT, lib.CS_HASH_AGENT_DATA, state.counters["reads"]

    def read():
        found = ffi.new("cs_engine_snapshot *")
        cells, quiet = found.cells, 0
        while lib.cs_engine_read(state.region.view, found) == 0:
            quiet += found.quiet
            if found.quiet and cells[first] != cells[last]:
                os._exit(2)
            if quiet % 64 == 0:
                reads.set(quiet)

    reader, random = writing(read), np.random.default_rng(6)
    for n in range(1, 2 * KILLS):
        onwards = reads.value + int(random.integers(1, 500))
        while reads.value < onwards:
            assert reader.runs(), "it got half of one state of the engine and half of another"
        assert reader.stop(), "it got half of one state of the engine and half of another"
        state.engine.burst_count = n
        state.engine.agent_data_hash = n
        os.kill(reader.pid, signal.SIGCONT)
    reader.kill()


def test_p2_registering_is_whole_or_never_was(state, writing):
    """Killed while registering and leaving: an agent is there with all it registered with, or not at all."""
    details = {"capabilities": "c" * 200, "transport": "t" * 200, "metadata": "m" * 200}

    def come_and_go():
        while True:
            state.agents.register("b", AgentType.BOTH, **details)
            state.agents.set_status("b", AgentStatus.RUNNING)
            state.agents.deregister("b")

    random = np.random.default_rng(4)
    for delay in random.integers(0, 2_000_000, KILLS):
        newest = state.events.newest
        writer = writing(come_and_go)
        while state.events.newest < newest + 3:
            pass
        end = time.monotonic_ns() + int(delay)
        while time.monotonic_ns() < end:
            agent = state.agents.get("b")
            if agent is not None:
                assert (agent.capabilities, agent.transport, agent.metadata) == tuple(details.values())
                assert agent.type is AgentType.BOTH
        writer.kill()
        state.agents.register("c", AgentType.MOTOR)  # whoever comes next finishes or undoes what the dead one began
        agent = state.agents.get("b")
        assert len(state.agents) == state.engine.agent_count == 1 + (agent is not None)
        if agent is not None:
            assert (agent.capabilities, agent.transport, agent.metadata) == tuple(details.values())
            state.agents.deregister("b")
        assert (list(state.agents), state.engine.agent_count) == (["c"], 1)
        state.agents.deregister("c")
