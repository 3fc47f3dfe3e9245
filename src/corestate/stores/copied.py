"""A store for who only looks, and does not have its directory alone: another user, a group's member, a read-only mount.

Where others may write, they may put there what SQLite acts on. And SQLite's readers write: they make ``-shm`` and take
locks in it. Who may not write must do neither, since its files would stop those who write. So such a reader looks at a
private copy, taken without a lock: database, then log of writes, between two looks at the log's head. The head is
written anew before a log is used again from its start; where it is the same, the log was only added to meanwhile, and
holds every page that a checkpoint may have moved into the database while that was copied. Recovering the copy is
SQLite's work. The copy has no name from then on: whatever happens to this process, nothing of it stays.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from corestate._trusted import Place
from corestate.errors import (
    ClosedError,
    CorestateError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreGoneError,
    StoreNotFoundError,
    StoreReadOnlyError,
)
from corestate.guard import Guard
from corestate.stores import tables
from corestate.stores.base import Durability, Row, Rows, Store
from corestate.stores.connection import Connection, ended_by, error, harden, looked
from corestate.stores.directory import DATABASE, JOURNAL, SHM, WAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from corestate.stores.directory import StoreDirectory

__all__ = ["CopiedStore"]

_SECONDS = 10.0
"""How long it is tried to find a moment in which the log is not begun anew."""
_TRIES = 5
"""How often at least."""
_HEAD_BYTES = 32
_SETTLE_NS = 50_000_000
"""How long a file's time of change may be the same although it changes: clocks of file systems tick."""
_PIECE = 1 << 22


