"""The SQL of scoped values. Every function works inside a transaction the caller holds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corestate.errors import CorestateError
from corestate.scopes.limits import LimitExceededError

if TYPE_CHECKING:
    from corestate.scopes.limits import Limits
    from corestate.stores import Rows

__all__ = ["ConflictError", "Current", "Write", "apply", "current", "scope_id", "versions_of"]


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


def versions_of(rows: Rows, scope: int, key: str) -> int:
    """The newest version a key ever had; 0 for none."""
    row = rows.one("SELECT version FROM versions WHERE scope = ? AND key = ? ORDER BY version DESC LIMIT 1", scope, key)
    return 0 if row is None else int(row[0])


def apply(rows: Rows, scope: int, writes: list[Write], limits: Limits) -> None:
    """Make the changes of one scope, in order; fills in their versions and sequences.

    Raises:
        ConflictError, LimitExceededError: the caller's transaction is to be undone.
    """
    now = time.time_ns()
    keys = size = last = 0
    for write in writes:
        old = current(rows, scope, write.key)
        seen = alive(old, now)
        if write.if_version is not None and write.if_version != (seen.version if seen else 0):
            raise ConflictError.because(
                f"key {write.key!r:.80}",
                expected=f"version {write.if_version}" if write.if_version else "no value (version 0)",
                found=f"version {seen.version}" if seen else "no value",
            )
        if write.value is None and seen is None and old is None:
            continue
        version = (old.version if old else versions_of(rows, scope, write.key)) + 1
        if write.value is None:
            operation = write.operation if seen is not None or write.operation == "expire" else "expire"
            rows.run("DELETE FROM entries WHERE scope = ? AND key = ?", scope, write.key)
            keys -= 1
        else:
            if len(write.value) > limits.value_bytes:
                raise LimitExceededError.because(
                    f"value of key {write.key!r:.80}",
                    expected=f"at most {limits.value_bytes} bytes",
                    found=str(len(write.value)),
                )
            operation = write.operation
            rows.run(
                "INSERT INTO entries (scope, key, version, tag, value, expires_ns, time_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, tag = excluded.tag, "
                "value = excluded.value, expires_ns = excluded.expires_ns, time_ns = excluded.time_ns",
                scope, write.key, version, write.tag, write.value, write.expires_ns, now,
            )  # fmt: skip
            keys += old is None
            size += len(write.value)
        size -= len(old.value) if old else 0
        last = write.sequence = _record(rows, scope, write, version, operation, now)
        write.version = version if operation == write.operation or write.value is not None else 0
    if last:
        row = rows.one(
            "UPDATE scopes SET keys = keys + ?, bytes = bytes + ?, changed = ? WHERE id = ? RETURNING keys, bytes",
            keys, size, last, scope,
        )  # fmt: skip
        _within(row, limits, keys, size)


def _record(rows: Rows, scope: int, write: Write, version: int, operation: str, now: int) -> int:
    row = rows.one(
        "INSERT INTO changes (time_ns, operation, scope, key, version) VALUES (?, ?, ?, ?, ?) RETURNING sequence",
        now, operation, scope, write.key, version,
    )  # fmt: skip
    sequence = int(row[0]) if row else 0
    rows.run(
        "INSERT INTO versions (scope, key, version, tag, value, operation, change, time_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        scope, write.key, version, None if write.value is None else write.tag, write.value, operation, sequence, now,
    )  # fmt: skip
    return sequence


def _within(row: tuple[int, ...] | None, limits: Limits, keys: int, size: int) -> None:
    if row is None:
        return
    if keys > 0 and row[0] > limits.keys:
        raise LimitExceededError.because("scope", expected=f"at most {limits.keys} keys", found=str(row[0]))
    if size > 0 and row[1] > limits.bytes:
        raise LimitExceededError.because("scope", expected=f"at most {limits.bytes} bytes of values", found=str(row[1]))
