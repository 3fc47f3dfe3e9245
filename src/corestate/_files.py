"""Regions in files, and on Linux in POSIX shared memory, which is a directory of files there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from corestate._binding import lib
from corestate._filesystem import refuse_network
from corestate._making import make, sweep_where_needed
from corestate._storage import Opened, compare, judge, map_bytes, probe, translate
from corestate._trusted import Place
from corestate.address import path_of
from corestate.config import RegionConfig
from corestate.errors import BusyError, CorestateError, NotRegionError, RegionExistsError, RegionNotFoundError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator

    from corestate._storage import Make
    from corestate.address import Address

__all__ = ["make_file", "open_file", "unlink_file"]

_TRIES = 1000


@contextmanager
def _translated(where: Address, *, writable: bool) -> Iterator[None]:
    try:
        yield
    except CorestateError:
        raise
    except OSError as problem:
        raise translate(problem, where, writable=writable) from problem


@contextmanager
def _entered(where: Address, owner: int | None, *, making: bool) -> Iterator[Place]:
    """The place of a region's file; where it is to be made, on a file system of this machine."""
    path = where.name if where.kind == "file" else path_of(where)
    place = Place(path, f"region {where}", owner=owner, wrong_kind=NotRegionError)
    try:
        place.__enter__()
    except (FileNotFoundError, NotADirectoryError) as problem:
        if not making:
            raise
        raise RegionNotFoundError.because(
            f"region {where}",
            expected=f"the directory {place.parent}",
            found="no such directory",
            advice="make the directory first",
        ) from problem
    try:
        if making and place.directory is not None:
            refuse_network(place.directory, where)
        yield place
    finally:
        place.leave()


def open_file(
    where: Address, making: Make, *, writable: bool, config: RegionConfig | None, owner: int | None = None
) -> Opened:
    """Open or make the region at a path. The caller closes the descriptor.

    Raises:
        CorestateError: as ``region.open_region`` lists.
    """
    with _translated(where, writable=writable), _entered(where, owner, making=making != "never") as place:
        descriptor, made = _existing_or_made(place, where, making, writable=writable, config=config)
        try:
            opened = _map(where, descriptor, writable=writable, config=None if made else config)
        except BaseException:
            os.close(descriptor)
            raise
    opened.path = place.path
    return opened


def make_file(where: Address, config: RegionConfig, fill: Callable[[int, mmap.mmap], None], owner: int | None) -> str:
    """Make a region where there is none, filled before anybody sees it; its path, links followed.

    Raises:
        RegionExistsError: the name is taken. Else as ``open_file``, and what ``fill`` raises.
    """
    with _translated(where, writable=True), _entered(where, owner, making=True) as place:
        descriptor = None if place.status is not None else make(place, config, fill)
        if descriptor is None:
            raise RegionExistsError.because(f"region {where}")
        os.close(descriptor)
        return place.path


def _existing_or_made(
    place: Place, where: Address, making: Make, *, writable: bool, config: RegionConfig | None
) -> tuple[int, bool]:
    for _ in range(_TRIES):  # it may come and go between two looks
        if making != "always":
            try:
                descriptor = place.open(os.O_RDWR if writable else os.O_RDONLY)
            except FileNotFoundError:
                if making == "never":
                    raise
            else:
                if writable:
                    sweep_where_needed(place)
                return _on_this_machine(descriptor, where), False
        elif place.status is not None:
            raise RegionExistsError.because(f"region {where}")
        made = make(place, config or RegionConfig())
        if made is not None:
            return _by_name(place, made), True
        place.look()
    raise BusyError.because(f"region {where}", expected="a file that stays", found="one made and removed all the time")


def _on_this_machine(descriptor: int, where: Address) -> int:
    try:
        refuse_network(descriptor, where)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _by_name(place: Place, made: int) -> int:
    """What was just made, opened by its name so that the system's tools show that; as it is if the name is gone."""
    place.look()
    try:
        named = place.open(os.O_RDWR)
    except (OSError, CorestateError):
        return made
    if os.path.sameopenfile(named, made):
        os.close(made)
        return named
    os.close(named)
    return made


def _map(where: Address, descriptor: int, *, writable: bool, config: RegionConfig | None) -> Opened:
    """Map what a descriptor names, if it is a whole region of ours."""
    status = os.fstat(descriptor)
    size = status.st_size
    if size == 0:
        raise NotRegionError.because(
            f"region {where}", found="an empty file", advice="check the path; remove the file if it is in the way"
        )
    memory = map_bytes(descriptor, size, writable=writable)
    code, info = probe(memory)
    if code < 0:
        raise judge(where, code, info, size)
    permissions = status.st_mode & 0o777
    if config is not None:
        compare(where, config, RegionConfig.from_core(info.config, permissions))
    if writable and hasattr(os, "posix_fallocate") and status.st_blocks * 512 < size:
        os.posix_fallocate(descriptor, 0, size)  # a sparse copy: a full disk would be a SIGBUS
    owners, file = (status.st_uid, status.st_gid), (status.st_dev, status.st_ino)
    return Opened(memory, descriptor, permissions, writable, owners=owners, file=file)


def unlink_file(where: Address) -> None:
    """Remove a region's file; who is attached stays so. Refuses files that are no region.

    Raises:
        RegionNotFoundError, NotRegionError, RegionPermissionError, StorageError.
    """
    with _translated(where, writable=False), _entered(where, None, making=False) as place:
        try:
            descriptor = place.open()
        except PermissionError:
            if where.kind != "shm":
                raise
            place.remove()  # who may not read it may still be the one to remove it
            return
        try:
            size = os.fstat(descriptor).st_size
            code = probe(map_bytes(descriptor, size, writable=False))[0] if size else lib.CS_E_NOT_REGION
            if code == lib.CS_E_NOT_REGION:
                raise NotRegionError.because(
                    f"unlink {where}",
                    found=f"{size} bytes that are none",
                    advice="remove it by other means if you mean it",
                )
            sweep_where_needed(place)
            if not place.remove(like=descriptor):
                raise FileNotFoundError
        finally:
            os.close(descriptor)
