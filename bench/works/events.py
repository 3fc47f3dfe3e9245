"""Events between processes: how late they come, and how many a second."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from bench import roles
from bench.crew import Worker
from bench.machine import pin
from bench.session import Samples, Session

PAUSE_SPINNING_NS = 50_000
PAUSE_ASLEEP = 0.001
SETTLE = 0.01
SLOW_SECONDS = 0.001
SLOW_EVENTS = 300
FILLING = bytes(roles.EVENT_BYTES - 8)


class Subscriber:
    """A process that takes events; each begins with a number of 8 bytes: when it was sent, or the how-manieth it is."""

    def __init__(self, played: type[roles.Channel], spec: Any, number: int, spinning: bool) -> None:
        if spinning:
            pin(1)
        self.channel = played(spec)
        self.take = self.channel.subscriber(number, spinning=spinning)
        self.lost = 0

    def latencies(self, count: int) -> list[int]:
        """Nanoseconds from before its sending to after its receipt, of so many events."""
        take, clock = self.take, time.monotonic_ns
        found: list[int] = []
        while len(found) < count:
            data = take()
            now = clock()
            if data is not None:
                found.append(now - int.from_bytes(data[:8], "little"))
        return found

    def collect(self, last: int, slow: bool) -> tuple[int, int, int]:
        """Take events until that one; how many came, how many were lost, and when the last had come.

        A slow subscriber rests a millisecond after each of the first few hundred.
        """
        came, expected, lost_before = 0, 0, self.channel.lost()
        while expected <= last:
            data = self.take()
            if data is None:
                continue
            number = int.from_bytes(data[:8], "little")
            if number < expected:
                raise ValueError(f"expected event {expected} or a later one, found {number}")
            came, expected = came + 1, number + 1
            if slow and came <= SLOW_EVENTS:
                time.sleep(SLOW_SECONDS)
        lost = last + 1 - came
        if (told := self.channel.lost() - lost_before) not in (0, lost):
            raise ValueError(f"expected {lost} events to be told as lost, found {told}")
        return came, lost, time.monotonic_ns()

    def close(self) -> None:
        del self.take
        self.channel.close()


def run(session: Session) -> None:
    """event_latency and event_rate."""
    for spinning in (True, False):
        _latency(session, spinning)
    for subscribers in session.form.subscribers:
        for slow in (0, 1):
            if slow == 0 or subscribers > 1:
                _rate(session, subscribers, slow)
    session.reason(
        "event_latency",
        "A pipe hands bytes to the one process that reads it. Here a publisher wakes any number of sleepers, each "
        "finds the event in the ring by itself, and it comes with its sequence, kind, time and source.",
    )
    session.reason(
        "event_rate",
        "What a publish costs does not depend on how many listen; with more subscribers than CPUs, what counts is what "
        "an event costs a subscriber in Python. Here it is an Event with sequence, kind, time and source, in the one "
        "order of all publishers; a pipe and iceoryx2 hand over the bytes.",
    )


def _latency(session: Session, spinning: bool) -> None:
    medians: Samples = {}
    slowest: Samples = {}
    with session.playing(roles.Channel, subscribers=1) as made, ExitStack() as stack:
        turns: dict[str, Callable[[], list[float]]] = {}
        for name, (played, spec) in made.items():
            with session.excused(name):
                here = stack.enter_context(played(spec))
                send = here.publisher()
                worker = stack.enter_context(Worker(Subscriber, played, spec, 0, spinning))
                worker.ready()
                turns[name] = _latency_turn(worker, send, session.form.latencies, spinning)

        def turn(name: str) -> float:
            found = turns[name]()
            slowest.setdefault(name, []).append(statistics.quantiles(found, n=100)[98])
            return statistics.median(found)

        medians = session.rounds({name: lambda name=name: turn(name) for name in turns})  # type: ignore[misc]
        turns.clear()
    waiting = "spinning" if spinning else "asleep"
    for of, samples in (("median", medians), ("p99", slowest)):
        session.keep("event_latency", "an event from one process to another", "us", samples, waiting=waiting, of=of)


def _latency_turn(
    worker: Worker, send: Callable[[bytes], Any], count: int, spinning: bool
) -> Callable[[], list[float]]:
    def turn() -> list[float]:
        worker.ask("latencies", count)
        time.sleep(SETTLE)
        cpus = os.sched_getaffinity(0)
        if spinning:
            pin(0)
        for _ in range(count):
            if spinning:
                until = time.monotonic_ns() + PAUSE_SPINNING_NS
                while time.monotonic_ns() < until:
                    pass
            else:
                time.sleep(PAUSE_ASLEEP)
            send(time.monotonic_ns().to_bytes(8, "little") + FILLING)
        os.sched_setaffinity(0, cpus)
        return [one / 1e9 for one in worker.answer()]

    return turn


def _rate(session: Session, subscribers: int, slow: int) -> None:
    notes: dict[str, str] = {}
    with session.playing(roles.Channel, subscribers=subscribers) as made, ExitStack() as stack:
        turns: dict[str, Callable[[], float]] = {}
        for name, (played, spec) in made.items():
            with session.excused(name):
                here = stack.enter_context(played(spec))
                send = here.publisher()
                crew = [
                    stack.enter_context(Worker(Subscriber, played, spec, number, False))
                    for number in range(subscribers)
                ]
                for worker in crew:
                    worker.ready()
                turns[name] = _rate_turn(name, crew, send, session.form.events, slow, notes)
        samples = session.rounds(turns)
        turns.clear()
    session.keep(
        "event_rate", "events a second that each fast subscriber gets", "/s", samples, better="more", notes=notes,
        subscribers=subscribers, slow=slow,
    )  # fmt: skip


def _rate_turn(
    name: str, crew: list[Worker], send: Callable[[bytes], Any], count: int, slow: int, notes: dict[str, str]
) -> Callable[[], float]:
    def turn() -> float:
        for number, worker in enumerate(crew):
            worker.ask("collect", count - 1, number < slow)
        time.sleep(SETTLE)
        begun = time.monotonic_ns()
        for number in range(count):
            send(number.to_bytes(8, "little") + FILLING)
        found: list[tuple[int, int, int]] = [worker.answer() for worker in crew]
        lost = sum(one[1] for one in found)
        if lost:
            notes[name] = f"{lost} events lost"
        return count / (max(end for _, _, end in found[slow:]) - begun) * 1e9

    return turn
