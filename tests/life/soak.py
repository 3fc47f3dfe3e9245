"""A long run that mixes it all: ``soak.py [--seconds N] [--seed N]``.

Processes of every kind use one region and its store at full speed; again and again one of them is killed with SIGKILL,
or stopped for a while, and another takes its place. At the end the books must balance, every lock must be free to
take, nobody dead may be left, and no file that nobody needs. The last line says what was done.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

import soak_roles

import corestate

CREW = ("engine", "engine", "registrar", "registrar", "publisher", "subscriber", "locker", "locker", "scoper", "scoper")
CREW += ("tasker", "tasker", "opener", "observer")
WITNESS = len(CREW)
"""The place of the one that is never killed."""
PAUSE = 0.05
"""Seconds between two kills."""


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() == 1:
        os._exit(1)


class Crew:
    """The processes, one a place; a place keeps its books whoever has it."""

    def __init__(self, address: str, directory: Path) -> None:
        self.address, self.directory = address, directory
        self.pids: dict[int, int] = {}
        self.kills = self.stops = 0

    def books(self, place: int) -> Path:
        return self.directory / f"{place}.books"

    def start(self, place: int) -> None:
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self.pids[place] = pid
            return
        die_with_parent()
        code = 1
        try:
            soak_roles.play(CREW[place], self.address, self.books(place))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def end(self, place: int, number: int, allowed: tuple[int, ...]) -> None:
        """Send a signal and see how it ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pids[place], number)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pids.pop(place), 0)[1])
        if status not in allowed:
            sys.exit(f"soak: {(*CREW, 'witness')[place]} ended with {status}")

    def disband(self) -> None:
        """Kill whoever is left, also after something went wrong."""
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids.clear()

    def trouble(self, dice: random.Random) -> None:
        """Kill one and start another in its place, or stop one for a while."""
        place = dice.randrange(len(CREW))
        if dice.randrange(8) == 0:
            os.kill(self.pids[place], signal.SIGSTOP)
            time.sleep(dice.random() / 4)
            os.kill(self.pids[place], signal.SIGCONT)
            self.stops += 1
            return
        self.end(place, signal.SIGKILL, (-signal.SIGKILL,))
        self.kills += 1
        self.start(place)


def need(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"soak: {what}")


def balance(crew: Crew, what: str, value: int) -> None:
    """What is there is what was done, or what was begun: one call of each one killed may have gone either way."""
    books = [soak_roles.Books(crew.books(place)).read(what) for place in range(len(CREW))]
    begun, done = (sum(column) for column in zip(*books, strict=True))
    need(done <= value <= begun, f"{what}: {value} is there, {done} were done of {begun} begun")
    need(done > 0, f"{what}: nothing was done")
    need(begun - done <= crew.kills, f"{what}: {begun - done} in doubt after {crew.kills} kills")


def reckon(crew: Crew, address: str) -> dict[str, int]:
    """Every invariant, once all are gone."""
    with corestate.attach(address) as state:
        slowest = 0.0
        for lock in [*state.locks.values(), *(area.lock for area in state.areas.values())]:
            began = time.monotonic()
            need(lock.acquire(timeout=30), f"{lock!r} is held by the dead")
            slowest = max(slowest, time.monotonic() - began)
            lock.release()
        need([one.pid for one in state.participants()] == [os.getpid()], f"attached: {state.participants()}")
        state.agents.reap()
        need(len(state.agents) == 0, f"agents of the dead: {list(state.agents)}")
        balance(crew, "counter", state.counters["soak"].value)
        balance(crew, "burst_count", state.engine.burst_count)
        balance(crew, "area", state.areas["v1"].neuron_count)
        scope = state.scope("custom", "soak")
        balance(crew, "scope", scope["n"])
        need(scope["a"] + scope["b"] == soak_roles.TOTAL, f"{scope['a']} and {scope['b']}")
        counts = state.tasks.counts()
        balance(crew, "pushed", sum(counts.values()))
        balance(crew, "completed", counts.get("done", 0))
        need(state.audit.verify(), "the audit trail is broken")
        state.snapshot(f"{address}.picture.last")  # and with it goes what killed takers of pictures had begun
        rows = sum(1 for _ in state.audit.query())
        balance(crew, "audit", rows)
        health = state.health()
        need(health.verdict.name == "OK", f"{health.verdict.name}: {health.reasons}")
        return {
            "events": state.events.newest,
            "holes": health.events_holes,
            "adds": state.counters["soak"].value,
            "increments": scope["n"],
            "tasks": sum(counts.values()),
            "audit rows": rows,
            "slowest lock ms": round(slowest * 1000),
        }


def run(crew: Crew, dice: random.Random, seconds: float) -> int:
    """The run itself; returns by how many bytes a process grew that lived through all of it."""
    for number in range(len(CREW)):
        crew.start(number)
    grew = witness(crew)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(PAUSE)
        crew.trouble(dice)
    for number in list(crew.pids):
        crew.end(number, signal.SIGTERM, (0,))
    descriptors, resident = map(int, os.read(grew, 100).split())
    need(descriptors == 0, f"the witness has {descriptors} descriptors more than at first")
    need(resident < 32 << 20, f"the witness grew by {resident} bytes")
    return resident


def witness(crew: Crew) -> int:
    """A process that is never killed and does as the observer does; at its end it writes how it grew to this pipe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        crew.pids[WITNESS] = pid
        return reader
    die_with_parent()
    code, stop = 1, []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    try:
        with corestate.attach(crew.address, mode="r") as state:
            turn = soak_roles.observer(state, None)
            for _ in range(30):
                turn()
            first = soak_roles.grown()
            while not stop:
                turn()
            last = soak_roles.grown()
            os.write(writer, f"{last[0] - first[0]} {last[1] - first[1]}".encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    dice = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        place = directory / "region"
        place.mkdir()
        address = str(place / "soak.state")
        with corestate.create(address, config=soak_roles.CONFIG) as state:
            state.scope("custom", "soak").update(a=soak_roles.TOTAL, b=0)
        crew = Crew(address, directory)
        try:
            resident = run(crew, dice, given.seconds)
            done = reckon(crew, address)
        finally:
            crew.disband()
        left = {entry.name for entry in place.iterdir()} - {"soak.state", "soak.state.d"}
        left = {one for one in left if not one.startswith("soak.state.picture.")}
        need(not left, f"left behind: {left}")
    shown = ", ".join(f"{value} {what}" for what, value in done.items())
    print(f"{given.seconds:.0f} s, {crew.kills} kills, {crew.stops} stops, {shown}, {resident >> 10} KiB grown")


if __name__ == "__main__":
    main()
