"""The directory a store has to itself: what lies in it, with which modes, and whose it may be.

SQLite opens ``-wal`` and ``-shm`` by name, whenever it likes. So nothing that is checked about them beforehand holds by
the time they are opened, unless nobody else can make a name in their directory. The directory is therefore the store's
alone, and is judged at each opening: of a trusted owner, and writable by nobody whom the region's permissions do not
let write. Who may rename in the directory above can still put another one in its place.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from corestate._trusted import Place, untrusted
from corestate.errors import (
    CorestateError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreVersionError,
    UntrustedFileError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ANCHOR", "DATABASE", "LOCK", "SHM", "WAL", "Modes", "StoreDirectory", "modes_of"]

DATABASE = "store.db"
WAL, SHM = f"{DATABASE}-wal", f"{DATABASE}-shm"
ANCHOR = "anchor"
LOCK = "lock"
_MAGIC = b"SQLite format 3\0"
_HAS_OWNERS = hasattr(os, "geteuid") and sys.platform != "emscripten"


class Modes(NamedTuple):
    """Permission bits of what a store is made of."""

    directory: int
    files: int
    """Of the database, its log of writes and the anchor."""
    writers: int
    """Of what is locked: nobody who may not write can read it, since a reader's lock on it would stop writers."""


def modes_of(permissions: int) -> Modes:
    """What follows from a region's permissions, for owner, group and others alike."""
    directory, files, writers = 0o700, 0o600, 0o600
    for shift in (3, 0):
        bits = permissions >> shift & 6
        files |= bits << shift
        directory |= (bits | 1 if bits else 0) << shift
        writers |= (6 if bits == 6 else 0) << shift
    if files & 0o020:
        directory |= stat.S_ISGID  # what its members make belongs to the group
    return Modes(directory, files, writers)


