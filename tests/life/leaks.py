"""Opens and closes regions in every way, very often, and sees that nothing grows: ``leaks.py [--times N]``.

What is looked at, after a tenth of the way and at the end: descriptors, mappings, threads, objects of this package that
the garbage collector knows, resident memory, and slots of participants. The last line says how much was done.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import corestate

SMALL = corestate.RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=8, participants=64, values=8)
GROWTH = 4 << 20
"""Bytes of resident memory by which nine tenths of the run may grow: what the allocators keep in hand."""


def grown() -> dict[str, int]:
    """What this process has now."""
    gc.collect()
    ours = sum(1 for one in gc.get_objects() if str(type(one).__module__).startswith("corestate"))
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "mappings": Path("/proc/self/maps").read_text().count("\n"),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "objects": ours,
        "resident": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
    }


def ways(directory: Path, shared: str) -> list[Callable[[], None]]:
    """Each opens, and by design or by leaving it to Python closes, at least one region."""
    path = str(directory / "x.state")
    corestate.create(path, config=SMALL).close()
    corestate.create(shared, config=SMALL).close()

    def heap() -> None:
        with corestate.open("heap:", config=SMALL) as state:
            state.counters["c"].add()

    def heap_left() -> None:
        state = corestate.open("heap:", config=SMALL)
        state.events.publish("k", {"a": 1})

    def file() -> None:
        with corestate.attach(path) as state:
            state.events.publish("k")

    def file_left() -> None:
        state = corestate.attach(path)
        state.counters["c"].add()
        state.cycle = state  # only the collector ends it

    def shm() -> None:
        with corestate.attach(shared) as state, state.locks["l"]:
            pass

    def reader() -> None:
        with corestate.attach(path, mode="r") as state, state.events.subscribe(since=0) as events:
            events.drain()

    def views() -> None:
        with corestate.attach(path) as state:
            array, cell = state.counters.array(), state.counters["c"]
        del array, cell

    def refused() -> None:
        for wrong in (str(directory), str(directory / "none")):
            try:
                corestate.attach(wrong)
            except corestate.CorestateError:
                continue
            raise AssertionError(wrong)

    often = [heap, shm, heap_left, shm]  # a few times as quick as those that go through a file system
    return [*often, file, *often, file_left, *often, reader, *often, views, *often, refused]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100_000)
    times = parser.parse_args().times
    shared = f"shm:corestate-leaks-{os.getpid()}"
    with tempfile.TemporaryDirectory() as directory:
        try:
            every = ways(Path(directory), shared)
            for index in range(times):
                every[index % len(every)]()
                if index % 100 == 0:
                    gc.collect(1)
                if index == times // 10:
                    before = grown()
            after = grown()
            with corestate.attach(shared) as one, corestate.attach(f"{directory}/x.state") as other:
                slots = len(one.participants()) + len(other.participants()) - 2
        finally:
            corestate.unlink(shared)
    more = {name: after[name] - before[name] for name in after}
    resident = more.pop("resident")
    more["mappings"] = max(0, more["mappings"] - 4)  # malloc's own
    if any(more.values()) or slots or resident > GROWTH:
        sys.exit(f"leaks: after {times} times {more}, {slots} slots, {resident} bytes more than after a tenth of them")
    print(f"opened and closed {times} times in {len(set(every))} ways: nothing left, {resident >> 10} KiB of memory")


if __name__ == "__main__":
    main()
