"""What the library costs a firmware: flash by what is used, RAM by configuration, the deepest stacks, instructions.

    sizes.py            the tables, as Markdown
    sizes.py --check    and fail when something is over its bound, or published otherwise
    sizes.py --publish  the tables into README.md and docs/embedded.md

The deepest stack of every public function is written to stacks.txt in the build's folder.

Flash is what an image grows by when it uses these functions, over one that only starts and has the mem* functions: the
core, the port, and what of the compiler's own library they need. What is not used is not linked.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from emulator import BUILD, MACHINES, ROOT, run
from published import differences, publish
from stacks import deepest

INCLUDE = ROOT / "csrc/include/corestate"
CPU = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
TOOLCHAINS = ("gcc", "clang")
LIBRARIES = ("corestate_alone", "corestate")
# Library, toolchain, and whether the image is linked as one program (-flto), for which only the first library is made.
WAYS = {
    "alone, gcc, `-flto`": ("corestate_alone", "gcc", True),
    "alone, gcc": ("corestate_alone", "gcc", False),
    "alone, clang, `-flto`": ("corestate_alone", "clang", True),
    "complete, gcc": ("corestate", "gcc", False),
    "complete, clang": ("corestate", "clang", False),
}
MEM = ("memcpy", "memmove", "memset", "memcmp")


def functions(*headers: str) -> list[str]:
    """The functions of public headers."""
    return [
        name
        for header in headers
        for name in re.findall(r"^CS_API [^;]*?\b(cs_\w+)\(", (INCLUDE / f"{header}.h").read_text(), re.MULTILINE)
    ]


FEW = [
    "cs_region_make",
    *("cs_engine_state", "cs_engine_set_state", "cs_engine_get", "cs_engine_set", "cs_engine_add"),
    *("cs_engine_get_f64", "cs_engine_set_f64"),
    *("cs_counter_open", "cs_counter_get", "cs_counter_set", "cs_counter_store", "cs_counter_add"),
    *("cs_kind_open", "cs_event_publish", "cs_subscribe", "cs_events_drain"),
]
CELLS = [name for name in FEW if "engine" in name or "region" in name]
STATE = functions("base", "region", "engine", "counters", "areas", "locks", "agents", "events", "health")
SENDING = ["cs_mirror_open", "cs_mirror_lines", "cs_mirror_step", "cs_mirror_picture", "cs_mirror_heard"]
USES = {
    "the engine section alone": CELLS,
    "engine, counters, events": FEW,
    "the same, mirrored": [*FEW, *SENDING],
    "all of the live region": STATE,
    "all of it, with snapshots": [*STATE, *functions("snapshot")],
    "all of it, mirrored": [*STATE, *SENDING],
}
MOST_FLASH = {"engine, counters, events": 4 * 1024, "all of it, with snapshots": 16 * 1024}
"""Of the first way."""

CONFIGURATIONS = {
    "16 agents, 64 events, 16 areas, 16 counters, 8 locks": ("16, 16, 16, 0, 8, 64, 32, 4, 2, 24, 32, 8", 12 * 1024),
    "4 agents, 16 events, 4 areas, 8 counters, 4 locks": ("4, 4, 8, 0, 4, 16, 24, 4, 1, 0, 16, 8", 4 * 1024),
}
MOST_STACK = 1920


def output(*command: str) -> str:
    """Standard output of a command that must succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@cache
def libgcc() -> str:
    """The compiler's own library for this processor."""
    return output("arm-none-eabi-gcc", *CPU, "-print-libgcc-file-name").strip()


def flash(library: str, toolchain: str, whole: bool, used: tuple[str, ...]) -> int:
    """Code and constants of an image that uses these functions and does nothing."""
    build = BUILD / toolchain
    wanted = [word for name in (*MEM, *used) for word in ("-u", name)]
    flags = ["-T", str(ROOT / "embedded/mps2/mps2.ld"), "--gc-sections"]
    linker = ["arm-none-eabi-ld", "--no-warn-rwx-segments", "--no-enum-size-warning"]
    if whole and toolchain == "gcc":
        linker = ["arm-none-eabi-gcc", *CPU, "-Os", "-fno-tree-loop-distribute-patterns", "-flto"]
        linker += ["-flto-partition=one", "-nostdlib", "-Wl,--no-warn-rwx-segments,--no-enum-size-warning"]
        flags = [flag if flag.startswith(("-T", "/")) else f"-Wl,{flag}" for flag in flags]
    elif whole:
        linker = ["ld.lld-19", "--fat-lto-objects", "-mllvm", "--meabi=gnu"]
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.elf"
        output(
            *linker, *flags, "-o", str(image), *wanted,
            str(build / "obj/embedded/mps2/startup.o"), str(build / "obj/embedded/mps2/semihost.o"),
            str(build / "obj/embedded/tests/nothing.o"), str(build / f"lib{library}.a"), libgcc(),
        )  # fmt: skip
        text, data = output("arm-none-eabi-size", str(image)).splitlines()[1].split()[:2]
    return int(text) + int(data)


