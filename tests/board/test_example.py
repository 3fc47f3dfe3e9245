"""The example firmware on emulated boards, and its mirror on this machine: at rest, while it changes, and reset."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest
from emulator import BUILD, MACHINES, ROOT, Board

import corestate
from corestate import AgentStatus, BurstEngineState
from corestate._binding import check, ffi, lib, text
from corestate.mirror import Mirror


def until(holds, seconds=30.0):
    tick = threading.Event()
    for _ in range(int(seconds / 0.005)):
        found = holds()
        if found:
            return found
        tick.wait(0.005)
    raise AssertionError(f"not within {seconds} s")


IMAGES = [(MACHINES[0], "gcc", "sensors"), (MACHINES[1], "clang", "sensors")]
if os.environ.get("CORESTATE_FREERTOS"):  # embedded/run-tests has found a kernel, and says so when it has not
    IMAGES.append((MACHINES[0], "gcc", "sensors_freertos"))


@pytest.fixture(params=IMAGES, ids="-".join)
def board(request):
    machine, toolchain, image = request.param
    with Board(BUILD / toolchain / f"{image}.elf", machine) as running:
        yield running


@pytest.fixture
def mirror(board, tmp_path):
    with Mirror(board.line, tmp_path / "board.state") as listening:
        listening.wait_ready(30)
        yield listening


def asleep(state):
    return state.engine.burst_state is BurstEngineState.LIGHT_SLEEP


def sections_that_differ(board, state):
    """Sections whose bytes on the board are not those of the mirror; the participants' liveness is another's here."""
    theirs, info = board.variable("sensors_memory"), ffi.new("cs_section_info *")
    differ = []
    for kind in range(lib.CS_SECTIONS):
        check(lib.cs_region_section(state.region.view, kind, info))
        part = slice(info.offset, info.offset + info.size)
        if theirs[part] != state.region.memory[part]:
            differ.append(text(lib.cs_section_name(kind)))
    return differ


def still(mirror):
    """Wait until two signs of life came with nothing between them: the board has nothing more to say."""

    def quiet():
        tick = threading.Event()
        before = mirror.report()
        tick.wait(0.6)
        after = mirror.report()
        return after.units == before.units and after.frames >= before.frames + 2

    until(quiet, 1.0)


def test_p6_at_rest_all_bytes_are_the_boards(board, tmp_path):
    with Mirror(board.line, tmp_path / "board.state", shift_times=False) as mirror:
        mirror.wait_ready(30)
        with corestate.attach(tmp_path / "board.state", mode="r") as state:
            until(lambda: asleep(state) and state.engine.burst_frequency == 0)
            still(mirror)
            board.pause()
            assert [name for name in sections_that_differ(board, state) if name != "participants"] == []
            samples, bursts = state.counters["samples"].value, state.engine.burst_count
            assert samples > 0
            assert samples % 3000 == 0
            assert bursts == samples // 10
            assert state.engine.neuron_count == state.areas["v1"].neuron_count == 64 + 299 % 8
            for i, name in enumerate(("temperature", "pressure", "light")):
                assert state.gauges[name].value == samples * (i + 1) % 1000 / 20
                assert state.agents[name].status is AgentStatus.RUNNING
                assert state.agents[name].capabilities == {"hz": 1000}


def test_while_it_changes_readers_see_true_states(board, mirror, tmp_path):
    with corestate.attach(tmp_path / "board.state", mode="r") as state, state.events.subscribe() as subscription:
        before, spikes, looks = 0, [], 0
        while len(spikes) < 20:
            samples, bursts = state.counters["samples"].value, state.engine.burst_count
            assert samples >= before
            assert state.engine.burst_count >= bursts
            assert 0 <= state.gauges["light"].value < 50
            assert set(state.agents) == {"temperature", "pressure", "light"}
            snapshot = state.engine.snapshot()
            assert snapshot["agent_count"] == 3
            before, looks = samples, looks + 1
            event = subscription.get(timeout=30)
            if event.kind == "spike":
                spikes.append(int.from_bytes(event.data, "little"))
        assert spikes == list(range(spikes[0], spikes[0] + 2000, 100))  # P4: each once, through the line
        assert subscription.lost == subscription.holes == 0
        health = state.health()
        assert health.participants.used == 1
        assert "link_silent" not in health.reasons
        assert state.agents["light"].last_seen > 1_700_000_000_000_000_000  # the board's clock began at zero


def test_p3_a_board_that_stops_is_shown_as_silent_and_one_that_is_reset_as_new(board, mirror, tmp_path):
    with corestate.attach(tmp_path / "board.state", mode="r") as state:
        board.pause()
        until(lambda: state.health().participants_dead == 1 and "link_silent" in state.health().reasons)
        board.go_on()
        until(lambda: not set(state.health().reasons) & {"dead_participants", "link_silent"})
        until(lambda: state.counters["samples"].value)
        board.reset()
        until(lambda: mirror.report().restarts >= 1)

        def starts_over():
            with corestate.attach(tmp_path / "board.state", mode="r") as anew:
                alive = anew.health().participants_dead == 0
                return alive and "samples" in anew.counters and anew.counters["samples"].value > 0

        until(starts_over)


def test_one_command_shows_it(tmp_path):
    done = subprocess.run(
        ["make", "-C", "embedded", "run", f"RUN_ARGS=--frames 2 --region {tmp_path / 'board.state'}"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("samples", "temperature", "burst_count", "sensory", "running"):
        assert word in done.stdout
