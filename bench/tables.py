"""Tables of figures in Markdown: one a work, corestate first, ratios first in each cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from bench.results import OURS, Results, Row

SINGULAR = {"processes": "process", "versions": "version"} | {
    f"{word}s": word for word in ("area", "agent", "contender", "key", "subscriber", "thread")
}
LEVEL = 0.03
"""Ratios this close to 1 are level: nobody is ahead."""
MOST_COLUMNS = 5
Parameters = tuple[tuple[str, int | str], ...]


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def amount(value: float, unit: str) -> str:
    """A figure with the unit that suits its size."""
    for small, large in (("ns", "us"), ("us", "ms"), ("ms", "s")):
        if unit == small and value >= 1000:
            value, unit = value / 1000, large
    return f"{number(value)}{unit if unit.startswith('/') else f' {unit}'}"


def key(row: Row) -> Parameters:
    """What the rows of one comparison have in common, beside the work."""
    return tuple(sorted(row.parameters.items()))


def label(parameters: Parameters) -> str:
    """The parameters in words, for the head of a column."""
    words = []
    for name, value in parameters:
        if name == "slow":
            words += ["one slow"] if value else []
        elif isinstance(value, int):
            words.append(f"{value:,} {SINGULAR.get(name, name) if value == 1 else name}")
        elif name == "beside":
            words.append(f"beside {value}")
        else:
            words.append(str(value))
    return ", ".join(words)


def works(results: Results) -> dict[str, list[Row]]:
    """The rows by work, in the order of the file."""
    found: dict[str, list[Row]] = {}
    for row in results.rows:
        found.setdefault(row.work, []).append(row)
    return found


def comparisons(rows: Sequence[Row]) -> dict[Parameters, dict[str, Row]]:
    """The rows of one work by their parameters, then by subject."""
    found: dict[Parameters, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(key(row), {})[row.subject] = row
    return found


def ahead(ours: Row, theirs: Row) -> bool:
    """Whether corestate leads or is level: by the median of the ratios of the same rounds where there is one."""
    times = theirs.ratio if theirs.ratio is not None else theirs.median / ours.median
    return times >= 1 - LEVEL if theirs.better == "less" else times <= 1 + LEVEL


def behind(rows: Sequence[Row]) -> dict[Parameters, list[str]]:
    """Where corestate does not lead: the parameters, and who is ahead of it. Floors of nature do not count."""
    found: dict[Parameters, list[str]] = {}
    for parameters, subjects in comparisons(rows).items():
        if OURS in subjects:
            better = [n for n, row in subjects.items() if n not in (OURS, "floor") and not ahead(subjects[OURS], row)]
            if better:
                found[parameters] = better
    return found


def reasons(results: Results, work: str, where: Iterable[Parameters]) -> list[str]:
    """What is said about a work where corestate does not lead; a reason with parameters is of those rows alone."""
    rows = [set(parameters) for parameters in where]
    return [
        one["text"]
        for one in results.reasons
        if one["work"] == work and any(set(one.get("parameters", {}).items()) <= row for row in rows)
    ]


def unexplained(results: Results) -> list[str]:
    """Works in which somebody else leads and nothing says why."""
    return [
        f"{work} {label(parameters)}: {', '.join(better)} ahead"
        for work, rows in works(results).items()
        for parameters, better in behind(rows).items()
        if not reasons(results, work, [parameters])
    ]


def shown(rows: Sequence[Row]) -> list[str]:
    """The tables of one work: one, or where that would be too wide, one for each kind of parameters."""
    columns = comparisons(rows)
    if len(columns) <= MOST_COLUMNS:
        return table(rows)
    kinds: dict[Parameters, list[Row]] = {}
    for row in rows:
        kind = tuple((name, value if isinstance(value, str) else "") for name, value in key(row))
        kinds.setdefault(kind, []).append(row)
    return [line for each in kinds.values() for line in (*table(each), "")][:-1]


def table(rows: Sequence[Row]) -> list[str]:
    """One table; one column for each set of parameters."""
    columns = comparisons(rows)
    if len(columns) == 1:
        return _single(next(iter(columns.values())))
    subjects = list(dict.fromkeys(row.subject for row in rows))
    subjects.sort(key=lambda name: (name != OURS, _rank(name, columns)))
    lines = ["| | " + " | ".join(label(one) or "alone" for one in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in subjects:
        cells = [_cell(column.get(name)) for column in columns.values()]
        lines.append(f"| {_bold(name)} | " + " | ".join(cells) + " |")
    return lines


def _single(subjects: dict[str, Row]) -> list[str]:
    found = sorted(subjects.values(), key=lambda row: (row.subject != OURS, _order(row)))
    lines = ["| | to corestate | median | middle eight tenths | what was timed |", "|---|---|---|---|---|"]
    for row in found:
        code = f"`{row.code}`".replace("|", "\\|").replace("\n", "`<br>`") if row.code else ""
        rest = " ".join(part for part in (code, row.note) if part)
        spread = f"{amount(row.low, row.unit)} to {amount(row.high, row.unit)}"
        lines.append(f"| {_bold(row.subject)} | {_times(row)} | {amount(row.median, row.unit)} | {spread} | {rest} |")
    return lines


def _order(row: Row) -> float:
    return row.median if row.better == "less" else -row.median


def _rank(name: str, columns: dict[Parameters, dict[str, Row]]) -> float:
    """By the last column that has this subject."""
    return next((_order(column[name]) for column in reversed(columns.values()) if name in column), 0.0)


def _bold(name: str) -> str:
    return f"**{name}**" if name == OURS else name


def _times(row: Row) -> str:
    if row.subject == OURS:
        return ""
    return "" if row.ratio is None else f"{number(row.ratio)} x"


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    times = _times(row)
    spread = "" if row.runs < 2 else f" ({amount(row.low, row.unit)} to {amount(row.high, row.unit)})"
    note = f"; {row.note}" if row.note else ""
    shown = amount(row.median, row.unit)
    return f"{times + ', ' if times else ''}{shown}{spread}{note}"


def codes(rows: Sequence[Row]) -> list[str]:
    """What was timed, subject by subject, where the table has no room for it."""
    found: dict[str, str] = {}
    for row in rows:
        if row.code:
            found.setdefault(row.subject, row.code)
    return [f"- {name}: `{json.dumps(code)[1:-1] if chr(10) in code else code}`" for name, code in found.items()]
