"""Making a region's file whole before it has a name, so that nobody ever sees half of one.

Where the file system has O_TMPFILE the file has no name until it is linked into place. Where it has not, it is made
under ``.NAME.RANDOM.corestate-tmp`` with a lock that dies with its maker; the next opener removes such files whose
makers are gone.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

from corestate._attachment import hold, let_go
from corestate._filesystem import refuse_network
from corestate._storage import lay_out, map_bytes, reserve
from corestate.errors import NotRegionError, RegionNotFoundError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corestate.address import Address
    from corestate.config import RegionConfig

__all__ = ["CLOEXEC", "SUFFIX", "Place", "make", "sweep_where_needed"]

CLOEXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
"""What every descriptor is opened with."""
SUFFIX = ".corestate-tmp"
_LONGEST_PREFIX = 180  # of a name of at most 255 bytes
_UNNAMED: int = getattr(os, "O_TMPFILE", 0)
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)
_BY_DIRECTORY = os.open in os.supports_dir_fd

_unnamed_works: dict[int, bool] = {}


class Place:
    """A name in a directory that is held open, so that all steps of making a file happen in the same one."""

    def __init__(self, where: Address) -> None:
        real = os.path.realpath(where.name)  # a dangling link leads to where the file is to be
        self.where = where
        self.parent, self.name = os.path.split(real)
        if not self.name or where.name.endswith(("/", os.sep)):
            raise NotRegionError.because(f"region {where}", expected="the path of a file", found="that of a directory")
        self.directory: int | None = None

    @contextmanager
    def entered(self) -> Iterator[Place]:
        """Hold the directory open, having made sure that it is on a file system of this machine."""
        if not _BY_DIRECTORY:
            yield self
            return
        try:
            directory = os.open(self.parent, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as problem:
            raise RegionNotFoundError.because(
                f"region {self.where}",
                expected=f"the directory {self.parent}",
                found="no such directory",
                advice="make the directory first",
            ) from problem
        try:
            refuse_network(directory, self.where)
            self.directory = directory
            yield self
        finally:
            self.directory = None
            os.close(directory)

    def path(self, name: str) -> str:
        """A name in this directory, for calls with ``dir_fd=self.directory``."""
        return name if self.directory is not None else os.path.join(self.parent, name)  # noqa: PTH118

    def remove(self, name: str) -> None:
        """Remove a name in this directory if it is there."""
        with suppress(OSError):
            os.unlink(self.path(name), dir_fd=self.directory)


def make(place: Place, config: RegionConfig) -> int | None:
    """Make the file with a region in it. Its descriptor, or None when the name is taken.

    Raises:
        OSError: as the file system has it.
    """
    unnamed = _make_unnamed(place, config)
    if unnamed is not False:
        return unnamed
    while (named := _make_named(place, config)) is False:
        pass  # another opener took us for dead in the instant before our lock
    return named


def _fill(descriptor: int, config: RegionConfig) -> None:
    """Make a region in an empty file nobody else knows."""
    reserve(descriptor, config.size)
    lay_out(map_bytes(descriptor, config.size, writable=True), config, zeroed=True)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, config.permissions)


def _make_unnamed(place: Place, config: RegionConfig) -> int | Literal[False] | None:
    """Make the file without a name and link it. None: the name is taken; False: that does not work here."""
    if not _UNNAMED or place.directory is None:
        return False
    try:
        descriptor = os.open(".", _UNNAMED | os.O_RDWR | CLOEXEC, 0o600, dir_fd=place.directory)
    except OSError as problem:
        if problem.errno in _NO_UNNAMED:
            return False
        raise
    linked = False
    try:
        _fill(descriptor, config)
        os.link(f"/proc/self/fd/{descriptor}", place.name, dst_dir_fd=place.directory, follow_symlinks=True)
        linked = True
    except FileExistsError:
        return None
    except FileNotFoundError:  # no /proc here
        return False
    finally:
        if not linked:
            os.close(descriptor)
    return descriptor


def _make_named(place: Place, config: RegionConfig) -> int | Literal[False] | None:
    """Make the file under a temporary name and link it. None: the name is taken; False: swept away, try again."""
    _sweep(place)
    name = f"{_prefix(place.name)}{secrets.token_hex(8)}{SUFFIX}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOEXEC
    descriptor = hold(lambda: os.open(place.path(name), flags, 0o600, dir_fd=place.directory))
    linked = False
    try:
        if not _lock(descriptor):
            return False
        _fill(descriptor, config)
        os.link(place.path(name), place.path(place.name), src_dir_fd=place.directory, dst_dir_fd=place.directory)
        linked = True
    except FileExistsError:
        return None
    except FileNotFoundError:
        return False
    finally:
        place.remove(name)
        let_go(descriptor)
        if linked:
            _unlock(descriptor)
        else:
            os.close(descriptor)
    return descriptor


def _lock(descriptor: int) -> bool:
    """Take the lock by which a maker shows that it lives; False when another has it."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _prefix(name: str) -> str:
    return "." + os.fsdecode(os.fsencode(name)[:_LONGEST_PREFIX]) + "."


def _sweep(place: Place) -> None:
    """Remove what makers of this file left under temporary names when they were killed. O(entries of the directory)."""
    prefix = _prefix(place.name)
    with suppress(OSError):
        for name in os.listdir(place.parent):  # noqa: PTH208
            if name.startswith(prefix) and name.endswith(SUFFIX):
                _sweep_one(place, name)


def _sweep_one(place: Place, name: str) -> None:
    with suppress(OSError):
        descriptor = os.open(place.path(name), os.O_RDWR | CLOEXEC, dir_fd=place.directory)
        try:
            if _lock(descriptor):
                place.remove(name)
        finally:
            os.close(descriptor)


def sweep_where_needed(place: Place) -> None:
    """Sweep, but only on file systems where makers use temporary names. O(1) elsewhere."""
    if _leaves_litter(place):
        _sweep(place)


def _leaves_litter(place: Place) -> bool:
    if not _UNNAMED or place.directory is None:
        return True
    device = os.fstat(place.directory).st_dev
    if device not in _unnamed_works:
        try:
            os.close(os.open(".", _UNNAMED | os.O_RDWR | CLOEXEC, 0o600, dir_fd=place.directory))
        except PermissionError:
            return False  # nothing here is ours to make or remove
        except OSError as problem:
            if problem.errno not in _NO_UNNAMED:
                return False  # a full disk, say: it tells nothing
            _unnamed_works[device] = False
        else:
            _unnamed_works[device] = True
    return not _unnamed_works[device]
