"""The SQL of scoped values. Every function works inside a transaction the caller holds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corestate.errors import CorestateError
from corestate.scopes.limits import LimitExceededError

if TYPE_CHECKING:
    from corestate.scopes.limits import Limits
    from corestate.stores import Row, Rows

__all__ = ["ConflictError", "Current", "Write", "apply", "current", "scope_id"]


class ConflictError(CorestateError, ValueError):
    """Somebody else changed what this write was decided on; nothing has changed."""

    expected = "the version the write was decided on"
    found = "another"
    advice = "read it again and decide anew; state.transact(fn) does"


@dataclass(frozen=True)
class Current:
    """A current value as the store has it."""

    version: int
    tag: int
    value: bytes
    expires_ns: int
    time_ns: int


@dataclass
class Write:
    """One change to make. ``value`` None deletes."""

    key: str
    tag: int = 0
    value: bytes | None = None
    expires_ns: int = 0
    if_version: int | None = None
    operation: str = "set"
    version: int = 0  # filled in: the version it became; 0 when there was nothing to delete
    made: int = 0  # filled in: the version in the history, of an expiry too
    sequence: int = 0  # filled in: of its change


def scope_id(rows: Rows, path: bytes, *, make: bool = False) -> int | None:
    """The number of a scope, made on demand; None when there is none."""
    row = rows.one("SELECT id FROM scopes WHERE path = ?", path)
    if row is None and make:
        row = rows.one("INSERT INTO scopes (path) VALUES (?) RETURNING id", path)
    return None if row is None else int(row[0])


def current(rows: Rows, scope: int, key: str) -> Current | None:
    """What a key has now, expired or not."""
    row = rows.one(
        "SELECT version, tag, value, expires_ns, time_ns FROM entries WHERE scope = ? AND key = ?", scope, key
    )
    return None if row is None else Current(*row)


def alive(found: Current | None, now: int) -> Current | None:
    """The same, unless its time to live is over."""
    return found if found is not None and (not found.expires_ns or found.expires_ns > now) else None


_AT_ONCE = 500
"""How many keys one query asks for."""


class _Known:
    """What the store has of the keys a batch is about, kept up to date as the batch goes."""

    def __init__(self, rows: Rows, scope: int, keys: list[str]) -> None:
        self.current: dict[str, Current] = {}
        self.newest: dict[str, int] = {}
        if len(keys) == 1:
            found = current(rows, scope, keys[0])
            if found is not None:
                self.current[keys[0]] = found
        for start in range(0, len(keys) if len(keys) > 1 else 0, _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            found_rows = rows.all(
                "SELECT key, version, tag, value, expires_ns, time_ns FROM entries "  # noqa: S608 - only marks
                f"WHERE scope = ? AND key IN ({', '.join('?' * len(part))})",
                scope,
                *part,
            )
            self.current.update((key, Current(*rest)) for key, *rest in found_rows)
        absent = [key for key in keys if key not in self.current]
        for start in range(0, len(absent), _AT_ONCE):
            part = absent[start : start + _AT_ONCE]
            self.newest.update(
                rows.all(
                    "SELECT key, max(version) FROM versions "  # noqa: S608 - only marks
                    f"WHERE scope = ? AND key IN ({', '.join('?' * len(part))}) GROUP BY key",
                    scope,
                    *part,
                )
            )


def apply(rows: Rows, scope: int, writes: list[Write], limits: Limits) -> None:
    """Make the changes of one scope, in order; fills in their versions and sequences.

    Raises:
        ConflictError, LimitExceededError: the caller's transaction is to be undone.
    """
    now = time.time_ns()
    known = _Known(rows, scope, list({write.key: None for write in writes}))
    made: list[tuple[Write, str]] = []
    keys = size = 0
    for write in writes:
        old = known.current.get(write.key)
        seen = alive(old, now)
        _agree(write, seen)
        if write.value is None and old is None:
            continue
        version = (old.version if old else known.newest.get(write.key, 0)) + 1
        keys += (write.value is not None) - (old is not None)
        size += len(write.value or b"") - (len(old.value) if old else 0)
        operation = write.operation
        if write.value is None:
            if seen is None:
                operation = "expire"  # its time was over: that is what happened, whoever comes to it
            known.current.pop(write.key)
            known.newest[write.key] = version
        else:
            if len(write.value) > limits.value_bytes:
                found = str(len(write.value))
                expected = f"at most {limits.value_bytes} bytes"
                raise LimitExceededError.because(f"value of key {write.key!r:.80}", expected=expected, found=found)
            known.current[write.key] = Current(version, write.tag, write.value, write.expires_ns, now)
        write.version = version if operation == write.operation else 0
        write.made = version
        made.append((write, operation))
    if made:
        _store(rows, scope, made, now)
        row = rows.one(
            "UPDATE scopes SET keys = keys + ?, bytes = bytes + ?, changed = ? WHERE id = ? RETURNING keys, bytes",
            keys, size, made[-1][0].sequence, scope,
        )  # fmt: skip
        _within(row, limits, keys, size)


def _agree(write: Write, seen: Current | None) -> None:
    if write.if_version is not None and write.if_version != (seen.version if seen else 0):
        raise ConflictError.because(
            f"key {write.key!r:.80}",
            expected=f"version {write.if_version}" if write.if_version else "no value (version 0)",
            found=f"version {seen.version}" if seen else "no value",
        )


def _store(rows: Rows, scope: int, made: list[tuple[Write, str]], now: int) -> None:
    row = rows.one("UPDATE last_change SET sequence = sequence + ? RETURNING sequence", len(made))
    first = (row[0] if row else 0) - len(made) + 1
    for sequence, (write, _) in enumerate(made, first):
        write.sequence = sequence
    _each(
        rows,
        "INSERT INTO changes (sequence, time_ns, operation, scope, key, version) VALUES (?, ?, ?, ?, ?, ?)",
        [(write.sequence, now, operation, scope, write.key, write.made) for write, operation in made],
    )
    _each(
        rows,
        "INSERT INTO versions (scope, key, version, tag, value, operation, change, time_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (scope, write.key, write.made, None if write.value is None else write.tag, write.value, operation,
             write.sequence, now)
            for write, operation in made
        ],
    )  # fmt: skip
    last = {write.key: write for write, _ in made}.values()  # of several changes of one key the last one stays
    _each(
        rows,
        "INSERT INTO entries (scope, key, version, tag, value, expires_ns, time_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, tag = excluded.tag, "
        "value = excluded.value, expires_ns = excluded.expires_ns, time_ns = excluded.time_ns",
        [
            (scope, write.key, write.made, write.tag, write.value, write.expires_ns, now)
            for write in last
            if write.value is not None
        ],
    )
    _each(
        rows,
        "DELETE FROM entries WHERE scope = ? AND key = ?",
        [(scope, write.key) for write in last if write.value is None],
    )


def _each(rows: Rows, sql: str, parameters: list[Row]) -> None:
    if len(parameters) == 1:
        rows.run(sql, *parameters[0])
    elif parameters:
        rows.many(sql, parameters)


def _within(row: tuple[int, ...] | None, limits: Limits, keys: int, size: int) -> None:
    if row is None:
        return
    if keys > 0 and row[0] > limits.keys:
        raise LimitExceededError.because("scope", expected=f"at most {limits.keys} keys", found=str(row[0]))
    if size > 0 and row[1] > limits.bytes:
        raise LimitExceededError.because("scope", expected=f"at most {limits.bytes} bytes of values", found=str(row[1]))
