"""What the processes of the soak do, each until it is told to stop or killed. Each checks what it can see by itself."""

from __future__ import annotations

import itertools
import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import corestate
from corestate import AgentStatus, AgentType, BurstEngineState, StateManager

CONFIG = corestate.RegionConfig(agents=256, events=4096, participants=64)
TOTAL = 1000
"""What two accounts hold together."""
COUNTED = ("counter", "burst_count", "area", "scope", "pushed", "completed", "audit")
"""What each process keeps books of: how often it began, and how often it was told that it is done."""
STATES = (BurstEngineState.READY, BurstEngineState.RUNNING, BurstEngineState.PAUSED, BurstEngineState.RUNNING)


class Books:
    """Begun and done, per thing counted, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        size = 16 * len(COUNTED)
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            # Each number is written by one store: struct's standard sizes go byte by byte, and a kill tears them.
            self._numbers = memoryview(mmap.mmap(file.fileno(), size)).cast("Q")

    def read(self, what: str) -> tuple[int, int]:
        at = 2 * COUNTED.index(what)
        return self._numbers[at], self._numbers[at + 1]

    def count(self, what: str, call: Callable[[], object]) -> None:
        """Make a call between two entries."""
        at = 2 * COUNTED.index(what)
        self._numbers[at] += 1
        call()
        self._numbers[at + 1] += 1


Turn = Callable[[], None]


def engine(state: StateManager, books: Books) -> Turn:
    states, counter = itertools.cycle(STATES), state.counters["soak"]

    def turn() -> None:
        state.engine.burst_state = next(states)
        for _ in range(20):
            books.count("counter", counter.add)
            books.count("burst_count", lambda: state.engine.add("burst_count", 1))
            books.count("area", lambda: state.areas["v1"].add("neuron_count", 1))

    return turn


def registrar(state: StateManager, books: Books) -> Turn:
    numbers = itertools.count()

    def turn() -> None:
        number = next(numbers)
        name = f"{os.getpid()}.{number}"
        try:
            state.agents.register(name, AgentType.BOTH, capabilities=[number] * 12, metadata={"n": number})
        except corestate.FullError:
            state.agents.reap()
            return
        state.agents.set_status(name, AgentStatus.RUNNING)
        state.agents.update(name, capabilities=[number + 1] * 12, metadata={"n": number + 1})
        state.agents.heartbeat(name)
        if number % 4:
            state.agents.deregister(name)
        elif number % 16 == 0:
            state.agents.reap()

    return turn


def publisher(state: StateManager, books: Books) -> Turn:
    numbers = itertools.count()

    def turn() -> None:
        for _ in range(10):
            state.events.publish("soak", [os.getpid(), next(numbers), "x" * 40])
        time.sleep(0.001)

    return turn


def subscriber(state: StateManager, books: Books) -> Turn:
    events, last = state.events.subscribe(), {}
    seen = {"sequence": 0, "missed": 0}

    def turn() -> None:
        event = events.get(0.2)
        if event is None:
            return
        missed = events.lost + events.holes
        gap = event.sequence - seen["sequence"] - 1
        if seen["sequence"]:
            assert gap == missed - seen["missed"], f"{gap} not seen, {missed - seen['missed']} accounted for"
        if event.kind == "soak":
            source, number, _ = event.data
            before = last.get(source)
            assert before is None or number > before, f"{source}: {number} after {before}"
            assert before is None or gap or number == before + 1 or missed, f"{source}: {number} after {before}"
            last[source] = number
        seen["sequence"], seen["missed"] = event.sequence, missed

    return turn


def locker(state: StateManager, books: Books) -> Turn:
    pair, one, other = state.locks["pair"], state.gauges["one"], state.gauges["other"]

    def turn() -> None:
        with pair:
            if pair.inherited:
                other.set(one.value)
            before = one.value
            assert other.value == before, f"{before} and {other.value} under a lock"
            one.set(before + 1)
            other.set(before + 1)
        with state.areas["v1"].lock:
            pass

    return turn


def scoper(state: StateManager, books: Books) -> Turn:
    scope = state.scope("custom", "soak")

    def move(transaction: corestate.Transaction) -> None:
        accounts = transaction(scope)
        amount = random.randint(-5, 5)
        accounts["a"], accounts["b"] = accounts["a"] - amount, accounts["b"] + amount

    def both(transaction: corestate.Transaction) -> tuple[int, int]:
        accounts = transaction(scope)
        return accounts["a"], accounts["b"]

    def turn() -> None:
        books.count("scope", lambda: scope.increment("n"))
        with suppress(corestate.ConflictError):  # twenty times in a row
            state.transact(move)
            assert sum(state.transact(both)) == TOTAL

    return turn


def tasker(state: StateManager, books: Books) -> Turn:
    numbers = itertools.count()

    def turn() -> None:
        books.count("pushed", lambda: state.tasks.push("soak", {"n": next(numbers)}))
        task = state.tasks.pop(lease=20, timeout=0)
        if task is not None:
            books.count("completed", lambda: task.complete(task.data["n"]))
        books.count("audit", lambda: state.audit.log(f"agent {os.getpid()}", "AGENT_STARTED"))
        time.sleep(0.005)

    return turn


def opener(state: StateManager, books: Books) -> Turn:
    def turn() -> None:
        with corestate.attach(state.address) as another:
            assert another.engine.version > 0
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    another.counters["forked"].add()
                    with another.locks["forked"]:
                        state.events.publish("forked", os.getpid())
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return turn


def observer(state: StateManager, books: Books) -> Turn:
    """Reads everything, and takes pictures; attached read-only."""
    events, picture = state.events.subscribe(), Path(f"{state.address}.picture.{os.getpid()}")

    def look(at: StateManager) -> None:
        for agent in at.agents.values():
            n = agent.metadata["n"]
            assert agent.capabilities == [n] * 12, f"half of {agent.id}: {agent.capabilities}, {n}"
        assert at.engine.snapshot()["burst_state"] in (*STATES, BurstEngineState.UNAVAILABLE)

    def turn() -> None:
        look(state)
        state.health()
        state.participants()
        state.counters.array().current()
        before = events.position
        drained = events.drain()
        assert [event.sequence for event in drained] == sorted({event.sequence for event in drained})
        assert not drained or drained[0].sequence >= before
        if random.randrange(20) == 0:
            try:
                state.snapshot(picture)
            except corestate.BusyError:
                return
            with corestate.restore(picture, "heap:") as again:
                look(again)
            picture.unlink()

    return turn


ROLES = {
    role.__name__: role for role in (engine, registrar, publisher, subscriber, locker, scoper, tasker, opener, observer)
}


def grown() -> tuple[int, int]:
    """Descriptors and resident bytes of this process."""
    return len(list(Path("/proc/self/fd").iterdir())), int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def play(role: str, address: str, books: Path) -> None:
    """Play a role until SIGTERM; ends with status 0, or says what was wrong and ends with 1."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    mode = "r" if role == "observer" else "rw"
    try:
        with corestate.attach(address, mode=mode) as state:
            turn = ROLES[role](state, Books(books))
            while not stop:
                turn()
    except BaseException as problem:
        print(f"{role} {os.getpid()}: {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
        raise