def ram(macro: str, sizes: str) -> int:
    """A constant expression of the headers, as the compiler sees it."""
    source = f'#include "corestate/corestate.h"\nchar measured[{macro.replace("SIZES", sizes)}];\n'
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.o"
        subprocess.run(
            ["arm-none-eabi-gcc", *CPU, f"-I{ROOT / 'csrc/include'}", "-fno-common", "-c", "-x", "c", "-", "-o", file],
            input=source, text=True, check=True,
        )  # fmt: skip
        return int(output("arm-none-eabi-nm", "-S", str(file)).split()[1], 16)


def flash_table(broken: list[str]) -> str:
    """By what is used and the way it is built; adds to ``broken`` what is over its bound."""
    lines = ["| flash in bytes, of what is used | " + " | ".join(WAYS) + " |", "|---|" + "---:|" * len(WAYS)]
    base = [flash(*way, ()) for way in WAYS.values()]
    for name, used in USES.items():
        found = [flash(*way, tuple(used)) - empty for way, empty in zip(WAYS.values(), base, strict=True)]
        lines.append(f"| {name} | " + " | ".join(f"{size:,}" for size in found) + " |")
        if found[0] > MOST_FLASH.get(name, 1 << 20):
            broken.append(f"{name}: {found[0]:,} bytes of flash, expected {MOST_FLASH[name]:,} at most")
    return "\n".join(lines)


def ram_table(broken: list[str]) -> str:
    """By configuration."""
    view, sender = ram("sizeof(cs_region)", ""), ram("sizeof(cs_mirror_sender)", "")
    lines = ["| RAM in bytes | region | mirror's memory of it |", "|---|---:|---:|"]
    for name, (sizes, most) in CONFIGURATIONS.items():
        region = ram("CS_REGION_BYTES(SIZES)", sizes)
        lines.append(f"| {name} | {region:,} | {4 * ram('CS_MIRROR_LINES(SIZES)', sizes):,} |")
        if region > most:
            broken.append(f"{name}: a region of {region:,} bytes, expected {most:,} at most")
    lines.append(f"| a view of a region | {view:,} | |")
    lines.append(f"| a mirror's sender, and its frame of 256 bytes | | {sender + 256:,} |")
    return "\n".join(lines)


def stack_table(broken: list[str]) -> str:
    """The deepest calls of the public API, by gcc."""
    alone, complete = (deepest(BUILD / "gcc", library) for library in LIBRARIES)
    rows = [f"{name} {alone[name][0]} {complete[name][0]} {alone[name][1]}\n" for name in sorted(alone)]
    (BUILD / "stacks.txt").write_text("function, bytes: alone, complete, its own frame\n" + "".join(rows))
    lines = ["| stack in bytes, by gcc | alone | complete | its own frame |", "|---|---:|---:|---:|"]
    most = sorted(alone, key=lambda name: -alone[name][0])[:8]
    few = ["cs_mirror_step", "cs_event_publish", "cs_engine_set_state", "cs_counter_add", "cs_engine_get"]
    for name in [*most, *(name for name in few if name not in most)]:
        lines.append(f"| `{name}` | {alone[name][0]:,} | {complete[name][0]:,} | {alone[name][1]:,} |")  # noqa: PERF401
    broken += [
        f"{name}: {depth:,} bytes of stack, expected {MOST_STACK:,} at most"
        for name, (depth, _) in alone.items()
        if depth > MOST_STACK
    ]
    return "\n".join(lines)


def count_table() -> str:
    """Instructions of the hot operations, on the Cortex-M4 in QEMU."""
    counts = {}
    for toolchain in TOOLCHAINS:
        done = run(BUILD / toolchain / "counts.elf", machine=MACHINES[0], options=("-icount", "shift=0"))
        if done.returncode != 0:
            raise SystemExit(f"counts.elf by {toolchain}: {done.stdout}{done.stderr}")
        counts[toolchain] = dict(line.split(" ", 1)[::-1] for line in done.stdout.splitlines())
    lines = ["| instructions | " + " | ".join(TOOLCHAINS) + " |", "|---|" + "---:|" * len(TOOLCHAINS)]
    lines += [
        f"| {name} | " + " | ".join(f"{int(counts[tool][name]):,}" for tool in TOOLCHAINS) + " |"
        for name in counts["gcc"]
    ]
    return "\n".join(lines)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    broken: list[str] = []
    first = "\n\n".join((flash_table(broken), ram_table(broken), count_table()))
    tables = f"{first}\n\n{stack_table(broken)}"
    published = ((ROOT / "README.md", "boards", first), (ROOT / "docs/embedded.md", "figures", tables))
    print(tables)
    for path, name, text in published:
        if options.publish:
            publish(path, name, text)
        else:
            broken += differences(path, name, text)
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
