"""What tests of regions look at: descriptors, mappings, participants, forged headers, forked children."""
# ruff: noqa: PTH116, PTH208

from __future__ import annotations

import os
import pickle
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corestate._binding import ffi, lib
from corestate.region import Region

ROOT = os.geteuid() == 0


def participants(region: Region) -> dict[int, int]:
    """Process ids of who is attached, and whether each is live (1) or dead (2)."""
    found = {}
    info = ffi.new("cs_participant_info *")
    for slot in range(region.config.participants):
        assert lib.cs_participant_get(region.view, slot, info) == 0
        if info.state != lib.CS_PARTICIPANT_FREE:
            found[int(info.pid)] = int(info.state)
    return found


def counter(region: Region, name: bytes = b"c") -> int:
    """The handle of a counter, made if it is not there."""
    handle = ffi.new("cs_handle *")
    assert lib.cs_counter_open(region.view, name, len(name), handle) == 0
    return int(handle[0])


def add(region: Region, handle: int, n: int = 1) -> int:
    """Add to a counter through cffi; the result code."""
    return int(lib.cs_counter_add(region.view, handle, n, ffi.NULL))


def value(region: Region, handle: int) -> int:
    """What a counter stands at, through cffi."""
    out = ffi.new("uint64_t *")
    assert lib.cs_counter_get(region.view, handle, out) == 0
    return int(out[0])


def descriptors(path: str | os.PathLike[str]) -> int:
    """How many descriptors of this process are of one file, whatever its name is now."""
    here = os.stat(path)
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.stat(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
        count += (status.st_dev, status.st_ino) == (here.st_dev, here.st_ino)
    return count


def mappings(path: str | os.PathLike[str]) -> list[str]:
    """How each mapping of a file by this process may be used: ``rw-s``, ``r--s``."""
    inode = os.stat(path).st_ino
    fields = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    return [field[1] for field in fields if int(field[4]) == inode and field[3] != "00:00"]


def in_fork(function: Callable[[], Any]) -> Any:
    """What a function returns in a child of fork, or raise what it raised there. The child ends without atexit."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            answer = (True, function())
        except BaseException:
            answer = (False, traceback.format_exc())
        with os.fdopen(writer, "wb") as out:
            pickle.dump(answer, out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        content = source.read()
    _, status = os.waitpid(pid, 0)
    assert content, f"the child ended with {signal.Signals(status).name if status else 'nothing to say'}"
    good, answer = pickle.loads(content)
    assert good, answer
    return answer


def as_nobody(function: Callable[[], Any]) -> Any:
    """What a function returns in a child that is nobody, with nobody's permissions."""

    def dropped() -> Any:
        if ROOT:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        return function()

    return in_fork(dropped)


def field_offset(image: bytes, field: str) -> int:
    """Where the header keeps a u32 that ``cs_region_info`` shows, found by changing each word and asking the core."""
    memory = ffi.new("unsigned char[]", len(image) + 64)
    start = -int(ffi.cast("uintptr_t", memory)) % 64
    info = ffi.new("cs_region_info *")
    for offset in range(0, 256, 4):
        forged = bytearray(image)
        forged[offset : offset + 4] = (0x5A5A5A5A).to_bytes(4, "little")
        ffi.memmove(memory + start, bytes(forged), len(forged))
        lib.cs_region_probe(memory + start, len(forged), info)
        if getattr(info, field) == 0x5A5A5A5A:
            return offset
    raise AssertionError(f"no word of the header is {field}")
