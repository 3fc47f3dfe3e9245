"""A lock, taken and given back by one process, and by several at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from timeit import Timer
from typing import Any

from bench import roles
from bench.crew import Worker, soon, wait_until
from bench.session import Session


class Contender:
    """One of the processes."""

    def __init__(self, played: type[roles.Mutex], spec: Any) -> None:
        self.mutex = played(spec)
        statement = self.mutex.take()
        self.timer = Timer(statement.code, globals=statement.names)

    def run(self, count: int, moment: int) -> tuple[int, int]:
        """Take and release so often from that moment on; when it began and ended."""
        wait_until(moment)
        begun = time.monotonic_ns()
        self.timer.timeit(count)
        return begun, time.monotonic_ns()

    def close(self) -> None:
        del self.timer
        self.mutex.close()


def run(session: Session) -> None:
    """lock, by the number of contenders; 1 is nobody else."""
    with session.entered(roles.Mutex) as cast:
        codes = {name: one.take() for name, one in cast.items()}
        session.keep("lock", "take a lock and release it", "ns", session.turns(codes), codes=codes, contenders=1)
        del codes
    for contenders in session.form.contenders:
        with session.playing(roles.Mutex) as made, ExitStack() as stack:
            turns = {}
            for name, (played, spec) in made.items():
                with session.excused(name):
                    crew = [stack.enter_context(Worker(Contender, played, spec)) for _ in range(contenders)]
                    for worker in crew:
                        worker.ready()
                    turns[name] = _turn(crew, session.form.takes // contenders)
            samples = session.rounds(turns)
        session.keep("lock", "take a lock and release it", "ns", samples, contenders=contenders)
    session.reason(
        "lock",
        "corestate's lock names its owner, refuses re-entry and is inherited within 10 ms when its holder is killed, "
        "in Python above a C call; a POSIX semaphore does none of this in C alone, and stays locked for ever when its "
        "holder dies (see recovery).",
    )


def _turn(crew: list[Worker], each: int) -> Callable[[], float]:
    def turn() -> float:
        moment = soon()
        for worker in crew:
            worker.ask("run", each, moment)
        spans: list[tuple[int, int]] = [worker.answer() for worker in crew]
        return (max(end for _, end in spans) - min(begun for begun, _ in spans)) / 1e9 / (each * len(crew))

    return turn
