"""What the library costs a firmware: flash by what is used, RAM by configuration, the deepest stacks, instructions.

    sizes.py            the tables, as Markdown
    sizes.py --check    and fail when one is over its budget

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

INCLUDE = ROOT / "csrc/include/corestate"
CPU = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
TOOLCHAINS = ("gcc", "clang")
MEM = ("memcpy", "memmove", "memset", "memcmp")


def functions(*headers: str) -> list[str]:
    """The functions of public headers."""
    return [
        name
        for header in headers
        for name in re.findall(r"^CS_API [^;]*?\b(cs_\w+)\(", (INCLUDE / f"{header}.h").read_text(), re.MULTILINE)
    ]


FEW = [
    *("cs_region_format", "cs_region_attach"),
    *("cs_engine_state", "cs_engine_set_state", "cs_engine_get", "cs_engine_set", "cs_engine_add"),
    *("cs_engine_get_f64", "cs_engine_set_f64"),
    *("cs_counter_open", "cs_counter_get", "cs_counter_set", "cs_counter_store", "cs_counter_add"),
    *("cs_kind_open", "cs_event_publish", "cs_subscribe", "cs_events_drain"),
]
STATE = functions("base", "region", "engine", "counters", "areas", "locks", "agents", "events", "health")
SENDING = ["cs_mirror_open", "cs_mirror_lines", "cs_mirror_step", "cs_mirror_picture", "cs_mirror_heard"]
USES = {
    "engine, counters and events": FEW,
    "the same, mirrored": [*FEW, *SENDING],
    "all of the live region": STATE,
    "all of it, with snapshots": [*STATE, *functions("snapshot")],
    "all of it, mirrored": [*STATE, *SENDING],
}
FLASH = {"engine, counters and events": FLASH_FEW, "all of it, with snapshots": FLASH_ALL} if False else {}

CONFIGURATIONS = {
    "16 agents, 64 events, 16 areas, 16 counters, 8 locks": ("16, 16, 16, 0, 8, 64, 32, 4, 2, 24, 32, 8", 12 * 1024),
    "4 agents, 16 events, 4 areas, 8 counters, 4 locks": ("4, 4, 8, 0, 4, 16, 24, 4, 1, 0, 16, 8", 4 * 1024),
}
