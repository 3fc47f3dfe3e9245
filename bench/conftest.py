"""How single operations are measured: many at a time, and beside a yardstick in the same moments."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from timeit import Timer
from typing import Any

import pytest

ROUNDS = 300
ROUND_SECONDS = 0.0005  # less than what the scheduler gives at a time, so that most rounds are undisturbed


@pytest.fixture
def programs() -> Path:
    """Where the C programs are; ``make bench`` builds them."""
    place = os.environ.get("CORESTATE_BENCH_BIN")
    if place is None or not (Path(place) / "bench_pingpong").exists():
        pytest.skip("no C programs; run `make bench`, which builds them and sets CORESTATE_BENCH_BIN")
    return Path(place)


@pytest.fixture
def row(benchmark: Any) -> Callable[..., None]:
    """``row(what, floor, unit=..., value=...)``: a line of the table, kept with the results."""

    def keep(what: str, floor: float | None, *, unit: str, value: float, least: bool = False, beside: str = "") -> None:
        benchmark.extra_info.update(what=what, floor=floor, unit=unit, value=value, least=least, beside=beside)

    return keep


def _fill(timer: Timer) -> int:
    """How many times fill a round."""
    count, taken = 1, 0.0
    while taken < ROUND_SECONDS / 4:
        count, taken = count * 2, timer.timeit(count * 2)
    return max(1, int(count * ROUND_SECONDS / taken))


@pytest.fixture
def operation(benchmark: Any, row: Callable[..., None]) -> Callable[..., None]:
    """``operation(what, statement, floor, unit)``: the time of one statement, beside a getter of CPython's own.

    Each round runs the yardstick and the statement equally long, so that a slow moment of the machine falls on both.
    With unit ``"x"`` the value is the median of the rounds' ratios, else the median of the times.
    """

    def measure(
        what: str, statement: str, floor: float | None, unit: str, *, rounds: int = ROUNDS, **names: Any
    ) -> None:
        yardstick = Timer("view.nbytes", globals={"view": memoryview(bytearray(1 << 20))})
        subject = Timer(statement, globals=names)
        count, base_count = _fill(subject), _fill(yardstick)
        base: list[float] = []
        times: list[float] = []
        benchmark.pedantic(
            lambda: times.append(subject.timeit(count)),
            setup=lambda: base.append(yardstick.timeit(base_count)),
            rounds=rounds,
            iterations=1,
            warmup_rounds=3,
        )
        per = [taken / count for taken in times[-rounds:]]
        ratio = statistics.median(one * base_count / other for one, other in zip(per, base[-rounds:], strict=True))
        seconds = statistics.median(per)
        value = {"x": ratio, "ns": seconds * 1e9, "us": seconds * 1e6, "ms": seconds * 1e3}[unit]
        row(what, floor, unit=unit, value=value, beside=f"{seconds * 1e9:.0f} ns" if unit == "x" else "")

    return measure
