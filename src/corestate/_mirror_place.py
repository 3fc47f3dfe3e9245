"""The file a mirrored region lives in.

It has no name until it is whole (a temporary one where a system cannot do that, which the next mirror of the name
takes away if this one was killed). Its first name it gets by a link, which fails where something is there; later ones
take the place of the very file this mirror showed, or of one whose mirror had ended when this one began. Every step
goes by descriptor, so nobody who may write to the directory can put another file under it.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from corestate import region as regions
from corestate._attachment import hold, let_go
from corestate._binding import check, ffi, lib
from corestate._storage import map_bytes, reserve, translate
from corestate._trusted import CLOEXEC, UNNAMED, Place, lock_exclusively
from corestate.address import path_of
from corestate.errors import CorestateError, RegionExistsError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from corestate.address import Address

__all__ = ["File", "Name"]

_SUFFIX = ".corestate-tmp"
_LONGEST_PREFIX = 180  # of a name of at most 255 bytes
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)


class Name:
    """The name of a mirror's region, and which file there may be replaced."""

    def __init__(self, where: Address) -> None:
        """Look what is there.

        Raises:
            RegionExistsError: something that is no mirror, or a mirror at work. UntrustedFileError: the link there is
                somebody else's. RegionNotFoundError, RegionPermissionError, StorageError: of the directory.
        """
        self.where = where
        self.path = path_of(where)
        self._ours: tuple[int, int] | None = None
        try:
            with self.place() as place:
                for _ in self._left_behind(place):
                    pass
                if place.status is not None:
                    self._ours = self._ended_mirror(place)
        except OSError as problem:
            if isinstance(problem, CorestateError):
                raise
            raise translate(problem, where, writable=True) from problem

    def place(self) -> Place:
        """The name in its directory."""
        return Place(self.path, f"mirror at {self.where}")

    def taken(self) -> RegionExistsError:
        """The error for what is there and is not ours."""
        return RegionExistsError.because(
            f"mirror at {self.where}",
            expected="nothing there, or a mirror nobody keeps up",
            found="something else",
            advice="use another address, or take away what is there",
        )

    def _ended_mirror(self, place: Place) -> tuple[int, int]:
        """The file there, if it is a mirror whose process has ended."""
        before = place.status
        with suppress(CorestateError):
            with regions.attach_region(self.where, mode="r") as found:
                health = ffi.new("cs_health *")
                check(lib.cs_health_read(found.view, lib.CS_FOREVER, health), "health")
            with self.place() as again:
                after = again.status
            ended = health.link_age_ns > 0 and health.participants_live == 0
            if ended and before is not None and after is not None and os.path.samestat(before, after):
                return after.st_dev, after.st_ino
        raise self.taken()

    def prefix(self, place: Place) -> str:
        """Of the names of files that are not whole yet."""
        return "." + os.fsdecode(os.fsencode(place.name)[:_LONGEST_PREFIX]) + "."

    def _left_behind(self, place: Place) -> Iterator[str]:
        """Remove what killed mirrors of this name left. O(entries of the directory)."""
        prefix = self.prefix(place)
        for name in place.listing():
            if not (name.startswith(prefix) and name.endswith(_SUFFIX)):
                continue
            with suppress(OSError, CorestateError):
                descriptor = place.open(name=name)
                try:
                    mine = not hasattr(os, "geteuid") or os.fstat(descriptor).st_uid == os.geteuid()
                    if mine and lock_exclusively(descriptor) and place.remove(name, like=descriptor):
                        yield name
                finally:
                    os.close(descriptor)

    def put(self, place: Place, file: File) -> None:
        """Give a whole file its name.

        Raises:
            RegionExistsError: something else is there. OSError: as the system has it.
        """
        here = place.status
        try:
            if here is None:
                file.link(place)
            elif (here.st_dev, here.st_ino) == self._ours:
                file.replace(place)
            else:
                raise self.taken()
        except FileExistsError as problem:
            if isinstance(problem, CorestateError):
                raise
            raise self.taken() from problem
        self._ours = file.identity


