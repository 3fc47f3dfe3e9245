"""One run: who takes part, where they put their files, and the figures as they come."""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from timeit import Timer
from typing import TYPE_CHECKING, Any, TypeVar

from bench.crew import prepare
from bench.forms import Form
from bench.machine import describe
from bench.peers import FILES, Peer, load
from bench.results import OURS, Results, Row, ratio, spread
from bench.roles import Role, Statement

if TYPE_CHECKING:
    from typing_extensions import Self

R = TypeVar("R", bound=Role)
Samples = dict[str, list[float]]
_FACTORS = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}


class Session:
    """What a work is given."""

    def __init__(self, form: Form, suite: str = "python", names: Sequence[str] = tuple(FILES)) -> None:
        self.form = form
        self.results = Results(suite, form.name, describe())
        self.peers: dict[str, Peer] = {}
        self.failures: list[str] = []
        self._versions: dict[str, str] = {}
        self._places = 0
        self._folder = Path(tempfile.mkdtemp(prefix="cs-bench-"))  # short: a socket's path has 107 bytes at most
        for name in names:
            found = load(name)
            if isinstance(found, str):
                self.results.missing.append({"name": name, "why": found})
                continue
            self.peers[name] = found
            self._versions[name] = found.versions()
            self.results.subjects.append({"name": name, "version": self._versions[name], "setup": found.setup})
        prepare([f"bench.peers.{FILES[name]}" for name in self.peers])

    def close(self) -> None:
        """Remove what was put on disk."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def place(self) -> Path:
        """A fresh empty folder."""
        self._places += 1
        made = self._folder / str(self._places)
        made.mkdir()
        return made

    def who(self, role: Any) -> dict[str, Peer]:
        """The peers that play a role, corestate first."""
        return {name: peer for name, peer in self.peers.items() if role in peer.roles}

    # -- setting up ----------------------------------------------------------------------------

    @contextmanager
    def playing(self, role: type[R], **sizes: Any) -> Iterator[dict[str, tuple[type[R], Any]]]:
        """The role made by every peer that plays it: name to its class and spec. All are destroyed at the end.

        One that cannot be made is left out, and named among the failures.
        """
        with ExitStack() as stack:
            made: dict[str, tuple[type[R], Any]] = {}
            for name, peer in self.who(role).items():
                played: Any = peer.roles[role]
                with self.excused(f"{name} as {role.__name__}"):
                    spec = played.create(self.place(), **sizes)
                    stack.callback(self.destroy, name, played, spec)
                    made[name] = (played, spec)
            yield made

    def destroy(self, name: str, played: type[Role], spec: Any) -> None:
        """Destroy, and go on if that fails."""
        with self.excused(f"the end of {name}"):
            gc.collect()  # views of shared memory that a traceback kept
            played.destroy(spec)

    @contextmanager
    def entered(self, role: type[R], **sizes: Any) -> Iterator[dict[str, R]]:
        """As `playing`, with an object in this process for each."""
        with self.playing(role, **sizes) as made, ExitStack() as stack:
            found: dict[str, Any] = {}
            for name, (played, spec) in made.items():
                with self.excused(f"{name} as {role.__name__}"):
                    found[name] = stack.enter_context(played(spec))
            yield found

    @contextmanager
    def excused(self, what: str) -> Iterator[None]:
        """A peer's failure ends its part, not the run; it is printed, kept, and shown on the page."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a peer may raise
            print(f"{what}:", file=sys.stderr)
            traceback.print_exc()
            last = str(error).strip().rpartition("\n")[2]
            self.failures.append(f"{what}: {type(error).__name__}: {last}")

    def failed(self) -> list[tuple[str, str]]:
        """What failed, and how."""
        return [(what, why) for what, _, why in (one.partition(": ") for one in self.failures)]

    # -- measuring -----------------------------------------------------------------------------

    def turns(self, statements: Mapping[str, Statement | None]) -> Samples:
        """Seconds an operation: in each round every subject's statement runs for the same time, in turns.

        What takes longer by itself than a subject is given for all its rounds is done once.
        """
        timers: dict[str, Callable[[], float]] = {}
        once: Samples = {}
        for name, statement in statements.items():
            if statement is None:
                continue
            timer = Timer(statement.code, globals=statement.names)
            with self.excused(name):
                first = timer.timeit(1)
                if first > self.form.subject_seconds * 2:
                    once[name] = [first]
                else:
                    timers[name] = _timed(timer, _fill(timer, first, self.form.round_seconds))
        return {**self.rounds(timers), **once}

    def rounds(self, turns: Mapping[str, Callable[[], float]]) -> Samples:
        """Each subject's turn in every round; a turn says its own figure. Another one begins each round."""
        samples: Samples = {name: [] for name in turns}
        spent = dict.fromkeys(turns, 0.0)
        names = list(turns)
        for number in range(self.form.rounds):
            first = number % len(names) if names else 0
            for name in names[first:] + names[:first]:
                if spent[name] > self.form.subject_seconds and (number >= 3 or spent[name] == float("inf")):
                    continue
                before = time.perf_counter()
                failed = len(self.failures)
                with self.excused(name):
                    samples[name].append(turns[name]())
                if len(self.failures) > failed:
                    spent[name] = float("inf")
                spent[name] += time.perf_counter() - before
        return {name: found for name, found in samples.items() if found}

    # -- keeping -------------------------------------------------------------------------------

    def keep(
        self,
        work: str,
        what: str,
        unit: str,
        samples: Samples,
        *,
        better: str = "less",
        codes: Mapping[str, Statement | None] | None = None,
        notes: Mapping[str, str] | None = None,
        **parameters: int | str,
    ) -> None:
        """A row for each subject. Samples of times are seconds, whatever unit is shown."""
        factor = _FACTORS.get(unit, 1.0)
        for name, found in samples.items():
            median, low, high, runs = spread([one * factor for one in found])
            beside = ratio(found, samples[OURS]) if OURS in samples else None
            statement = (codes or {}).get(name)
            row = Row(
                work=work,
                what=what,
                parameters=dict(parameters),
                unit=unit,
                better=better,
                subject=name,
                version=self._versions[name],
                median=_rounded(median),
                low=_rounded(low),
                high=_rounded(high),
                runs=runs,
                ratio=None if beside is None else _rounded(beside),
                note=(notes or {}).get(name, ""),
                code="" if statement is None else statement.code,
            )
            self.results.rows.append(row)
        shown = ", ".join(f"{name} {spread(found)[0] * factor:.4g}" for name, found in samples.items())
        label = " ".join(f"{key}={value}" for key, value in parameters.items())
        print(f"{work} {label} [{unit}]: {shown}", flush=True)

    def reason(self, work: str, text: str, **parameters: int | str) -> None:
        """Why corestate does not lead a row; shown only where it does not."""
        self.results.reasons.append({"work": work, "parameters": parameters, "text": text})


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _fill(timer: Timer, first: float, seconds: float) -> int:
    """How many times fill a turn; the trials warm up, and one that was interrupted says nothing."""
    count, taken = 1, min(first, timer.timeit(1), timer.timeit(1))
    while taken < seconds / 4:
        count *= 2
        taken = min(timer.timeit(count) for _ in range(3))
    return max(1, int(count * seconds / taken))


def _timed(timer: Timer, count: int) -> Callable[[], float]:
    return lambda: timer.timeit(count) / count