class StoreDirectory:
    """Where a store lies.

    Args:
        path: of the directory, from the root.
        permissions: of the region.
        region: path of the region's file, whose owner is trusted and whose group is the directory's; None: it has none.
        owner: one more user whose directory is trusted.
        beside: whether it lies beside the region, where an older corestate had the database itself.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        permissions: int = 0o600,
        region: str | None = None,
        owner: int | None = None,
        beside: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self.what = f"store {self.path}"
        self.modes = modes_of(permissions)
        self._region = region
        self._owner = owner
        self._beside = beside
        self._region_status: os.stat_result | None = None
        self._user = -1

    @property
    def database(self) -> str:
        """Path of the database."""
        return os.path.join(self.path, DATABASE)  # noqa: PTH118

    @property
    def there(self) -> bool:
        """Whether there is a database."""
        return os.path.exists(self.database)  # noqa: PTH110

    @property
    def writable(self) -> bool:
        """Whether this process may write everything in it, as far as the system says."""
        effective = os.access in os.supports_effective_ids
        return os.access(self.path, os.W_OK | os.X_OK, effective_ids=effective) and all(
            os.access(path, os.W_OK, effective_ids=effective)
            for path in (self.database, os.path.join(self.path, LOCK))  # noqa: PTH118
            if os.path.exists(path)  # noqa: PTH110
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What the system says of files, as errors of the store."""
        try:
            yield
        except CorestateError:
            raise
        except FileNotFoundError:
            raise StoreNotFoundError.because(self.what) from None
        except OSError as cause:
            kind: type[StoreError] = StoreError
            if cause.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                kind = StoreReadOnlyError
            elif cause.errno in (errno.ENOSPC, errno.EDQUOT):
                kind = StoreFullError
            raise kind.because(
                self.what,
                expected="a directory and files that can be opened",
                found=f"{cause.strerror or cause}: {cause.filename or self.path}",
                advice="check the path, its permissions and its disk",
            ) from cause

    # -- entering ------------------------------------------------------------------------------

    @contextmanager
    def entered(self, *, make: bool) -> Iterator[Place]:
        """The directory, judged and held open; its files are given by name.

        Args:
            make: make it if there is none.

        Raises:
            StoreNotFoundError: there is none, and none was to be made.
            StoreVersionError: an older corestate's database lies beside the region.
            UntrustedFileError: the directory, or what lies in it, is not to be trusted.
            StoreCorruptError: something else has its name. StoreReadOnlyError, StoreFullError, StoreError.
        """
        with self.translated():
            inside, trusted = self._opened(make=make)
            try:
                self._judge(inside, trusted)
                yield inside
            finally:
                inside.leave()

    def _opened(self, *, make: bool) -> tuple[Place, frozenset[int]]:
        """The directory held open, and its trusted owners."""
        if _HAS_OWNERS:
            self._user = os.geteuid()
        with suppress(OSError):  # what is wrong is told below; a link is followed there, if it is trusted
            inside = Place.inside(self.path, self.what)
            trusted = frozenset((self._user, 0)) if _HAS_OWNERS else frozenset()
            if inside.directory_status is None or inside.directory_status.st_uid in trusted:
                return inside, trusted
            inside.leave()
        with Place(self.path, self.what, owner=self._trusted_owner) as place:
            if place.status is None:
                self._refuse_older()
                if not make:
                    raise StoreNotFoundError.because(self.what)
                self._make(place)
            elif not stat.S_ISDIR(place.status.st_mode):
                raise StoreCorruptError.because(
                    self.what,
                    expected="the directory of a store",
                    found="a file",
                    advice="name a directory, or a name that is free",
                )
            return Place.inside(place.path, self.what), place.trusted

    @property
    def _status(self) -> os.stat_result | None:
        """Of the region's file."""
        if self._region is not None and self._region_status is None:
            try:
                self._region_status = os.stat(self._region)  # noqa: PTH116
            except FileNotFoundError:  # its name is gone, which a store can outlive
                self._region = None
        return self._region_status

    @property
    def _trusted_owner(self) -> int | None:
        status = self._status
        return self._owner if status is None or self._owner is not None else status.st_uid

    def _make(self, place: Place) -> None:
        status, mode, group, owner = self._status, self.modes.directory, None, None
        if status is not None and _HAS_OWNERS:
            if mode & 0o070:
                group = status.st_gid
                if group != os.getegid():
                    mode |= stat.S_ISGID
            if self._user == 0 and status.st_uid != 0:
                owner, group = status.st_uid, status.st_gid  # root opens a user's region: the store is the user's
        place.make_directory(mode, group, owner)
        place.sync()

    @property
    def older(self) -> str | None:
        """Path of an older corestate's store: a database beside the region, without a directory."""
        if not self._beside:
            return None
        file = f"{self.path.removesuffix('.d')}.db"
        with suppress(OSError, UntrustedFileError), Place(file, self.what) as place:
            descriptor = place.open()
            try:
                if os.read(descriptor, len(_MAGIC)) == _MAGIC:
                    return file
            finally:
                os.close(descriptor)
        return None

    def _refuse_older(self) -> None:
        file = self.older
        if file is not None:
            raise StoreVersionError.because(
                self.what,
                expected="a directory",
                found=f"the file {file}, as a corestate before 0.1 made it",
                advice=f"close every program that uses it, then: mkdir -m 700 {self.path}; mv {file} {self.database}; "
                f"mv {file}-wal {self.path}/{WAL}; mv {file}.anchor {self.path}/{ANCHOR} (where these are)",
            )

    def _judge(self, inside: Place, trusted: frozenset[int]) -> None:
        status = inside.directory_status
        if status is None or not _HAS_OWNERS:
            return
        if status.st_uid not in trusted:
            region = self._status
            if region is not None:
                trusted |= {region.st_uid}
            if status.st_uid not in trusted:
                raise untrusted(self.what, status.st_uid, trusted, "a directory")
        mode, allowed = stat.S_IMODE(status.st_mode), self.modes.directory
        if not mode & 0o022:
            return
        region = self._status
        if region is not None and status.st_gid != region.st_gid:
            allowed &= ~0o020  # another group than the region's is not let in
        if mode & 0o022 & ~allowed:
            raise UntrustedFileError.because(
                self.what,
                expected=f"a directory that only who may write the region may write to (mode {allowed & 0o777:o})",
                found=f"mode {mode & 0o777:o}",
                advice=f"look at what is in it, then: chmod {allowed & 0o777:o} {self.path}",
            )

    # -- what lies in it -----------------------------------------------------------------------

    def files(self, inside: Place) -> dict[str, os.stat_result]:
        """What there is of database, log and shared index, regular files with one name each.

        Raises:
            UntrustedFileError: one of them is something else.
        """
        found = {}
        for name in (DATABASE, WAL, SHM):
            status = inside.status_of(name)
            if status is None:
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                raise UntrustedFileError.because(
                    f"{name} of {self.what}",
                    expected="a regular file with one name",
                    found="something else",
                    advice="look at what is in the directory; restore the store from a backup",
                )
            found[name] = status
        return found

    def mode_for(self, name: str) -> int:
        """Of a file with this name."""
        return self.modes.writers if name in (SHM, LOCK) else self.modes.files

    def follow(self, inside: Place, found: dict[str, os.stat_result]) -> None:
        """Give the files the modes that follow from the region's permissions, as far as they are this user's."""
        if not _HAS_OWNERS:
            return
        for name, status in found.items():
            mode = self.mode_for(name)
            if stat.S_IMODE(status.st_mode) != mode and self._user in (0, status.st_uid):
                inside.set_mode(name, mode)

    def make(self, inside: Place, name: str, content: bytes = b"") -> int:
        """Make a file, for nobody else yet (mode 0600); ``ready`` ends that. The caller closes the descriptor.

        Raises:
            FileExistsError: the name is taken.
        """
        descriptor = inside.make(0o600, name=name)
        try:
            if content:
                os.write(descriptor, content)
            self.give(inside, descriptor)
        except BaseException:
            os.close(descriptor)
            inside.remove(name)
            raise
        return descriptor

    def give(self, inside: Place, descriptor: int) -> None:
        """What root made is the directory's owner's."""
        status = inside.directory_status
        if status is not None and _HAS_OWNERS and self._user == 0 and status.st_uid != 0:
            os.fchown(descriptor, status.st_uid, status.st_gid)

    def ready(self, name: str, descriptor: int) -> None:
        """Let in whom the region's permissions let in."""
        mode = self.mode_for(name)
        if mode != 0o600 and hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode)
