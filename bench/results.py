"""Rows of figures, and the files they are kept in: one shape for every suite, also the native one and the browser's."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
OURS = "corestate"
OPTIONAL = ("version", "ratio", "note", "code", "floor")


@dataclass
class Row:
    """One figure: rows that differ in their subject only stand in one table."""

    work: str
    what: str
    parameters: dict[str, int | str]
    unit: str
    better: str
    subject: str
    version: str
    median: float
    low: float
    high: float
    runs: int
    ratio: float | None = None
    """Median, over the rounds that both took part in, of this one to corestate."""
    note: str = ""
    code: str = ""
    """What was timed, where it was one statement."""
    floor: float | None = None
    """What the figure must keep to, for the rows that have a bound."""


@dataclass
class Results:
    """What one suite found."""

    suite: str
    form: str
    machine: dict[str, str | int | float]
    subjects: list[dict[str, str]] = field(default_factory=list)
    missing: list[dict[str, str]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    time: str = field(default_factory=lambda: dt.datetime.now(dt.timezone.utc).isoformat("T", "seconds"))

    def save(self, folder: Path = FOLDER) -> Path:
        """Write it as ``SUITE.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.suite}.json"
        shape = asdict(self)
        shape["rows"] = [{k: v for k, v in row.items() if k not in OPTIONAL or v} for row in shape["rows"]]
        path.write_text(json.dumps(shape, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read such a file; what a suite adds of its own is left out.

        Raises:
            ValueError: it has not that shape; the message names the file and what is missing.
        """
        shape = json.loads(path.read_text(encoding="utf-8"))
        try:
            kept = [{k: v for k, v in row.items() if k in Row.__dataclass_fields__} for row in shape.pop("rows")]
            rows = [Row(**{"version": "", **row}) for row in kept]
            known = {k: v for k, v in shape.items() if k in cls.__dataclass_fields__}
            return cls(rows=rows, **known)
        except (TypeError, KeyError) as error:
            raise ValueError(f"{path}: expected results as bench/results.py keeps them, found that {error}") from error


def spread(samples: Iterable[float]) -> tuple[float, float, float, int]:
    """Median, the ends of the middle eight tenths, and how many."""
    values = sorted(samples)
    last = len(values) - 1
    return statistics.median(values), values[round(last * 0.1)], values[round(last * 0.9)], len(values)


def ratio(samples: Sequence[float], ours: Sequence[float]) -> float | None:
    """Median of the quotients, round by round."""
    pairs = [a / b for a, b in zip(samples, ours, strict=False) if b > 0]
    return statistics.median(pairs) if pairs else None
