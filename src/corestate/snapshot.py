"""A picture of a region in a file, and back."""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corestate import region as regions
from corestate._binding import error, ffi, lib
from corestate._reserved import made_with_room
from corestate._storage import Opened
from corestate._whole_files import read_whole, replacing
from corestate.address import Address, parse
from corestate.config import RegionConfig
from corestate.errors import CorestateError, RegionNotFoundError, RegionPermissionError, StorageError, TooBigError

if TYPE_CHECKING:
    import mmap
    from typing import BinaryIO

    from corestate.region import Region

__all__ = ["SnapshotInfo", "probe", "restore_region", "write"]


@dataclass(frozen=True)
class SnapshotInfo:
    """What a snapshot says of itself."""

    bytes: int
    """Length of the file."""
    time_ns: int
    """When it was taken, in ns since the epoch."""
    changed: bool
    """Whether anything changed while it was taken. Every record is whole all the same, and the engine's fields are of
    one version."""
    version: int
    """Of the snapshot's format."""
    crc: int
    """CRC-32C of everything before it."""
    config: RegionConfig
    """Of the region it was taken from; ``permissions`` are not part of a snapshot and stand at their default."""

    @classmethod
    def from_core(cls, info: Any, *, reserved: bool = False) -> SnapshotInfo:
        """From a ``cs_snapshot_info``; ``reserved`` as ``RegionConfig.from_core`` has it."""
        return cls(
            bytes=int(info.bytes),
            time_ns=int(info.time_ns),
            changed=bool(info.changed),
            version=int(info.version),
            crc=int(info.crc),
            config=RegionConfig.from_core(info.config, RegionConfig().permissions, reserved=reserved),
        )


