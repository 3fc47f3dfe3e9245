"""The default store: one SQLite file in write-ahead mode, shared by any number of processes.

No connection is carried across fork. SQLite keeps one account for all connections of a process to a file, of which
locks they have; in a child that account is wrong, because locks of files stay the parent's. So a fork waits until no
other thread is in a transaction, and the child closes what it has inherited before it opens its own: when no
transaction is open, closing touches nothing of the parent's. A child whose parent forked within a transaction of the
same thread cannot do that, and has no store.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import weakref
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from corestate.errors import (
    ClosedError,
    CorestateError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreVersionError,
)
from corestate.guard import Guard
from corestate.stores.base import SCHEMA_VERSION, Durability, Row, Rows, Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from types import TracebackType

__all__ = ["SQLiteStore"]

_BUSY_SECONDS = 10.0
PAGE_BYTES = 2048
"""Of a new store: a commit writes whole pages, and most of what is kept is small."""
CHECKPOINT_PAGES = 8000
"""How long the log of writes grows before a commit, still in its turn, moves it into the store (16 MB).
Checkpoints stay in the turn because SQLite before 3.51.3 can damage a file that two processes work on at once."""
_forks = 0
_connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
_stores: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()
_orphaned: set[str] = set()
"""Files that this child of fork cannot use."""
_orphans: list[sqlite3.Connection] = []
"""In the middle of a parent's transaction; kept from the garbage collector, which would close them."""
_forking = threading.RLock()
_opening = threading.RLock()
"""Held while a connection is opened or closed; a fork takes it last, and nothing else is taken by who holds it."""
_stopped: list[_Connection] = []
"""Connections a fork under way holds."""


def _before_fork() -> None:
    """Wait for the transactions of other threads, and let none begin."""
    _forking.acquire()
    while True:
        with _opening:
            found = list(_connections)
        for connection in found:
            if connection not in _stopped:
                connection.in_use.acquire()
                _stopped.append(connection)
        _opening.acquire()
        if all(connection in _stopped for connection in list(_connections)):
            return
        _opening.release()


def _after_fork() -> None:
    while _stopped:
        _stopped.pop().in_use.release()
    _opening.release()
    _forking.release()


def _in_child() -> None:
    global _forks  # noqa: PLW0603 - a process has one
    _forks += 1
    for store in list(_stores):
        store.after_fork()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


