"""A record of 200 bytes, read and written while another process writes it."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from timeit import Timer
from typing import Any

from bench import roles
from bench.crew import Worker
from bench.session import Session

CHECKED = 200


class Writer:
    """The other process; what it writes is one byte over and over, another one each time."""

    def __init__(self, played: type[roles.Record], spec: Any) -> None:
        self.record = played(spec)
        statement = self.record.write()
        assert statement is not None
        names = {**statement.names, "values": itertools.cycle([bytes([n]) * roles.RECORD_BYTES for n in range(256)])}
        self.timer = Timer(f"data = next(values)\n{statement.code}", globals=names)

    def run(self, seconds: float) -> int:
        """Write for so long; how often."""
        written, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            self.timer.timeit(20)
            written += 20
        return written

    def close(self) -> None:
        del self.timer
        self.record.close()


def run(session: Session) -> None:
    """record_read and record_write."""
    with session.playing(roles.Record) as made, ExitStack() as stack:
        workers: dict[str, Worker] = {}
        here: dict[str, roles.Record] = {}
        for name, (played, spec) in made.items():
            with session.excused(name):
                here[name] = stack.enter_context(played(spec))
                workers[name] = stack.enter_context(Worker(Writer, played, spec))
                workers[name].ready()
        _measure(session, here, workers)
        here.clear()
    session.reason(
        "record_read",
        "corestate's record is an agent's metadata, read with everything else about the agent, as one whole and "
        "without a lock; a block of shared memory under a Lock is 200 bytes copied.",
    )
    session.reason(
        "record_write",
        "corestate's record is an agent's metadata: the write reads the agent, packs MessagePack, fills the idle one "
        "of two buffers, flips, counts the version and reads back what now holds; a block of shared memory under a "
        "Lock is 200 bytes copied, and stays locked for ever if its writer is killed there.",
    )


def _measure(session: Session, here: dict[str, roles.Record], workers: dict[str, Worker]) -> None:
    seconds = session.form.round_seconds
    reading = {name: here[name].read() for name in workers}
    writing = {name: statement for name in workers if (statement := here[name].write()) is not None}
    for statement in writing.values():
        statement.names["data"] = b"x" * roles.RECORD_BYTES
    for work, what, statements in (
        ("record_read", "read a record while another process writes it", reading),
        ("record_write", "write a record while another process writes it", writing),
    ):
        turns = {name: _turn(one, workers[name], seconds) for name, one in statements.items()}
        samples, notes = session.rounds(turns), _notes(session, here, workers)
        session.keep(
            work, what, "us", samples, codes=statements, notes=notes, beside="a writer", bytes=roles.RECORD_BYTES
        )
        del turns
    reading.clear()
    writing.clear()


def _turn(statement: roles.Statement, worker: Worker, seconds: float) -> Any:
    timer = Timer(statement.code, globals=statement.names)

    def turn() -> float:
        worker.ask("run", seconds * 2)
        done, end, took = 0, time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            took += timer.timeit(10)
            done += 10
        worker.answer()
        return took / done

    return turn


def _notes(session: Session, here: dict[str, roles.Record], workers: dict[str, Worker]) -> dict[str, str]:
    """Whether all that was read was whole."""
    notes: dict[str, str] = {}
    for name, worker in workers.items():
        with session.excused(name):
            worker.ask("run", session.form.round_seconds * 2)
            torn = sum(len(set(here[name].read().result())) > 1 for _ in range(CHECKED))
            worker.answer()
            if torn:
                notes[name] = f"{torn} of {CHECKED} records read were not whole"
    return notes
