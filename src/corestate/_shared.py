"""Regions in POSIX shared memory where it is no directory of files, as it is on Linux (see ``_files``).

It has no link by which a whole region could be put in place, so its maker works under a lock that dies with it, opens
it to others last and marks the region ready before. Whoever finds the lock free and the region not ready knows that the
maker died, and starts over, if the memory is its own: what another user made is refused.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corestate._attachment import hold, let_go
from corestate._binding import lib
from corestate._storage import (
    Opened,
    compare,
    judge,
    lay_out,
    map_bytes,
    mode_of,
    nothing_there,
    probe,
    reserve,
    translate,
)
from corestate._trusted import untrusted
from corestate.address import path_of
from corestate.config import RegionConfig
from corestate.errors import (
    BusyError,
    CorestateError,
    NotReadyError,
    NotRegionError,
    RegionExistsError,
    RegionPermissionError,
    UnsupportedError,
)

if sys.platform not in ("win32", "emscripten"):
    import fcntl

    import posix_ipc

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

    from corestate._storage import Make
    from corestate.address import Address

__all__ = ["open_shared", "unlink_shared"]

_CLOSED = 0o600
"""The mode of what is being made."""

_PATIENCE = 60.0
_MOMENT = 0.25
_LOOK = 0.001
_HEADER = 4096


def open_shared(
    where: Address, making: Make, *, writable: bool, config: RegionConfig | None, owner: int | None = None
) -> Opened:
    """Open or make the region in shared memory of this name. The caller closes the descriptor.

    Raises:
        CorestateError: as ``region.open_region`` lists.
    """
    _insist_on_platform(where)
    deadline = time.monotonic() + _PATIENCE
    while True:
        descriptor = _open(where, making, writable=writable)
        opened = None
        try:
            if writable:
                _insist_on_owner(where, descriptor, owner)
            opened = _use(where, descriptor, making, writable=writable, config=config, deadline=deadline)
        except CorestateError:
            raise
        except OSError as problem:
            raise translate(problem, where, writable=writable) from problem
        finally:
            let_go(descriptor)
            if opened is None:
                os.close(descriptor)
        if opened is not None:
            return opened


def _insist_on_platform(where: Address) -> None:
    if sys.platform == "win32":
        raise UnsupportedError.because(
            f"region {where}", expected="POSIX shared memory", found="a platform without it", advice="use a file"
        )


def _insist_on_owner(where: Address, descriptor: int, owner: int | None) -> None:
    """Refuse to write to what another user made, whatever its mode."""
    trusted = frozenset({os.geteuid(), 0} if owner is None else {os.geteuid(), 0, owner})
    found = os.fstat(descriptor).st_uid
    if found not in trusted:
        raise untrusted(f"region {where}", found, trusted, "shared memory")


def _open(where: Address, making: Make, *, writable: bool) -> int:
    flags = 0 if making == "never" else posix_ipc.O_CREAT

    def opener() -> int:
        memory = posix_ipc.SharedMemory("/" + where.name, flags=flags, mode=_CLOSED, size=0, read_only=not writable)
        return int(memory.fd)

    try:
        return _patiently(opener)
    except posix_ipc.ExistentialError as problem:
        raise nothing_there(where) from problem
    except posix_ipc.PermissionsError as problem:
        raise translate(PermissionError(errno.EACCES, "that it was refused"), where, writable=writable) from problem
    except (posix_ipc.Error, ValueError, OSError) as problem:
        raise translate(_numbered(problem), where, writable=writable) from problem


def _numbered(problem: Exception) -> OSError:
    """The same with its errno, which posix_ipc says in words where it is one of these."""
    if isinstance(problem, OSError) and problem.errno:
        return problem
    words = {errno.EMFILE: "This process already has the maximum number", errno.ENFILE: "The system limit on the total"}
    number = next((number for number, begins in words.items() if str(problem).startswith(begins)), errno.EIO)
    return OSError(number, str(problem) if number == errno.EIO else os.strerror(number))


def _patiently(opener: Callable[[], int]) -> int:
    """Open it; refused, it may be closed because it is being made."""
    deadline = time.monotonic() + _MOMENT
    while True:
        try:
            return hold(opener)
        except posix_ipc.PermissionsError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_LOOK)


def _use(
    where: Address, descriptor: int, making: Make, *, writable: bool, config: RegionConfig | None, deadline: float
) -> Opened | None:
    """The region behind a descriptor, made if it has to be; None when it was removed meanwhile."""
    made = False
    state = _look(descriptor)
    if state.code != lib.CS_OK:
        _wait_for_maker(where, descriptor, deadline)
        try:
            if os.fstat(descriptor).st_nlink == 0:
                return None
            state = _look(descriptor)
            if state.half_made:
                if making == "never":
                    raise NotReadyError.because(f"region {where}")
                try:
                    _start_over(descriptor, config or RegionConfig())
                except BaseException:
                    _give_up(where, descriptor)
                    raise
                made = True
                state = _look(descriptor)
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    if state.code != lib.CS_OK or state.memory is None:
        raise judge(where, state.code, state.info, state.size)
    if making == "always" and not made:
        raise RegionExistsError.because(f"region {where}")
    permissions = mode_of(descriptor)
    if config is not None and not made:
        compare(where, config, RegionConfig.from_core(state.info.config, permissions))
    memory = map_bytes(descriptor, state.size, writable=True) if writable else state.memory
    status = os.fstat(descriptor)
    owners, file = (status.st_uid, status.st_gid), (status.st_dev, status.st_ino)
    return Opened(memory, descriptor, permissions, writable, owners=owners, file=file)


class _Look:
    """What shared memory holds at this moment."""

    def __init__(self, size: int, memory: mmap.mmap | None, code: int, info: Any) -> None:
        self.size = size
        self.memory = memory
        self.code = code
        self.info = info

    @property
    def half_made(self) -> bool:
        """Whether it is what a maker leaves that was killed, and not something of another program's."""
        if self.memory is None or self.code == lib.CS_E_NOT_READY:
            return True
        return self.code == lib.CS_E_NOT_REGION and not any(self.memory[:_HEADER])


