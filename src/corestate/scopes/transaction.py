"""Transactions over many keys and scopes: all or nothing, and as if one after the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from corestate.errors import StoreError
from corestate.scopes.encoding import encode
from corestate.scopes.limits import checked_key
from corestate.scopes.rows import ConflictError, Write, alive, checked_current, current, scope_id, stored
from corestate.scopes.scope import Scope, expiry
from corestate.scopes.space import Batch, KeyMissingError
from corestate.stores.checked import checking

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from corestate.scopes.paths import ScopePath
    from corestate.scopes.space import Space
    from corestate.stores import Rows

__all__ = ["Transaction", "TransactionScope"]

_key = checking("entries", "key")

_GONE = object()


class Transaction:
    """Reads remember what they saw; writes are kept back until the end of the ``with`` block.

    Then the keys are locked in order, what was read is compared with what is there now, and everything is written at
    once.

    Raises (at the end of the block):
        ConflictError: somebody changed what was read; nothing was written. ``state.transact(fn)`` tries again.
        LimitExceededError, RefusedError, StoreError: nothing was written.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._seen: dict[tuple[ScopePath, str], int] = {}
        self._ranges: dict[ScopePath, int] = {}
        self._written: dict[tuple[ScopePath, str], tuple[Scope, Any, int]] = {}
        self._done = False

    def scope(self, scope: Scope) -> TransactionScope:
        """A scope as this transaction sees and changes it."""
        return TransactionScope(self, scope)

    __call__ = scope

    def read(self, scope: Scope, key: str) -> Any:
        """The value of a key, the transaction's own write first.

        Raises:
            KeyMissingError.
        """
        self._open()
        written = self._written.get((scope.path, checked_key(key)))
        if written is not None:
            if written[1] is _GONE:
                raise KeyMissingError.because(f"key {key!r:.80} of {scope.path}")
            return written[1]
        row = self._space.store.one(
            "SELECT e.version, e.tag, e.value, e.expires_ns, e.time_ns, e.change "
            "FROM scopes s JOIN entries e ON e.scope = s.id WHERE s.path = ? AND e.key = ?",
            scope.path.to_bytes(),
            key,
        )
        found = alive(checked_current(row) if row else None, time.time_ns())
        version = found.version if found else 0
        if self._seen.setdefault((scope.path, key), version) != version:
            raise ConflictError.because(
                f"key {key!r:.80} of {scope.path}", found="that it changed between two reads of this transaction"
            )
        if found is None:
            raise KeyMissingError.because(f"key {key!r:.80} of {scope.path}")
        return stored("entries", "value", found.tag, found.value)

    def names(self, scope: Scope, prefix: str) -> list[str]:
        """The keys of a scope that start with ``prefix``, as this transaction leaves them."""
        self._open()
        with self._space.store.read() as rows:
            number = scope_id(rows, scope.path.to_bytes())
            last = rows.one("SELECT max(sequence) FROM changes")
            found = rows.all(
                "SELECT key FROM entries WHERE scope = ? AND key >= ? AND (expires_ns = 0 OR expires_ns > ?)",
                number,
                prefix,
                time.time_ns(),
            )
        self._ranges.setdefault(scope.path, int(last[0] or 0) if last else 0)
        keys = {key for (key,) in map(_key, found) if key.startswith(prefix)}
        for (path, key), (_, value, _) in self._written.items():
            if path == scope.path and key.startswith(prefix):
                keys.discard(key) if value is _GONE else keys.add(key)
        return sorted(keys)

    def write(self, scope: Scope, key: str, value: Any, expires_ns: int) -> None:
        """Keep a change back until the end. ``encode`` refuses here what could not be stored."""
        self._open()
        checked_key(key)
        if value is _GONE:
            self._space.hooks.run("delete", scope.path, key)
        else:
            value = self._space.hooks.run("write", scope.path, key, value)
            encode(value)
        self._written[scope.path, key] = (scope, value, expires_ns)

    def delete(self, scope: Scope, key: str) -> None:
        """Keep a deletion back until the end."""
        self.write(scope, key, _GONE, 0)

    def _open(self) -> None:
        if self._done:
            raise StoreError.because(
                "transaction", expected="an open one", found="one that has ended", advice="begin another"
            )

    def commit(self) -> int:
        """Write everything, or nothing; returns the sequence of the last change."""
        self._open()
        self._done = True
        batch = Batch(self._space)
        for (path, key), (scope, value, expires_ns) in self._written.items():
            if value is _GONE:
                batch.add(path, scope.limits, Write(key, operation="delete"))
            else:
                tag, packed = encode(value)
                batch.add(path, scope.limits, Write(key, tag, packed, expires_ns))
        if not batch.writes and not self._seen and not self._ranges:
            return 0
        try:
            sequence = batch.commit(self._validate)
        except ConflictError:
            for path, key in self._written:
                self._space.hooks.conflict(path, key)
            raise
        for (path, key), (_, value, _) in self._written.items():
            if value is _GONE:
                self._space.hooks.run("delete", path, key, after=True)
            else:
                self._space.hooks.run("write", path, key, value, after=True)
        return sequence

    def _validate(self, rows: Rows) -> None:
        now = time.time_ns()
        for (path, key), version in self._seen.items():
            number = scope_id(rows, path.to_bytes())
            found = alive(current(rows, number, key), now) if number is not None else None
            if (found.version if found else 0) != version:
                raise ConflictError.because(
                    f"key {key!r:.80} of {path}",
                    expected=f"version {version}, which the transaction read",
                    found=f"version {found.version if found else 0}",
                )
        for path, last in self._ranges.items():
            number = scope_id(rows, path.to_bytes())
            if rows.one("SELECT 1 FROM changes WHERE sequence > ? AND scope = ? LIMIT 1", last, number) is not None:
                raise ConflictError.because(
                    f"scope {path}", expected="the keys the transaction listed", found="that the scope has changed"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and not self._done:
            self.commit()
        self._done = True


class TransactionScope:
    """One scope inside a transaction: read, set and delete keys."""

    def __init__(self, transaction: Transaction, scope: Scope) -> None:
        self._transaction = transaction
        self._scope = scope

    def __getitem__(self, key: str) -> Any:
        return self._transaction.read(self._scope, key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        try:
            return self[key]
        except KeyMissingError:
            return default

    def __contains__(self, key: str) -> bool:
        return self.get(key, _GONE) is not _GONE

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that start with ``prefix``, in order."""
        return self._transaction.names(self._scope, prefix)

    def set(self, key: str, value: Any, *, ttl: float | None = None) -> None:
        """Set a key when the transaction commits."""
        self._transaction.write(self._scope, key, value, expiry(ttl))

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        self[key]
        self._transaction.delete(self._scope, key)

    def delete(self, key: str) -> bool:
        """Delete a key when the transaction commits; False when it has no value."""
        if key not in self:
            return False
        self._transaction.delete(self._scope, key)
        return True

    def increment(self, key: str, by: float = 1, *, initial: float = 0) -> Any:
        """Add to a number when the transaction commits; returns what it will be."""
        value = self.get(key, initial) + by
        self.set(key, value)
        return value
