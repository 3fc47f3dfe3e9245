"""The tables of sizes.py where they are published: written there, or held against what the build measures now.

A published number may differ by a fiftieth, or by 24, from what is measured: so much a change may cost before its
author is asked to look at the tables.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["differences", "publish"]

REMEDY = "run `make -C embedded figures`"
NUMBER = re.compile(r"\d[\d,]*")


def _between(path: Path, name: str) -> tuple[str, str, str]:
    """What stands before, between and after a pair of marker comments."""
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{path}: expected one pair of markers named {name}")
    before, rest = text.split(begin)
    table, after = rest.split(end)
    return before + begin, table, end + after


def publish(path: Path, name: str, tables: str) -> None:
    """Put the tables between the markers."""
    before, _, after = _between(path, name)
    path.write_text(f"{before}{tables}\n{after}", encoding="utf-8")


def differences(path: Path, name: str, tables: str) -> list[str]:
    """Lines that say something else than the tables, with both; O(lines)."""
    published, measured = _between(path, name)[1].strip().splitlines(), tables.splitlines()
    if len(published) != len(measured):
        return [
            f"{path.name}: {len(published)} lines of tables, expected {len(measured)}; run `make -C embedded figures`"
        ]
    return [
        f"{path.name}: {said}\n  measured: {found}\n  run `make -C embedded figures`"
        for said, found in zip(published, measured, strict=True)
        if not _alike(said, found)
    ]


def _alike(said: str, found: str) -> bool:
    if NUMBER.sub("N", said) != NUMBER.sub("N", found):
        return False
    pairs = zip(NUMBER.findall(said), NUMBER.findall(found), strict=True)
    return all(_near(int(a.replace(",", "")), int(b.replace(",", ""))) for a, b in pairs)


def _near(said: int, found: int) -> bool:
    return abs(said - found) <= max(24, found // 50)
