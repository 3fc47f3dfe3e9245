"""A10: a picture of a region, and back."""

import math
import os
import signal
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, RegionConfig, ServiceState
from corestate import snapshot as snapshots


def fill(state):
    engine = state.engine
    engine.burst_state, engine.api_state, engine.brain_ready = BurstEngineState.RUNNING, ServiceState.DEGRADED, True
    engine.synapse_count, engine.burst_frequency, engine.synapse_util = 2**64 - 1, 40.5, 12.25
    engine.fatigue_active, engine.morphologies_hash = True, 0xDEADBEEF
    for i in range(20):
        state.counters[f"c{i}"].set(i)
        state.gauges[f"g{i}"].set(i / 8)
    state.gauges["inf"].set(math.inf)
    del state.counters["c7"]
    for name in ("v1", "v2", "ü"):
        state.areas[name].neuron_count = len(name)
        state.areas[name].fcl_window = 30
    for i in range(30):
        state.agents.register(f"agent_{i}", AgentType(i % 5), capabilities={"i": i}, metadata=b"\x00" * (i % 7))
    state.agents.set_status("agent_3", AgentStatus.RUNNING)
    state.agents.deregister("agent_5")
    for i in range(10):
        state.events.publish("mine", {"i": i})
    state.locks["held"].acquire()
    state.locks["free"]


def told(state):
    """Everything a snapshot keeps."""
    engine = state.engine.snapshot()
    return {
        "engine": engine,
        "counters": {name: counter.value for name, counter in state.counters.items()},
        "gauges": {name: gauge.value for name, gauge in state.gauges.items()},
        "areas": {name: area.snapshot() for name, area in state.areas.items()},
        "agents": {
            one.id: (one.type, one.status, one.details, one.registered_at, one.last_seen)
            for one in state.agents.values()
        },
        "locks": sorted(state.locks),
        "events": state.events.subscribe(since=0).drain(),
    }


def test_what_was_taken_comes_back(state, tmp_path):
    fill(state)
    before = told(state)
    info = state.snapshot(tmp_path / "picture")
    assert info.bytes == (tmp_path / "picture").stat().st_size
    assert info.changed is False
    assert info.config.agents == state.config.agents
    with corestate.restore(tmp_path / "picture", tmp_path / "back") as back:
        assert told(back) == before
        assert back.config == state.config
        assert not back.locks["held"].locked(), "held locks are of the moment"
        assert back.agents.register("new", AgentType.BOTH).id == "new"
        assert back.events.publish("mine") > before["events"][-1].sequence


@pytest.mark.parametrize("where", ["heap", "shm", "file"])
def test_it_goes_into_every_kind_of_region(state, tmp_path, where, shm):
    state.counters["c"].set(5)
    state.snapshot(tmp_path / "picture")
    address = {"heap": "heap:", "shm": shm, "file": str(tmp_path / "back")}[where]
    with corestate.restore(tmp_path / "picture", address) as back:
        assert back.counters["c"].value == 5
        if where != "heap":
            with corestate.attach(address) as other:
                assert other.counters["c"].value == 5


def test_an_observer_can_take_one(state, reader, tmp_path):
    state.counters["c"].set(5)
    reader.snapshot(tmp_path / "picture")
    with corestate.restore(tmp_path / "picture", "heap:") as back:
        assert back.counters["c"].value == 5


def test_it_goes_into_a_larger_region_and_not_into_a_smaller(state, tmp_path):
    fill(state)
    state.snapshot(tmp_path / "picture")
    with corestate.restore(tmp_path / "picture", "heap:", RegionConfig(agents=5000, counters=1000)) as back:
        assert len(back.agents) == 29
        assert back.config.agents == 5000
    for config in (RegionConfig(agents=8), RegionConfig(counters=4), RegionConfig(agent_details_bytes=0)):
        with pytest.raises((corestate.FullError, corestate.TooBigError)):
            corestate.restore(tmp_path / "picture", tmp_path / "back", config)
        assert not (tmp_path / "back").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture", "test.state"]


