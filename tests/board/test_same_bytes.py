"""P6: the same calls make the same bytes on every machine, and each reads every field of what any other has made."""

from __future__ import annotations

import re
import subprocess

import pytest
from emulator import BUILD, MACHINES, run

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, ConnectomeState, GenomeState, ServiceState

HOSTS = {"host": [], "arm64": ["qemu-aarch64"], "armhf": ["qemu-arm"]}
BOARDS = {f"{machine}-{toolchain}": (machine, toolchain) for machine in MACHINES for toolchain in ("gcc", "clang")}
ALL = [*HOSTS, *BOARDS]


# Words that only recovery reads, of which the smaller library has none; who sits there, and the last look at the clock.
OF_OTHERS = re.compile(
    r"\w+\[\w+\]\.(promised|intent_count|intent_bucket)|engine\[0000\]\.last_modified|header\[0000\]\.boot\[[01]\]"
    r"|participants\[0000\]\.(boot\[[01]\]|start|word)"
)


def same(where, what, path, image="same"):
    """Run the program of embedded/tests/same.c there; its output."""
    if where in HOSTS:
        command = [*HOSTS[where], str(BUILD / f"same-{where}"), what, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    else:
        machine, toolchain = BOARDS[where]
        done = run(BUILD / toolchain / f"{image}.elf", what, str(path), machine=machine)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Where to file: the region, made there."""
    folder = tmp_path_factory.mktemp("same")
    files = {where: folder / f"{where}.state" for where in ALL}
    for where, path in files.items():
        same(where, "make", path)
    return files


def test_p6_the_same_calls_make_the_same_bytes(made):
    expected = made["host"].read_bytes()
    assert len(expected) > 4096
    for where, path in made.items():
        assert path.read_bytes() == expected, where


@pytest.mark.parametrize("reader", ALL)
def test_p6_every_field_of_every_section_is_read_alike(made, reader):
    expected = same("host", "show", made["host"])
    assert expected.count("\n") > 700
    for writer in ("host", "mps2-an386-gcc"):
        assert same(reader, "show", made[writer]) == expected


@pytest.mark.parametrize("board", BOARDS)
def test_p6_the_smaller_library_makes_and_reads_the_same(made, board, tmp_path):
    expected = same("host", "show", made["host"]).splitlines()
    assert same(board, "show", made["host"], image="same_alone").splitlines() == expected
    path = tmp_path / "alone.state"
    same(board, "make", path, image="same_alone")
    found = same("host", "show", path).splitlines()
    different = {line.split(" ")[0] for line in set(expected) ^ set(found)}
    assert not {name for name in different if not OF_OTHERS.fullmatch(name)}
    assert len(found) == len(expected)


@pytest.fixture(params=["mps2-an386-gcc", "mps2-an500-clang", "arm64", "armhf"])
def state(made, request):
    """What Python opens of a region made elsewhere."""
    with corestate.attach(made[request.param], mode="r") as opened:
        yield opened


def test_p6_python_reads_a_boards_engine(state):
    engine = state.engine
    assert engine.burst_state is BurstEngineState.DEEP_SLEEP
    assert engine.genome_state is GenomeState.ERROR
    assert engine.connectome_state is ConnectomeState.ERROR
    assert engine.brain_ready is True
    assert engine.fq_sampler_state is engine.api_state is engine.zmq_state is ServiceState.ERROR
    assert engine.agent_count == 4
    assert engine.burst_count == 0xFFFFFFFF00000001
    assert engine.burst_frequency == 14.375
    assert engine.synapse_count == 0xFFFFFFFF00000004
    assert engine.fatigue_index == 20.375
    assert engine.synapse_util == 23.375
    assert engine.fatigue_active is True
    assert engine.agent_data_hash == 0xFFFFFFFF00000016


def test_p6_python_reads_a_boards_tables(state):
    assert {name: counter.value for name, counter in state.counters.items()} == {
        name: 0x0123456700000000 + i for i, name in enumerate(("one", "two", "three", "four", "five", "six")) if i != 3
    }
    assert {name: gauge.value for name, gauge in state.gauges.items()} == {
        name: -1.5 + i / 3 for i, name in enumerate(("one", "two", "three"))
    }
    assert {name: (area.neuron_count, area.incoming_synapse_count, area.outgoing_synapse_count, area.fcl_window)
            for name, area in state.areas.items()} == {
        name: (1000 * i, 1000 * i + 1, 1000 * i + 2, 1000 * i + 3) for i, name in enumerate(("one", "two", "three"))
    }  # fmt: skip
    assert state.areas["two"].lock.locked()
    assert not state.areas["one"].lock.locked()
    assert {name: lock.locked() for name, lock in state.locks.items()} == {"one": True, "two": False, "three": True}


def test_p6_python_reads_a_boards_agents(state):
    assert set(state.agents) == {"camera", "motor", "Körper", "last"}
    camera, last = state.agents["camera"], state.agents["last"]
    assert (camera.type, camera.status) == (AgentType.SENSORY, AgentStatus.STARTING)
    assert (last.type, last.status) == (AgentType.INFRASTRUCTURE, AgentStatus.RUNNING)
    text = b"\x82\xa3fps\x1e\xa4name\xa6camera, first of all"
    assert camera.details == (text[:6], text[:3], text[1:3])
    assert state.agents["motor"].details == (text[:10], text[:5], text[1:4])
    assert last.last_seen > last.registered_at > 1_700_000_000_000_000_000


def test_p6_python_reads_a_boards_events(state):
    with state.events.subscribe(since=0) as subscription:
        events = subscription.drain()
    assert [event.sequence for event in events] == list(range(30, 46))
    agents = ["agent_registered", "agent_status_changed"]
    assert [event.kind for event in events] == [*agents, *agents, *["spike"] * 12]
    assert events[0].data["id"] == "K\u00f6rper"
    assert [event.data for event in events[4:]] == [(b"a spike, the %dth" % (i % 10))[: 4 + i] for i in range(12)]
    assert subscription.holes == 0


def test_p6_python_reads_a_boards_sections_as_its_header_has_them(state):
    assert state.config.agents == 5
    assert state.config.key_bytes == 32
    assert state.config.line_bytes == 8
    assert state.config.values == 8
    assert state.region.instance == "fedcba98765432100123456789abcdef"
    assert [found.pid for found in state.participants()] == [44]