class _Sink:
    """Where the core's bytes go, and what went wrong with that."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.problem: OSError | None = None


LARGEST = 1 << 30
"""Bytes of a snapshot that is read, and of a region that one may ask for, unless said otherwise."""
_HEAD = b"\xa9corestate"
"""What follows the first byte of every snapshot: the text that names the format."""

_sinks: dict[int, _Sink] = {}
_numbers = itertools.count(1)


@ffi.def_extern()  # type: ignore[untyped-decorator, unused-ignore]
def cs_python_write(context: Any, data: Any, length: int) -> int:
    """What the core calls with each piece of a snapshot; ``context`` is a number in ``_sinks``."""
    sink = _sinks[int(ffi.cast("uintptr_t", context))]
    try:
        sink.file.write(ffi.buffer(ffi.cast("unsigned char *", data), length))
    except OSError as problem:
        sink.problem = problem
        return -1
    return 0


def write(region: Region, path: str | os.PathLike[str]) -> SnapshotInfo:
    """Take a snapshot into a file, which then is there as a whole and durably, or not at all.

    Written to a temporary name beside it, fsynced, renamed over an older snapshot, and the directory fsynced; its mode
    is 0600. Others go on reading and writing meanwhile. O(what is in the region).

    Raises:
        UntrustedFileError: something that is no snapshot is there, or somebody else's.
        RegionPermissionError, RegionNotFoundError (no such directory), StorageError, BusyError (an agent's writer never
        paused), ClosedError.
    """
    what = f"snapshot {os.fspath(path)}"
    info = ffi.new("cs_snapshot_info *")
    try:
        with replacing(path, what, purpose="snapshot", may_replace=_is_snapshot) as file:
            _write_through(region, file, info)
    except OSError as problem:
        if isinstance(problem, CorestateError):
            raise
        raise _storage_error(what, problem) from problem
    return SnapshotInfo.from_core(info, reserved=region.reserved)


def _is_snapshot(head: bytes) -> bool:
    return head[1 : 1 + len(_HEAD)] == _HEAD


def _write_through(region: Region, file: BinaryIO, info: Any) -> None:
    number, sink = next(_numbers), _Sink(file)
    _sinks[number] = sink
    try:
        code = lib.cs_snapshot_write(region.view, lib.cs_python_write, ffi.cast("void *", number), info)
    finally:
        del _sinks[number]
    if sink.problem is not None:
        raise sink.problem
    if code < 0:
        raise error(code, "taking a snapshot")


def _storage_error(what: str, problem: OSError) -> CorestateError:
    found = problem.strerror or str(problem)
    if isinstance(problem, FileNotFoundError):
        return RegionNotFoundError.because(
            what, expected="a file, or a directory to put it in", found=found, advice="check the path"
        )
    if isinstance(problem, PermissionError):
        return RegionPermissionError.because(what, found=found, advice="choose another place, or ask its owner")
    return StorageError.because(what, found=found, advice="check the disk and the path")


def _read(path: str | os.PathLike[str]) -> bytes:
    what = f"snapshot {os.fspath(path)}"
    try:
        return read_whole(path, what, largest=LARGEST)
    except OSError as problem:
        if isinstance(problem, CorestateError):
            raise
        raise _storage_error(what, problem) from problem


def _probe(content: bytes, path: str | os.PathLike[str]) -> SnapshotInfo:
    info = ffi.new("cs_snapshot_info *")
    code = lib.cs_snapshot_probe(ffi.from_buffer(content), len(content), info)
    if code < 0:
        raise _judge(code, path, info)
    return SnapshotInfo.from_core(info, reserved=made_with_room(content))


def _judge(code: int, path: str | os.PathLike[str], info: Any) -> CorestateError:
    what = f"snapshot {os.fspath(path)}"
    if code == lib.CS_E_VERSION:
        return error(
            code,
            what,
            expected=f"snapshot version {lib.CS_SNAPSHOT_VERSION}, the one this corestate reads and writes",
            found=f"version {info.version}",
            advice="restore it with the corestate that wrote it",
        )
    if code == lib.CS_E_NOT_REGION:
        return error(code, what, expected="a snapshot", found="something else", advice="check the path")
    if code == lib.CS_E_TRUNCATED:
        return error(
            code, what, expected="a whole snapshot", found="one cut short", advice="use another copy of the snapshot"
        )
    if code == lib.CS_E_CORRUPT:
        return error(
            code,
            what,
            expected="content that agrees with its CRC-32C",
            found="content that does not",
            advice="use another copy of the snapshot",
        )
    return error(code, what)


def probe(path: str | os.PathLike[str]) -> SnapshotInfo:
    """Check a snapshot as a whole (CRC, version, shape) without restoring it. O(size).

    Raises:
        RegionNotFoundError, RegionPermissionError, StorageError: of the file.
        NotRegionError, LayoutVersionError, TruncatedError, CorruptError: of its content.
    """
    return _probe(_read(path), path)


def restore_region(
    path: str | os.PathLike[str],
    address: str | os.PathLike[str] | Address,
    config: RegionConfig | None = None,
    *,
    largest: int = LARGEST,
) -> Region:
    """Make a region at an address that is free, and put a snapshot into it; all or nothing.

    The region gets its name when all is in place. Only shared memory outside Linux, and a region in a browser, has its
    name from the start, so that who opens it before this returns may see it fill.

    Args:
        path: of the snapshot.
        address: of the new region.
        config: its sizes; None: those of the region the snapshot was taken from.
        largest: most bytes of a region whose sizes the snapshot says.

    Raises:
        As ``probe`` and ``corestate.create``; FullError, TooBigError, NameInvalidError: ``config`` is too small for it.
        TooBigError: the snapshot asks for more than ``largest``.
    """
    content = _read(path)
    info = _probe(content, path)
    where = parse(address)
    if config is None and info.config.size > largest:
        raise TooBigError.because(
            f"restoring {os.fspath(path)}",
            expected=f"a region of at most {largest} bytes",
            found=f"a snapshot of one of {info.config.size}",
            advice="pass a larger largest= if you trust it, or a config",
        )
    config = config or info.config
    if where.kind == "heap":
        made = regions.create_region(where, config)
        _fill(made, content, path)
        return made
    if sys.platform == "emscripten" or (where.kind == "shm" and not regions.SHM_IN_FILES):
        return _fill_in_sight(where, config, content, path)

    attached: list[Region] = []

    def fill(descriptor: int, memory: mmap.mmap) -> None:
        while attached:  # of a way of making it that does not work here
            attached.pop().close()
        status = os.fstat(descriptor)
        opened = Opened(memory, descriptor, config.permissions, writable=True, owners=(status.st_uid, status.st_gid))
        attached.append(regions.Region(where, "rw", opened))
        _fill(attached[0], content, path)

    try:
        return regions.make_region(where, config, fill, attached)
    except BaseException:
        for one in attached:
            one.close()
        raise


def _fill_in_sight(where: Address, config: RegionConfig, content: bytes, path: str | os.PathLike[str]) -> Region:
    """Where a region is no file that could be linked into place: it has its name while it fills."""
    made = regions.create_region(where, config)
    try:
        _fill(made, content, path)
    except BaseException:
        made.close()
        regions.unlink(where)
        raise
    return made


def _fill(made: Region, content: bytes, path: str | os.PathLike[str]) -> None:
    code = lib.cs_snapshot_restore(made.view, ffi.from_buffer(content), len(content))
    if code < 0:
        raise error(code, f"restoring {os.fspath(path)}")
