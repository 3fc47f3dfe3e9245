"""Making a region's file whole before it has a name, so that nobody ever sees half of one.

Where the file system has O_TMPFILE the file has no name until it is linked into place. Where it has not, it is made
under ``.NAME.RANDOM.corestate-tmp`` with a lock that dies with its maker; the next opener removes such files whose
makers are gone. Either way it is closed to everybody else until it is ready: its permissions are set last.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from corestate._attachment import hold, let_go
from corestate._storage import lay_out, map_bytes, reserve
from corestate._trusted import SUFFIX, UNNAMED, lock_exclusively, set_permissions
from corestate.errors import CorestateError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

    from corestate._trusted import Place
    from corestate.config import RegionConfig

__all__ = ["make", "sweep_where_needed"]

_LONGEST_PREFIX = 180  # of a name of at most 255 bytes
_UNNAMED: int = UNNAMED
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)

_unnamed_works: dict[int, bool] = {}


def make(place: Place, config: RegionConfig, fill: Callable[[int, mmap.mmap], None] | None = None) -> int | None:
    """Make the file with a region in it. Its descriptor, or None when the name is taken.

    Args:
        place: where, entered.
        config: of the region.
        fill: given the descriptor and the mapped region before anybody else sees it.

    Raises:
        OSError: as the file system has it. Else what ``fill`` raises; nothing is left then.
    """
    unnamed = _make_unnamed(place, config, fill)
    if unnamed is not False:
        return unnamed
    while (named := _make_named(place, config, fill)) is False:
        pass  # another opener took us for dead in the instant before our lock
    return named


def _fill(descriptor: int, config: RegionConfig, fill: Callable[[int, mmap.mmap], None] | None) -> None:
    """Make a region in an empty file nobody else knows."""
    reserve(descriptor, config.size)
    memory = map_bytes(descriptor, config.size, writable=True)
    lay_out(memory, config, zeroed=True)
    if fill is not None:
        fill(descriptor, memory)
    set_permissions(descriptor, config.permissions)


def _make_unnamed(
    place: Place, config: RegionConfig, fill: Callable[[int, mmap.mmap], None] | None
) -> int | Literal[False] | None:
    """Make the file without a name and link it. None: the name is taken; False: that does not work here."""
    if not _UNNAMED or place.directory is None:
        return False
    try:
        descriptor = place.make_unnamed()
    except OSError as problem:
        if problem.errno in _NO_UNNAMED:
            return False
        raise
    linked = False
    try:
        _fill(descriptor, config, fill)
        place.link_unnamed(descriptor)
        linked = True
    except FileExistsError:
        return None
    except FileNotFoundError:  # no /proc here
        return False
    finally:
        if not linked:
            os.close(descriptor)
    return descriptor


def _make_named(
    place: Place, config: RegionConfig, fill: Callable[[int, mmap.mmap], None] | None
) -> int | Literal[False] | None:
    """Make the file under a temporary name and link it. None: the name is taken; False: swept away, try again."""
    _sweep(place)
    name = f"{_prefix(place.name)}{secrets.token_hex(8)}{SUFFIX}"
    descriptor = hold(lambda: place.make(name=name))
    linked = False
    try:
        if not lock_exclusively(descriptor):
            return False
        _fill(descriptor, config, fill)
        place.link(name)
        linked = True
    except FileExistsError:
        return None
    except FileNotFoundError:
        return False
    finally:
        with suppress(OSError):
            place.remove(name, like=descriptor)
        let_go(descriptor)
        if linked:
            _unlock(descriptor)
        else:
            os.close(descriptor)
    return descriptor


def _unlock(descriptor: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _prefix(name: str) -> str:
    return "." + os.fsdecode(os.fsencode(name)[:_LONGEST_PREFIX]) + "."


def _sweep(place: Place) -> None:
    """Remove what makers of this file left under temporary names when they were killed. O(entries of the directory)."""
    prefix = _prefix(place.name)
    for name in place.listing():
        if name.startswith(prefix) and name.endswith(SUFFIX):
            _sweep_one(place, name)


def _sweep_one(place: Place, name: str) -> None:
    with suppress(OSError, CorestateError):
        # Its maker may have linked it before it died, so it may have two names; nothing is written to it.
        descriptor = place.open(os.O_RDWR, name=name, anyones=True)
        try:
            if lock_exclusively(descriptor):
                place.remove(name, like=descriptor)
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
            os.close(place.make_unnamed())
        except PermissionError:
            return False  # nothing here is ours to make or remove
        except OSError as problem:
            if problem.errno not in _NO_UNNAMED:
                return False  # a full disk, say: it tells nothing
            _unnamed_works[device] = False
        else:
            _unnamed_works[device] = True
    return not _unnamed_works[device]
