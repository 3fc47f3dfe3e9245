"""The directory a store has to itself: what lies in it, with which modes, and whose it may be.

SQLite opens ``-wal`` and ``-shm`` by name, whenever it likes. So nothing that is checked about them beforehand holds by
the time they are opened, unless nobody else can make a name in their directory. The directory is therefore the store's
alone, and is judged at each opening: of a trusted owner, and writable by nobody whom the region's permissions do not
let write. Who may rename in the directory above can still put another one in its place.

Where others may write in it, they are still not to reach anything beyond the store. A rollback journal names a file
that SQLite removes, and one that is a FIFO has it wait for ever. So there

- the directory is sticky: only its owner, and a file's own, renames or removes;
- ``store.db-journal`` is taken, by an empty file of the directory's owner that nobody else may write: SQLite finds it
  empty and leaves it alone. A store in write-ahead mode never has another;
- ``-wal`` and ``-shm`` are there from the beginning, of the directory's owner, whom a kernel with
  ``fs.protected_regular`` asks for. Where its owner is the last to close, it makes them again.

All this is in place before the directory is opened to others: until then it is mode 1700, which no other is.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from corestate._trusted import SUFFIX, Place, in_use, untrusted
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

__all__ = ["ANCHOR", "DATABASE", "JOURNAL", "LOCK", "SHM", "WAL", "Modes", "StoreDirectory", "modes_of"]

DATABASE = "store.db"
WAL, SHM, JOURNAL = f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal"
ANCHOR = "anchor"
LOCK = "lock"
_MAGIC = b"SQLite format 3\0"
_OTHERS = 0o022
"""Who may write besides the owner."""
_BEING_MADE = stat.S_ISVTX | 0o700
_WAL_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_SHM_VERSION = struct.pack("=I", 3007000)
_SHM_HEAD_BYTES = 136
_SETTLE_SECONDS = 1.0
"""How long who makes a store may keep others out of its directory."""
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
    if files & _OTHERS:
        directory |= stat.S_ISVTX
    return Modes(directory, files, writers)


class StoreDirectory:
    """Where a store lies.

    Args:
        path: of the directory, from the root.
        permissions: of the region.
        owners: user and group of the region's file that is open: that user is trusted, and the group is the
            directory's; None: it has none. Never asked of its name, which others may have given to another by now.
        owner: one more user whose directory is trusted.
        beside: whether it lies beside the region, where an older corestate had the database itself.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        permissions: int = 0o600,
        owners: tuple[int, int] | None = None,
        owner: int | None = None,
        beside: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self.what = f"store {self.path}"
        self.modes = modes_of(permissions)
        self._permissions = permissions
        self._owners = owners
        self._owner = owner
        self._beside = beside
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
    def private(self) -> bool:
        """Whether this user may write in it and nobody else: then who only looks may use SQLite's own locks."""
        effective = os.access in os.supports_effective_ids
        if not os.access(self.path, os.W_OK | os.X_OK, effective_ids=effective):
            return False
        if _HAS_OWNERS:
            status = os.lstat(self.path)  # a link's owner is not the owner of where it leads
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
                return False
        return all(
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
            inside, trusted = self._settled(make=make)
            try:
                self._judge(inside, trusted)
                self._narrow_modes(inside)
                yield inside
            finally:
                inside.leave()

    def _settled(self, *, make: bool) -> tuple[Place, frozenset[int]]:
        deadline = 0.0
        while True:
            try:
                return self._opened(make=make)
            except PermissionError:  # whoever makes it opens it to others last
                now = time.monotonic()
                deadline = deadline or now + _SETTLE_SECONDS
                if not self.modes.directory & _OTHERS or now > deadline:
                    raise
            time.sleep(0.002)

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
    def _trusted_owner(self) -> int | None:
        return self._owner if self._owners is None or self._owner is not None else self._owners[0]

    def _make(self, place: Place) -> None:
        mode, group, owner = self.modes.directory, None, None
        if mode & _OTHERS:
            mode = mode & stat.S_ISGID | _BEING_MADE
        if self._owners is not None and _HAS_OWNERS:
            user, region_group = self._owners
            if self.modes.directory & 0o070:
                group = region_group
                if group != os.getegid():
                    mode |= stat.S_ISGID
            if self._user == 0 and user != 0:
                owner, group = user, region_group  # root opens a user's region: the store is the user's
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
            if self._owners is not None:
                trusted |= {self._owners[0]}
            if status.st_uid not in trusted:
                raise untrusted(self.what, status.st_uid, trusted, "a directory")
        mode = stat.S_IMODE(status.st_mode)
        if not mode & _OTHERS:
            return
        allowed = self._allowed(status)
        if mode & _OTHERS & ~allowed:
            raise UntrustedFileError.because(
                self.what,
                expected=f"a directory that only who may write the region may write to (mode {allowed & 0o777:o})",
                found=f"mode {mode & 0o777:o}",
                advice=f"look at what is in it, then: chmod {allowed & 0o777:o} {self.path}",
            )

    def _allowed(self, status: os.stat_result) -> int:
        """The mode the directory may have."""
        allowed = modes_of(self._permissions).directory
        if self._owners is not None and status.st_gid != self._owners[1]:
            allowed &= ~0o020  # another group than the region's is not let in
        return allowed

    def _narrow_modes(self, inside: Place) -> None:
        """Files let in nobody whom their directory does not: it may have been another region's."""
        status = inside.directory_status
        if status is None or not _HAS_OWNERS or self._is_being_made(status):
            return
        mode, bits = status.st_mode, 0o600
        for shift in (3, 0):
            if mode >> shift & 5 == 5:
                bits |= (6 if mode >> shift & 2 else 4) << shift
        self.modes = modes_of(self._permissions & bits)

    def _is_being_made(self, status: os.stat_result) -> bool:
        return stat.S_IMODE(status.st_mode) & ~stat.S_ISGID == _BEING_MADE

    # -- what lies in it -----------------------------------------------------------------------

    def files(self, inside: Place) -> dict[str, os.stat_result]:
        """What there is of database, log and shared index, once everything in the directory has been judged.

        Where others may write in it, it is made safe from them first, or refused.

        Raises:
            UntrustedFileError: something is in it that is not a store's.
        """
        status = inside.directory_status
        shared = self.is_shared(inside)
        if shared:
            self._judge_names(inside)
            self._hold_names(inside)
        found = {}
        for name in (DATABASE, WAL, SHM, JOURNAL):
            one = inside.status_of(name)
            if one is None:
                continue
            if not stat.S_ISREG(one.st_mode) or one.st_nlink > 1:
                raise self._foreign(name, "a regular file with one name", "something else")
            found[name] = one
        journal = found.pop(JOURNAL, None)
        if status is not None and _HAS_OWNERS:
            if journal is not None:
                self._judge_journal(journal, status)
            for name, one in found.items():
                self._judge_kind(inside, name, one, private=status.st_uid == self._user and not shared)
        return found

    def _foreign(self, name: str, expected: str, found: str) -> UntrustedFileError:
        return UntrustedFileError.because(
            f"{name} of {self.what}",
            expected=expected,
            found=found,
            advice="look at what is in the directory; move away what is not the store's, or restore it from a backup",
        )

    def _judge_names(self, inside: Place) -> None:
        for name in inside.listing():
            if name in (DATABASE, WAL, SHM, JOURNAL):
                continue  # judged one by one
            one = inside.status_of(name)
            if one is None:
                continue
            known = name in (LOCK, ANCHOR) or name.startswith(f"{ANCHOR}.held-") or name.endswith(SUFFIX)
            if not known or not stat.S_ISREG(one.st_mode):
                raise self._foreign(ascii(name), "nothing but a store's files", "another name, or something else")

    def _judge_journal(self, journal: os.stat_result, status: os.stat_result) -> None:
        """A store in write-ahead mode has none, unless who made it was killed: then nobody else could reach it."""
        if journal.st_uid == status.st_uid and (
            (journal.st_size == 0 and not journal.st_mode & _OTHERS)
            or (status.st_uid == self._user and not status.st_mode & _OTHERS)
        ):
            return
        raise self._foreign(
            JOURNAL,
            "nothing, or an empty file of the directory's owner that nobody else may write",
            f"{journal.st_size} bytes of user {journal.st_uid}, mode {stat.S_IMODE(journal.st_mode):o}",
        )

    def _judge_kind(self, inside: Place, name: str, status: os.stat_result, *, private: bool) -> None:
        """See that a log or index is SQLite's before it is written to: others may have moved any file here."""
        settled = stat.S_IMODE(status.st_mode) == self.mode_for(name)
        if name == DATABASE or (private and settled) or (status.st_dev, status.st_ino) in in_use:
            return  # SQLite changes nothing of what is no database
        descriptor = inside.open(name=name)
        try:
            head = os.read(descriptor, _SHM_HEAD_BYTES)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if name == WAL:
            good = not size or head[:4] in _WAL_MAGICS or (settled and not any(head[:32]))
        else:
            good = _SHM_VERSION in (head[:4], head[48:52]) or (not any(head) and (settled or size <= 3))
        if not good:
            raise self._foreign(name, "a file that SQLite has made", "another one")

    def is_shared(self, inside: Place) -> bool:
        """Whether others than its owner may write in the directory."""
        status = inside.directory_status
        return status is not None and _HAS_OWNERS and bool(status.st_mode & _OTHERS)

    def is_exposed(self, inside: Place) -> bool:
        """Whether others may rename the directory itself."""
        if not _HAS_OWNERS or inside.directory is None:
            return False
        above = os.stat("..", dir_fd=inside.directory)
        return above.st_uid not in (0, self._user) or above.st_mode & (_OTHERS | stat.S_ISVTX) in (0o020, 0o002, 0o022)

    # -- where others may write ------------------------------------------------------------------

    def _owned(self, inside: Place) -> bool:
        """Whether this process may do in it what its owner may."""
        status = inside.directory_status
        return status is not None and _HAS_OWNERS and self._user in (0, status.st_uid)

    def _change(self, inside: Place, mode: int) -> None:
        if inside.directory is not None:
            os.fchmod(inside.directory, mode)
            inside.directory_status = os.fstat(inside.directory)

    def _hold_names(self, inside: Place) -> None:
        """Have the directory sticky, and every name taken that SQLite looks for."""
        status = inside.directory_status
        owned = self._owned(inside)
        if status is not None and not status.st_mode & stat.S_ISVTX:
            if not owned:
                raise self._unready(f"mode {stat.S_IMODE(status.st_mode):o}")
            self._change(inside, stat.S_IMODE(status.st_mode) | stat.S_ISVTX)
        if inside.status_of(JOURNAL) is None:
            if not owned:
                raise self._unready(f"no {JOURNAL}")
            with suppress(FileExistsError):  # it is judged next
                self.take(inside, JOURNAL)
        if owned:
            for name in (WAL, SHM):
                if inside.status_of(name) is None:
                    with suppress(FileExistsError):
                        self.take(inside, name)

    def _unready(self, found: str) -> UntrustedFileError:
        return UntrustedFileError.because(
            self.what,
            expected=f"a sticky directory, in which its owner has taken the name {JOURNAL}",
            found=found,
            advice="let the directory's owner use the store first, once",
        )

    def take(self, inside: Place, name: str) -> os.stat_result:
        """Make one of SQLite's files, of the directory's owner, before SQLite does.

        Raises:
            FileExistsError: the name is taken.
        """
        # an empty -shm, SQLite would give the database's mode
        descriptor = self.make(inside, name, b"\0" if name == SHM else b"")
        try:
            self.ready(name, descriptor)
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def closed(self, inside: Place) -> None:
        """Before a database is made: SQLite's first transactions have a rollback journal, which nobody may exchange.

        Raises:
            UntrustedFileError: others may write in the directory, and it is not this user's.
        """
        status = inside.directory_status
        if status is None or not self.is_shared(inside):
            return
        if not self._owned(inside):
            raise self._unready("no store")
        self._change(inside, status.st_mode & stat.S_ISGID | _BEING_MADE)
        for name in (JOURNAL, WAL):
            inside.remove(name)

    def opened(self, inside: Place) -> None:
        """When the store is whole: open the directory to whom the region lets in, if it is this making that closed it.

        Raises:
            UntrustedFileError.
        """
        status = inside.directory_status
        if status is None or not _HAS_OWNERS or not self._is_being_made(status) or not self._owned(inside):
            return
        allowed = self._allowed(status) | status.st_mode & stat.S_ISGID
        self._hold_names(inside)
        journal = inside.status_of(JOURNAL)
        if journal is None or journal.st_size:
            raise self._foreign(JOURNAL, "an empty file", "another")
        self._change(inside, allowed)

    def left(self) -> None:
        """After the last close, in its turn: take the names again that SQLite has given free. Never fails."""
        if not self.modes.directory & _OTHERS or not _HAS_OWNERS:
            return
        with suppress(OSError, CorestateError), self.entered(make=False) as inside:
            if inside.directory_status is not None and inside.directory_status.st_mode & _OTHERS:
                self._hold_names(inside)

    # -- modes -----------------------------------------------------------------------------------

    def mode_for(self, name: str) -> int:
        """Of a file with this name."""
        if name == JOURNAL:
            return self.modes.files & ~_OTHERS
        return self.modes.writers if name in (SHM, LOCK) else self.modes.files

    def follow(self, inside: Place, found: dict[str, os.stat_result]) -> None:
        """Give the files the modes that follow from the region's permissions, as far as they are this user's.

        After the database was found to be a store: what others have moved here is not to be opened to them.
        """
        status = inside.directory_status
        if status is None or not _HAS_OWNERS:
            return
        owners = {self._user} if self._user else {0, status.st_uid, *(self._owners or ())[:1]}
        for name, one in found.items():
            if stat.S_IMODE(one.st_mode) != self.mode_for(name) and one.st_uid in owners:
                inside.set_mode(name, self.mode_for(name), like=one)
                made = None if WAL in found else inside.status_of(WAL)  # by SQLite, with the database's mode
                if name == DATABASE and made is not None and made.st_uid in owners:
                    inside.set_mode(WAL, self.mode_for(WAL), like=made)

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
