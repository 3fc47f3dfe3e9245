"""The main job: five processes live on one region, one of them is killed, and the books must balance."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import corestate
from corestate import DeregisterReason
from corestate.address import parse
from corestate.cli.output import say
from corestate.demo.books import Books
from corestate.demo.engine import AREAS
from corestate.demo.processes import Crew
from corestate.demo.sensory import agent_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate import StateManager, Subscription

__all__ = ["main"]

_VICTIM, _HEIR = agent_id("traffic"), agent_id("processor")
_READY_SECONDS = 60.0
_NOTICE_SECONDS = 10.0


def main(*, seconds: float = 20.0, neurons: int = 4000, address: str | None = None, plain: bool = False) -> int:
    """Run the demonstration in this terminal and clean up after it.

    Ends after ``seconds``, or on SIGINT, SIGTERM or SIGHUP, in the same good order. Call it from the main thread.

    Args:
        seconds: how long the engine bursts, above 0; one agent is killed halfway.
        neurons: how many neurons the engine has, at least one for each of its areas.
        address: of the region to make, which must not exist yet; by default one in shared memory, named after this
            process. It is removed at the end.
        plain: print lines instead of the live view; always so when standard output is no terminal.

    Returns:
        0, or 1 when an event is unaccounted for, a process ended by itself, or the killed agent went unnoticed.

    Raises:
        ValueError: ``seconds`` or ``neurons`` is out of bounds.
        CorestateError: the region cannot be made, or other processes could not open it (``heap:``).
    """
    if not seconds > 0 or neurons < len(AREAS):
        raise ValueError(
            f"expected more than 0 seconds and at least {len(AREAS)} neurons, one for each area; "
            f"got seconds={seconds}, neurons={neurons}"
        )
    place = address or _own_address()
    if parse(place).kind == "heap":
        raise corestate.AddressError.because("demo", expected="an address that other processes can open", found=place)
    terminal = sys.stdout is not None and sys.stdout.isatty()
    config = corestate.RegionConfig(agents=16, areas=16, events=8192, event_bytes=256, participants=64)
    # The crew first: from there on a signal ends the run in good order, and what was made is removed.
    with Crew(place) as crew, corestate.create(place, config=config) as state:
        try:
            say(
                f"one region, {place}, and five processes; see it from a second terminal, too:",
                f"  corestate top {place}",
            )
            return _Demo(state, crew).play(seconds, neurons, plain=plain or not terminal)
        finally:
            with contextlib.suppress(corestate.RegionNotFoundError):  # somebody else has removed it
                corestate.unlink(place)


def _own_address() -> str:
    name = f"corestate-demo-{os.getpid()}"
    return f"shm:{name}" if os.name == "posix" else str(Path(tempfile.gettempdir()) / f"{name}.state")


@dataclass
class _Kill:
    """The agent killed on purpose, and when who noticed; times in ns since the epoch, 0 while it has not happened."""

    pid: int = 0
    at_ns: int = 0
    at_burst: int = 0
    inherited_ns: int = 0
    gone_ns: int = 0


class _Demo:
    """One run: start, let run, kill one, let run, end, report."""

    def __init__(self, state: StateManager, crew: Crew) -> None:
        self._state = state
        self._crew = crew
        self._killed = _Kill()

    def play(self, seconds: float, neurons: int, *, plain: bool) -> int:
        """The whole run; returns the exit code."""
        with self._state.events.subscribe(["agent_deregistered", "lock_inherited"], since=0) as news:
            self._start(neurons, news, plain=plain)
            start, first = time.monotonic(), self._state.engine.burst_count
            self._wait(news, start + seconds / 2)
            if not self._crew.stopping:
                self._kill_one(news)
            self._wait(news, start + seconds)
            elapsed, bursts = time.monotonic() - start, self._state.engine.burst_count - first
        # Who sends ends before who receives, so that nothing is under way when the books are closed.
        for name in (_HEIR, _VICTIM, "burst_engine", "motor", "observer"):
            self._crew.end(name)
        return self._report(elapsed, bursts, first)

    def _start(self, neurons: int, news: Subscription, *, plain: bool) -> None:
        agents = self._state.agents

        def ready(*ids: str) -> None:
            self._wait(news, time.monotonic() + _READY_SECONDS, lambda: all(agent in agents for agent in ids))
            missing = [agent for agent in ids if agent not in agents]
            if missing and not self._crew.stopping:
                self._crew.problems.append(f"not ready after {_READY_SECONDS:.0f} s: {', '.join(missing)}")
                self._crew.stopping = True

        self._crew.launch("observer", "observer", *(["--plain"] if plain else []))
        self._crew.launch("burst_engine", "engine", "--neurons", str(neurons))
        self._crew.launch("motor", "motor")
        self._crew.launch(_VICTIM, "sensory", "--device", "traffic")
        ready(_VICTIM)  # it must hold its lock before the other stands by for it
        self._crew.launch(_HEIR, "sensory", "--device", "processor", "--standby", "traffic")
        ready("burst_engine", "motor", _HEIR)

    def _kill_one(self, news: Subscription) -> None:
        killed = self._killed = _Kill(at_ns=time.time_ns(), at_burst=self._state.engine.burst_count)
        killed.pid = self._crew.kill(_VICTIM)
        self._state.events.publish("note", f"{_VICTIM} was killed with SIGKILL; it held a lock")
        noticed = self._wait(
            news, time.monotonic() + _NOTICE_SECONDS, lambda: bool(killed.inherited_ns and killed.gone_ns)
        )
        if not noticed and not self._crew.stopping:
            missing = [
                *([] if killed.inherited_ns else ["its lock was not inherited"]),
                *([] if killed.gone_ns else ["it was not found dead by the registry"]),
            ]
            self._crew.problems.append(f"{_NOTICE_SECONDS:.0f} s after {_VICTIM} was killed {' and '.join(missing)}")

    def _wait(self, news: Subscription, deadline: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it is done, the deadline or a wish to stop; returns whether it is done."""
        while not done():
            self._crew.hear()
            rest = deadline - time.monotonic()
            if rest <= 0 or self._crew.stopping:
                return False
            event = news.get(min(rest, 0.05))
            if event is None:
                continue
            if event.kind == "lock_inherited" and event.data["name"] == "device.traffic":
                self._killed.inherited_ns = event.time_ns
            elif event.data.get("reason") == DeregisterReason.DEAD and event.data["id"] == _VICTIM:
                self._killed.gone_ns = event.time_ns
        return True

    def _report(self, elapsed: float, bursts: int, first: int) -> int:
        """Print what was measured; returns the exit code."""
        killed = self._killed
        say("", f"measured in {elapsed:.1f} s:")
        say(f"  bursts     {bursts}, {bursts / elapsed:.1f} a second")
        if killed.pid:
            before = killed.at_burst - first
            say(f"  the kill   {_VICTIM} (process {killed.pid}) got SIGKILL after {before} bursts")
            say(f"             {bursts - before} bursts followed without it")
            if killed.inherited_ns:
                say(f"             its lock was inherited by {_HEIR} {_ms(killed.at_ns, killed.inherited_ns)} later")
            if killed.gone_ns:
                say(f"             the registry removed it as dead {_ms(killed.at_ns, killed.gone_ns)} later")
        observed = self._crew.reports.get("observer", {}).get("books")
        if observed and observed["reads"]:
            cost = observed["read_ns"]
            say(f"  one read   {cost:.1f} ns of engine.burst_count, read-only, median of {observed['reads']} reads")
            say(f"             {1e3 / cost:.1f} million reads a second in one process")
        books = Books.of(self._state, observed, killed=[_VICTIM] if killed.pid else [])
        first_row, *rows = books.table()
        say(f"  events     {first_row}", *(f"             {row}" for row in rows))
        problems = [*self._crew.problems, *books.problems()]
        for problem in problems:
            say(f"WRONG: {problem}")
        if not problems:
            say(f"the books balance: {books.published} events were sent, and each reached all who listen for it")
        return 1 if problems else 0


def _ms(start_ns: int, end_ns: int) -> str:
    return f"{max(0, end_ns - start_ns) / 1e6:.1f} ms"