def _look(descriptor: int) -> _Look:
    size = os.fstat(descriptor).st_size
    if size == 0:
        return _Look(0, None, lib.CS_E_NOT_READY, None)
    memory = map_bytes(descriptor, size, writable=False)
    code, info = probe(memory)
    return _Look(size, memory, code, info)


def _wait_for_maker(where: Address, descriptor: int, deadline: float) -> None:
    """Take the maker's lock, once whoever makes it is done or dead."""
    while not _lock(descriptor):
        if time.monotonic() >= deadline:
            raise BusyError.because(
                f"region {where}",
                expected="its maker to finish",
                found=f"that it is alive and has not for {_PATIENCE:.0f} seconds",
                advice="look for a stopped process that has it open",
            )
        time.sleep(_LOOK)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_over(descriptor: int, config: RegionConfig) -> None:
    """Make the region, in memory that may hold what a killed maker left. The lock is held."""
    size = config.size
    left = os.fstat(descriptor).st_size
    if left:  # so that, if we die too, what we leave is seen to be half-made
        map_bytes(descriptor, left, writable=True)[: min(left, _HEADER)] = bytes(min(left, _HEADER))
    os.fchmod(descriptor, _CLOSED)
    reserve(descriptor, size)
    lay_out(map_bytes(descriptor, size, writable=True), config, zeroed=left == 0)
    os.fchmod(descriptor, config.permissions)


def _give_up(where: Address, descriptor: int) -> None:
    """Take the name from a region that could not be made, so that nothing of it stays. The lock is held."""
    with suppress(OSError, posix_ipc.Error):
        if os.path.samestat(os.fstat(descriptor), Path(path_of(where)).stat()):
            posix_ipc.unlink_shared_memory("/" + where.name)


def unlink_shared(where: Address) -> None:
    """Remove the name of shared memory; who is attached stays so. Refuses what is no region.

    Raises:
        RegionNotFoundError, NotRegionError, RegionPermissionError.
    """
    _insist_on_platform(where)
    with suppress(RegionPermissionError):  # who may not read it may still be the one to remove it
        descriptor = _open(where, "never", writable=False)
        try:
            state = _look(descriptor)
            foreign = state.code == lib.CS_E_NOT_REGION and not state.half_made
        finally:
            let_go(descriptor)
            os.close(descriptor)
        if foreign:
            raise NotRegionError.because(
                f"unlink {where}",
                found=f"{state.size} bytes that are none",
                advice="remove it by other means if you mean it",
            )
    try:
        posix_ipc.unlink_shared_memory("/" + where.name)
    except posix_ipc.ExistentialError as problem:
        raise nothing_there(where) from problem
    except posix_ipc.PermissionsError as problem:
        raise translate(PermissionError(errno.EACCES, "that it was refused"), where, writable=True) from problem
