"""The default store: one SQLite file in write-ahead mode, shared by any number of processes.

No connection is carried across fork. SQLite keeps one account for all connections of a process to a file, of which
locks they have; in a child that account is wrong, because locks of files stay the parent's. So a fork waits until no
other thread is in a transaction, and the child closes what it has inherited before it opens its own: when no
transaction is open, closing touches nothing of the parent's. A child whose parent forked within a transaction of the
same thread cannot do that, and has no store.

``close`` waits for nobody but a commit under way: a thread inside a transaction finds the store closed when it wants to
commit, and the last one to leave closes the file and lets go of the session.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from corestate import _trusted
from corestate.errors import (
    ClosedError,
    CorestateError,
    StoreBusyError,
    StoreError,
    StoreGoneError,
    StoreNotFoundError,
)
from corestate.guard import Guard
from corestate.stores import tables
from corestate.stores.base import Durability, Row, Rows, Store
from corestate.stores.connection import (
    Connection,
    ended_by,
    error,
    harden,
    insist_on_log,
    looked,
    opening,
    orphaned,
    orphans,
    process,
    stores,
)
from corestate.stores.directory import DATABASE, LOCK, SHM, StoreDirectory
from corestate.stores.seen import Seen
from corestate.stores.session import SessionLock
from corestate.stores.transaction import READ, WRITE, Transaction

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from corestate._trusted import Place

__all__ = ["SQLiteStore"]

_BUSY_SECONDS = 10.0
PAGE_BYTES = 2048
"""Of a new store: a commit writes whole pages, and most of what is kept is small."""
CHECKPOINT_PAGES = 8000
"""How long the log of writes grows before a commit, still in its turn, moves it into the store (16 MB).
Checkpoints stay in the turn because SQLite before 3.51.3 can damage a file that two processes work on at once."""
_LEAST_PAGES = 64
_SHARE = 4
"""The log may grow to this part of the room the disk has when the store is opened: moving it into the store takes room
too, and a log that has filled the disk can be neither moved nor cut."""
LOOK_NS = 1_000_000
"""How often it is looked at whether the file that is open is still the one its name leads to."""
_LOOKS = 8
"""In how many of these looks it is also looked at what stands beside the file."""
CLOSING_SECONDS = 1.0
"""How long a close waits for other processes that open or close, and for a commit of this one."""
_clock = time.monotonic_ns


def _uri(path: str) -> str:
    """A path for SQLite, which is to make nothing."""
    for sign, quoted in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        path = path.replace(sign, quoted)
    return f"file:{path}?mode=rw"


class SQLiteStore(Store):
    """A store in a directory of its own, or in memory for ``heap:`` regions.

    Args:
        directory: of the store; None keeps everything in this process's memory.
        durability: what a commit survives.
        create: make the store if there is none.
        turn: a context manager held around each write, used again for the next and by every thread: writers of several
            processes then queue up in the kernel instead of polling the file's lock.
        region: instance and address of the region whose store it is.
        read_only: nothing will be written, and it counts as nobody's having it open.

    Raises:
        StoreNotFoundError, StoreVersionError, StoreCorruptError, StoreReadOnlyError, StoreFullError, StoreBusyError,
        StoreInUseError, UntrustedFileError.
    """

    def __init__(
        self,
        directory: StoreDirectory | str | os.PathLike[str] | None,
        *,
        durability: Durability | str = Durability.NORMAL,
        create: bool = True,
        turn: AbstractContextManager[object] | None = None,
        region: tuple[str, str] = ("", ""),
        read_only: bool = False,
    ) -> None:
        if directory is not None and not isinstance(directory, StoreDirectory):
            directory = StoreDirectory(_trusted.absolute(directory))
        self.durability = Durability(durability)
        self.directory = directory
        self.path = ":memory:" if directory is None else directory.database
        self._memory = directory is None
        self._turn = turn
        self._region = region
        self._read_only = read_only
        self._local = threading.local()
        self._guard = Guard()
        self._memory_guard = self._guard if self._memory else None  # one connection then, for all threads
        self._committing = Guard()
        self._opened: list[Connection] = []
        self._lock_file: SessionLock | None = None
        self._identity: tuple[int, int] | None = None
        self._files: tuple[tuple[int, int], ...] = ()
        self._pages = CHECKPOINT_PAGES
        self._seen: Seen | None = None
        """Where others may exchange the directory: what SQLite opens by name is compared with what lies in it."""
        self._look_at = self._looks = 0
        self._closed = False
        self.gone = False
        """Whether the file that is open was found not to be the one its name leads to."""
        self.session, self.begun = 0, False
        stores.add(self)  # before it has a connection: a child must find each of them
        with opening:
            self._local.connection = self._first(create=create)

    def check_open(self) -> None:
        """Raise ClosedError if it is closed."""
        if self._closed:
            raise ClosedError.because(f"store {self.path}")

    def look(self) -> None:
        """See that the file that is open is the one its name leads to; at most once a millisecond.

        Raises:
            StoreGoneError: it is not, or was not at an earlier look.
        """
        if self._identity is None:
            return
        now = _clock()
        if now < self._look_at:
            return
        found = "no file"
        if not self.gone:
            try:
                status = os.stat(self.path)  # noqa: PTH116
            except (FileNotFoundError, NotADirectoryError):
                self.gone = True
            except OSError:
                pass  # it cannot be asked; what it is asked for will say
            else:
                if (status.st_dev, status.st_ino) != self._identity:
                    self.gone, found = True, "another file, put in its place while it was open"
                self._looks += 1
                if not self.gone and self._looks % _LOOKS == 0 and not self._has_company():
                    self.gone, found = True, f"that {LOCK} or {SHM} was removed, by which others know that it is open"
        if self.gone:
            raise StoreGoneError.because(f"store {self.path}", found=found)
        self._look_at = now + LOOK_NS

    def _has_company(self) -> bool:
        """Whether the lock file and SQLite's shared index are still those that are open."""
        lock = self._lock_file
        if lock is None or self.directory is None or not self._files:
            return True
        try:
            for name, opened in ((LOCK, lock.identity), (SHM, self._files[1])):
                status = os.stat(os.path.join(self.directory.path, name))  # noqa: PTH116, PTH118
                if (status.st_dev, status.st_ino) != opened:
                    return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            pass  # it cannot be asked
        return True

    # -- opening -------------------------------------------------------------------------------

    def _first(self, *, create: bool) -> Connection:
        """The first connection of this process, with everything that has to be looked at and made before it."""
        self._refuse_orphan()
        directory = self.directory
        if directory is None:
            return self._connected(look=True, create=True)
        with directory.entered(make=create) as inside:
            lock = self._lock_file = SessionLock(directory, inside)
            try:
                with lock.turn():
                    if not self._read_only:
                        lock.join(*self._region)
                        self.session, self.begun = lock.session, lock.begun
                    connection = self._first_of_file(directory, inside, create=create)
            except BaseException:
                self._lock_file = None
                lock.close()
                raise
        return connection

    def _first_of_file(self, directory: StoreDirectory, inside: Place, *, create: bool) -> Connection:
        found = directory.files(inside)
        status = found.get(DATABASE)
        if status is None and not create:
            raise StoreNotFoundError.because(f"store {self.path}")
        if status is None or (create and not status.st_size):
            directory.closed(inside)
            self._made(directory, inside, new=status is None)
            found = directory.files(inside)
            status = found[DATABASE]
        shm = found.get(SHM) or directory.take(inside, SHM)
        self._files = ((status.st_dev, status.st_ino), (shm.st_dev, shm.st_ino))
        self._identity = self._files[0]
        self._pages = _pages_for(inside)
        if directory.is_exposed(inside):
            self._seen = Seen(self.path, inside.directory, *self._files)
        alone = not self._read_only and not directory.is_shared(inside)
        connection = self._connected(look=True, create=create and alone, convert=alone)
        if not self._read_only:
            try:
                directory.follow(inside, found)
                directory.opened(inside)
            except BaseException:
                connection.close()
                self._opened.remove(connection)
                raise
        self._look_at = _clock() + LOOK_NS
        return connection

    def _made(self, directory: StoreDirectory, inside: Place, *, new: bool) -> None:
        """A new database, mode 0600 until it is whole and in write-ahead mode."""
        if new:
            os.close(directory.make(inside, DATABASE))
        connection = self._connected(look=True, create=True)
        connection.close()
        self._opened.remove(connection)
        inside.sync()
        inside.set_mode(DATABASE, directory.mode_for(DATABASE))

    def _connect(self) -> Connection:
        """One more connection, for a thread that has none."""
        with opening:
            self.check_open()
            if not self._opened and not self._memory:  # a child of fork begins anew
                return self._first(create=False)
            if self.directory is not None:
                with self.directory.entered(make=False) as inside:  # what has come there since the first connection
                    self.directory.files(inside)
            return self._connected()

    def _connected(self, *, look: bool = False, create: bool = False, convert: bool = False) -> Connection:
        raw = None
        before = self._seen.count() if self._seen is not None else None
        try:
            raw = sqlite3.connect(
                self.path if self._memory else _uri(self.path),
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
                uri=not self._memory,
            )
            raw.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
            raw.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            harden(raw)
            if look:
                self.id, self.newest = looked(raw, self.path, create=create, convert=convert)
            if not self._memory and not self._read_only:
                insist_on_log(raw, self.path)
            if self._seen is not None and before is not None:
                self._seen.insist(before)
            synchronous = "FULL" if self.durability is Durability.FULL else "NORMAL"
            raw.execute(f"PRAGMA synchronous = {synchronous}")
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA cache_size = -8192")
            raw.execute(f"PRAGMA wal_autocheckpoint = {self._pages}")
            raw.execute(f"PRAGMA journal_size_limit = {self._pages * PAGE_BYTES}")
            if self._read_only:
                raw.execute("PRAGMA query_only = ON")
        except BaseException as cause:
            if raw is not None:
                if self._seen is not None and before is not None:
                    self._seen.hold_back(before)
                raw.close()
            if isinstance(cause, sqlite3.Error):
                raise error(self.path, cause) from cause
            raise
        connection = Connection(self.path, raw, self._files, ended_by(self))
        self._opened.append(connection)
        return connection

    def _refuse_orphan(self) -> None:
        if self.path in orphaned:
            raise StoreError.because(
                f"store {self.path}",
                expected="a process that has the store to itself",
                found="a child of fork whose parent was in a transaction",
                advice="fork before a transaction begins or when it is over",
            )

    def _mine(self) -> Connection:
        self.check_open()
        self._refuse_orphan()
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.forks != process.forks:
            if not self._memory:
                connection = self._connect()
            else:
                with self._guard:
                    connection = self._opened[0] if self._opened else self._connect()
            self._local.connection = connection
        return connection

    @property
    def live(self) -> bool:
        """Whether anybody has the store open for writing."""
        lock = self._lock_file
        return lock is None or not self._read_only or lock.live

    # -- transactions --------------------------------------------------------------------------

    def one(self, sql: str, *parameters: object) -> Row | None:
        """See ``Store.one``."""
        if self._memory:
            with self._guard:
                return self._mine().one(sql, *parameters)
        connection = self._mine()
        self.look()
        connection.in_use.acquire()
        try:
            self.check_open()
            return connection.one(sql, *parameters)
        finally:
            self._release(connection)

    def read(self) -> AbstractContextManager[Rows]:
        """See ``Store.read``."""
        return Transaction(self, READ, None)

    def write(self) -> AbstractContextManager[Rows]:
        """See ``Store.write``."""
        return Transaction(self, WRITE, self._turn)

    def _commit(self, connection: Connection, *, writes: bool) -> None:
        if not writes:
            connection.run("COMMIT")
            return
        with self._committing:  # who closes the region waits for this, and lets no other begin
            self.check_open()
            connection.run("COMMIT")

    def _make_room(self, connection: Connection) -> None:
        """In the writers' turn, when the disk is full: have the log give back what it has. Never fails."""
        if self._memory or connection.raw.in_transaction:
            return
        self._pages = _LEAST_PAGES
        with suppress(sqlite3.Error):
            connection.raw.execute("PRAGMA busy_timeout = 0")  # not for those who read an older state
            connection.raw.execute(f"PRAGMA wal_autocheckpoint = {self._pages}")
            connection.raw.execute(f"PRAGMA journal_size_limit = {self._pages * PAGE_BYTES}")
            connection.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.raw.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")

    def _release(self, connection: Connection) -> None:
        """The end of a thread's use of its connection; of a closed store, also the connection's."""
        connection.in_use.release()
        if self._closed and connection.forks == process.forks:
            self._close_idle()

    def check(self) -> list[str]:
        """See ``Store.check``: SQLite's own integrity check, the schema, and values no store has."""
        try:
            connection = self._mine()
            self.look()
            connection.in_use.acquire()
            try:
                return tables.faults(connection.raw, f"store {self.path}")
            finally:
                self._release(connection)
        except sqlite3.Error as cause:
            return [str(error(self.path, cause))]
        except CorestateError as problem:
            return [str(problem)]

    def scrub(self) -> None:
        """See ``Store.scrub``."""
        connection = self._mine()
        self.look()
        turn = self._turn
        connection.in_use.acquire()
        try:
            self.check_open()
            if connection.busy:
                connection.refuse_nesting()
            if turn is not None:
                turn.__enter__()
            try:
                connection.run("VACUUM")
                if not self._memory:
                    moved = connection.one("PRAGMA wal_checkpoint(TRUNCATE)")
                    if moved and moved[0]:
                        raise StoreBusyError.because(
                            f"store {self.path}",
                            expected="nobody who reads an older state, so that the log of writes can be emptied",
                            found="one who does",
                            advice="do it again when long reads have ended",
                        )
            finally:
                if turn is not None:
                    turn.__exit__(None, None, None)
        finally:
            self._release(connection)

    # -- ending --------------------------------------------------------------------------------

    def after_fork(self) -> None:
        """In a child of fork, which has the forking thread alone: what is in memory goes on; else see the module."""
        if self._memory:
            for connection in self._opened:
                connection.forks = process.forks
            return
        kept = [connection for connection in self._opened if connection.busy]
        for connection in self._opened:
            if not connection.busy:
                connection.raw.close()
        self._opened = kept
        self._lock_file = None
        if kept:
            orphaned.add(self.path)

    def close(self) -> None:
        """See ``Store.close``. Waits for a commit under way, and for nothing else of this process."""
        self._closed = True
        if self._committing.acquire(seconds=CLOSING_SECONDS):  # no commit is under way, and none begins
            self._committing.release()
        self._close_idle()

    def _close_idle(self) -> None:
        """Close the connections nobody is using; who uses one closes it afterwards, and the last one the rest."""
        with opening:
            left = []
            idle = []
            for connection in self._opened:
                if connection.forks != process.forks:
                    orphans.append(connection.raw)
                elif connection.busy or not connection.in_use.acquire(blocking=False):
                    left.append(connection)
                else:
                    idle.append(connection)
            self._opened = left
            try:
                self._close_all(list(idle), last=not left)
            finally:
                for connection in idle:
                    connection.in_use.release()

    def _close_all(self, connections: list[Connection], *, last: bool) -> None:
        lock = self._lock_file
        if lock is None or not last:
            for connection in connections:
                connection.close()
            return
        self._lock_file = None
        try:
            with suppress(StoreBusyError), lock.turn(CLOSING_SECONDS):
                while connections:
                    connections[-1].close()
                    del connections[-1:]
                if self.directory is not None:
                    self.directory.left()
        finally:
            for connection in connections:
                connection.close()
            lock.close()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path} {self.durability.value}>"


def _pages_for(inside: Place) -> int:
    """How long a log may grow in the room there is."""
    if inside.directory is None or not hasattr(os, "statvfs"):
        return CHECKPOINT_PAGES
    found = os.statvfs(inside.directory)
    return min(CHECKPOINT_PAGES, max(_LEAST_PAGES, found.f_bavail * found.f_frsize // (_SHARE * PAGE_BYTES)))