def test_an_address_that_is_taken_is_left_alone(state, tmp_path, shm):
    state.snapshot(tmp_path / "picture")
    (tmp_path / "taken").write_bytes(b"mine")
    with pytest.raises(corestate.RegionExistsError):
        corestate.restore(tmp_path / "picture", tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"mine"
    with corestate.create(shm) as there:
        there.counters["c"].set(1)
        with pytest.raises(corestate.RegionExistsError):
            corestate.restore(tmp_path / "picture", shm)
        assert there.counters["c"].value == 1
        with corestate.attach(shm) as again:
            assert again.counters["c"].value == 1


# -- the file ----------------------------------------------------------------------------------


def test_it_replaces_what_was_there_and_leaves_nothing_beside(state, tmp_path):
    target = tmp_path / "dir" / "picture"
    target.parent.mkdir()
    state.snapshot(target)
    os.chmod(target, 0o644)  # noqa: PTH101
    state.counters["since"].add(5)
    state.snapshot(target)
    assert snapshots.probe(target).bytes == target.stat().st_size
    assert [path.name for path in target.parent.iterdir()] == ["picture"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_directory_that_is_not_there_is_an_error(state, tmp_path):
    with pytest.raises(corestate.RegionNotFoundError) as problem:
        state.snapshot(tmp_path / "nowhere" / "picture")
    assert isinstance(problem.value, FileNotFoundError)


def test_a_target_that_is_a_directory_is_an_error(state, tmp_path):
    (tmp_path / "dir").mkdir()
    with pytest.raises(corestate.StorageError):
        state.snapshot(tmp_path / "dir")
    assert [path.name for path in (tmp_path / "dir").iterdir()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dir", "test.state"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits and signals as POSIX has them")
def test_a_disk_that_is_full_leaves_the_old_one(state, tmp_path, child):
    """Stood for by a limit on the size of files: writing fails half-way, as on a full disk."""
    fill(state)
    state.snapshot(tmp_path / "picture")
    old = (tmp_path / "picture").read_bytes()
    done = child(
        """
        import corestate, resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with corestate.attach(sys.argv[1], mode="r") as state:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            try:
                state.snapshot(sys.argv[2])
            except corestate.StorageError as problem:
                print(type(problem).__name__, isinstance(problem, OSError))
        """,
        state.address,
        str(tmp_path / "picture"),
    )
    assert done.finish()[0].split() == ["StorageError", "True"]
    assert (tmp_path / "picture").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture", "test.state"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits and signals as POSIX has them")
def test_a_killed_snapshot_or_restore_leaves_nothing_for_long(state, tmp_path, child, shm):
    """Killed half-way it leaves a file of a temporary name, which the next picture in the directory removes."""
    fill(state)
    state.snapshot(tmp_path / "picture")
    source = """
    import corestate, os, signal, sys
    from corestate import snapshot
    path, picture, address, what = sys.argv[1:]
    signals = {"snapshot": "_write_through", "restore": "_fill"}
    setattr(snapshot, signals[what], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    if what == "snapshot":
        corestate.attach(path, mode="r").snapshot(picture)
    else:
        corestate.restore(picture, address)
    """
    before = sorted(tmp_path.iterdir())
    assert child(source, state.address, str(tmp_path / "picture"), "", "snapshot").process.wait(60) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == len(before) + 1
    state.snapshot(tmp_path / "another")
    (tmp_path / "another").unlink()
    assert sorted(tmp_path.iterdir()) == before
    for address in (str(tmp_path / "back"), shm):
        killed = child(source, state.address, str(tmp_path / "picture"), address, "restore")
        assert killed.process.wait(60) == -signal.SIGKILL
        with pytest.raises(corestate.RegionNotFoundError):
            corestate.attach(address)
        with corestate.restore(tmp_path / "picture", address) as back:
            assert told(back) == told(state)
        corestate.unlink(address)
    assert sorted(tmp_path.iterdir()) == before
    assert [path for path in Path("/dev/shm").iterdir() if path.name.startswith(".restoring")] == []


def test_names_as_long_as_they_may_be(state, tmp_path):
    long = tmp_path / ("x" * 255)
    state.counters["c"].set(5)
    state.snapshot(long)
    with corestate.restore(long, tmp_path / ("y" * 255)) as back:
        assert back.counters["c"].value == 5


@pytest.mark.skipif(sys.platform == "win32", reason="limits and signals as POSIX has them")
def test_a_directory_one_may_not_write_is_an_error(state, tmp_path, child):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    one = child(
        """
        import corestate, os, sys
        with corestate.attach(sys.argv[1], mode="r") as state:
            if os.geteuid() == 0:  # who may write everywhere
                os.setuid(65534)
            try:
                state.snapshot(sys.argv[2])
            except corestate.RegionPermissionError as problem:
                print(isinstance(problem, PermissionError))
        """,
        state.address,
        str(closed / "picture"),
    )
    assert one.finish()[0].split() == ["True"]
    assert list(closed.iterdir()) == []


# -- damage ------------------------------------------------------------------------------------


@pytest.fixture
def picture(state, tmp_path) -> Path:
    fill(state)
    state.snapshot(tmp_path / "picture")
    return tmp_path / "picture"


def refused(path, tmp_path, *errors):
    with pytest.raises(errors):
        snapshots.probe(path)
    with pytest.raises(errors):
        corestate.restore(path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_every_flipped_bit_is_found(picture, tmp_path):
    content = bytearray(picture.read_bytes())
    random = np.random.default_rng(1)
    for at in [*range(64), *random.integers(0, len(content), 200).tolist(), *range(len(content) - 8, len(content))]:
        content[at] ^= 1 << (at % 8)
        picture.write_bytes(content)
        refused(picture, tmp_path, corestate.FormatError)
        content[at] ^= 1 << (at % 8)
    picture.write_bytes(content)
    assert snapshots.probe(picture).bytes == len(content)


def test_every_cut_is_found(picture, tmp_path):
    content = picture.read_bytes()
    for length in [0, 1, 7, 8, 20, len(content) // 2, len(content) - 5, len(content) - 1]:
        picture.write_bytes(content[:length])
        refused(picture, tmp_path, corestate.FormatError)
    picture.write_bytes(content + b"\0")
    refused(picture, tmp_path, corestate.FormatError)


def test_something_else_is_no_snapshot(tmp_path, state):
    (tmp_path / "text").write_text("hello, this is no snapshot at all")
    refused(tmp_path / "text", tmp_path, corestate.NotRegionError)
    refused(state.address, tmp_path, corestate.FormatError)
    with pytest.raises(corestate.RegionNotFoundError):
        corestate.restore(tmp_path / "absent", tmp_path / "back")


# -- while others write ------------------------------------------------------------------------


def test_every_record_is_whole_while_others_write(state, tmp_path, child):
    """An agent's capabilities and transport are written as a pair that agrees; in each picture they do."""
    state.agents.register("a", AgentType.MOTOR, capabilities=0, transport=0)
    writer = child(
        """
        import corestate, sys
        with corestate.attach(sys.argv[1]) as state:
            i = 0
            while True:
                i += 1
                state.agents.update("a", capabilities=i, transport=i)
                state.engine.add("burst_count", 1)
                if i == 1:
                    print("writing", flush=True)
        """,
        state.address,
    )
    assert writer.line() == "writing"
    changed, pairs = 0, set()
    while not changed or len(pairs) < 20:
        changed += state.snapshot(tmp_path / "picture").changed
        with corestate.restore(tmp_path / "picture", "heap:") as back:
            agent = back.agents["a"]
            assert agent.capabilities == agent.transport
            pairs.add(agent.capabilities)
