"""The SQL of scoped values. Every function works inside a transaction the caller holds."""

# ruff: noqa: S608 - what is put into the SQL is constant, or marks for parameters
from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from corestate.errors import CorestateError, CorruptError, InvalidError
from corestate.scopes.encoding import decode
from corestate.scopes.limits import LimitExceededError
from corestate.scopes.paths import ScopePath
from corestate.stores.checked import checking, corrupt

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.scopes.limits import Limits
    from corestate.stores import Row, Rows

__all__ = [
    "CHANGES_OF",
    "HISTORY",
    "VALUES_AT",
    "ConflictError",
    "Current",
    "Write",
    "apply",
    "apply_one",
    "checked_current",
    "current",
    "path_of",
    "scope_id",
    "sound",
    "stored",
]


class ConflictError(CorestateError, ValueError):
    """Somebody else changed what this write was decided on; nothing has changed."""

    expected = "the version the write was decided on"
    found = "another"
    advice = "read it again and decide anew; state.transact(fn) does"


class Current(NamedTuple):
    """A current value as the store has it."""

    version: int
    tag: int
    value: bytes
    expires_ns: int
    time_ns: int
    change: int


@dataclass(slots=True)
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


_CURRENT = "version, tag, value, expires_ns, time_ns, change"
_ONE = (
    f"SELECT last, {_CURRENT} FROM (SELECT max(sequence) AS last FROM changes) "
    "LEFT JOIN entries ON scope = ? AND key = ?"
)
_ADD_CHANGE = (
    "INSERT INTO changes (sequence, time_ns, operation, scope, key, version, previous, tag, value) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PUT_ENTRY = (
    f"INSERT INTO entries (scope, key, {_CURRENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, tag = excluded.tag, value = excluded.value, "
    "expires_ns = excluded.expires_ns, time_ns = excluded.time_ns, change = excluded.change"
)
_PUT_DELETED = (
    "INSERT INTO deleted (scope, key, version, change) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, change = excluded.change"
)
_CHAIN = (  # of one key each, so that heads a stranger put into one chain cost no more than their own
    "WITH RECURSIVE heads (key, change) AS (SELECT key, change FROM entries WHERE scope = ?1 "
    "UNION ALL SELECT key, change FROM deleted WHERE scope = ?1), "
    "chain (sequence, previous, key) AS ("
    "SELECT c.sequence, c.previous, c.key FROM heads JOIN changes c ON c.sequence = heads.change AND c.key = heads.key "
    "UNION ALL SELECT c.sequence, c.previous, c.key FROM chain JOIN changes c ON c.sequence = chain.previous "
    "AND c.sequence < chain.sequence AND c.key = chain.key"
)
CHANGES_OF = (
    f"{_CHAIN}) SELECT c.sequence, c.time_ns, c.operation, c.key, c.version, c.tag, c.value "
    "FROM chain JOIN changes c ON c.sequence = chain.sequence ORDER BY c.sequence"
)
"""Every change of the scope ``?1``."""
VALUES_AT = (
    f"{_CHAIN} WHERE chain.sequence > ?2 AND c.kept = 1) SELECT c.key, c.tag, c.value "
    "FROM chain JOIN changes c ON c.sequence = chain.sequence "
    "WHERE chain.sequence <= ?2 AND c.value IS NOT NULL ORDER BY c.key"
)
"""What the scope ``?1`` held just after the change ``?2``."""
HISTORY = (
    "WITH RECURSIVE chain (sequence, version, tag, value, operation, time_ns, previous) AS ("
    "SELECT sequence, version, tag, value, operation, time_ns, previous FROM changes "
    "WHERE kept = 1 AND sequence IN (SELECT change FROM entries WHERE scope = ?1 AND key = ?2 "
    "UNION ALL SELECT change FROM deleted WHERE scope = ?1 AND key = ?2) UNION ALL "
    "SELECT c.sequence, c.version, c.tag, c.value, c.operation, c.time_ns, c.previous "
    "FROM chain JOIN changes c ON c.sequence = chain.previous AND c.sequence < chain.sequence WHERE c.kept = 1) "
    "SELECT version, tag, value, operation, time_ns, sequence FROM chain ORDER BY version"
)
"""Every kept version of the key ``?2`` of the scope ``?1``."""
_BOUND = 1 << 62
_entry = checking("entries", "version tag value expires_ns change time_ns")
_deleted = checking("deleted", "key version change")
_holds = checking("scopes", "keys bytes")
_number = checking("scopes", "id")
_AT_ONCE = 500
"""How many keys one query asks for."""


