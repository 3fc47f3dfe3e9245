"""A connection to an SQLite database: its errors, what it may not do with a hostile one, and what fork does to it."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import weakref
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from corestate import _trusted
from corestate._shown import named
from corestate.errors import (
    ClosedError,
    CorestateError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
)
from corestate.stores import tables
from corestate.stores.base import Row, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "STEPS",
    "Connection",
    "Looked",
    "ended_by",
    "error",
    "harden",
    "insist_on_log",
    "looked",
    "opening",
    "orphaned",
    "orphans",
    "process",
    "stores",
]

STEPS = 1_000_000
_FREE_STEPS = 20
"""In ``STEPS``: what any statement may take."""
_STEPS_A_BYTE = 50
"""What it may take besides, of the file: twenty times what the longest query of a full store needs."""
"""Instructions of SQLite's machine between two looks at whether a query is to end: some 20 ms."""
_MOST_LOOKS = 200
"""Looks until the reading of a schema is given up: a store's takes some hundred instructions."""
_SCHEMA_BYTES = 1 << 22
_LENGTH = getattr(sqlite3, "SQLITE_LIMIT_LENGTH", 0)


class _Process:
    """What is this process's own, and not its parent's."""

    forks = 0
    """How many forks lie between the first process and this one."""


class _Forked(Protocol):
    def after_fork(self) -> None: ...


process = _Process()
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
stores: weakref.WeakSet[_Forked] = weakref.WeakSet()
orphaned: set[str] = set()
"""Files that this child of fork cannot use."""
orphans: list[sqlite3.Connection] = []
"""In the middle of a parent's transaction; kept from the garbage collector, which would close them."""
_forking = threading.RLock()
opening = threading.RLock()
"""Held while a connection is opened or closed; a fork takes it last, and nothing else is taken by who holds it."""
_used: Counter[tuple[int, int]] = Counter()
"""Device and inode of what connections of this process have open; see ``_trusted.in_use``."""
_stopped: list[Connection] = []
"""Connections a fork under way holds."""


def _before_fork() -> None:
    """Wait for the transactions of other threads, and let none begin."""
    _forking.acquire()
    while True:
        with opening:
            found = list(_connections)
        for connection in found:
            if connection not in _stopped:
                connection.in_use.acquire()
                _stopped.append(connection)
        opening.acquire()
        if all(connection in _stopped for connection in list(_connections)):
            return
        opening.release()


def _after_fork() -> None:
    while _stopped:
        _stopped.pop().in_use.release()
    opening.release()
    _forking.release()


def _in_child() -> None:
    process.forks += 1
    _used.clear()
    _trusted.in_use.clear()
    for store in list(stores):
        store.after_fork()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


def error(path: str, cause: sqlite3.Error | OverflowError) -> CorestateError:
    """The error that stands for one of SQLite's, or for a number it has no room for."""
    name = getattr(cause, "sqlite_errorname", "")
    words = str(cause)
    what = f"store {path}"
    if "closed database" in words or words == "interrupted":
        return ClosedError.because(what)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in words:
        return StoreBusyError.because(what, found=words)
    if name.startswith("SQLITE_FULL") or "disk is full" in words:
        return StoreFullError.because(what, found=f"{words}; nothing of the transaction was kept")
    if name.startswith("SQLITE_IOERR") or "disk I/O" in words:
        if _full(path):
            return StoreFullError.because(what, found=f"{words}; nothing of the transaction was kept")
        return StoreError.because(
            what,
            expected="a disk that reads and writes",
            found=f"{words}; nothing of the transaction was kept",
            advice="look at what the kernel says of the disk (dmesg); then at the store with `corestate doctor`",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN")) or "readonly" in words:
        return StoreReadOnlyError.because(what, found=words)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_TOOBIG")) or any(
        sign in words for sign in ("malformed", "not a database", "too big", "Could not decode")
    ):
        return StoreCorruptError.because(what, found=words)
    return StoreError.because(what, expected="SQL that runs", found=words, advice="see the cause")


def _full(path: str) -> bool:
    """Whether the disk of a store has no room left."""
    with suppress(OSError, AttributeError):
        found = os.statvfs(os.path.dirname(path))  # noqa: PTH120
        return found.f_bavail * found.f_bsize < 1 << 20
    return False


class Closable(Protocol):
    """What owns connections, and says when their queries are to end."""

    _closed: bool


def ended_by(owner: Closable) -> Callable[[], bool]:
    """Whether a query is to end, since what it is of was closed; keeps nothing alive."""
    of = weakref.ref(owner)

    def ended() -> bool:
        found = of()
        return found is not None and found._closed  # noqa: SLF001 - as the protocol says

    return ended


