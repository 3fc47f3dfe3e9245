"""Erasing: value, history and hot copy of keys, so that no byte of a value is left in region or store."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from corestate._shown import typed
from corestate.errors import CorestateError, InvalidError, StoreBusyError, WrongTypeError
from corestate.scopes.limits import checked_key
from corestate.scopes.rows import Write, scope_id
from corestate.stores.checked import checking

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.scopes.paths import ScopePath
    from corestate.scopes.space import Space
    from corestate.stores import Row, Rows

__all__ = ["Erased", "chosen", "erase"]

_head = checking("entries", "key version change length")

_log = logging.getLogger(__name__)
_ATTEMPTS = 10
_HEADS = (
    "SELECT key, version, change, length(value) FROM entries WHERE scope = ?1 AND key >= ?2 UNION ALL "
    "SELECT d.key, d.version, d.change, -1 FROM deleted d JOIN changes c ON c.sequence = d.change "
    "WHERE d.scope = ?1 AND d.key >= ?2 AND c.operation <> 'erase'"
)
_FORGET = "UPDATE changes SET kept = 0, tag = NULL, value = NULL WHERE scope = ? AND value IS NOT NULL AND key = ?"
_FORGET_MANY = (
    "UPDATE changes SET kept = 0, tag = NULL, value = NULL WHERE scope = ? AND value IS NOT NULL "
    "AND substr(key, 1, ?) = ?"
)
_ADD = (
    "INSERT INTO changes (sequence, time_ns, operation, scope, key, version, previous) "
    "VALUES (?, ?, 'erase', ?, ?, ?, ?)"
)
_PUT_DELETED = (
    "INSERT INTO deleted (scope, key, version, change) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, change = excluded.change"
)


class Erased(NamedTuple):
    """What an erasure came to."""

    keys: int
    """How many keys were erased, those that had only a history among them."""
    versions: int
    """How many values, of all their versions."""
    complete: bool
    """Whether the files are rid of them. False: nobody can read them through corestate any more, but somebody still
    reads an older state of the store, or its disk is full, so that their bytes are still in its file or its log. Erase
    again later, with the same arguments."""


def chosen(key: str | None, prefix: str | None) -> Callable[[str], bool]:
    """Which keys are meant.

    Raises:
        InvalidError: both are given, or a key that can be none. WrongTypeError: a prefix that is no str.
    """
    if key is not None and prefix is not None:
        raise InvalidError.because("erase", expected="a key, or a prefix", found="both", advice="give one of them")
    if key is not None:
        checked_key(key)
        return key.__eq__
    if prefix is not None and type(prefix) is not str:
        raise WrongTypeError.because("prefix", expected="a str", found=typed(prefix))
    begins = prefix or ""
    if begins:
        checked_key(begins)
    return lambda name: name.startswith(begins)


def erase(space: Space, path: ScopePath, key: str | None, prefix: str | None) -> Erased:
    """See ``Scope.erase``."""
    wanted = chosen(key, prefix)
    least = key if key is not None else prefix or ""
    space.insist_on_writing()
    with space.store.read() as rows:
        names = [head[0] for head in _heads(rows, path, least, wanted)]
    for name in names:
        space.hooks.run("delete", path, name)
    for _ in range(_ATTEMPTS):
        new, last, keys, versions = _erase(space, path, names, key, prefix, least, wanted)
        if not new:
            break
        names.extend(new)  # made meanwhile: with their locks, then
    else:
        raise StoreBusyError.because(f"erasing in {path}", found="new keys faster than they can be locked")
    space.announce(last)
    complete = _scrubbed(space)
    for name in names:
        space.hooks.run("delete", path, name, after=True)
    return Erased(keys, versions, complete)


def _heads(rows: Rows, path: ScopePath, least: str, wanted: Callable[[str], bool]) -> list[Row]:
    number = scope_id(rows, path.to_bytes())
    if number is None:
        return []
    return [head for head in map(_head, rows.all(_HEADS, number, least)) if wanted(head[0])]


def _erase(
    space: Space,
    path: ScopePath,
    names: list[str],
    key: str | None,
    prefix: str | None,
    least: str,
    wanted: Callable[[str], bool],
) -> tuple[list[str], int, int, int]:
    """All of it in one transaction: the sequence of the last change, how many keys, how many versions.

    Or nothing, where there are keys by now whose locks are not held: these.
    """
    start = path.to_bytes()
    packed = {name: start + name.encode() for name in names}
    hot = space.hot
    with hot.locked(packed.values()):
        for one in packed.values():
            hot.mark(one)
        last = versions = 0
        with space.store.write() as rows:
            number = scope_id(rows, start)
            heads = _heads(rows, path, least, wanted) if number is not None else []
            new = [head[0] for head in heads if head[0] not in packed]
            if new:
                return new, 0, 0, 0  # nothing has been written
            if heads:
                row = rows.one("SELECT max(sequence) FROM changes")
                last = int(row[0] or 0) if row else 0
                versions = (
                    rows.run(_FORGET, number, key)
                    if key is not None
                    else rows.run(_FORGET_MANY, number, len(prefix or ""), prefix or "")
                )
                last = _record(rows, number, heads, last)
        for name, one in packed.items():
            space.publish(hot, one, Write(name))  # which overwrites what it drops
    return [], last, len(heads), versions


def _record(rows: Rows, number: Any, heads: list[Row], last: int) -> int:
    """The feed says that something was erased, the versions go on, and the scope holds that much less."""
    now = time.time_ns()
    marks = [(last + at, name, version + 1, change) for at, (name, version, change, _) in enumerate(heads, 1)]
    rows.many(_ADD, [(n, now, number, name, version, change) for n, name, version, change in marks])
    rows.many("DELETE FROM entries WHERE scope = ? AND key = ?", [(number, name) for _, name, _, _ in marks])
    rows.many(_PUT_DELETED, [(number, name, version, n) for n, name, version, _ in marks])
    sizes = [head[3] for head in heads if head[3] >= 0]
    rows.run("UPDATE scopes SET keys = keys - ?, bytes = bytes - ? WHERE id = ?", len(sizes), sum(sizes), number)
    return last + len(heads)


def _scrubbed(space: Space) -> bool:
    """After the commit: have the store's files forget what is no longer in it. Never raises."""
    try:
        space.store.scrub()
    except CorestateError:
        _log.warning("what was erased is still in the store's files; erase again later", exc_info=True)
        return False
    return True
