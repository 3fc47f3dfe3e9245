"""A counter: read by one process, added to by many."""

from __future__ import annotations

import time
from contextlib import ExitStack
from timeit import Timer
from typing import Any

from bench import roles
from bench.crew import Worker, soon, wait_until
from bench.session import Session


class Adder:
    """One of the processes that add."""

    def __init__(self, played: type[roles.Counter], spec: Any) -> None:
        self.counter = played(spec)
        statement = self.counter.add()
        assert statement is not None
        self.timer = Timer(statement.code, globals=statement.names)
        self.timer.timeit(1)

    def run(self, count: int, moment: int) -> tuple[int, int]:
        """Add so often from that moment on; when it began and ended, on the clock that all share."""
        wait_until(moment)
        begun = time.monotonic_ns()
        self.timer.timeit(count)
        return begun, time.monotonic_ns()

    def value(self) -> int:
        return int(self.counter.read().result())

    def close(self) -> None:
        del self.timer
        self.counter.close()


def run(session: Session) -> None:
    """counter_read and counter_add."""
    with session.entered(roles.Counter) as cast:
        codes = {name: counter.read() for name, counter in cast.items()}
        session.keep("counter_read", "read a counter", "ns", session.turns(codes), codes=codes)
        del codes
    with session.playing(roles.Counter) as made:
        for processes in session.form.processes:
            _add(session, made, processes)
    session.reason(
        "counter_read",
        "A plain element of shared memory is one load as well, but it makes its integer by struct or NumPy.",
    )


def _add(session: Session, made: dict[str, tuple[type[roles.Counter], Any]], processes: int) -> None:
    each = session.form.adds // processes
    with ExitStack() as stack:
        crews: dict[str, list[Worker]] = {}
        for name, (played, spec) in made.items():
            with session.excused(name):
                if _adds(played, spec):
                    crews[name] = [stack.enter_context(Worker(Adder, played, spec)) for _ in range(processes)]
        turns = {name: _turn(crew, each) for name, crew in crews.items()}
        for name, crew in crews.items():
            with session.excused(name):
                for worker in crew:
                    worker.ready()
        before = {name: _value(crew) for name, crew in crews.items()}
        samples = session.rounds(turns)
        session.keep(
            "counter_add", "add one to a counter, time of each addition of all processes together", "ns", samples,
            processes=processes,
        )  # fmt: skip
        for name, found in samples.items():
            reached, asked = _value(crews[name]) - before[name], len(found) * each * processes
            if reached != asked:
                session.failures.append(f"{name}: of {asked} additions {reached} arrived")


def _adds(played: type[roles.Counter], spec: Any) -> bool:
    if played.add is roles.Counter.add:
        return False
    with played(spec) as counter:
        return counter.add() is not None


def _value(crew: list[Worker]) -> int:
    crew[0].ask("value")
    found: int = crew[0].answer()
    return found


def _turn(crew: list[Worker], each: int) -> Any:
    def turn() -> float:
        moment = soon()
        for worker in crew:
            worker.ask("run", each, moment)
        spans: list[tuple[int, int]] = [worker.answer() for worker in crew]
        took = max(end for _, end in spans) - min(begun for begun, _ in spans)
        return took / 1e9 / (each * len(crew))

    return turn