def _bounded(of: weakref.ref[Connection], ended: Callable[[], bool]) -> Callable[[], bool]:
    """Asked by SQLite every ``STEPS``: whether a statement is to end. Python's signals come through meanwhile, too."""

    def asked() -> bool:
        connection = of()
        if connection is None:
            return False
        connection.steps += 1
        return ended() or connection.overran

    return asked


class Connection(Rows):
    """One thread's connection."""

    def __init__(
        self,
        path: str,
        raw: sqlite3.Connection,
        files: tuple[tuple[int, int], ...] = (),
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.raw = raw
        self.steps = 0
        """Of the statement that runs, in ``STEPS``."""
        self._most = 0
        self.forks = process.forks
        self._files = files
        _used.update(files)
        _trusted.in_use.update(files)
        self.busy = False
        self.current: weakref.ref[object] | None = None
        """The transaction that makes it busy."""
        self.in_use = threading.RLock()
        """Held by its thread through each transaction, and by a fork under way."""
        self._path = path
        self._execute = raw.execute
        _connections.add(self)
        raw.set_progress_handler(_bounded(weakref.ref(self), ended), STEPS)

    @property
    def overran(self) -> bool:
        """Whether the statement that runs has taken more steps than a file of this size can have rows for."""
        if self.steps < _FREE_STEPS or self._path == ":memory:":
            return False
        if not self._most:
            files = [Path(f"{self._path}{end}") for end in ("", "-wal")]
            sizes = [file.stat().st_size for file in files if file.exists()]
            self._most = _FREE_STEPS + sum(sizes) * _STEPS_A_BYTE // STEPS
        return self.steps > self._most

    def _failed(self, cause: sqlite3.Error | OverflowError) -> CorestateError:
        if str(cause) == "interrupted" and self.overran:
            return StoreCorruptError.because(
                f"store {self._path}",
                found="a query without an end: tables that lead round in a circle",
                advice="restore it from a backup",
            )
        return error(self._path, cause)

    def one(self, sql: str, *parameters: object) -> Row | None:
        """See ``Rows.one``."""
        try:
            with self.in_use:
                if self.forks != process.forks:
                    self.refuse_child()
                self.steps = self._most = 0
                found: Row | None = self._execute(sql, parameters).fetchone()
        except (sqlite3.Error, OverflowError) as cause:
            raise self._failed(cause) from cause
        return found

    def all(self, sql: str, *parameters: object) -> list[Row]:
        """See ``Rows.all``."""
        try:
            with self.in_use:
                if self.forks != process.forks:
                    self.refuse_child()
                self.steps = self._most = 0
                return self._execute(sql, parameters).fetchall()
        except (sqlite3.Error, OverflowError) as cause:
            raise self._failed(cause) from cause

    def run(self, sql: str, *parameters: object) -> int:
        """See ``Rows.run``."""
        try:
            with self.in_use:
                if self.forks != process.forks:
                    self.refuse_child()
                self.steps = self._most = 0
                return self._execute(sql, parameters).rowcount
        except (sqlite3.Error, OverflowError) as cause:
            raise self._failed(cause) from cause

    def many(self, sql: str, rows: Iterable[Row]) -> None:
        """See ``Rows.many``."""
        try:
            with self.in_use:
                if self.forks != process.forks:
                    self.refuse_child()
                self.steps = self._most = 0
                self.raw.executemany(sql, rows)
        except (sqlite3.Error, OverflowError) as cause:
            raise self._failed(cause) from cause

    @property
    def inherited(self) -> bool:
        """Whether it is a parent's, in a child of fork."""
        return self.forks != process.forks

    def refuse_child(self) -> None:
        """Raise the error of a transaction that does not go on in a child of fork."""
        raise StoreError.because(
            f"store {self._path}",
            expected="the process that began the transaction",
            found="its child of fork, in which the transaction does not go on",
            advice="fork before it begins or when it is over",
        )

    def refuse_nesting(self) -> None:
        """Raise the error of a transaction within another."""
        raise StoreError.because(
            f"store {self._path}",
            expected="a thread that is in no transaction",
            found="one that is in one already",
            advice="transactions do not nest: finish the outer one first, or do all of it in that one",
        )

    def close(self) -> None:
        """Close it, by who holds ``in_use`` and ``opening``."""
        self.raw.close()
        self._forget()

    def __del__(self) -> None:
        self._forget()  # of a store that nobody closed: SQLite's own connection goes with this one

    def _forget(self) -> None:
        """Say that this connection has its files open no more."""
        files, self._files = self._files, ()
        for file in files:
            _used[file] -= 1
            if _used[file] <= 0:
                del _used[file]
                _trusted.in_use.discard(file)

    def roll_back(self) -> None:
        """Undo the transaction, if it is still open."""
        try:
            self.raw.execute("ROLLBACK")
        except sqlite3.Error:  # a full disk rolls back by itself
            if self.raw.in_transaction:
                raise


class Looked(NamedTuple):
    """What the first look at a store finds."""

    id: bytes
    newest: int
    """Sequence of the newest change."""


def harden(raw: sqlite3.Connection) -> None:
    """Have a new connection run nothing of what a hostile database may contain."""
    raw.execute("PRAGMA trusted_schema = OFF")
    raw.execute("PRAGMA cell_size_check = ON")


def insist_on_log(raw: sqlite3.Connection, path: str) -> None:
    """See that a store is in write-ahead mode: else SQLite would use, and remove, what has the journal's name.

    Raises:
        StoreCorruptError: it is not.
    """
    mode = raw.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        raise StoreCorruptError.because(
            f"store {path}",
            expected="a database in write-ahead mode",
            found=f"journal mode {named(mode)}",
            advice=f"close every program that uses it, then, as its directory's owner: sqlite3 {path} "
            "'PRAGMA journal_mode = WAL'",
        )


def looked(raw: sqlite3.Connection, path: str, *, create: bool = False, convert: bool = False) -> Looked:
    """See that a database is a store of this version, before anything of it is changed.

    Args:
        raw: a new connection, hardened.
        path: of the database, for messages.
        create: make it one where it is empty.
        convert: a store that is not in write-ahead mode, as some ways of copying leave it, is put into it.

    Raises:
        StoreCorruptError: it is none. StoreVersionError: of another version. sqlite3.Error.
    """
    what = f"store {path}"
    limit = getattr(raw, "setlimit", None)  # not before Python 3.11
    before = limit(_LENGTH, _SCHEMA_BYTES) if limit else 0
    left = [_MOST_LOOKS]

    def bounded() -> bool:
        left[0] -= 1
        return left[0] < 0

    raw.set_progress_handler(bounded, STEPS // 10)
    try:
        found, mode = _read(raw, what)
        if found is None or ((create or convert) and mode not in ("wal", "memory")):
            if found is None and not create:
                raise StoreCorruptError.because(what, found="a database without a schema version")
            if found is None:
                _make(raw)
            if path != ":memory:":
                raw.execute("PRAGMA journal_mode = WAL")
            found, _ = _read(raw, what)
    except sqlite3.Error as cause:
        if str(cause) == "interrupted":
            raise StoreCorruptError.because(what, found="a schema that takes too long to read") from cause
        raise
    finally:
        raw.set_progress_handler(None, 0)
        if limit:
            limit(_LENGTH, before)
    if found is None:
        raise StoreCorruptError.because(what, found="a database without a schema version")
    return found


def _read(raw: sqlite3.Connection, what: str) -> tuple[Looked | None, str]:
    """What is there, in one transaction; None where there is nothing yet; and the mode of its journal."""
    raw.execute("BEGIN")
    try:
        tables.refuse_foreign(what, raw.execute("PRAGMA application_id").fetchone()[0])
        mode = str(raw.execute("PRAGMA journal_mode").fetchone()[0])
        encoding = raw.execute("PRAGMA encoding").fetchone()[0]
        if encoding != "UTF-8":  # its audit rows would have other bytes than were sealed
            raise StoreCorruptError.because(what, found=f"texts in {encoding}")
        if not tables.check_tables(what, raw.execute(tables.MASTER), lambda: raw.execute(tables.META)):
            return None, mode
        ident = tables.check_meta(what, raw.execute(tables.META))
        newest = raw.execute("SELECT max(sequence) FROM changes").fetchone()[0]
        if newest is not None and not 0 < newest < 1 << 62:
            raise StoreCorruptError.because(what, found=f"a change of sequence {newest}")
        return Looked(ident, newest or 0), mode
    finally:
        if raw.in_transaction:
            raw.execute("ROLLBACK")


def _make(raw: sqlite3.Connection) -> None:
    raw.execute("BEGIN IMMEDIATE")
    try:
        tables.make_tables(raw)
        raw.execute("INSERT INTO meta VALUES ('store_id', ?)", (secrets.token_bytes(16),))
        raw.execute(f"PRAGMA application_id = {tables.APPLICATION}")
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
