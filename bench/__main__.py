"""The command: ``python -m bench [--form short|full|tiny] [--only WORK]... [--peer NAME]... [--out FOLDER]``."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.forms import FORMS
from bench.peers import FILES
from bench.results import FOLDER
from bench.session import Session
from bench.works import FILES as WORKS


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and keep what was measured; 1 when something failed, which is printed and on the page."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--form", choices=sorted(FORMS), default="short")
    parser.add_argument("--only", action="append", choices=WORKS, help="a work; may be given again")
    parser.add_argument("--peer", action="append", choices=tuple(FILES), help="a peer; may be given again")
    parser.add_argument(
        "--out", type=Path, help="where the results go: bench/results, or nowhere when not all was measured in earnest"
    )
    given = parser.parse_args(argv)
    out = given.out or (None if given.only or given.peer or given.form == "tiny" else FOLDER)
    with Session(FORMS[given.form], names=given.peer or tuple(FILES)) as session:
        for one in session.results.subjects:
            print(f"{one['name']} {one['version']}: {one['setup']}")
        for one in session.results.missing:
            print(f"not measured: {one['name']}: {one['why']}")
        for work in given.only or WORKS:
            started = time.monotonic()
            with session.excused(f"the work {work}"):
                importlib.import_module(f"bench.works.{work}").run(session)
            print(f"-- {work}: {time.monotonic() - started:.1f} s", flush=True)
        session.results.missing += [{"name": what, "why": why} for what, why in session.failed()]
        if out is not None:
            print(session.results.save(out))
        return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main())
