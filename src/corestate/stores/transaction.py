"""One transaction of a thread, from its turn to its commit, and back to where it was whatever interrupts it."""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from corestate.errors import CorestateError, StoreFullError
from corestate.stores.connection import Connection, process

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from corestate.stores.base import Rows
    from corestate.stores.sqlite import SQLiteStore

__all__ = ["READ", "WRITE", "Transaction"]

READ, WRITE = "BEGIN", "BEGIN IMMEDIATE"


class Transaction:
    """One transaction, from its turn to its commit. A class of its own, and not a generator: this is the hot path."""

    __slots__ = ("__weakref__", "_begin", "_connection", "_left", "_store", "_turn", "_writes")

    def __init__(self, store: SQLiteStore, begin: str, turn: AbstractContextManager[object] | None) -> None:
        self._store = store
        self._begin = begin
        self._turn = turn
        self._writes = begin is WRITE
        self._left = True

    def __enter__(self) -> Rows:
        store = self._store
        connection = self._connection = store._mine()  # noqa: SLF001 - of one module
        self._left = False
        store.look()
        guard = store._memory_guard  # noqa: SLF001
        if guard is not None:
            guard.acquire()
        try:
            connection.in_use.acquire()
            try:
                self._begun(connection)
            except BaseException:
                store._release(connection)  # noqa: SLF001
                raise
        except BaseException:
            if guard is not None:
                guard.release()
            self._left = True
            raise
        return connection

    def __del__(self) -> None:
        for _ in range(2):  # another such exception would be swallowed here anyway
            try:
                if not getattr(self, "_left", True):
                    self._leave()
            except BaseException:  # noqa: BLE001, S112
                continue
            return

    def _leave(self) -> None:
        """Give back what a signal's exception, such as Ctrl-C or a time limit, kept from being given back.

        It may come between any two lines, also between the beginning and the ``with`` block. Nobody holds this object
        then, so nobody is in the transaction.
        """
        connection, in_use = self._connection, self._connection.in_use
        if connection.forks != process.forks:
            return
        if in_use._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 - as threading.Condition
            with suppress(CorestateError, sqlite3.Error):
                connection.busy = False
                if connection.raw.in_transaction:
                    connection.roll_back()
            if self._turn is not None:
                with suppress(CorestateError):  # not taken, or given back
                    self._turn.__exit__(None, None, None)
            while in_use._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
                in_use.release()
        guard = self._store._memory_guard  # noqa: SLF001
        if guard is not None and guard.mine:
            guard.release()
        self._left = True

    def _begun(self, connection: Connection) -> None:
        self._store.check_open()  # it may have been closed meanwhile
        if connection.busy:
            self._refuse_nesting(connection)
        turn = self._turn
        if turn is not None:
            turn.__enter__()
        begun = False
        try:
            connection.busy = begun = True
            connection.current = weakref.ref(self)
            connection.run(self._begin)
        except BaseException:  # Ctrl-C among them, which may come when it has begun
            try:
                if begun:
                    connection.busy = False
                    if connection.raw.in_transaction:
                        connection.roll_back()
            finally:
                if turn is not None:
                    turn.__exit__(None, None, None)
            raise

    @staticmethod
    def _refuse_nesting(connection: Connection) -> None:
        """Refuse to begin within a transaction, but for one that nobody is in any more."""
        if connection.current is not None and connection.current() is not None:
            connection.refuse_nesting()
        connection.busy = False
        if connection.raw.in_transaction:
            connection.roll_back()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection, store = self._connection, self._store
        if connection.forks != process.forks:
            if kind is None:
                connection.refuse_child()
            return
        try:
            try:
                try:
                    if kind is None:
                        store._commit(connection, writes=self._writes)  # noqa: SLF001
                    elif isinstance(value, StoreFullError):
                        raise value
                finally:
                    connection.busy = False
                    if connection.raw.in_transaction:
                        connection.roll_back()
            except StoreFullError:
                store._make_room(connection)  # noqa: SLF001
                raise
            finally:
                if self._turn is not None:
                    self._turn.__exit__(None, None, None)
        finally:
            try:
                store._release(connection)  # noqa: SLF001
            finally:
                guard = store._memory_guard  # noqa: SLF001
                if guard is not None:
                    guard.release()
                self._left = True