def _error(path: str, cause: sqlite3.Error) -> CorestateError:
    """The error that stands for one of SQLite's."""
    name = getattr(cause, "sqlite_errorname", "")
    words = str(cause)
    if "closed database" in words:
        return ClosedError.because(f"store {path}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in words:
        return StoreBusyError.because(f"store {path}", found=words)
    if name.startswith("SQLITE_FULL") or "disk is full" in words or "disk I/O" in words:
        return StoreFullError.because(f"store {path}", found=f"{words}; nothing of the transaction was kept")
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN")) or "readonly" in words:
        return StoreReadOnlyError.because(f"store {path}", found=words)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in words or "not a database" in words:
        return StoreCorruptError.because(f"store {path}", found=words)
    return StoreError.because(f"store {path}", expected="SQL that runs", found=words, advice="see the cause")


class _Connection(Rows):
    """One thread's connection."""

    def __init__(self, path: str, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.forks = _forks
        self.busy = False
        self.in_use = threading.RLock()
        """Held by its thread through each transaction, and by a fork under way."""
        self._path = path
        self._execute = raw.execute
        _connections.add(self)

    def one(self, sql: str, *parameters: object) -> Row | None:
        try:
            with self.in_use:
                if self.forks != _forks:
                    self.refuse_child()
                found: Row | None = self._execute(sql, parameters).fetchone()
        except sqlite3.Error as cause:
            raise _error(self._path, cause) from cause
        return found

    def all(self, sql: str, *parameters: object) -> list[Row]:
        try:
            with self.in_use:
                if self.forks != _forks:
                    self.refuse_child()
                return self._execute(sql, parameters).fetchall()
        except sqlite3.Error as cause:
            raise _error(self._path, cause) from cause

    def run(self, sql: str, *parameters: object) -> int:
        try:
            with self.in_use:
                if self.forks != _forks:
                    self.refuse_child()
                return self._execute(sql, parameters).rowcount
        except sqlite3.Error as cause:
            raise _error(self._path, cause) from cause

    def many(self, sql: str, rows: Iterable[Row]) -> None:
        try:
            with self.in_use:
                if self.forks != _forks:
                    self.refuse_child()
                self.raw.executemany(sql, rows)
        except sqlite3.Error as cause:
            raise _error(self._path, cause) from cause

    def refuse_child(self) -> None:
        raise StoreError.because(
            f"store {self._path}",
            expected="the process that began the transaction",
            found="its child of fork, in which the transaction does not go on",
            advice="fork before it begins or when it is over",
        )

    def refuse_nesting(self) -> None:
        raise StoreError.because(
            f"store {self._path}",
            expected="a thread that is in no transaction",
            found="one that is in one already",
            advice="transactions do not nest: finish the outer one first, or do all of it in that one",
        )

    def roll_back(self) -> None:
        try:
            self.raw.execute("ROLLBACK")
        except sqlite3.Error:  # a full disk rolls back by itself
            if self.raw.in_transaction:
                raise


class _Transaction:
    """One transaction, from its turn to its commit. A class of its own, and not a generator: this is the hot path."""

    __slots__ = ("_begin", "_connection", "_store", "_turn")

    def __init__(self, store: SQLiteStore, begin: str, turn: AbstractContextManager[object] | None) -> None:
        self._store = store
        self._begin = begin
        self._turn = turn

    def __enter__(self) -> Rows:
        store = self._store
        connection = self._connection = store._mine()  # noqa: SLF001 - of one module
        guard = store._memory_guard  # noqa: SLF001
        if guard is not None:
            guard.acquire()
        in_use = connection.in_use
        in_use.acquire()
        turn, begun = None, False
        try:
            store.check_open()  # it may have been closed meanwhile; whoever does waits for what has begun
            if connection.busy:
                connection.refuse_nesting()
            if self._turn is not None:
                self._turn.__enter__()
                turn = self._turn
            connection.busy = begun = True
            connection.run(self._begin)
        except BaseException:  # Ctrl-C among them, which may come when it has begun
            if begun:
                connection.busy = False
                if connection.raw.in_transaction:
                    connection.roll_back()
            if turn is not None:
                turn.__exit__(None, None, None)
            in_use.release()
            if guard is not None:
                guard.release()
            raise
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        guard = self._store._memory_guard  # noqa: SLF001
        if connection.forks != _forks:
            if kind is None:
                connection.refuse_child()
            return
        try:
            if kind is None:
                connection.run("COMMIT")
        finally:
            connection.busy = False
            try:
                if connection.raw.in_transaction:
                    connection.roll_back()
            finally:
                if self._turn is not None:
                    self._turn.__exit__(None, None, None)
                connection.in_use.release()
                if guard is not None:
                    guard.release()


class SQLiteStore(Store):
    """A store in an SQLite file, or in memory for ``heap:`` regions.

    Args:
        path: of the file; None keeps everything in this process's memory.
        durability: what a commit survives.
        create: make the file if there is none.
        turn: a context manager held around each write, used again for the next and by every thread: writers of several
            processes then queue up in the kernel instead of polling the file's lock.

    Raises:
        StoreNotFoundError, StoreVersionError, StoreCorruptError, StoreReadOnlyError, StoreBusyError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        durability: Durability | str = Durability.NORMAL,
        create: bool = True,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self.durability = Durability(durability)
        self.path = ":memory:" if path is None else str(Path(path).absolute())
        self._memory = path is None
        self._turn = turn
        self._local = threading.local()
        self._guard = Guard()
        self._memory_guard = self._guard if self._memory else None  # one connection then, for all threads
        self._opened: list[_Connection] = []
        self._closed = False
        if not self._memory and not create and not Path(self.path).exists():
            raise StoreNotFoundError.because(f"store {self.path}")
        _stores.add(self)  # before it has a connection: a child must find each of them
        self.id = self._prepare(create=create)

    def check_open(self) -> None:
        """Raise ClosedError if it is closed."""
        if self._closed:
            raise ClosedError.because(f"store {self.path}")

    # -- opening -------------------------------------------------------------------------------

    def _connect(self) -> _Connection:
        with _opening:
            self.check_open()
            return self._connected()

    def _connected(self) -> _Connection:
        try:
            raw = sqlite3.connect(
                self.path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
            )
            raw.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
            raw.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            if not self._memory:
                mode = raw.execute("PRAGMA journal_mode").fetchone()[0]
                if mode != "wal":
                    raw.execute("PRAGMA journal_mode = WAL")
            synchronous = "FULL" if self.durability is Durability.FULL else "NORMAL"
            raw.execute(f"PRAGMA synchronous = {synchronous}")
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA cache_size = -8192")
            raw.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except sqlite3.Error as cause:
            raise _error(self.path, cause) from cause
        connection = _Connection(self.path, raw)
        self._opened.append(connection)
        return connection

    def _mine(self) -> _Connection:
        self.check_open()
        if self.path in _orphaned:
            raise StoreError.because(
                f"store {self.path}",
                expected="a process that has the store to itself",
                found="a child of fork whose parent was in a transaction",
                advice="fork before a transaction begins or when it is over",
            )
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.forks != _forks:
            if not self._memory:
                connection = self._connect()
            else:
                with self._guard:
                    connection = self._opened[0] if self._opened else self._connect()
            self._local.connection = connection
        return connection

    def _prepare(self, *, create: bool) -> bytes:
        connection = self._mine()
        try:
            with connection.in_use:
                version = self._version(connection)
                if version is None:
                    if not create:
                        raise StoreCorruptError.because(
                            f"store {self.path}", found="a database without a schema version"
                        )
                    self._make(connection)
                    version = self._version(connection)
        except sqlite3.Error as cause:
            raise _error(self.path, cause) from cause
        if version != SCHEMA_VERSION:
            raise StoreVersionError.because(
                f"store {self.path}",
                expected=f"schema version {SCHEMA_VERSION}",
                found=f"version {version}",
                advice="open it with a corestate that knows this version"
                if version is not None and version > SCHEMA_VERSION
                else "bring it up with `corestate migrate`",
            )
        row = connection.one("SELECT value FROM meta WHERE name = 'store_id'")
        if row is None:
            raise StoreCorruptError.because(f"store {self.path}", found="no store id")
        return bytes(row[0])

    @staticmethod
    def _version(connection: _Connection) -> int | None:
        tables = {name for (name,) in connection.raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "meta" not in tables:
            raise sqlite3.DatabaseError("file is not a database of corestate, malformed or another program's")
        row = connection.raw.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
        return None if row is None else int(row[0])

    def _make(self, connection: _Connection) -> None:
        connection.raw.execute("BEGIN IMMEDIATE")
        try:
            if self._version(connection) is None:  # nobody was quicker
                for script in sorted(schema_scripts()):
                    for statement in script.split(";\n"):
                        if statement.strip():
                            connection.raw.execute(statement)
                connection.raw.execute("INSERT INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
                connection.raw.execute("INSERT INTO meta VALUES ('store_id', ?)", (secrets.token_bytes(16),))
            connection.raw.execute("COMMIT")
        except BaseException:
            if connection.raw.in_transaction:
                connection.roll_back()
            raise

    # -- transactions --------------------------------------------------------------------------

    def one(self, sql: str, *parameters: object) -> Row | None:
        """See ``Store.one``."""
        if not self._memory:
            return self._mine().one(sql, *parameters)
        with self._guard:
            return self._mine().one(sql, *parameters)

    def read(self) -> AbstractContextManager[Rows]:
        """See ``Store.read``."""
        return _Transaction(self, "BEGIN", None)

    def write(self) -> AbstractContextManager[Rows]:
        """See ``Store.write``."""
        return _Transaction(self, "BEGIN IMMEDIATE", self._turn)

    def check(self) -> list[str]:
        """See ``Store.check``: SQLite's own integrity check."""
        try:
            found = [str(row[0]) for row in self._mine().all("PRAGMA integrity_check")]
        except CorestateError as problem:
            return [str(problem)]
        return [] if found == ["ok"] else found

    def after_fork(self) -> None:
        """In a child of fork, which has the forking thread alone: what is in memory goes on; else see the module."""
        if self._memory:
            for connection in self._opened:
                connection.forks = _forks
            return
        kept = [connection for connection in self._opened if connection.busy]
        for connection in self._opened:
            if not connection.busy:
                connection.raw.close()
        self._opened = kept
        if kept:
            _orphaned.add(self.path)

    def close(self) -> None:
        """See ``Store.close``."""
        with _opening:
            self._closed = True
            opened, self._opened = self._opened, []
        for connection in opened:
            with connection.in_use:
                if connection.forks == _forks:
                    connection.raw.close()
                else:
                    _orphans.append(connection.raw)

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path} {self.durability.value}>"


def schema_scripts() -> list[str]:
    """The parts of the schema, each a script of statements."""
    folder = resources.files("corestate.stores").joinpath("schema")
    try:
        return [entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")]
    except OSError as cause:  # no descriptor left, for one
        raise StoreError.because(
            "store",
            expected=f"the schema in {folder}",
            found=str(cause),
            advice="close files, or install corestate anew",
        ) from cause