def scope_id(rows: Rows, path: bytes, *, make: bool = False) -> int | None:
    """The number of a scope, made on demand; None when there is none."""
    row = rows.one("SELECT id FROM scopes WHERE path = ?", path)
    if row is None and make:
        row = rows.one("INSERT INTO scopes (path) VALUES (?) RETURNING id", path)
    return None if row is None else int(_number(row)[0])


def sound(version: Any, tag: Any, value: Any, expires_ns: Any, change: Any = 1, time_ns: Any = 0) -> None:
    """Refuse what no store has: whoever can write to its file may have put anything there.

    Raises:
        StoreCorruptError.
    """
    if (
        type(version) is type(tag) is type(expires_ns) is type(change) is type(time_ns) is int
        and type(value) is bytes
        and 0 < version < _BOUND
        and 0 <= tag < 1 << 16
        and 0 <= expires_ns < 2 * _BOUND
        and 0 <= time_ns < 2 * _BOUND
        and 0 < change < _BOUND
    ):
        return
    _entry((version, tag, value, expires_ns, change, time_ns))  # names the column


def checked_current(row: Row) -> Current:
    """A row of ``version, tag, value, expires_ns, time_ns, change``, checked."""
    found = Current._make(row)
    sound(found.version, found.tag, found.value, found.expires_ns, found.change, found.time_ns)
    return found


def stored(table: str, column: str, tag: int, packed: bytes) -> Any:
    """What a checked row has under a column.

    Raises:
        StoreCorruptError: bytes that ``encode`` never wrote.
    """
    try:
        return decode(tag, packed)
    except CorruptError as cause:
        raise corrupt(table, column, cause.found) from cause


def path_of(packed: Any) -> ScopePath:
    """The path of a row of ``scopes``.

    Raises:
        StoreCorruptError: it is none.
    """
    try:
        return ScopePath.from_bytes(packed)
    except InvalidError as cause:
        raise corrupt("scopes", "path", packed) from cause


def current(rows: Rows, scope: int, key: str) -> Current | None:
    """What a key has now, expired or not."""
    row = rows.one(f"SELECT {_CURRENT} FROM entries WHERE scope = ? AND key = ?", scope, key)
    return None if row is None else checked_current(row)


def alive(found: Current | None, now: int) -> Current | None:
    """The same, unless its time to live is over."""
    return found if found is not None and (not found.expires_ns or found.expires_ns > now) else None


