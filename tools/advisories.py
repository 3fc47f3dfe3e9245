"""Asks the advisory services about what is pinned here; see tools/audit.

Prints a line for each file that pins something: ``pass`` or ``fail``, the file, what was found, with tabs between.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = ROOT / "tools/advisories.txt"
_NAMES = ("base", "dev", "build", "release", "test", "bench", "docs", "audit")
PYTHON = tuple(f"requirements/{name}.txt" for name in _NAMES)
NPM = ("wasm", "tools/node")
SECONDS = 120


class Finding(NamedTuple):
    """An advisory about a version."""

    package: str
    ids: tuple[str, ...]


class Decision(NamedTuple):
    """What somebody has decided about one."""

    id: str
    package: str
    until: dt.date
    reason: str


class UnansweredError(Exception):
    """The service could not be asked; the message says why."""


def decisions(text: str) -> list[Decision]:
    """The lines of tools/advisories.txt.

    Raises:
        ValueError: a line without its four parts, or without a reason.
    """
    found = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            id_, package, until, reason = line.split(None, 3)
            found.append(Decision(id_, package, dt.date.fromisoformat(until), reason))
    return found


def _said(command: list[str], folder: Path) -> tuple[str, str]:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise UnansweredError(str(problem)) from None
    return done.stdout, done.stderr


def of_python(stdout: str, stderr: str) -> list[Finding]:
    """What pip-audit found.

    Raises:
        UnansweredError: it got no answer, or knows none of the packages.
    """
    try:
        asked = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        raise UnansweredError(_last_line(stderr)) from None
    unknown = [one["name"] for one in asked if "skip_reason" in one]
    if unknown and len(unknown) == len(asked):
        raise UnansweredError(f"the service knows none of {len(asked)} packages")
    known = [one for one in asked if "skip_reason" not in one]
    return [Finding(one["name"], (bad["id"], *bad.get("aliases", ()))) for one in known for bad in one["vulns"]]


def of_npm(stdout: str, stderr: str) -> list[Finding]:
    """What npm audit found.

    Raises:
        UnansweredError: it got no answer.
    """
    try:
        packages = json.loads(stdout)["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        raise UnansweredError(_last_line(stderr)) from None
    found = []
    for name, one in packages.items():
        for via in one["via"]:
            if isinstance(via, dict):
                advisory = re.search(r"GHSA(?:-\w{4}){3}", via.get("url", ""))
                found.append(Finding(name, (advisory[0] if advisory else str(via.get("source", "?")),)))
    return found


def _last_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip() and "debug" not in line and "log of this" not in line]
    return re.sub(r"https?://\S+", "the service", lines[-1])[:160] if lines else "no answer"


def judged(
    found: list[Finding], decided: list[Decision], today: dt.date, *, report: bool
) -> tuple[list[str], list[str]]:
    """What fails, and what is only told."""
    fails, told = [], []
    for one in sorted(set(found)):
        decision = next((d for d in decided if d.package == one.package and d.id in one.ids), None)
        name = f"{one.package} {one.ids[0]}"
        if decision is None:
            (told if report else fails).append(f"{name}: move on, or decide in tools/advisories.txt")
        elif decision.until < today:
            fails.append(f"{name}: what was decided about it ended on {decision.until}")
        else:
            told.append(f"{name}: until {decision.until}, {decision.reason}")
    return fails, told


def main() -> int:
    """Ask about everything."""
    report = "--report" in sys.argv[1:]
    decided, today = decisions(DECISIONS.read_text(encoding="utf-8")), dt.datetime.now(dt.timezone.utc).date()
    audit = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    audit += ["--progress-spinner", "off", "--timeout", "15"]
    questions = [(name, of_python, [*audit, "-r", name], ROOT) for name in PYTHON]
    if shutil.which("npm"):
        command = ["npm", "audit", "--json", "--package-lock-only"]
        questions += [(f"{name}/package-lock.json", of_npm, command, ROOT / name) for name in NPM]
    silent: dict[object, str] = {}
    found: list[Finding] = []
    for name, answer, command, folder in questions:
        if answer not in silent:  # once is enough to know
            try:
                found = answer(*_said(command, folder))
            except UnansweredError as problem:
                silent[answer] = str(problem)
        if answer in silent:
            print("pass", name, f"could not ask: {silent[answer]}", sep="\t", flush=True)
            continue
        fails, told = judged(found, decided, today, report=report)
        lines = fails or told
        detail = "; ".join(lines[:5]) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
        print("fail" if fails else "pass", name, detail or "no advisory", sep="\t", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