class File:
    """A mirrored region's bytes, while this process keeps them up."""

    def __init__(self, name: Name, size: int, permissions: int) -> None:
        """Make it, without a name.

        Raises:
            CorestateError: there is no room, or the directory takes no file.
        """
        self._name = name
        self._hidden = ""
        self._descriptor = self.lock = -1
        self.memory: mmap.mmap
        try:
            with name.place() as place:
                self._make(place)
                reserve(self._descriptor, size)
                self.memory = map_bytes(self._descriptor, size, writable=True)
                # By a description of its own this process shows that it lives; a mapped one would live on in children.
                self.lock = hold(lambda: self._again(place))
                if hasattr(os, "fchmod"):
                    os.fchmod(self._descriptor, permissions)
        except OSError as problem:
            self.close()
            if isinstance(problem, CorestateError):
                raise
            raise translate(problem, name.where, writable=True) from problem
        except BaseException:
            self.close()
            raise

    def _make(self, place: Place) -> None:
        if UNNAMED and place.directory is not None and os.path.exists("/proc/self/fd"):  # noqa: PTH110
            try:
                self._descriptor = place.make_unnamed()
            except OSError as problem:
                if problem.errno not in _NO_UNNAMED:
                    raise
            else:
                return
        while self._descriptor < 0:
            hidden = self._name.prefix(place) + secrets.token_hex(8) + _SUFFIX
            made = place.make(name=hidden)
            if lock_exclusively(made) and os.fstat(made).st_nlink:
                self._descriptor, self._hidden = made, hidden
            else:
                os.close(made)  # somebody who cleans up came between the two lines

    def _again(self, place: Place) -> int:
        """A second description of the same file."""
        if not self._hidden:
            return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDWR | CLOEXEC)
        opened = place.open(os.O_RDWR, name=self._hidden)
        if os.path.samestat(os.fstat(opened), os.fstat(self._descriptor)):
            return opened
        os.close(opened)
        raise OSError(errno.ESTALE, "that somebody replaced the file while it was made")

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    def show(self) -> None:
        """Give it its name.

        Raises:
            RegionExistsError: something that is not ours is there; it is left alone. CorestateError: of the directory.
        """
        try:
            with self._name.place() as place:
                self._name.put(place, self)
        except OSError as problem:
            if isinstance(problem, CorestateError):
                raise
            raise translate(problem, self._name.where, writable=True) from problem

    def link(self, place: Place) -> None:
        """Give it a name that nothing has.

        Raises:
            FileExistsError: the name is taken.
        """
        try:
            place.link_unnamed(self._descriptor)  # by descriptor, also where it has another name
        except FileNotFoundError:  # no /proc here
            if not self._hidden:
                raise
            place.link(self._hidden)
        self._put_away(place)
        self._insist(place)

    def replace(self, place: Place) -> None:
        """Put it in the place of the file that has the name."""
        while not self._hidden:
            hidden = self._name.prefix(place) + secrets.token_hex(8) + _SUFFIX
            lock_exclusively(self._descriptor)
            with suppress(FileExistsError):
                place.link_unnamed(self._descriptor, name=hidden)
                self._hidden = hidden
        place.replace(self._hidden)
        self._hidden = ""
        self._insist(place)

    def _put_away(self, place: Place) -> None:
        """Take the temporary name away, if it still is of this file."""
        if self._hidden:
            with suppress(OSError):
                place.remove(self._hidden, like=self._descriptor)
            self._hidden = ""

    def _insist(self, place: Place) -> None:
        """See that the name is this file's now, and not one that somebody put under the temporary name."""
        with Place(place.path, place.what) as again:
            if again.status is None or not os.path.samestat(again.status, os.fstat(self._descriptor)):
                raise self._name.taken()

    def close(self) -> None:
        """Let go; a region that was shown stays, with nobody alive in it."""
        if self.lock >= 0:
            let_go(self.lock)
            os.close(self.lock)
            self.lock = -1
        if self._hidden and self._descriptor >= 0:
            with suppress(OSError, CorestateError), self._name.place() as place:
                self._put_away(place)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
