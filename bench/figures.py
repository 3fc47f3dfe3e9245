"""Prints the table of the README from a folder of results: ``figures.py build/bench``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_NOTE = (
    "Medians. Ratios of Python's operations are to `memoryview.nbytes`, a getter of CPython's own that makes an int; "
    "both sides of a ratio were measured in turns."
)


def table(results: dict) -> str:
    """A row for each benchmark that kept one, in the order in which they ran."""
    machine = results["machine_info"]
    cpu = machine.get("cpu", {})
    where = f"{cpu.get('brand_raw', machine['machine'])}, {cpu.get('count', '?')} CPUs"
    system = f"{machine['system']} {machine['release']}"
    python = f"{machine['python_implementation']} {machine['python_version']}"
    rows = [_row(one["extra_info"]) for one in results["benchmarks"] if "what" in one["extra_info"]]
    head = ["| | floor | measured | beside |", "|---|---|---|---|"]
    return "\n".join([f"Measured on {where}, {system}, {python}. {_NOTE}", "", *head, *rows])


def _row(info: dict) -> str:
    value, floor = info["value"], info["floor"]
    unit = " x" if info["unit"] == "x" else f" {info['unit']}"
    met = floor is None or (value >= floor if info["least"] else value <= floor)
    bound = "" if floor is None else f"at {'least' if info['least'] else 'most'} {_number(floor)}{unit}"
    shown = f"{_number(value)}{unit}{'' if met else ' (missed)'}"
    return f"| {info['what']} | {bound} | {shown} | {info['beside']} |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def main(folder: str) -> int:
    """Print the table."""
    file = Path(folder) / "python.json"
    if not file.exists():
        print(f"{file}: expected the results of `make bench`, found no file; run it first", file=sys.stderr)
        return 1
    print(table(json.loads(file.read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: figures.py FOLDER", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
