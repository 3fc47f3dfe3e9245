"""P1: reading costs a load. No lock, no system call, no retry.

No system call: a child that the kernel kills for any system call but write reads a million times and then writes what
it read. No lock and no retry: what a writer holds when it is stopped does not keep a reader from reading.
"""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from random import Random

import pytest

import corestate
from corestate._binding import ffi, lib

PR_SET_SECCOMP, SECCOMP_MODE_STRICT = 22, 1
TIMES = 200_000


def read_without_system_calls(read: Callable[[], object], times: int = TIMES) -> str:
    """What a read returns the last of many times, in a child that is killed for any system call but the answer."""
    libc = ctypes.CDLL(None, use_errno=True)
    out, out_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        read()  # what is only needed the first time
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0:
            os._exit(3)
        last = None
        for _ in range(times):
            last = read()
        os.write(out_writer, repr(last).encode())
        while True:
            os.getpid()  # the end: killed for it
    os.close(out_writer)
    with os.fdopen(out) as source:
        said = source.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3:
        pytest.skip("needs a kernel with seccomp")
    assert os.WIFSIGNALED(status)
    assert said, "a system call was made while reading"
    return said


def test_p1_the_measure_sees_a_system_call():
    with pytest.raises(AssertionError, match="a system call was made"):
        read_without_system_calls(os.getppid, 1)


READS = {
    "an engine's number": (lambda state: lambda: state.engine.neuron_count, "7"),
    "an engine's float": (lambda state: lambda: state.engine.burst_frequency, "2.5"),
    "an engine's bool": (lambda state: lambda: state.engine.fatigue_active, "True"),
    "an engine's state": (lambda state: lambda: state.engine.burst_state.value, "3"),
    "a counter": (lambda state: (lambda cell: lambda: cell.value)(state.counters["c"]), "5"),
    "a gauge": (lambda state: (lambda cell: lambda: cell.value)(state.gauges["g"]), "0.5"),
    "an array of counters": (lambda state: (lambda array: lambda: int(array.sum()))(state.counters.array()), "5"),
}


@pytest.mark.parametrize("mode", ["rw", "r"])
@pytest.mark.parametrize("what", READS)
def test_p1_reading_makes_no_system_call(path, what, mode):
    make, expected = READS[what]
    with corestate.open(path) as state:
        state.engine.neuron_count = 7
        state.engine.burst_frequency = 2.5
        state.engine.fatigue_active = True
        state.engine.burst_state = corestate.BurstEngineState.RUNNING
        state.counters["c"].set(5)
        state.gauges["g"].set(0.5)
        with corestate.open(path, mode=mode) as reader:
            assert read_without_system_calls(make(reader)) == expected


@pytest.mark.parametrize("name", ["cs_engine_get", "cs_engine_state", "cs_counter_get"])
def test_p1_the_core_makes_no_system_call(region, name):
    handle, out = ffi.new("cs_handle *"), ffi.new("uint64_t *")
    assert lib.cs_counter_open(region.view, b"c", 1, handle) == 0
    function, view = getattr(lib, name), region.view
    arguments = (view, handle[0], out) if name == "cs_counter_get" else (view, 0)
    assert read_without_system_calls(lambda: function(*arguments), 10_000) == "0"


WRITER = """
import sys
import corestate
state = corestate.open(sys.argv[1])
counter, number = state.counters["c"], 0
print("ready", flush=True)
while True:
    number += 1
    state.engine.neuron_count = number
    state.engine.burst_state = number % 8
    counter.add()
"""


def test_p1_a_writer_stopped_at_any_point_holds_no_reader_up(path, child):
    """The writer is stopped again and again, wherever it is; each time every read answers, without a system call."""
    with corestate.open(path) as state, corestate.open(path, mode="r") as observer:
        writer = child(WRITER, path)
        assert writer.line() == "ready"
        counter, last, random = state.counters["c"], 0, Random(1)
        for round_ in range(150):
            counter.wait(last, timeout=60)  # it runs; now nobody is asleep, so that it is not always stopped at a wake
            onwards = counter.value + random.randrange(1, 100)
            while counter.value < onwards:
                pass
            os.kill(writer.pid, signal.SIGSTOP)
            assert os.WIFSTOPPED(os.waitpid(writer.pid, os.WUNTRACED)[1])
            found = (state.engine.neuron_count, observer.engine.neuron_count, counter.value)
            assert found == (state.engine.neuron_count, observer.engine.neuron_count, counter.value)  # it is stopped
            assert found[2] > last
            last = found[2]
            assert isinstance(observer.engine.burst_state, corestate.BurstEngineState)
            if round_ % 10 == 0:
                assert read_without_system_calls(lambda: observer.engine.burst_state.value, 1000).isdigit()
            os.kill(writer.pid, signal.SIGCONT)


COUNTED = """
import sys
import corestate
from corestate._binding import lib
state = corestate.open("heap:")
view, times = state.region.view, int(sys.argv[1])
for _ in range(times):
    lib.cs_engine_get(view, lib.CS_NEURON_COUNT)
"""


@pytest.mark.slow
def test_p1_a_cell_read_is_a_handful_of_instructions(tmp_path):
    """Counted by callgrind: the instructions of the core itself for each read, bounds check and call included."""
    try:
        subprocess.run(["valgrind", "--version"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs valgrind")

    def instructions(times: int) -> int:
        out = tmp_path / f"callgrind.{times}"
        subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={out}",
                sys.executable,
                "-c",
                textwrap.dedent(COUNTED),
                str(times),
            ],
            check=True,
            capture_output=True,
        )
        annotated = subprocess.run(
            ["callgrind_annotate", "--threshold=100", str(out)], check=True, capture_output=True, text=True
        ).stdout
        rows = [
            line.split()
            for line in annotated.splitlines()
            if line.endswith(":cs_engine_get") or ":cs_engine_get " in line
        ]
        return int(rows[0][0].replace(",", "")) if rows else 0

    each = (instructions(3000) - instructions(1000)) / 2000
    assert 0 < each <= 20
