"""What the operations of the C API cost, by the core's own benchmark."""

from __future__ import annotations

import json
import subprocess

import pytest

ROWS = {
    "engine_get": ("C cell read", 2),
    "counter_store": ("C cell write, not notifying", 2),
    "counter_add": ("C counter add, notifying", 8),
    "engine_set_state": ("C engine state set, with version, time and event", 100),
    "event_publish": ("C event publish", 60),
}


@pytest.fixture(scope="module")
def measured():
    return {}


@pytest.mark.parametrize("name", ROWS)
def test_core(benchmark, row, programs, measured, name):
    def run():
        if not measured:  # the program measures everything in one go
            done = subprocess.run([programs / "bench_core", "--json"], capture_output=True, text=True, check=True)
            measured.update({one["name"]: one for one in json.loads(done.stdout)["results"]})

    benchmark.pedantic(run, rounds=1, iterations=1)
    what, floor = ROWS[name]
    one = measured[name]
    load = measured["plain_load"]["median"]
    row(what, floor, unit="ns", value=one["median"], beside=f"{one['median'] / load:.1f} x a plain load")
