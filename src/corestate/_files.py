"""Regions in files: opening, checking, removing."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from corestate._binding import lib
from corestate._filesystem import refuse_network
from corestate._making import CLOEXEC, Place, make, sweep_where_needed
from corestate._storage import Opened, compare, judge, map_bytes, mode_of, probe, translate
from corestate.config import RegionConfig
from corestate.errors import BusyError, CorestateError, NotRegionError, RegionExistsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corestate._storage import Make
    from corestate.address import Address

__all__ = ["open_file", "unlink_file"]

_QUIET: int = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)  # whatever it is, opening it does nothing
_TRIES = 1000
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


@contextmanager
def _translated(where: Address, *, writable: bool) -> Iterator[None]:
    try:
        yield
    except CorestateError:
        raise
    except OSError as problem:
        raise translate(problem, where, writable=writable) from problem


def open_file(where: Address, making: Make, *, writable: bool, config: RegionConfig | None) -> Opened:
    """Open or make the region at a path. The caller closes the descriptor.

    Raises:
        CorestateError: as ``region.open_region`` lists.
    """
    with _translated(where, writable=writable):
        descriptor, made = _existing_or_made(where, making, writable=writable, config=config)
        try:
            return _map(where, descriptor, writable=writable, config=None if made else config)
        except BaseException:
            os.close(descriptor)
            raise


def _existing_or_made(where: Address, making: Make, *, writable: bool, config: RegionConfig | None) -> tuple[int, bool]:
    if not writable:
        return _open_existing(where, writable=False), False
    with Place(where).entered() as place:
        for _ in range(_TRIES):  # it may come and go between two looks
            if making != "always":
                try:
                    descriptor = _open_existing(where, writable=True)
                except FileNotFoundError:
                    if making == "never":
                        raise
                else:
                    sweep_where_needed(place)
                    return descriptor, False
            elif os.path.lexists(place.path(place.name) if place.directory is None else where.name):
                raise RegionExistsError.because(f"region {where}")
            made = make(place, config or RegionConfig())
            if made is not None:
                return _by_name(where, made), True
    raise BusyError.because(f"region {where}", expected="a file that stays", found="one made and removed all the time")


def _by_name(where: Address, made: int) -> int:
    """What was just made, opened by its name so that the system's tools show that; as it is if the name is gone."""
    with suppress(OSError):
        named = os.open(where.name, os.O_RDWR | CLOEXEC | _QUIET)
        if os.path.sameopenfile(named, made):
            os.close(made)
            return named
        os.close(named)
    return made


def _open_existing(where: Address, *, writable: bool) -> int:
    """Open a regular file, without side effects on whatever else it may be."""
    _insist_on_regular(where, os.stat(where.name))  # noqa: PTH116
    descriptor = os.open(where.name, (os.O_RDWR if writable else os.O_RDONLY) | CLOEXEC | _QUIET)
    try:
        _insist_on_regular(where, os.fstat(descriptor))
        refuse_network(descriptor, where)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _insist_on_regular(where: Address, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise NotRegionError.because(
            f"region {where}", expected="a regular file", found=_KINDS.get(kind, "a device"), advice="check the path"
        )


def _map(where: Address, descriptor: int, *, writable: bool, config: RegionConfig | None) -> Opened:
    """Map what a descriptor names, if it is a whole region of ours."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        raise NotRegionError.because(
            f"region {where}", found="an empty file", advice="check the path; remove the file if it is in the way"
        )
    memory = map_bytes(descriptor, size, writable=writable)
    code, info = probe(memory)
    if code < 0:
        raise judge(where, code, info, size)
    permissions = mode_of(descriptor)
    if config is not None:
        compare(where, config, RegionConfig.from_core(info.config, permissions))
    if writable and hasattr(os, "posix_fallocate") and os.fstat(descriptor).st_blocks * 512 < size:
        os.posix_fallocate(descriptor, 0, size)  # a sparse copy: a full disk would be a SIGBUS
    return Opened(memory, descriptor, permissions, writable)


def unlink_file(where: Address) -> None:
    """Remove a region's file; who is attached stays so. Refuses files that are no region.

    Raises:
        RegionNotFoundError, NotRegionError, RegionPermissionError, StorageError.
    """
    with _translated(where, writable=False):
        descriptor = _open_existing(where, writable=False)
        try:
            size = os.fstat(descriptor).st_size
            code = probe(map_bytes(descriptor, size, writable=False))[0] if size else lib.CS_E_NOT_REGION
        finally:
            os.close(descriptor)
        if code == lib.CS_E_NOT_REGION:
            raise NotRegionError.because(
                f"unlink {where}", found=f"{size} bytes that are none", advice="remove it by other means if you mean it"
            )
        with Place(where).entered() as place:
            sweep_where_needed(place)
        os.unlink(where.name)  # noqa: PTH108
