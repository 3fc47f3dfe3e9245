"""The floors: what each operation must keep to on an idle machine, measured by ``bench_*.py`` with pytest-benchmark.

``python -m bench.floors FILE`` turns pytest-benchmark's own file into ``results/floors.json``.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.results import FOLDER, OURS


def convert(found: dict[str, Any], form: str = "full") -> dict[str, Any]:
    """The rows that the benchmarks kept, in the shape of the other results, each with its floor."""
    rows = []
    for one in found["benchmarks"]:
        info = one["extra_info"]
        if "what" not in info:
            continue
        row = {
            "work": Path(one["fullname"].partition("::")[0]).stem.removeprefix("bench_"),
            "what": info["what"],
            "parameters": {},
            "unit": info["unit"],
            "better": "more" if info["least"] else "less",
            "subject": OURS,
            "version": version("corestate"),
            "median": info["value"],
            "low": info["value"],
            "high": info["value"],
            "runs": one["stats"]["rounds"],
            "floor": info["floor"],
            "note": info["beside"],
        }
        rows.append(row)
    return {
        "suite": "floors",
        "form": form,
        "time": found["datetime"],
        "machine": describe(),
        "subjects": [],
        "missing": [],
        "rows": rows,
        "reasons": [],
    }


def main(file: str) -> int:
    """Convert and keep."""
    path = Path(file)
    if not path.exists():
        print(f"{file}: expected what pytest-benchmark wrote, found no file", file=sys.stderr)
        return 1
    shape = convert(json.loads(path.read_text(encoding="utf-8")))
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(shape, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "floors.json").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m bench.floors FILE", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
