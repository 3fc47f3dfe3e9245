#!/usr/bin/env python3
"""Instructions each hot operation of the core takes, counted by callgrind and held against a record.

    bench/counts/counts.py            count, compare with expected.json; exits 1 when an operation takes more
    bench/counts/counts.py --record   count, and write expected.json and docs/counts.md anew

Counts, unlike times, are the same on a busy machine as on an idle one, but they belong to one compiler: another one
than the record's is not compared (exit 77). Needs gcc, cmake, valgrind and Python's standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXPECTED = Path(__file__).with_name("expected.json")
PAGE = ROOT / "docs" / "counts.md"
BUILD = ROOT / "build" / "counts"
TOLERANCE_PERCENT = 3
NOT_COMPARED = 77

# The simulated caches: fixed, since callgrind would take this machine's.
CACHES = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"]
# memcpy and its like come in a variant for each kind of processor; symbols bound late would count at their first use.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
    "LD_BIND_NOW": "1",
}

Counts = dict[str, dict[str, dict[str, float]]]


def main() -> int:
    """Count, then compare or record; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the record anew instead of comparing with it")
    record = parser.parse_args().record
    tools = versions()
    if record:
        counts = read_profile(run())
        EXPECTED.write_text(as_json({"with": tools, "tolerance_percent": TOLERANCE_PERCENT, "counts": counts}))
        PAGE.write_text(page(counts, tools), encoding="utf-8")
        print(f"wrote {EXPECTED.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")
        return 0
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    if expected["with"] != tools:
        print(f"expected {expected['with']} as in {EXPECTED.relative_to(ROOT)}, found {tools}; nothing was compared:")
        print("counts of one compiler or C library say nothing of another's; `--record` writes a record for this one")
        return NOT_COMPARED
    return compare(expected["counts"], read_profile(run()), expected["tolerance_percent"])


def versions() -> dict[str, str]:
    """What the counts depend on: compiler and C library, in the two numbers that matter of each."""
    try:
        said = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout
    except OSError as error:
        raise SystemExit(f"expected gcc, found none ({error}); apt-get install gcc") from error
    libc, libc_version = platform.libc_ver()
    return {
        "compiler": f"gcc {'.'.join(said.split('.')[:2])}",
        "libc": f"{libc} {libc_version}",
        "machine": platform.machine(),
    }


def run() -> Path:
    """Build the scenarios with gcc and run them under callgrind; the file it wrote."""
    options = [
        "-DCORESTATE_TESTS=OFF",
        "-DCORESTATE_EXAMPLES=OFF",
        "-DCORESTATE_BENCH=ON",
        "-DCMAKE_BUILD_TYPE=Release",
    ]
    command(["cmake", "-S", str(ROOT / "csrc"), "-B", str(BUILD), "-DCMAKE_C_COMPILER=gcc", *options], "cmake")
    command(["cmake", "--build", str(BUILD), "--target", "bench_counts"], "cmake")
    out = BUILD / "callgrind.out"
    plain = ["--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}"]
    command(["valgrind", "-q", "--tool=callgrind", *plain, *CACHES, str(BUILD / "bench_counts")], "valgrind")
    return out


def command(words: list[str], package: str) -> None:
    """Run one; its output only when it fails."""
    # CC and CFLAGS of the caller's would be another compiler's, or other options.
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "CFLAGS", "LDFLAGS")}
    try:
        done = subprocess.run(words, env=kept | ENVIRONMENT, capture_output=True, text=True, check=False, timeout=600)
    except OSError as error:
        raise SystemExit(f"expected {words[0]}, found none ({error}); apt-get install {package}") from error
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} exited {done.returncode}:\n{done.stdout}{done.stderr}")


