"""Every version a value had, a scope as it was, and back."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corestate._shown import typed
from corestate.errors import InvalidError, NotFoundError, WrongTypeError
from corestate.scopes.encoding import encode
from corestate.scopes.limits import checked_key
from corestate.scopes.rows import HISTORY, VALUES_AT, Write, scope_id, stored
from corestate.scopes.space import Batch, KeyMissingError
from corestate.scopes.typed import Typed
from corestate.stores.checked import checking

if TYPE_CHECKING:
    from corestate.scopes.paths import ScopePath
    from corestate.scopes.scope import Scope
    from corestate.scopes.space import Space
    from corestate.stores import Rows

__all__ = ["Difference", "ScopeView", "Version", "at", "diff", "fork", "history", "retain", "revert"]

_version = checking("changes", "version tag value operation time_ns sequence")
_value = checking("entries", "key tag value")


@dataclass(frozen=True)
class Version:
    """One version of a key."""

    version: int
    value: Any
    """None where ``deleted``."""
    deleted: bool
    operation: str
    """``set``, ``increment``, ``delete``, ``expire``, ``copy``, ``move``, ``revert``, ``fork``, ``erase``."""
    time_ns: int
    change: int
    """The sequence of the change, in the order of all commits."""


@dataclass(frozen=True)
class Difference:
    """What differs between two moments of a scope, or two scopes."""

    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def history(space: Space, path: ScopePath, key: str) -> list[Version]:
    """Every version a key has had and that was kept, oldest first; empty when there never was one."""
    checked_key(key)
    with space.store.read() as rows:
        found = rows.all(
            HISTORY,
            scope_id(rows, path.to_bytes()),
            key,
        )
    return [
        Version(
            version,
            None if value is None else stored("changes", "value", tag, value),
            value is None,
            operation,
            when,
            change,
        )
        for version, tag, value, operation, when, change in map(_version, found)
    ]


class ScopeView(Typed, Mapping[str, Any]):
    """A scope as it was at one moment: read-only, and the same for ever (as far as the history is kept)."""

    def __init__(self, path: ScopePath, change: int, values: dict[str, tuple[int, bytes]]) -> None:
        self.path = path
        self.change = change
        """The last change it includes."""
        self._values = values

    def __getitem__(self, key: str) -> Any:
        try:
            tag, packed = self._values[key]
        except KeyError:
            raise KeyMissingError.because(f"key {key!r:.80} of {self.path} as of change {self.change}") from None
        return stored(
            "changes", "value", tag, packed
        )  # each time anew: what a reader does to a list or dict is not in the view

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<ScopeView {self.path} as of change {self.change}: {len(self)} keys>"


def _nanoseconds(moment: Any) -> int:
    if isinstance(moment, dt.datetime):
        if moment.tzinfo is None:
            raise InvalidError.because(
                "time",
                expected="a datetime with a time zone",
                found=f"{moment}",
                advice="give it one: datetime.now(UTC)",
            )
        return round(moment.timestamp() * 1e9)
    if type(moment) in (int, float):
        return int(moment * 1_000_000_000)
    raise WrongTypeError.because("time", expected="a datetime, or seconds since the epoch", found=typed(moment))


def at(space: Space, path: ScopePath, time: Any = None, change: int | None = None) -> ScopeView:
    """A scope as it was at a time, or after a change. O(keys that ever were + changes since)."""
    if (time is None) == (change is None):
        raise InvalidError.because(
            f"{path} at ...", expected="a time, or a change", found="both or neither", advice="give one of them"
        )
    with space.store.read() as rows:
        if change is None:
            row = rows.one(
                "SELECT sequence FROM changes WHERE time_ns <= ? ORDER BY sequence DESC LIMIT 1", _nanoseconds(time)
            )
            change = int(row[0]) if row else 0
        values = _values(rows, path, change)
    return ScopeView(path, change, values)


def _values(rows: Rows, path: ScopePath, change: int) -> dict[str, tuple[int, bytes]]:
    found = rows.all(
        VALUES_AT,
        scope_id(rows, path.to_bytes()),
        change,
    )
    return {key: (tag, value) for key, tag, value in map(_value, found)}


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """What changed from one mapping (a scope, a view, a dict) to another."""
    old, new = dict(before.items()), dict(after.items())
    return Difference(
        added={key: value for key, value in new.items() if key not in old},
        removed={key: value for key, value in old.items() if key not in new},
        changed={
            key: (old[key], value)
            for key, value in new.items()
            if key in old and (old[key] != value or type(old[key]) is not type(value))
        },
    )


def revert(scope: Scope, key: str, version: int) -> int:
    """Set a key to what it was at a version, as a new version; returns that. A deletion is reverted to a deletion.

    Raises:
        NotFoundError: the version is not in the history.
    """
    for found in history(scope._space, scope.path, key):  # noqa: SLF001 - of one package
        if found.version == version:
            break
    else:
        raise NotFoundError.because(
            f"version {version} of key {key!r:.80}", found="that it is not in the history", advice="see history(key)"
        )
    batch = Batch(scope._space)  # noqa: SLF001
    tag, packed = encode(found.value) if not found.deleted else (0, None)
    write = Write(key, tag, packed, operation="revert")
    batch.add(scope.path, scope.limits, write)
    batch.commit()
    return write.version


def fork(source: ScopePath, view: Mapping[str, Any], change: int, target: Scope) -> int:
    """Give an empty scope the values of another, as they are or were; returns how many.

    Raises:
        InvalidError: the target has keys already.
    """
    if len(target):
        raise InvalidError.because(
            f"fork to {target.path}",
            expected="an empty scope",
            found=f"{len(target)} keys",
            advice="choose another name",
        )
    space = target._space  # noqa: SLF001 - of one package
    batch = Batch(space)
    for key, value in view.items():
        tag, packed = encode(value)
        batch.add(target.path, target.limits, Write(key, tag, packed, if_version=0, operation="fork"))

    def remember(rows: Rows) -> None:
        number = scope_id(rows, target.path.to_bytes(), make=True)
        rows.run("UPDATE scopes SET forked_from = ?, forked_at = ? WHERE id = ?", source.to_bytes(), change, number)

    batch.commit(remember)
    return len(view)


_FORGET = (
    "UPDATE changes SET kept = 0, tag = NULL, value = NULL WHERE kept = 1 AND version <= coalesce("
    "(SELECT e.version FROM entries e WHERE e.scope = changes.scope AND e.key = changes.key), "
    "(SELECT d.version FROM deleted d WHERE d.scope = changes.scope AND d.key = changes.key))"
)
"""All but the newest versions of each key; how many of those stay follows."""


def retain(space: Space, *, age: float | None = None, versions: int | None = None) -> int:
    """Forget old versions: those older than ``age`` seconds, and all but the newest ``versions`` of each key.

    Returns how many. The newest version is always kept, and so are the numbers of versions and changes.
    """
    if age is None and versions is None:
        raise InvalidError.because("retain", expected="an age, a count, or both", found="neither", advice="give one")
    if (age is not None and age < 0) or (versions is not None and versions < 1):
        raise InvalidError.because(
            "retain", expected="age >= 0, versions >= 1", found=f"{age}, {versions}", advice="give others"
        )
    space.insist_on_writing()
    removed = 0
    with space.store.write() as rows:
        if age is not None:
            removed += rows.run(f"{_FORGET} - 1 AND time_ns < ?", time.time_ns() - int(age * 1e9))
        if versions is not None:
            removed += rows.run(f"{_FORGET} - ?", versions)
    return removed
