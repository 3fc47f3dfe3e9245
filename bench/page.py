"""docs/benchmarks.md, written, and the README's block, printed, from the results: ``python -m bench.page``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import plots, tables
from bench.results import FOLDER, OURS, Results, Row
from bench.tables import amount, number

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
SUITES = {
    "python": "Python, beside what a user would pick instead",
    "native": "Native, beside crates and what nature asks for",
}
PARTS = {
    "core": "The C core",
    "python": "Python",
    "round_trip": "An event there and back",
    "durable": "Durable values and tasks",
    "governance": "Agents under governance",
    "web": "In Chromium, beside postMessage, Atomics and Comlink",
}
SHOWN: dict[str, dict[str, int | str]] = {
    "counter_read": {},
    "counter_add": {"processes": 4},
    "record_read": {},
    "record_write": {},
    "lookup": {"agents": 1_000_000},
    "register": {"agents": 1_000},
    "event_latency": {"waiting": "asleep", "of": "median"},
    "event_rate": {"subscribers": 4, "slow": 0},
    "lock": {"contenders": 1},
    "open": {},
    "list": {"agents": 1_000},
    "memory": {"agents": 1_000_000},
    "scope_get": {"value": "hot"},
    "scope_set": {},
    "audit_append": {},
    "task_push": {},
    "task_pop": {},
    "recovery": {"of": "the lock of a killed process"},
}
"""One comparison of each work for the README."""
PICTURES = {"Add one to a counter, by all processes together": "counter", "Look up one agent": "lookup"}
"""The plots of the README."""
INTRO = """Written by `make bench` from `bench/results/*.json`; `make bench BENCH_FORM=full` is slower and steadier.
All subjects of a work take turns in every round, warm, so that a slow moment of the machine falls on all of them. Each
figure stands beside how many times corestate's it is: the median over the rounds of the quotient within a round; then
the median and, in brackets, where the middle eight tenths of the rounds lie. Where corestate does not lead, the text
under the table says why."""


def load(folder: Path = FOLDER) -> dict[str, Results]:
    """What has been measured: suite to results."""
    return {path.stem: Results.load(path) for path in sorted(folder.glob("*.json"))}


def machine(results: Results) -> str:
    """Where, in one line."""
    found = results.machine
    gib = float(found["memory_bytes"]) / 2**30 if "memory_bytes" in found else None
    parts = [
        str(found.get("cpu", "")),
        f"{found['cpus']} CPUs" if "cpus" in found else "",
        f"{gib:.0f} GiB" if gib else "",
        *(str(found.get(name, "")) for name in ("system", "python", "compiler", "browser", "node", "rustc")),
    ]
    if "load" in found:
        parts.append(f"load average {found['load']}")
    return ", ".join(part for part in parts if part)


def page(found: dict[str, Results], drawn: Sequence[plots.Plot]) -> str:
    """The whole page."""
    lines = [
        "# Benchmarks",
        "",
        INTRO,
        "",
    ]
    for suite, title in SUITES.items():
        if suite in found:
            lines += _suite(found[suite], title, drawn if suite == "python" else ())
    if "floors" in found:
        lines += _floors(found["floors"])
    return "\n".join(lines).rstrip() + "\n"


def _suite(results: Results, title: str, drawn: Sequence[plots.Plot]) -> list[str]:
    lines = [f"## {title}", "", f"Measured on {results.time[:10]}, {results.form} form: {machine(results)}.", ""]
    lines += ["| | version | how it was set up |", "|---|---|---|"]
    lines += [f"| {one['name']} | {one['version']} | {one.get('setup', '')} |" for one in results.subjects]
    lines.append("")
    if results.missing:
        lines += ["Not measured:", "", *(f"- {one['name']}: {one['why']}" for one in results.missing), ""]
    for work, rows in tables.works(results).items():
        if not work.startswith(("growth_", "memory_")):
            lines += _work(results, work, rows, drawn)
    growth = [row for row in results.rows if row.work.startswith(("growth_", "memory_"))]
    if growth:
        lines += _growth(growth, drawn)
    return lines


def _work(results: Results, work: str, rows: list[Row], drawn: Sequence[plots.Plot]) -> list[str]:
    lines = [f"### {rows[0].what[:1].upper()}{rows[0].what[1:]}", "", *tables.shown(rows), ""]
    behind = tables.behind(rows)
    if behind:
        many = len(tables.comparisons(rows)) > 1
        where = "; ".join(
            f"{tables.label(parameters) + ': ' if many else ''}{', '.join(names)}"
            for parameters, names in behind.items()
        )
        lines += [f"Ahead of corestate: {where}.", "", *_joined(tables.reasons(results, work, behind))]
    if len(tables.comparisons(rows)) > 1 and (codes := tables.codes(rows)):
        lines += ["What was timed:", "", *codes, ""]
    for plot in drawn:
        if plot.work == work:
            lines += [_image(plot), ""]
    return lines


def _joined(texts: list[str]) -> list[str]:
    return [line for text in texts for line in (text, "")]


def _image(plot: plots.Plot) -> str:
    return f"![{plot.title}](plots/{plot.name}.svg)"


def _growth(rows: list[Row], drawn: Sequence[plots.Plot]) -> list[str]:
    lines = [
        "### What grows, and how",
        "",
        "The dashed line is the expected order, through the last point measured.",
        "",
    ]
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.work, []).append(row)
    for work, each in found.items():
        head = " | ".join(tables.label(tables.key(row)) for row in each)
        cells = " | ".join(amount(row.median, row.unit) for row in each)
        what = each[0].what
        lines += [f"| {what} | {head} |", "|---" * (len(each) + 1) + "|", f"| | {cells} |", ""]
        lines += [line for plot in drawn if plot.work == work for line in (_image(plot), "")]
    return lines


def _met(row: Row) -> bool:
    if row.floor is None:
        return True
    return row.median >= row.floor if row.better == "more" else row.median <= row.floor


def _floors(results: Results) -> list[str]:
    lines = ["## Floors", "", f"What each operation must keep to on an idle machine. {machine(results)}.", ""]
    for part, rows in tables.works(results).items():
        lines += [f"### {PARTS.get(part, part)}", "", *_floors_of(rows), ""]
    return lines


def _floors_of(rows: list[Row]) -> list[str]:
    lines = ["| | floor | measured | beside |", "|---|---|---|---|"]
    for row in rows:
        bound = (
            "" if row.floor is None else f"at {'least' if row.better == 'more' else 'most'} {_plain(row.floor, row)}"
        )
        missed = "" if _met(row) else " (missed)"
        lines.append(f"| {row.what} | {bound} | {_plain(row.median, row)}{missed} | {row.note} |")
    return lines


def _plain(value: float, row: Row) -> str:
    return f"{number(value)} {row.unit}"


def block(found: dict[str, Results]) -> str:
    """What stands in the README."""
    lines: list[str] = []
    if "python" in found:
        lines += _summary(found["python"])
        lines += [line for name in PICTURES for line in (f"![{name}](docs/plots/{PICTURES[name]}.svg)", "")]
    if "floors" in found:
        bound = [row for row in found["floors"].rows if row.floor is not None]
        missed = [row for row in bound if not _met(row)]
        load = found["floors"].machine.get("load", "unknown")
        met = f"{len(bound) - len(missed)} of {len(bound)} floors were met"
        lines += [
            f"What each operation must keep to on an idle machine; {met} in the last run, at a load of {load}.",
            "",
            *_floors_of(bound),
            "",
        ]
    lines.append("[Every figure, with plots, versions and what was timed](docs/benchmarks.md).")
    return "\n".join(lines)


def _summary(results: Results) -> list[str]:
    peers = len(results.subjects) - 1
    lines = [
        (
            f"Measured on {machine(results)}, beside {peers} peers in the same run, all from Python; medians. The "
            "nearest peer is the one with the best figure among those that can do the work at all; under 1 x it is "
            "ahead of corestate, and the page says why."
        ),
        "",
        "| | corestate | nearest peer | | next | |",
        "|---|---|---|---|---|---|",
    ]
    by_work = tables.works(results)
    for work, wanted in SHOWN.items():
        subjects = _chosen(by_work.get(work, []), wanted)
        ours = subjects.pop(OURS, None)
        if ours is None:
            continue
        nearest = sorted(subjects.values(), key=lambda row: row.median if row.better == "less" else -row.median)[:2]
        cells = [cell for row in nearest for cell in (row.subject, _ratio(ours, row))]
        cells += [""] * (4 - len(cells))
        details = tables.label(tables.key(ours)) if wanted else ""
        what = f"{ours.what}{': ' + details if details else ''}"
        lines.append(f"| {what} | {amount(ours.median, ours.unit)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _chosen(rows: Sequence[Row], wanted: dict[str, int | str]) -> dict[str, Row]:
    """The rows with these parameters; where a size was not measured, those with the largest that was."""
    for parameters, subjects in reversed(tables.comparisons(rows).items()):
        if all(dict(parameters).get(name) == value for name, value in wanted.items()):
            return dict(subjects)
    return dict(next(reversed(tables.comparisons(rows).values()), {}))


def _ratio(ours: Row, row: Row) -> str:
    """How many times better corestate is."""
    times = row.ratio if row.ratio is not None else row.median / ours.median
    return f"{number(times if row.better == 'less' else 1 / times)} x"


def main() -> int:
    """Write the plots and the page, and print the README's block; 1 where nothing says why a Python peer is ahead."""
    found = load()
    if "python" not in found:
        print(f"{FOLDER}: expected the results of `make bench`, found none; run it first", file=sys.stderr)
        return 1
    drawn = plots.draw(found["python"].rows)
    PAGE.write_text(page(found, drawn), encoding="utf-8")
    print(block(found))
    gaps = {suite: tables.unexplained(results) for suite, results in found.items()}
    for suite, each in gaps.items():
        for gap in each:
            print(f"{suite}: corestate does not lead and nothing says why: {gap}", file=sys.stderr)
    return 1 if gaps["python"] else 0


if __name__ == "__main__":
    sys.exit(main())