def read_profile(path: Path) -> Counts:
    """By scenario and API function: instructions and first-level cache lines missed, per call.

    A line ``calls=N`` says who is called how often, the line after it what that cost with everything below it.
    """
    sums: dict[tuple[str, str], list[int]] = {}
    events: list[str] = []
    function = callee = ""
    calls = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("cfn="):
            callee = line[4:]
        elif line.startswith("calls="):
            calls = int(line[6:].split()[0])
        elif calls:
            if function.startswith(("alone_", "turn_", "batch_", "whole_")) and callee.startswith("cs_"):
                costs = [int(word) for word in line.split()[1:]]  # what is left out at the end is zero
                cost = dict(zip(events, costs + [0] * (len(events) - len(costs)), strict=True))
                total = sums.setdefault((function, callee), [0, 0, 0])
                total[0] += calls
                total[1] += cost["Ir"]
                total[2] += cost["D1mr"] + cost["D1mw"]
            calls = 0
    if not sums:
        raise SystemExit(f"expected calls of cs_* functions in {path}, found none; is it callgrind's output?")
    counts: Counts = {}
    for (scenario, name), (times, instructions, lines) in sorted(sums.items()):
        one = {"instructions": round(instructions / times, 1), "lines": round(lines / times, 1)}
        counts.setdefault(scenario, {})[name] = one
    for name in ("cs_subscribe", "cs_value_lock_of"):  # called once, to begin
        for functions in counts.values():
            functions.pop(name, None)
    return counts


def compare(expected: Counts, found: Counts, tolerance: float) -> int:
    """Print what differs; 1 when an operation takes more than it did, or is not in the record, or has gone from it."""
    slower = faster = same = 0
    for scenario, name in sorted({(s, n) for counts in (expected, found) for s in counts for n in counts[s]}):
        before = expected.get(scenario, {}).get(name)
        after = found.get(scenario, {}).get(name)
        what = f"{scenario} {name}"
        if before is None or after is None:
            print(f"{what}: {'not in the record' if before is None else 'in the record, and not counted any more'}")
            slower += 1
            continue
        was, now = before["instructions"], after["instructions"]
        if now > was * (1 + tolerance / 100):
            print(f"{what}: expected {was:g} instructions (and at most {tolerance:g} % more), found {now:g}")
            slower += 1
        elif now < was * (1 - tolerance / 100):
            print(f"{what}: {now:g} instructions, {was:g} on record: better; record it, so that it stays so")
            faster += 1
        else:
            same += 1
    print(f"{same} operations as recorded, {faster} faster, {slower} not as they should be")
    if slower:
        print("make them as fast as they were, or, where the change is worth it, record anew and say why:")
        print("  bench/counts/counts.py --record")
    return 1 if slower else 0


def as_json(value: object) -> str:
    """Readable, and one line an operation, so that a change of the record shows as one."""
    text = json.dumps(value, indent=2)
    return (
        text.replace('{\n        "instructions"', '{"instructions"')
        .replace(',\n        "lines"', ', "lines"')
        .replace("\n      }", "}")
        + "\n"
    )


def page(counts: Counts, tools: dict[str, str]) -> str:
    """docs/counts.md."""
    head = f"""# Counted instructions

What an operation of the core costs in instructions, and how many 64-byte lines it touches that the first cache does
not hold, by `callgrind --cache-sim=yes`: averages over 2,000 calls, everything the call does included, the C
library's part too. Counted with {tools["compiler"]}, {tools["libc"]}, {tools["machine"]}, at the build's own `-O3`.
A system call counts as one instruction, and so, under valgrind, does reading the clock; a locked instruction counts
as one too, and costs about twenty.

`make test-core` counts again and fails when an operation takes more than {TOLERANCE_PERCENT} % over its record in
`bench/counts/expected.json`; `bench/counts/counts.py --record` writes the record and this page. Lines are recorded
and not checked: they depend a little on where the stack happens to lie.

*Alone* is one object over and over, which stays in the first cache. *In turn* is a thousand of them, which do not fit
there, so that the lines an operation needs show. Names have 19 bytes, agents 200 bytes of details, events 40.
"""
    titles = {"alone": "Alone", "turn": "In turn", "batch": "In batches", "whole": "The whole region"}
    parts = [head]
    for prefix, title in titles.items():
        rows = [
            f"| {scenario.removeprefix(prefix).strip('_').replace('_', ' ')} | `{name}` | {one['instructions']:g} "
            f"| {one['lines']:g} |"
            for scenario, functions in counts.items()
            if scenario.startswith(prefix)
            for name, one in functions.items()
        ]
        parts.append(
            "\n".join([f"## {title}", "| of | operation | instructions | lines missed |", "|---|---|---|---|", *rows])
        )
    return "\n".join(part.rstrip() + "\n" for part in parts)


if __name__ == "__main__":
    sys.exit(main())
