"""Several processes that do the same thing at once, over and over, in turns of about the same length."""

from __future__ import annotations

import time
from timeit import Timer
from typing import TYPE_CHECKING, Any

from bench.crew import Worker, soon, wait_until
from bench.roles import Role, Statement

if TYPE_CHECKING:
    from typing_extensions import Self

FIRST = 4
TRIALS = 3


class Repeater:
    """One of the processes: plays a role, and repeats one of its statements."""

    def __init__(self, played: type[Role], spec: Any, statement: str) -> None:
        self.role = played(spec)
        given: Statement | None = getattr(self.role, statement)()
        assert given is not None
        self.timer = Timer(given.code, globals=given.names)

    def run(self, count: int, moment: int) -> tuple[int, int]:
        """Repeat it so often from that moment on; when it began and ended, on the clock that all share."""
        wait_until(moment)
        begun = time.monotonic_ns()
        self.timer.timeit(count)
        return begun, time.monotonic_ns()

    def result(self, statement: str) -> Any:
        """What another statement of the role gives."""
        given: Statement = getattr(self.role, statement)()
        return given.result()

    def close(self) -> None:
        del self.timer
        self.role.close()


class Together:
    """All of them. ``done`` counts what all did, in turns and before them."""

    def __init__(self, played: type[Role], spec: Any, statement: str, processes: int, seconds: float) -> None:
        self.done = 0
        self.each = 1
        self.workers = [Worker(Repeater, played, spec, statement) for _ in range(processes)]
        for worker in self.workers:
            worker.ready()
        count, took = FIRST, self._alone(FIRST)
        while took < seconds / 4:  # the trials warm up
            count *= 4
            took = self._alone(count)
        self.each = max(1, int(count * seconds / took / processes))

    def turn(self) -> float:
        """Seconds of each repetition of all: from when the first began until the last had ended, by their number."""
        moment = soon()
        for worker in self.workers:
            worker.ask("run", self.each, moment)
        spans: list[tuple[int, int]] = [worker.answer() for worker in self.workers]
        count = self.each * len(self.workers)
        self.done += count
        return (max(end for _, end in spans) - min(begun for begun, _ in spans)) / 1e9 / count

    def _alone(self, count: int) -> float:
        """Seconds that one process takes for so many, at best: a trial that was interrupted says nothing."""
        found: list[float] = []
        for _ in range(TRIALS):
            self.workers[0].ask("run", count, 0)
            begun, ended = self.workers[0].answer()
            found.append((int(ended) - int(begun)) / 1e9)
            self.done += count
        return min(found)

    def result(self, statement: str) -> Any:
        """What another statement of the role gives in one of the processes."""
        self.workers[0].ask("result", statement)
        return self.workers[0].answer()

    def close(self) -> None:
        """End them."""
        for worker in self.workers:
            worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