class _Signature(NamedTuple):
    """What is different after every change of the store."""

    database: tuple[int, ...]
    log: tuple[int, ...] | None
    head: bytes


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class CopiedStore(Store):
    """The store in a directory that this process may not write to.

    Args:
        directory: of the store.

    Raises:
        StoreNotFoundError, StoreVersionError, StoreCorruptError, StoreReadOnlyError, StoreFullError, StoreBusyError.
    """

    watched = False

    def __init__(self, directory: StoreDirectory) -> None:
        self.durability = Durability.NORMAL
        self.directory = directory
        self.path = directory.database
        self._guard = Guard()
        self._connection: Connection | None = None
        self._signature: _Signature | None = None
        self._taken_ns = 0
        self._inside = False
        self._closed = False
        self.id = self._found = b""
        with self._guard:
            self._refreshed()

    # -- copying -------------------------------------------------------------------------------

    def _look(self) -> _Signature:
        try:
            database = os.stat(self.path)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            if not self.id:
                raise StoreNotFoundError.because(f"store {self.path}") from None
            self.gone = True
            raise StoreGoneError.because(f"store {self.path}", found="no file") from None
        log, head = None, b""
        with suppress(FileNotFoundError), self.directory.entered(make=False) as inside:
            descriptor = inside.open(name=WAL)
            try:
                log, head = _stamp(os.fstat(descriptor)), os.pread(descriptor, _HEAD_BYTES, 0)
            finally:
                os.close(descriptor)
        return _Signature(_stamp(database), log, head)

    def _refreshed(self) -> Connection:
        """The copy, taken anew where the store has changed since."""
        if self._closed:
            raise ClosedError.because(f"store {self.path}")
        with self.directory.translated():
            now = self._look()
            connection = self._connection
            if connection is None or connection.inherited or now != self._signature or self._may_have_changed(now):
                copied, signature = self._copied()
                self._let_go()
                connection, self._connection, self._signature = copied, copied, signature
                self._checked()
        return connection

    def _may_have_changed(self, now: _Signature) -> bool:
        """Whether it was copied so soon after a change that another one may look the same."""
        newest = max(now.database[-2:] + (now.log[-2:] if now.log else ()))
        return self._taken_ns - newest < _SETTLE_NS and time.time_ns() - newest >= _SETTLE_NS

    def _copied(self) -> tuple[Connection, _Signature]:
        deadline, tries = time.monotonic() + _SECONDS, 0
        with _folder(self.path) as folder:
            while tries < _TRIES or time.monotonic() < deadline:
                tries += 1
                before = self._look()
                self._taken_ns = time.time_ns()
                with self.directory.entered(make=False) as inside:
                    for name in (DATABASE, WAL):
                        folder.remove(name)
                        _copy(inside, name, folder)
                after = self._look()
                log_kept = bool(before.head) and before.head == after.head
                if log_kept or (before == after and not before.head):
                    return self._recovered(os.path.join(folder.parent, DATABASE)), before  # noqa: PTH118
                time.sleep(0.002)
        raise StoreBusyError.because(
            f"store {self.path}",
            expected="a moment in which its log is not begun anew",
            found="none",
            advice="try again",
        )

    def _recovered(self, path: str) -> Connection:
        """The copy as one file, which loses its name as soon as it is open."""
        raw = None
        try:
            raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
            raw.execute("PRAGMA synchronous = OFF")
            harden(raw)
            found = looked(raw, self.path).id
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.execute("PRAGMA journal_mode = MEMORY")
            raw.execute("PRAGMA temp_store = MEMORY")
            raw.execute("PRAGMA query_only = ON")
        except BaseException as cause:
            if raw is not None:
                raw.close()
            if isinstance(cause, sqlite3.Error):
                raise error(self.path, cause) from cause
            raise
        self._found = found
        return Connection(self.path, raw, ended=ended_by(self))

    def _checked(self) -> None:
        found = self._found
        if self.id and found != self.id:
            self.gone = True
            self._let_go()
            raise StoreGoneError.because(f"store {self.path}", found=f"the store {found.hex()}, which is another")
        self.id = found

    def look(self) -> None:
        """See ``Store.look``."""
        if self.gone:
            raise StoreGoneError.because(f"store {self.path}", found="another, or none, at an earlier look")

    # -- reading -------------------------------------------------------------------------------

    def one(self, sql: str, *parameters: object) -> Row | None:
        """See ``Store.one``."""
        with self._guard:
            if self._inside and self._connection is not None:
                return self._connection.one(sql, *parameters)
            return self._refreshed().one(sql, *parameters)

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        with self._guard:
            if self._inside and self._connection is not None:
                self._connection.refuse_nesting()
            connection = self._refreshed()
            self._inside = True
            try:
                yield connection
            finally:
                self._inside = False

    def read(self) -> AbstractContextManager[Rows]:
        """See ``Store.read``."""
        return self._reading()

    def write(self) -> AbstractContextManager[Rows]:
        """Raises StoreReadOnlyError."""
        raise StoreReadOnlyError.because(f"store {self.path}")

    def scrub(self) -> None:
        """Raises StoreReadOnlyError."""
        self.write()

    def check(self) -> list[str]:
        """See ``Store.check``."""
        try:
            with self._guard:
                return tables.faults(self._refreshed().raw, f"store {self.path}")
        except sqlite3.Error as cause:
            return [str(error(self.path, cause))]
        except CorestateError as problem:
            return [str(problem)]

    @property
    def live(self) -> bool:
        """Unknown to who may not look at the lock file."""
        return True

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.raw.close()

    def close(self) -> None:
        """See ``Store.close``."""
        self._closed = True
        if self._guard.acquire(blocking=False):  # else a thread is reading: the copy goes with this object
            try:
                if not self._inside:
                    self._let_go()
            finally:
                self._guard.release()

    def __repr__(self) -> str:
        return f"<CopiedStore {self.path}>"


@contextmanager
def _folder(of: str) -> Iterator[Place]:
    """A private directory that is removed at the end with what SQLite and this module made in it."""
    try:
        folder = tempfile.mkdtemp(prefix="corestate-copy-")
    except OSError as cause:
        raise StoreError.because(
            f"store {of}",
            expected="a temporary directory for a copy of it, which who may not write to it reads from",
            found=str(cause),
            advice="name one that may be written: TMPDIR=...",
        ) from cause
    place = Place.inside(folder, f"copy of store {of}")
    try:
        yield place
    finally:
        for name in (DATABASE, WAL, SHM, JOURNAL):
            place.remove(name)
        place.leave()
        os.rmdir(folder)  # noqa: PTH106


def _copy(inside: Place, name: str, folder: Place) -> None:
    """Copy a file to a private one, if it is there."""
    try:
        source = inside.open(name=name)
    except FileNotFoundError:
        return
    try:
        target = folder.make(name=name)
        try:
            while data := os.read(source, _PIECE):
                view = memoryview(data)
                while view:
                    view = view[os.write(target, view) :]
        finally:
            os.close(target)
    except OSError as cause:
        raise StoreFullError.because(
            f"copy of {name}", found=f"{cause.strerror} in {folder.parent}", advice="name another place: TMPDIR=..."
        ) from cause
    finally:
        os.close(source)
