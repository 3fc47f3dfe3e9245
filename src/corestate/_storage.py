"""Bytes a region can live in, mapped: what files, shared memory and private memory have in common."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from corestate._binding import error, ffi, lib
from corestate._reserved import reserve_names
from corestate.errors import (
    ConfigMismatchError,
    CorestateError,
    NotRegionError,
    RegionNotFoundError,
    RegionPermissionError,
    StorageError,
)

if TYPE_CHECKING:
    from corestate.address import Address
    from corestate.config import RegionConfig

__all__ = ["Make", "Opened", "judge", "lay_out", "map_bytes", "mode_of", "private", "probe", "reserve", "translate"]

_ADVICE = {
    errno.EMFILE: "close some, or raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close some, or raise the system's limit of open files",
    errno.ENOMEM: "free memory, raise the limit of address space (ulimit -v), or ask for a smaller one",
}

Make = Literal["never", "if_missing", "always"]
"""Whether opening may make what is not there, or must."""


@dataclass
class Opened:
    """A whole region, mapped. ``descriptor`` (-1: none) is only needed until the region is attached."""

    memory: mmap.mmap
    descriptor: int
    permissions: int
    writable: bool
    path: str = ""
    """Of the file, links followed; empty for private memory."""
    owners: tuple[int, int] | None = None
    """User and group of the file that is mapped; None for private memory."""
    file: tuple[int, int] | None = None
    """Its device and inode."""


def mode_of(descriptor: int) -> int:
    """Permission bits of an open file."""
    return os.fstat(descriptor).st_mode & 0o777


def map_bytes(descriptor: int, size: int, *, writable: bool) -> mmap.mmap:
    """Map a file shared; read-only mappings cannot be written by anybody in this process.

    Raises:
        OSError: no memory or descriptor to spare, or the file was cut short this moment.
    """
    access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
    try:
        if sys.version_info >= (3, 13) and sys.platform != "win32":
            return mmap.mmap(descriptor, size, access=access, trackfd=False)  # no second descriptor for its own use
        return mmap.mmap(descriptor, size, access=access)
    except ValueError as problem:
        raise OSError(errno.EIO, f"that it was cut short this moment ({problem})") from problem


def reserve(descriptor: int, size: int) -> None:
    """Give a file its size and its blocks, so that a full disk is an error now and not a SIGBUS later.

    Raises:
        OSError: no space, or as the file system has it.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        os.ftruncate(descriptor, size)
        return
    os.ftruncate(descriptor, size)
    zeros = bytes(1 << 20)
    os.lseek(descriptor, 0, os.SEEK_SET)
    while size:
        size -= os.write(descriptor, zeros[:size])


def lay_out(memory: mmap.mmap, config: RegionConfig, *, zeroed: bool) -> None:
    """Make a region in memory nobody else uses, with the names of the durable parts; it is marked ready last."""
    flags = lib.CS_MAKING | (lib.CS_ZEROED if zeroed else 0)
    code = lib.cs_region_format(ffi.from_buffer(memory), len(memory), config.to_core(), flags)
    if code < 0:
        raise error(code, "making a region")
    reserve_names(memory)


def private(config: RegionConfig) -> Opened:
    """A region in memory of this process alone; a child of fork gets a copy of its own."""
    if sys.platform == "emscripten":
        from corestate._wasm.storage import private_memory

        made = private_memory(config)
        lay_out(made, config, zeroed=True)
        return Opened(made, -1, config.permissions, writable=True)
    try:
        if sys.platform == "win32":
            memory = mmap.mmap(-1, config.size)
        else:
            memory = mmap.mmap(-1, config.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, "MADV_DONTDUMP"):
                memory.madvise(mmap.MADV_DONTDUMP)  # a core dump would have it; of mapped files it has nothing anyway
    except OSError as problem:
        raise StorageError.because(
            "region heap:", expected=f"{config.size} bytes of memory", found=str(problem), advice="ask for less"
        ) from problem
    lay_out(memory, config, zeroed=True)
    return Opened(memory, -1, config.permissions, writable=True)


def probe(memory: mmap.mmap) -> tuple[int, Any]:
    """What bytes say of themselves: ``CS_OK`` or why they are no region, and a ``cs_region_info``. O(1)."""
    info = ffi.new("cs_region_info *")
    return lib.cs_region_probe(ffi.from_buffer(memory), len(memory), info), info


def judge(where: Address, code: int, info: Any, size: int) -> CorestateError:
    """The error for bytes that ``probe`` found to be no region."""
    what = f"region {where}"
    if code == lib.CS_E_VERSION:
        known = lib.CS_LAYOUT_VERSION
        newer = info.version > known
        return error(
            code,
            what,
            expected=f"layout version {known}, the one this corestate reads and writes",
            found=f"version {info.version}, made by {'a newer' if newer else 'an older'} corestate",
            advice="upgrade corestate here, or take a snapshot with the corestate that made it and restore that"
            if newer
            else "take a snapshot with the corestate that made it, and restore that here",
        )
    if code == lib.CS_E_TRUNCATED:
        says = f"the {info.size} bytes its header says" if info.size else "at least a whole header"
        return error(code, what, expected=says, found=f"{size} bytes")
    if code == lib.CS_E_BYTE_ORDER:
        return error(code, what, found=f"byte order mark {info.byte_order:#010x} instead of 0x01020304")
    if code == lib.CS_E_NOT_REGION:
        return error(code, what, found=f"{size} bytes that do not begin as one does")
    return error(code, what)


def compare(where: Address, config: RegionConfig, found: RegionConfig) -> None:
    """Raise ConfigMismatchError, with the differences, unless two configurations are the same.

    ``found`` may count the names of the durable parts: whether they are there is known once the region is attached.
    """
    differences = min(config.differences(found), config.differences(found.without_names()), key=len)
    if not differences:
        return

    def shown(field: str, value: int) -> str:
        return f"{field}={value:#o}" if field == "permissions" else f"{field}={value}"

    problem = ConfigMismatchError.because(
        f"region {where}",
        expected=", ".join(shown(field, given) for field, (given, _) in differences.items()),
        found=", ".join(shown(field, has) for field, (_, has) in differences.items()),
    )
    problem.differences = differences
    raise problem


def nothing_there(where: Address) -> RegionNotFoundError:
    """The error for an address that has nothing."""
    return RegionNotFoundError.because(f"region {where}")


def translate(problem: OSError, where: Address, *, writable: bool) -> CorestateError:
    """The error of ours for one of the operating system's."""
    what = f"region {where}"
    if isinstance(problem, FileNotFoundError):
        return nothing_there(where)
    if isinstance(problem, PermissionError):
        return RegionPermissionError.because(
            what,
            expected=f"permission to {'read and write' if writable else 'read'} it",
            found=problem.strerror,
            advice=None if writable else "ask its owner; who creates a region sets RegionConfig(permissions=...)",
        )
    if problem.errno == errno.EROFS:
        return RegionPermissionError.because(what, found="a read-only file system", advice='open it with mode="r"')
    if problem.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
        return NotRegionError.because(what, expected="a regular file", found=problem.strerror or str(problem))
    if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError.because(
            what,
            expected="room for the whole region",
            found=problem.strerror,
            advice="free some, or ask for a smaller one",
        )
    advice = _ADVICE.get(problem.errno or 0, "check the address")
    return StorageError.because(what, found=problem.strerror or str(problem), advice=advice)
