"""Breaks the package in each of the ways listed here, one at a time, and sees that a test notices it.

``mutants.py [NAME...]``: all of them, or those.

The package is copied, broken in the copy, and the tests run against that. First each of those tests must pass with the
copy as it is. A way that changes nothing any more, because the source has moved on, is a failure too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Mutant:
    """One way to break the package."""

    promise: str
    what: str
    file: str
    old: str
    new: str
    test: str
    """Which must fail."""
    only: str = ""
    """A part of its name."""


MUTANTS = {
    "no-slot-of-its-own": Mutant(
        "P8",
        "a child of fork goes on in its parent's slot",
        "_attachment.py",
        "            attachment.after_fork()",
        "            attachment.handle = -1",
        "tests/promises/test_p8_fork.py",
        "has_a_slot_of_its_own",
    ),
    "slot-kept-at-exit": Mutant(
        "P8",
        "a program that ends keeps its slot",
        "_attachment.py",
        "atexit.register(_at_exit)",
        "",
        "tests/region/test_region_close.py",
        "leaving_without_closing and open",
    ),
    "loop-of-the-parent": Mutant(
        "P8",
        "a child of fork waits for the thread its parent had",
        "pump.py",
        "        pump.forget()",
        "        del pump",
        "tests/state/test_state_listening.py",
        "a_child_of_fork_listens",
    ),
    "undecodable": Mutant(
        "P5",
        "MessagePack that is none is an error of somebody else's",
        "payload.py",
        "    except _BROKEN:\n        return Undecodable(packed)",
        "    except MemoryError:\n        return Undecodable(packed)",
        "tests/hostile/test_p5_any_bytes.py",
        "details_of_an_agent",
    ),
    "nothing-reserved": Mutant(
        "P5",
        "a region's file has its size and not its blocks",
        "_storage.py",
        "        os.posix_fallocate(descriptor, 0, size)\n",
        "",
        "tests/starved/test_p5_full_disks.py",
        "every_size and unnamed",
    ),
    "name-left": Mutant(
        "P5",
        "shared memory that could not be made keeps its name",
        "_shared.py",
        "                    _give_up(where, descriptor)\n",
        "",
        "tests/starved/test_p5_full_disks.py",
        "every_size and posix",
    ),
    "picture-in-place": Mutant(
        "P7",
        "a picture is written over the old one",
        "_whole_files.py",
        "        name, descriptor = _temporary(place, purpose)",
        "        name, descriptor = place.name, place.open(os.O_RDWR | os.O_TRUNC)",
        "tests/starved/test_p5_full_disks.py",
        "snapshot_is_whole",
    ),
    "shown-before-committed": Mutant(
        "P7",
        "hot values are shown before they are committed",
        "scopes/space.py",
        "                    apply(rows, number, writes, self.limits[path])\n",
        "                    apply(rows, number, writes, self.limits[path])\n"
        "                    for write in writes:\n"
        "                        self.space.publish(hot, packed[path, write.key], write)\n",
        "tests/durable/test_p7_kills.py",
        "killed_inside and scope and update",
    ),
}


def passes(package: Path, mutant: Mutant) -> bool:
    """Whether the test passes against a copy of the package."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "120", mutant.test]
    done = subprocess.run(
        [*command, *(("-k", mutant.only) if mutant.only else ())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"mutants: pytest could not run {mutant.test}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def main() -> None:
    wanted = sys.argv[1:] or list(MUTANTS)
    missed = []
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory)
        copied = package / "corestate"
        shutil.copytree(ROOT / "src/corestate", copied, ignore=shutil.ignore_patterns("__pycache__"))
        for name in wanted:
            mutant = MUTANTS[name]
            if not passes(package, mutant):
                sys.exit(f"mutants: {mutant.test} fails with the package as it is")
            source = copied / mutant.file
            whole = source.read_text()
            if mutant.old not in whole:
                sys.exit(f"mutants: {name} changes nothing: {mutant.file} has no {mutant.old!r}")
            source.write_text(whole.replace(mutant.old, mutant.new))
            noticed = not passes(package, mutant)
            source.write_text(whole)
            verdict = f"found by {mutant.test}" if noticed else "NOT FOUND"
            print(f"{mutant.promise}  {mutant.what}: {verdict}", flush=True)
            if not noticed:
                missed.append(name)
    print(f"{len(wanted) - len(missed)} of {len(wanted)} broken packages found out")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