@dataclass
class _Known:
    """What the store has of the keys a batch is about, kept up to date as the batch goes."""

    last: int
    """The sequence of the newest change."""
    current: dict[str, Current] = field(default_factory=dict)
    deleted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Version and change of the deletion, of keys that had a value once."""

    def look(self, rows: Rows, scope: int, keys: list[str]) -> None:
        """Ask for these keys, which are not known yet."""
        for key, *rest in _of_keys(rows, f"SELECT key, {_CURRENT} FROM entries", scope, keys):
            self.current[key] = checked_current(tuple(rest))
        absent = [key for key in keys if key not in self.current]
        for row in _of_keys(rows, "SELECT key, version, change FROM deleted", scope, absent):
            key, version, change = _deleted(row)
            self.deleted[key] = (version, change)


def _of_keys(rows: Rows, select: str, scope: int, keys: list[str]) -> list[Row]:
    found: list[Row] = []
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        found.extend(rows.all(f"{select} WHERE scope = ? AND key IN ({marks})", scope, *part))
    return found


def apply_one(
    rows: Rows, scope: int, key: str, limits: Limits, decide: Callable[[Current | None], Write | None]
) -> Write | None:
    """Make the change of one key that is decided on by what it has now, expired or not; None: no change.

    Raises:
        As ``apply``.
    """
    row = rows.one(_ONE, scope, key)
    if row is None:  # not with an aggregate; it is said for the types
        return None
    old = None if row[1] is None else checked_current(row[1:])
    write = decide(old)
    if write is None:
        return None
    if old is None or write.value is None:
        known = _Known(row[0] or 0)
        if old is not None:
            known.current[key] = old
        else:
            known.look(rows, scope, [key])
        _apply(rows, scope, [write], limits, known)
        return write
    now, sequence = time.time_ns(), row[0] + 1  # a new value for a key that has one: most writes are this
    operation = _step(write, old, old.version, sequence, now, limits)
    tag, value, version = write.tag, write.value, write.version
    rows.run(_ADD_CHANGE, sequence, now, operation, scope, key, version, old.change, tag, value)
    rows.run(_PUT_ENTRY, scope, key, version, tag, value, write.expires_ns, now, sequence)
    size = len(value) - len(old.value)
    if size:
        _account(rows, scope, limits, 0, size)
    return write


def apply(rows: Rows, scope: int, writes: list[Write], limits: Limits) -> None:
    """Make the changes of one scope, in order; fills in their versions and sequences.

    Raises:
        ConflictError, LimitExceededError: the caller's transaction is to be undone.
    """
    row = rows.one("SELECT max(sequence) FROM changes")
    known = _Known(row[0] or 0 if row else 0)
    known.look(rows, scope, list({write.key: None for write in writes}))
    _apply(rows, scope, writes, limits, known)


def _apply(rows: Rows, scope: int, writes: list[Write], limits: Limits, known: _Known) -> None:
    now = time.time_ns()
    current, deleted, sequence = known.current, known.deleted, known.last
    were_deleted = set(deleted)
    changes: list[Row] = []
    last: dict[str, Write] = {}  # of several changes of one key the last one stays
    keys = size = 0
    for write in writes:
        key, value = write.key, write.value
        old = current.get(key)
        version, previous = (old.version, old.change) if old else deleted.get(key, (0, None))
        operation = _step(write, old, version, sequence + 1, now, limits)
        if operation is None:
            continue
        sequence += 1
        version += 1
        keys += (value is not None) - (old is not None)
        size += len(value or b"") - (len(old.value) if old else 0)
        if value is None:
            del current[key]
            deleted[key] = (version, sequence)
        else:
            current[key] = Current(version, write.tag, value, write.expires_ns, now, sequence)
        tag = None if value is None else write.tag
        changes.append((sequence, now, operation, scope, key, version, previous, tag, value))
        last[key] = write
    if changes:
        _each(rows, _ADD_CHANGE, changes)
        _store(rows, scope, known, last, were_deleted)
        if keys or size:
            _account(rows, scope, limits, keys, size)


def _step(write: Write, old: Current | None, newest: int, sequence: int, now: int, limits: Limits) -> str | None:
    """Check one change and number it; returns what it is called, None when there is nothing to delete."""
    seen = old if old is None or not old.expires_ns or old.expires_ns > now else None
    if write.if_version is not None and write.if_version != (seen.version if seen else 0):
        raise ConflictError.because(
            f"key {write.key!r:.80}",
            expected=f"version {write.if_version}" if write.if_version else "no value (version 0)",
            found=f"version {seen.version}" if seen else "no value",
        )
    if write.value is None and old is None:
        return None
    if write.value is not None and len(write.value) > limits.value_bytes:
        found, most = str(len(write.value)), f"at most {limits.value_bytes} bytes"
        raise LimitExceededError.because(f"value of key {write.key!r:.80}", expected=most, found=found)
    write.version = write.made = newest + 1
    write.sequence = sequence
    if write.value is None and seen is None and write.operation != "expire":
        write.version = 0
        return "expire"  # its time was over: that is what happened, whoever comes to it
    return write.operation


def _store(rows: Rows, scope: int, known: _Known, last: dict[str, Write], were_deleted: set[str]) -> None:
    there = [key for key, write in last.items() if write.value is not None]
    _each(rows, _PUT_ENTRY, [(scope, key, *known.current[key]) for key in there])
    if len(there) < len(last):
        gone = [key for key, write in last.items() if write.value is None]
        _each(rows, "DELETE FROM entries WHERE scope = ? AND key = ?", [(scope, key) for key in gone])
        _each(rows, _PUT_DELETED, [(scope, key, *known.deleted[key]) for key in gone])
    if were_deleted:
        back = [(scope, key) for key in there if key in were_deleted]
        _each(rows, "DELETE FROM deleted WHERE scope = ? AND key = ?", back)


def _each(rows: Rows, sql: str, parameters: list[Row]) -> None:
    if len(parameters) == 1:
        rows.run(sql, *parameters[0])
    elif parameters:
        rows.many(sql, parameters)


def _account(rows: Rows, scope: int, limits: Limits, keys: int, size: int) -> None:
    """Count what the scope holds."""
    row = rows.one(
        "UPDATE scopes SET keys = keys + ?, bytes = bytes + ? WHERE id = ? RETURNING keys, bytes", keys, size, scope
    )
    if row is None:
        return
    _holds(row)
    if keys > 0 and row[0] > limits.keys:
        raise LimitExceededError.because("scope", expected=f"at most {limits.keys} keys", found=str(row[0]))
    if size > 0 and row[1] > limits.bytes:
        raise LimitExceededError.because("scope", expected=f"at most {limits.bytes} bytes of values", found=str(row[1]))
