"""A scope: a namespace of keys whose values have versions, a time to live and a history."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corestate._shown import shown, typed
from corestate.errors import InvalidError, RangeError, WrongTypeError
from corestate.scopes import erasing
from corestate.scopes import history as histories
from corestate.scopes.encoding import decode, encode
from corestate.scopes.hot import MISS
from corestate.scopes.limits import Limits, checked_key
from corestate.scopes.rows import ConflictError, Write, alive, current, scope_id, stored
from corestate.scopes.space import Batch, KeyMissingError, add_to
from corestate.scopes.typed import Typed
from corestate.stores.checked import checking

if TYPE_CHECKING:
    import datetime as dt

    from corestate.scopes.erasing import Erased
    from corestate.scopes.history import Difference, ScopeView, Version
    from corestate.scopes.paths import ScopePath
    from corestate.scopes.rows import Current
    from corestate.scopes.space import Space

__all__ = ["Entry", "Scope"]

_entry = checking("entries", "key tag value version time_ns expires_ns")


@dataclass(frozen=True)
class Entry:
    """A value with what is known about it."""

    key: str
    value: Any
    version: int
    """One more for each change of the key, also across deletions; what ``if_version`` takes."""
    time_ns: int
    """When it was set, in nanoseconds since the epoch."""
    expires_ns: int
    """When its time to live is over, in nanoseconds since the epoch; 0: never."""


def expiry(ttl: float | None) -> int:
    """When a time to live that starts now is over; 0 for None.

    Raises:
        WrongTypeError, RangeError.
    """
    if ttl is None:
        return 0
    if type(ttl) not in (int, float):
        raise WrongTypeError.because("ttl", expected="seconds as a number, or None", found=typed(ttl))
    if not math.isfinite(ttl) or not 0 < ttl < 1e9:
        raise RangeError.because("ttl", expected="seconds above 0, below 1e9", found=shown(ttl), advice="pass another")
    return time.time_ns() + max(1, int(ttl * 1e9))


class Scope(Typed, MutableMapping[str, Any]):
    """A namespace of keys: a mapping whose every change is durable before it is seen. Made by ``state.scope``.

    Keys are str of 1 to 256 bytes; values are None, bool, int, float, str, bytes, and lists and dicts (with str keys)
    of these, and come back exactly so. Every process that asks for the same scope has the same values.
    """

    def __init__(self, space: Space, path: ScopePath, limits: Limits | None = None) -> None:
        self.path = path
        """Which scope this is."""
        self.limits = limits or Limits()
        self._space = space
        self._prefix = path.to_bytes()

    # -- reading -------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        """The value of a key. About a microsecond when it is hot, one look into the store when it is not.

        Raises:
            KeyMissingError (a KeyError).
        """
        space = self._space
        if space.hooks.reading:
            return self._hooked_read(key)
        try:
            packed = self._prefix + key.encode()
        except (AttributeError, UnicodeEncodeError):
            packed = self._prefix + checked_key(key).encode()
        value = space.durable.hot.get(packed)
        return value if value is not MISS else space.fetch(self._prefix, checked_key(key), packed)

    def _hooked_read(self, key: str) -> Any:
        space = self._space
        space.hooks.run("read", self.path, checked_key(key))
        packed = self._prefix + key.encode()
        value = space.hot.get(packed)
        if value is MISS:
            value = space.fetch(self._prefix, key, packed)
        return space.hooks.run("read", self.path, key, value, after=True)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        try:
            return self[key]
        except KeyMissingError:
            return default

    def entry(self, key: str) -> Entry | None:
        """The value of a key with its version and times, as the store has it; None when there is none."""
        checked_key(key)
        with self._space.store.read() as rows:
            scope = scope_id(rows, self._prefix)
            found = alive(current(rows, scope, key), time.time_ns()) if scope is not None else None
        if found is None:
            return None
        return Entry(key, decode(found.tag, found.value), found.version, found.time_ns, found.expires_ns)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.entry(key) is not None

    def entries(self, prefix: str = "") -> list[Entry]:
        """Every key that starts with ``prefix``, with value, version and times, in order of the keys, of one moment."""
        if not isinstance(prefix, str):
            raise WrongTypeError.because("prefix", expected="a str", found=typed(prefix))
        now = time.time_ns()
        with self._space.store.read() as rows:
            scope = scope_id(rows, self._prefix)
            found = rows.all(
                "SELECT key, tag, value, version, time_ns, expires_ns FROM entries "
                "WHERE scope = ? AND key >= ? AND (expires_ns = 0 OR expires_ns > ?) ORDER BY key",
                scope,
                prefix,
                now,
            )
        return [
            Entry(key, stored("entries", "value", tag, value), version, when, expires)
            for key, tag, value, version, when, expires in map(_entry, found)
            if key.startswith(prefix)
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        row = self._space.store.one(
            "SELECT count(*) FROM scopes s JOIN entries e ON e.scope = s.id "
            "WHERE s.path = ? AND (e.expires_ns = 0 OR e.expires_ns > ?)",
            self._prefix,
            time.time_ns(),
        )
        return int(row[0]) if row else 0

    def keys(self, prefix: str = "") -> list[str]:  # type: ignore[override]
        """The keys that start with ``prefix``, in order."""
        return [entry.key for entry in self.entries(prefix)]

    def values(self, prefix: str = "") -> list[Any]:  # type: ignore[override]
        """The values of the keys that start with ``prefix``, in order of the keys."""
        return [entry.value for entry in self.entries(prefix)]

    def items(self, prefix: str = "") -> list[tuple[str, Any]]:  # type: ignore[override]
        """Keys that start with ``prefix`` and their values, in order, of one moment."""
        return [(entry.key, entry.value) for entry in self.entries(prefix)]

    # -- writing -------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def set(self, key: str, value: Any, *, ttl: float | None = None, if_version: int | None = None) -> int:
        """Set a key; returns its new version. Durable when this returns.

        Args:
            key: 1 to 256 bytes.
            value: see the class.
            ttl: seconds until the value is gone; None: it stays.
            if_version: only if this is the key's version; 0: only if it has no value.

        Raises:
            ConflictError: another version. LimitExceededError: over a limit. RefusedError: by a hook. Nothing has
            changed then. WrongTypeError, NotANumberError, InvalidError, RangeError: of the arguments. StoreError.
        """
        checked_key(key)
        value = self._space.hooks.run("write", self.path, key, value)
        tag, packed = encode(value)
        write = Write(key, tag, packed, expiry(ttl), if_version)
        made = self._make(key, lambda _: write)
        self._space.hooks.run("write", self.path, key, value, after=True)
        return made.version if made else 0

    def _make(self, key: str, decide: Any) -> Write | None:
        try:
            return self._space.change(self.path, self.limits, key, decide)
        except ConflictError:
            self._space.hooks.conflict(self.path, key)
            raise

    def __delitem__(self, key: str) -> None:
        if not self.delete(key):
            raise KeyMissingError.because(f"key {key!r:.80} of {self.path}")

    def delete(self, key: str, *, if_version: int | None = None) -> bool:
        """Delete a key; False when it had no value. Its history stays.

        Raises:
            ConflictError, RefusedError, StoreError.
        """
        checked_key(key)
        self._space.hooks.run("delete", self.path, key)
        write = self._make(key, lambda _: Write(key, if_version=if_version, operation="delete"))
        self._space.hooks.run("delete", self.path, key, after=True)
        return write is not None and write.version > 0

    def increment(self, key: str, by: float = 1, *, initial: float = 0, ttl: float | None = None) -> Any:
        """Add to a number, atomically; returns the new value. A key without a value starts at ``initial``.

        Raises:
            WrongTypeError: the value, or ``by``, is no number. Else as ``set``.
        """
        checked_key(key)
        if type(by) not in (int, float) or type(initial) not in (int, float):
            raise WrongTypeError.because("increment", expected="ints or floats", found=f"{shown(by)}, {shown(initial)}")
        self._space.hooks.run("write", self.path, key, by)
        write = self._make(key, add_to(key, by, initial, expiry(ttl) if ttl is not None else None))
        value = decode(write.tag, write.value) if write else None
        self._space.hooks.run("write", self.path, key, value, after=True)
        return value

    def set_default(self, key: str, value: Any, *, ttl: float | None = None) -> Any:
        """The key's value, after setting it to ``value`` if it had none. Atomic."""
        checked_key(key)
        value = self._space.hooks.run("write", self.path, key, value)
        tag, packed = encode(value)
        found: list[Any] = []

        def decide(there: Current | None) -> Write | None:
            now = alive(there, time.time_ns())
            if now is None:
                return Write(key, tag, packed, expiry(ttl))
            found.append(decode(now.tag, now.value))
            return None

        self._make(key, decide)
        return found[0] if found else value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As ``set_default``."""
        return self.set_default(key, default)

    def update(self, *others: Any, **more: Any) -> None:
        """Set many keys at once: all of them, or none."""
        merged: dict[str, Any] = dict(*others, **more)
        batch = Batch(self._space)
        for key, value in merged.items():
            checked_key(key)
            tag, packed = encode(self._space.hooks.run("write", self.path, key, value))
            batch.add(self.path, self.limits, Write(key, tag, packed))
        if merged:
            batch.commit()
        for key, value in merged.items():
            self._space.hooks.run("write", self.path, key, value, after=True)

    def clear(self) -> None:
        """Delete every key at once. The history stays."""
        self._replace({}, self.path, self.limits, remove=self.keys())

    def erase(self, key: str | None = None, *, prefix: str | None = None) -> Erased:
        """Erase a key, the keys that start with ``prefix``, or all: value, every version, and the copies in use.

        What was erased is gone from the region's memory and from the store's files, not only from what can be asked
        for. That a key was erased, its name and the numbers of its versions stay. Copies that were made elsewhere are
        not known here: other scopes, backups, details of audit rows, data of tasks. O(the store's size).

        Raises:
            RefusedError: a hook that runs before deletions refused. InvalidError, WrongTypeError: of the arguments.
            ReadOnlyError, StoreError. Nothing has changed then.
        """
        return erasing.erase(self._space, self.path, key, prefix)

    def copy_to(self, other: Scope) -> int:
        """Set every key of this scope in the other one, at once; returns how many. Expiries go along."""
        return self._transfer(other, move=False)

    def move_to(self, other: Scope) -> int:
        """Set every key in the other scope and delete it here, at once; returns how many."""
        return self._transfer(other, move=True)

    def _transfer(self, other: Scope, *, move: bool) -> int:
        if other.path == self.path:
            raise InvalidError.because(
                f"scope {self.path}", expected="another scope", found="the same", advice="choose another to go to"
            )
        entries = self.entries()
        batch = Batch(self._space)
        for entry in entries:
            tag, packed = encode(entry.value)
            operation = "move" if move else "copy"
            batch.add(other.path, other.limits, Write(entry.key, tag, packed, entry.expires_ns, operation=operation))
            if move:
                batch.add(self.path, self.limits, Write(entry.key, if_version=entry.version, operation="move"))
        if entries:
            batch.commit()
        return len(entries)

    # -- history -------------------------------------------------------------------------------

    def history(self, key: str) -> list[Version]:
        """Every version of a key that is kept, oldest first, deletions among them."""
        return histories.history(self._space, self.path, key)

    def at(self, time: dt.datetime | float | None = None, *, change: int | None = None) -> ScopeView:
        """The scope as it was: a read-only mapping.

        Args:
            time: a datetime with a time zone, or seconds since the epoch.
            change: instead of a time, the sequence of a change (see ``state.changes``): as it was just after it.

        Raises:
            InvalidError: both or neither, or a datetime without a time zone. WrongTypeError.
        """
        return histories.at(self._space, self.path, time, change)

    def diff(self, before: Mapping[str, Any], after: Mapping[str, Any] | None = None) -> Difference:
        """What changed from ``before`` (a view of ``at``, another scope) to ``after``; None: to now. O(keys)."""
        return histories.diff(before, self if after is None else after)

    def revert(self, key: str, version: int) -> int:
        """Set a key to what it was at a version, as a new version; returns that.

        Raises:
            NotFoundError: no such version is kept. Else as ``set``.
        """
        return histories.revert(self, key, version)

    def fork(self, name: str, *, at: ScopeView | None = None) -> Scope:
        """A new scope with this one's values, as they are, or as a view of ``at`` has them.

        It is of the same kind; of the global scope, of which there is one, it is a custom one.

        Raises:
            InvalidError: that scope has keys already.
        """
        target = Scope(self._space, self.path.sibling(name), self.limits)
        view = at if at is not None else self.at(time.time())
        histories.fork(self.path, view, view.change, target)
        return target

    def _replace(self, values: Mapping[str, Any], path: ScopePath, limits: Limits, remove: list[str]) -> None:
        batch = Batch(self._space)
        for key in remove:
            batch.add(path, limits, Write(key, operation="delete"))
        for key, value in values.items():
            tag, packed = encode(value)
            batch.add(path, limits, Write(key, tag, packed))
        if batch.writes:
            batch.commit()

    def __repr__(self) -> str:
        return f"<Scope {self.path}>"
