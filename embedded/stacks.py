"""The deepest stack below each function of the library: frames as gcc reports them, calls as the code makes them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["deepest"]

# Calls through pointers, which no disassembly shows: who calls, and whom it may call. What the user gives to be called
# (the `write` of snapshots and mirrors) is not counted.
THROUGH_POINTERS = {
    "csi_table_insert": r"fill",
    "insert": r"fill",
    "csi_table_remove": r"may_remove|seize",
    "take_out": r"may_remove|seize",
    "csi_bell_wait": r"moved|arrived",
}

Function = tuple[str, str]
"""File and name: names of static functions come more than once."""


def frames(build: Path, core: str) -> dict[Function, int]:
    """Function to frame."""
    found: dict[Function, int] = {}
    for file in [*(build / core).glob("*.su"), *(build / "obj/csrc/port").glob("*.su"), build / "obj/embedded/mem.su"]:
        for line in file.read_text().splitlines():
            where, size, _ = line.split("\t")
            key = (file.stem, where.rsplit(":", 1)[1].split(".")[0])
            found[key] = max(found.get(key, 0), int(size))
    return found


def calls(library: Path) -> dict[Function, set[str]]:
    """Function to the names of those it calls or jumps to."""
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-dr", "--no-show-raw-insn", str(library)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found: dict[Function, set[str]] = {}
    file, current = "", ("", "")
    for line in listing.splitlines():
        if match := re.match(r"(\w+)\.o: +file format", line):
            file = match[1]
        elif match := re.match(r"[0-9a-f]+ <([\w.]+)>:$", line):
            current = (file, match[1].split(".")[0])
            found.setdefault(current, set())
        elif match := re.search(r"R_ARM_THM_(?:CALL|JUMP24|JUMP19|PC22)\s+([\w.]+)", line):
            found[current].add(match[1].split(".")[0])
    return found


def deepest(build: Path, library: str) -> dict[str, tuple[int, int]]:
    """Public function to its deepest stack in bytes and its own frame. A recursion is an error; there is none."""
    core = "obj/alone" if library == "corestate_alone" else "obj/csrc/src"
    sizes, graph = frames(build, core), calls(build / f"lib{library}.a")
    by_name: dict[str, list[Function]] = {}
    for key in sizes:
        by_name.setdefault(key[1], []).append(key)
    path: list[Function] = []

    def targets(caller: Function) -> set[Function]:
        found = set()
        for name in graph.get(caller, ()):
            same_file = (caller[0], name)
            found |= {same_file} if same_file in sizes else set(by_name.get(name, ()))
        if pattern := THROUGH_POINTERS.get(caller[1]):
            found |= {key for key in sizes if re.fullmatch(pattern, key[1])}
        return found - {caller}

    @cache
    def below(function: Function) -> int:
        if function in path:
            raise RecursionError(" -> ".join(name for _, name in [*path, function]))
        path.append(function)
        depth = sizes[function] + max((below(called) for called in targets(function)), default=0)
        path.pop()
        return depth

    return {key[1]: (below(key), sizes[key]) for key in sizes if key in graph and key[1].startswith("cs_")}
