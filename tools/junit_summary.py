"""Turns a JUnit file (pytest, ctest) into the lines tools/lib.sh keeps: ``junit_summary.py SUITE WHAT FILE STATUS``."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def line(status: str, suite: str, what: str, detail: str, passed: int = 0, failed: int = 0) -> None:
    """Print one record."""
    print(status, suite, what, " ".join(detail.split())[:300], passed, failed, sep="\t")


def main(suite: str, what: str, file: str, status: str) -> None:
    """Add up one file."""
    path = Path(file)
    if not path.exists():
        line("fail", suite, what, f"wrote no results (exit status {status})", 0, 1)
        return
    passed = failed = 0
    skips: Counter[str] = Counter()
    for case in ET.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed += 1
            line("fail", suite, f"{case.get('classname', '')}::{case.get('name', '')}", what)
        elif skipped is not None and skipped.get("type") == "pytest.xfail":
            passed += 1
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            reason = skipped.get("message") if skipped is not None else None
            skips[reason or "no reason given"] += 1
        else:
            passed += 1
    if failed == 0 and status != "0":
        failed += 1
        line("fail", suite, what, f"exit status {status} though no test failed")
    line("tally", suite, what, "", passed, failed)
    for reason, count in skips.items():
        line("skip", suite, f"{what}, {count} test{'s' if count > 1 else ''}", reason)


if __name__ == "__main__":
    main(*sys.argv[1:])
