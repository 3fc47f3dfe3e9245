"""The plots of docs/benchmarks.md, as SVG: every cost against size, with the expected order drawn beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import OURS, Row

FOLDER = Path(__file__).parent.parent / "docs" / "plots"


@dataclass(frozen=True)
class Plot:
    """One drawing: a work against one of its parameters, at fixed values of the others."""

    name: str
    work: str
    title: str
    against: str
    expected: str | None = None
    fixed: tuple[tuple[str, int | str], ...] = ()


PLOTS = (
    Plot("lookup", "lookup", "Look up one agent", "agents", "1"),
    Plot("register", "register", "Register an agent and deregister it", "agents", "1"),
    Plot("list", "list", "List the ids of all agents", "agents", "n"),
    Plot("memory", "memory", "Memory of one agent", "agents", "1"),
    Plot("counter", "counter_add", "Add one to a counter, by all processes together", "processes"),
    Plot("events", "event_rate", "Events that each subscriber gets", "subscribers", fixed=(("slow", 0),)),
    Plot("events-slow", "event_rate", "The same, one subscriber slow", "subscribers", fixed=(("slow", 1),)),
    Plot("areas", "growth_areas", "An area found by name and read", "areas", "1"),
    Plot("subscribers", "growth_subscribers", "An event published", "subscribers", "1"),
    Plot("keys-get", "growth_keys_get", "A durable value got, cold", "keys", "log n"),
    Plot("keys-set", "growth_keys_set", "A durable value set", "keys", "log n"),
    Plot("history-at", "growth_history_at", "A value as it was, so many changes ago", "versions", "n"),
    Plot("history-set", "growth_history_set", "A durable value set, by its versions", "versions", "log n"),
)
ORDERS: dict[str, Callable[[float], float]] = {
    "1": lambda _: 1.0,
    "log n": lambda n: math.log2(n + 2),
    "n": lambda n: n,
}


def series(rows: Sequence[Row], plot: Plot) -> dict[str, list[tuple[float, float]]]:
    """For each subject the points, in order of size; corestate first."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.work == plot.work and all(row.parameters.get(key) == value for key, value in plot.fixed):
            found.setdefault(row.subject, []).append((float(row.parameters[plot.against]), row.median))
    return {name: sorted(points) for name, points in sorted(found.items(), key=lambda item: item[0] != OURS)}


def expected(plot: Plot, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The order that is expected, through the last measured point."""
    assert plot.expected is not None
    order = ORDERS[plot.expected]
    size, value = points[-1]
    return [(n, value * order(n) / order(size)) for n, _ in points]


def draw(rows: Sequence[Row], folder: Path = FOLDER) -> list[Plot]:
    """Draw those plots for which there are at least two sizes; which these were.

    The same rows give the same bytes.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "corestate", "font.size": 9, "path.simplify": True, "axes.grid": True}
    )
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    colours = _colours(rows)
    for plot in PLOTS:
        found = series(rows, plot)
        if len(found.get(OURS, [])) > 1:
            _draw_one(plot, found, colours, next(row.unit for row in rows if row.work == plot.work), folder)
            drawn.append(plot)
    return drawn


def _colours(rows: Sequence[Row]) -> dict[str, Any]:
    import matplotlib as mpl

    names = [name for name in dict.fromkeys(row.subject for row in rows) if name != OURS]
    palette = mpl.colormaps["tab20"]
    return {OURS: "#d62728", **{name: palette((number + 8) % 20) for number, name in enumerate(names)}}


def _draw_one(
    plot: Plot, found: dict[str, list[tuple[float, float]]], colours: dict[str, Any], unit: str, folder: Path
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, points in found.items():
        style: dict[str, Any] = {"linewidth": 2.2, "zorder": 5} if name == OURS else {"linewidth": 1.1}
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, color=colours[name], label=name, **style)
    if plot.expected is not None:
        line = expected(plot, found[OURS])
        label = f"expected: O({plot.expected})"
        axes.plot(*zip(*line, strict=True), linestyle="--", color="#888888", label=label, linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlabel=plot.against, ylabel=unit, title=plot.title)
    axes.grid(alpha=0.3)
    _plain_ticks(axes, found)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", fontsize=7.5, frameon=False)
    figure.savefig(folder / f"{plot.name}.svg", metadata={"Date": None, "Creator": None})


def _plain_ticks(axes: Any, found: dict[str, list[tuple[float, float]]]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.xaxis.set_major_locator(FixedLocator(sorted({size for points in found.values() for size, _ in points})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    values = [value for points in found.values() for _, value in points]
    low, high = min(values), max(values)
    if high / low < 30:  # so that a flat line looks flat
        middle = math.sqrt(low * high)
        axes.set_ylim(middle / 6, middle * 6)
