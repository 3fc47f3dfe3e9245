"""What a kill -9 leaves behind: how long until somebody else holds the lock, or reads what was written."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from bench import roles
from bench.crew import CONTEXT, PATIENCE, Worker
from bench.results import OURS
from bench.session import Samples, Session

RUN_SECONDS = 0.1


class Holder:
    """Takes the lock and keeps it."""

    def __init__(self, played: type[roles.Mutex], spec: Any) -> None:
        self.mutex = played(spec)
        if not self.mutex.acquire(PATIENCE):
            raise RuntimeError("expected the lock to be free, found it held")

    def alive(self) -> bool:
        return True


def run(session: Session) -> None:
    """recovery."""
    _lock(session)
    _store(session)
    session.reason(
        "recovery",
        "SQLite's and lmdb's locks are given back by the kernel at the moment their holder dies. corestate's waiter "
        "looks every 3 ms whether the holder lives, and is told that it inherited; it is bound to 10 ms.",
        of="the lock of a killed process",
    )
    session.reason(
        "recovery",
        "Opening includes attaching to the region, opening the store and comparing the two; SQLite alone replays its "
        "log, lmdb has nothing to replay.",
        of="the last value of a killed writer",
    )


def _lock(session: Session) -> None:
    notes: dict[str, str] = {}
    with session.playing(roles.Mutex) as made:
        turns = {name: _lock_turn(session, name, *one, notes) for name, one in made.items()}
        samples = _kills(session, turns)
    what = "the lock of a killed process"
    session.keep("recovery", "after a kill -9", "ms", samples, notes=notes, of=what)


def _kills(session: Session, turns: dict[str, Callable[[], float | None]]) -> Samples:
    """As many rounds as there are to be kills; a subject that never came back has its last turn behind it."""
    samples: Samples = {}
    for _ in range(session.form.kills):
        for name in list(turns):
            failed = len(session.failures)
            with session.excused(name):
                took = turns[name]()
                samples.setdefault(name, []).append(session.form.patience if took is None else took)
                if took is None:
                    del turns[name]
            if len(session.failures) > failed:
                del turns[name]
    return samples


def _lock_turn(
    session: Session, name: str, played: type[roles.Mutex], spec: Any, notes: dict[str, str]
) -> Callable[[], float | None]:
    def turn() -> float | None:
        with Worker(Holder, played, spec) as holder:
            holder.ready()
            with played(spec) as waiter:
                holder.kill()
                begun = time.perf_counter()
                got = waiter.acquire(PATIENCE if name == OURS else session.form.patience)
                took = time.perf_counter() - begun
                if got:
                    waiter.release()
        if not got:
            if name == OURS:
                raise RuntimeError(f"expected the lock of a killed process within 10 ms, not after {PATIENCE:g} s")
            notes[name] = f"never: gave up after {session.form.patience:g} s"
            return None
        return took

    return turn


def _write(played: type[roles.Store], spec: Any, there: Any) -> None:
    with played(spec) as store:
        for number in itertools.count():
            store.set("last", {"n": number})
            there.send(number)


def _store(session: Session) -> None:
    notes: dict[str, str] = {}
    with session.playing(roles.Store) as made:
        turns = {name: _store_turn(name, *one, notes) for name, one in made.items()}
        samples = _kills(session, turns)
    what = "the last value of a killed writer"
    session.keep("recovery", "after a kill -9", "ms", samples, notes=notes, of=what)


def _store_turn(name: str, played: type[roles.Store], spec: Any, notes: dict[str, str]) -> Callable[[], float | None]:
    def turn() -> float | None:
        here, there = CONTEXT.Pipe(duplex=False)
        writer = CONTEXT.Process(target=_write, args=(played, spec, there), daemon=True)
        writer.start()
        there.close()
        acknowledged = here.recv()
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            acknowledged = here.recv()
        writer.kill()
        writer.join(PATIENCE)
        try:
            while True:
                acknowledged = here.recv()
        except EOFError:
            here.close()
        played.crash(spec)
        begun = time.perf_counter()
        with played.recover(spec) as store:
            found = store.get("last")["n"]
            took = time.perf_counter() - begun
        if found < acknowledged:
            lost = f"{acknowledged - found} acknowledged settings were lost"
            if name == OURS:
                raise RuntimeError(lost)
            notes[name] = lost
        return took

    return turn
