"""P6: an image made on one machine opens on all, and every byte is where it is elsewhere.

``same_bytes.c`` is built for this machine with both of its ports, and for others whose compiler and emulator are here.
"""

import math
import shutil
import subprocess
from pathlib import Path

import pytest

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, ConnectomeState, RegionConfig, ServiceState
from corestate._binding import ffi, lib
from corestate._reserved import COUNTERS, LOCKS, ROOM

HERE = Path(__file__).resolve().parent
CORE = HERE.parents[1] / "csrc"

BUILDS = {
    "linux": (["cc"], [], "linux", "gcc"),
    "posix": (["cc"], [], "posix", "gcc"),
    "arm64": (
        ["aarch64-linux-gnu-gcc"],
        ["qemu-aarch64"],
        "linux",
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
    ),
    "armhf": (
        ["arm-linux-gnueabihf-gcc"],
        ["qemu-arm"],
        "linux",
        "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user",
    ),
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Build by name, each once."""
    made = {}

    def program(name):
        if name not in made:
            made[name] = build(name, tmp_path_factory.mktemp("same_bytes"))
        return made[name]

    return program


def build(name, directory):
    compiler, emulator, port, packages = BUILDS[name]
    for tool in (compiler[0], *emulator):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}; apt-get install {packages}")
    program = directory / f"same_bytes_{name}"
    sources = [HERE / "same_bytes.c", *sorted((CORE / "src").glob("*.c")), CORE / "port" / f"{port}.c"]
    options = ["-std=c11", "-O1", "-static" if emulator else "-pthread", "-I", CORE / "include", "-I", CORE / "src"]
    subprocess.run([*compiler, *options, *sources, "-o", program, "-lm"], check=True)

    def run(*arguments):
        done = subprocess.run([*emulator, program, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("name", [name for name in BUILDS if name != "linux"])
def test_p6_every_byte_is_where_it_is_elsewhere(programs, name):
    assert programs(name)("layout") == programs("linux")("layout")


def test_p6_the_binding_has_the_layout_of_the_c_program(programs, tmp_path):
    """Sizes and section offsets as this package's build of the core has them, against the program's."""
    lines = iter(programs("linux")("layout").splitlines())
    plain = {name: getattr(RegionConfig(), name) - more for name, more in ROOM.items()}  # beside our own names
    with corestate.create(tmp_path / "r", config=RegionConfig(**plain)) as state:
        assert next(lines) == f"size {state.region.size}"
        section = ffi.new("cs_section_info *")
        kind = 0
        while name := lib.cs_section_name(kind):
            lib.cs_region_section(state.region.view, kind, section)
            word = ffi.string(name).decode()
            assert next(lines) == f"{word} {section.offset} {section.size} {section.count} {section.stride}"
            kind += 1
    assert kind == lib.CS_SECTIONS


def check(state):
    """What ``fill`` in same_bytes.c wrote."""
    engine = state.engine
    assert engine.burst_state is BurstEngineState.RUNNING
    assert engine.api_state is ServiceState.DEGRADED
    assert engine.connectome_state is ConnectomeState.MISSING
    assert engine.brain_ready is True
    assert engine.synapse_count == 50_000_000_000
    assert engine.neuron_count == 0x0123456789ABCDEF
    assert (engine.burst_frequency, engine.synapse_util, engine.fatigue_active) == (40.5, 12.25, True)
    assert engine.morphologies_hash == 2**64 - 1
    assert engine.agent_count == 1
    assert {name: counter.value for name, counter in state.counters.items()} == {"spikes": 0xFEDCBA9876543210}
    assert state.counters.array().current() == {"spikes": 0xFEDCBA9876543210}
    assert {name: gauge.value for name, gauge in state.gauges.items()} == {"load": -0.1}
    assert state.areas["v1"].snapshot() == {
        "neuron_count": 0,
        "incoming_synapse_count": 0,
        "outgoing_synapse_count": 2**31,
        "fcl_window": 30,
    }
    assert list(state.locks) == ["device"]
    assert not state.locks["device"].locked()
    assert list(state.agents) == ["camera ü"]
    agent = state.agents["camera ü"]
    assert (agent.type, agent.status) == (AgentType.SENSORY, AgentStatus.RUNNING)
    assert (agent.capabilities, agent.transport, agent.metadata) == ({"fps": 30}, None, "ok")
    assert 1.6e18 < agent.registered_at < 1e19
    with state.events.subscribe(since=0) as events:
        found = [(event.kind, event.data) for event in events.drain()]
        assert (events.lost, events.holes) == (0, 0)
    assert found[0] == (
        "burst_engine_state_changed",
        {"old": BurstEngineState.UNAVAILABLE, "new": BurstEngineState.RUNNING},
    )
    assert found[-1] == ("note", b"hello")
    assert [kind for kind, _ in found].count("agent_registered") == 2


@pytest.mark.parametrize("name", BUILDS)
def test_p6_an_image_made_there_opens_here(programs, tmp_path, name):
    programs(name)("write", str(tmp_path / "image"))
    with corestate.attach(tmp_path / "image", mode="r") as state:
        check(state)
    with corestate.attach(tmp_path / "image") as state:
        check(state)
        state.counters["spikes"].set(0)
        assert state.counters["spikes"].add(5) == 5
        state.agents.register("new", AgentType.BOTH, capabilities=[1])
        state.agents.deregister("camera ü")
        assert state.events.publish("note", 1) == state.events.newest
        with state.locks["device"], state.areas["v1"].lock:
            assert state.health().locks_held == 2


@pytest.mark.parametrize("name", BUILDS)
def test_p6_an_image_made_here_opens_there(programs, tmp_path, name):
    config = RegionConfig(agents=20, events=32, event_bytes=64, key_bytes=32, line_bytes=16)
    with corestate.create(tmp_path / "image", config=config) as state:
        engine = state.engine
        engine.genome_state, engine.zmq_state = 3, ServiceState.ERROR
        engine.memory_usage, engine.fatigue_index, engine.burst_frequency = 2**63 + 1, 1 / 3, math.pi
        state.counters["ü"].set(2**64 - 1)
        state.gauges["g"].set(1e-300)
        state.areas["v1"].neuron_count = 7
        state.locks["l"].acquire()
        for i in range(15):
            state.agents.register(f"agent_{i}", AgentType(i % 5), capabilities={"i": i}, transport="t")
        state.events.publish("k", b"\x00\xff")
        with state.events.subscribe(since=0) as events:
            rows = events.drain_array()
        expected = [f"{name} {int(value)}" for name, value in states(state)]
        expected += [f"{name} {written(value)}" for name, value in numbers(state)]
        expected += [f"counters c3bc {2**64 - 1}", f"gauges 67 {1e-300:.17g}", "areas 7631 7 0 0 20", "locks 6c"]
        for agent in state.agents.values():
            details = b"".join(agent.details).hex()
            expected.append(
                f"agent {agent.id.encode().hex()} {int(agent.type)} {int(agent.status)} "
                f"{agent.registered_at} {agent.last_seen} {details}"
            )
        names = state.events.kinds()
        for row in rows:
            head = f"{row['sequence']} {row['time_ns']} {names[int(row['kind'])]} {row['source']} {row['format']}"
            expected.append(f"event {head} {bytes(row['data'][: row['length']]).hex()}")
        assert users(programs(name)("read", str(tmp_path / "image"))) == expected


def users(text):
    """What a program has read, without the names the durable parts have in every region made here."""
    own = [f" {name.encode().hex()}" for name in (*COUNTERS, *LOCKS)]
    return [line for line in text.splitlines() if not any(name in line for name in own)]


def states(state):
    found = state.engine.snapshot()
    return [(name, found[name]) for name in found["changes"]]


def numbers(state):
    found = state.engine.snapshot()
    return [
        (name, value)
        for name, value in found.items()
        if name not in found["changes"] and name not in ("changes", "quiet")
    ]


def written(value):
    return f"{value:.17g}" if isinstance(value, float) else str(int(value))


@pytest.mark.parametrize("name", BUILDS)
def test_p6_a_snapshot_made_there_is_restored_here(programs, tmp_path, name):
    programs(name)("snapshot", str(tmp_path / "picture"))
    with corestate.restore(tmp_path / "picture", tmp_path / "back") as state:
        check(state)


@pytest.mark.parametrize("name", BUILDS)
def test_p6_a_region_restored_here_opens_there(programs, tmp_path, name):
    programs("linux")("write", str(tmp_path / "image"))
    with corestate.attach(tmp_path / "image") as state:
        state.snapshot(tmp_path / "picture")
    corestate.restore(tmp_path / "picture", tmp_path / "back").close()
    before = users(programs("linux")("read", str(tmp_path / "image")))
    after = users(programs(name)("read", str(tmp_path / "back")))
    assert after == before
