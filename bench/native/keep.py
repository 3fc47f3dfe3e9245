"""Writes bench/results/native.json from what the crates' program and the floors found: ``keep.py CRATES FLOORS``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bench.machine import describe
from bench.results import Results, Row


def main(crates: str, floors: str) -> int:
    """Join the two, with the machine described."""
    found = json.loads(Path(crates).read_text(encoding="utf-8"))
    rows = found["rows"] + json.loads(Path(floors).read_text(encoding="utf-8"))["rows"]
    machine = describe()
    machine.pop("python", None)
    machine["rust"] = os.environ.get("RUSTC_VERSION", "")
    kept = Results(
        suite="native",
        form=found["form"],
        machine=machine,
        subjects=found["subjects"],
        missing=found["missing"],
        rows=[Row(**row) for row in rows],
        reasons=found["reasons"],
    )
    print(f"wrote {kept.save()}: {len(kept.rows)} rows")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: keep.py CRATES FLOORS", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
