"""An event there and one back, between two Python processes, beside the bare minimum in C in the same run.

Each process has a CPU of its own, in C as in Python.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter_ns

import pytest

import corestate

BATCHES = 15
BARE_ROUNDS = 5000


class Echo:
    """The other process."""

    def __init__(self, path, mode):
        self.state = corestate.create(path)
        self.pongs = self.state.events.subscribe(["pong", "ready"])
        echo = Path(__file__).with_name("echo.py")
        self.process = subprocess.Popen([sys.executable, echo, str(path), mode])
        assert self.pongs.get(60).kind == "ready"
        self.timeout = 0 if mode == "spin" else None

    def times(self, count):
        """Nanoseconds of each of so many round trips."""
        publish, get, timeout, found = self.state.events.publish, self.pongs.get, self.timeout, []
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, [min(cpus)])
        try:
            for _ in range(count):
                start = perf_counter_ns()
                publish("ping")
                while get(timeout) is None:
                    pass
                found.append(perf_counter_ns() - start)
        finally:
            os.sched_setaffinity(0, cpus)
        return found

    def end(self):
        self.state.events.publish("end")
        assert self.process.wait(60) == 0
        self.pongs.close()
        self.state.close()


@pytest.fixture
def echo(tmp_path, request):
    made = Echo(tmp_path / "echo.state", request.param)
    yield made
    made.end()


def bare(programs, mode):
    done = subprocess.run([programs / "bench_pingpong", mode, str(BARE_ROUNDS)], capture_output=True, check=True)
    return json.loads(done.stdout)["median_ns"]


@pytest.mark.parametrize("echo", ["spin"], indirect=True)
def test_round_trip_spinning(benchmark, row, echo, programs):
    medians = []
    benchmark.pedantic(
        lambda: medians.append(statistics.median(echo.times(5000))), rounds=BATCHES, iterations=1, warmup_rounds=1
    )
    beside = bare(programs, "spin")
    value = statistics.median(medians[1:]) / 1e3
    row(
        "event round trip of two Python processes, spinning",
        3,
        unit="us",
        value=value,
        beside=f"C {beside / 1e3:.2f} us",
    )


@pytest.mark.parametrize("echo", ["asleep"], indirect=True)
def test_round_trip_asleep(benchmark, row, echo, programs):
    """Each batch stands between two runs of the bare one, so that both see the same machine."""
    medians, futexes, sockets = [], [], []
    benchmark.pedantic(
        lambda: medians.append(statistics.median(echo.times(2000))),
        setup=lambda: (futexes.append(bare(programs, "futex")), sockets.append(bare(programs, "socket")), None)[-1],
        rounds=BATCHES,
        iterations=1,
        warmup_rounds=1,
    )
    ratio = statistics.median(ours / theirs for ours, theirs in zip(medians[1:], futexes[1:], strict=True))
    row(
        "the same, both asleep in the kernel, against a bare futex in C",
        1.5,
        unit="x",
        value=ratio,
        beside=f"{statistics.median(medians) / 1e3:.1f} us; futex {statistics.median(futexes) / 1e3:.1f}, "
        f"Unix socket {statistics.median(sockets) / 1e3:.1f}",
    )
