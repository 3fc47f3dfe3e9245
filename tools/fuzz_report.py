"""Writes the report of the fuzz campaign: what was run, and how much of the core the kept corpus reaches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

TARGETS = ("region", "snapshot")
# What a peer's bytes reach first: opening, and everything that reads.
READ_PATHS = (
    "region.c",
    "describe.c",
    "plan.c",
    "table.c",
    "names.c",
    "ring.c",
    "record.c",
    "agents.c",
    "areas.c",
    "counters.c",
    "engine.c",
    "events.c",
    "health.c",
    "locks.c",
    "budgets.c",
    "values.c",
    "participant.c",
    "promise.c",
    "snapshot.c",
    "restore.c",
    "msgpack.c",
    "text.c",
)


def coverage(work: Path, corpus: Path) -> dict[str, Any]:
    """Lines and functions of each file that the kept corpus executes, by llvm-cov."""
    programs = [work / "programs" / f"fuzz_{target}_counted" for target in TARGETS]
    for target, program in zip(TARGETS, programs, strict=True):
        environment = {**os.environ, "LLVM_PROFILE_FILE": str(work / f"{target}.profraw")}
        subprocess.run(
            [program, "-runs=0", "-detect_leaks=0", corpus / target], env=environment, check=True, capture_output=True
        )
    profile = work / "coverage.profdata"
    raw = [work / f"{target}.profraw" for target in TARGETS]
    subprocess.run(["llvm-profdata-19", "merge", "-o", profile, *raw], check=True)
    exported = subprocess.run(
        ["llvm-cov-19", "export", "-summary-only", f"-instr-profile={profile}", programs[0], "-object", programs[1]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = json.loads(exported)["data"][0]["files"]
    return {Path(file["filename"]).name: file["summary"] for file in files if "/src/" in file["filename"]}


def report(work: Path, corpus: Path) -> str:
    """The report as Markdown."""
    slices = [line.split("\t") for line in (work / "slices.tsv").read_text().splitlines()]
    runs: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for _, target, form, made, took, *_ in slices:
        entry = runs[target, form]
        entry[0] += int(made)
        entry[1] += int(took)
        entry[2] += 1
    failures = sum(int(row[9]) != 0 for row in slices)
    total, revisions = sum(entry[0] for entry in runs.values()), dict.fromkeys(row[8] for row in slices)
    lines = [
        "# Fuzzing",
        "",
        f"{total:,} executions under AddressSanitizer and UndefinedBehaviorSanitizer, from {slices[0][0]} to",
        f"{slices[-1][0]}, of the core at {', '.join(revisions)}. {failures} slices ended with a failure.",
        "",
        "Made by `csrc/proof/campaign --report`. Each slice starts from the corpus that the ones before it left.",
        "`region` is attach and every read and write over an image the input chooses, between two inaccessible pages;",
        "`snapshot` is probe and restore of a picture, and a look at what came of it. In the `guided` form the fuzzer",
        "also sees what is compared with what; `alone` is the core for boards.",
        "",
        "| target | form | executions | slices | seconds |",
        "|---|---|---:|---:|---:|",
    ]
    for (target, form), (executions, seconds, count) in sorted(runs.items()):
        lines.append(f"| {target} | {form} | {executions:,} | {count} | {seconds:,} |")
    lines += ["", "The corpus that is kept, and run for a minute with every `make test-proof`:", ""]
    for target in TARGETS:
        inputs = list((corpus / target).glob("*.bin"))
        size = sum(path.stat().st_size for path in inputs)
        lines.append(f"- `{target}`: {len(inputs)} inputs, {size:,} bytes")
    lines += ["", "What of the core the kept corpus alone executes:", ""]
    lines += ["| file | lines | of | covered | functions | of |", "|---|---:|---:|---:|---:|---:|"]
    found = coverage(work, corpus)
    covered = count = 0
    for name in READ_PATHS:
        line, function = found[name]["lines"], found[name]["functions"]
        covered, count = covered + line["covered"], count + line["count"]
        lines.append(
            f"| {name} | {line['covered']} | {line['count']} | {line['percent']:.0f} % "
            f"| {function['covered']} | {function['count']} |"
        )
    lines += [f"| all of these | {covered} | {count} | {100 * covered / count:.0f} % | | |", "", "## Slices", ""]
    lines += [
        "| ended | target | form | executions | seconds | edges | features |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for when, target, form, made, took, edges, features, *_ in slices:
        lines.append(f"| {when} | {target} | {form} | {int(made):,} | {took} | {edges} | {features} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """fuzz_report.py WORK CORPUS REPORT."""
    work, corpus, out = map(Path, sys.argv[1:4])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(report(work, corpus))
    return 0


if __name__ == "__main__":
    sys.exit(main())
