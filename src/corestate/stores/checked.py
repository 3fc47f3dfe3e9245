"""What each column of a store may have: rows are checked where they are read, whoever wrote them.

SQLite keeps to no declared type: a number may be a text, bytes, a fraction, or missing. Nothing of a row is used before
it was looked at here, so that no such value comes out as an error of Python's somewhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate.errors import StoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.stores.base import Row

__all__ = ["checking", "corrupt"]

_MOST = (1 << 63) - 1
_BOUND = 1 << 62


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _or_null(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or good(value)


def _one_of(*values: object) -> Callable[[Any], bool]:
    known = frozenset((type(value), value) for value in values)
    return lambda value: isinstance(value, (int, str)) and (type(value), value) in known


def _text(value: Any) -> bool:
    return type(value) is str


def _bytes(value: Any) -> bool:
    return type(value) is bytes


_any = _whole(-_MOST - 1, _MOST)
_ordinal = _whole(1, _BOUND - 1)
_count = _whole(0, _BOUND - 1)
_time = _whole(0, _MOST)
_amount = _whole(0, _MOST)
_tag = _whole(0, (1 << 16) - 1)

_COLUMNS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "scopes": {"id": _ordinal, "path": _bytes, "keys": _any, "bytes": _any},
    "entries": {
        "key": _text, "version": _ordinal, "change": _ordinal, "tag": _tag, "value": _bytes, "expires_ns": _time,
        "time_ns": _time, "length": _whole(-1, _BOUND),
    },
    "deleted": {"key": _text, "version": _ordinal, "change": _ordinal},
    "changes": {
        "sequence": _ordinal, "time_ns": _time, "operation": _text, "key": _text, "version": _ordinal,
        "tag": _or_null(_tag), "value": _or_null(_bytes),
    },
    "tasks": {
        "id": _ordinal, "type": _text, "tag": _tag, "data": _bytes, "parent": _or_null(_ordinal),
        "depth": _count, "priority": _any, "workflow": _or_null(_text),
        "status": _one_of("ready", "leased", "waiting", "done", "dead"),
        "attempts": _count, "max_attempts": _whole(1, _MOST), "open_children": _count, "worker": _or_null(_text),
        "token": _count, "due_ns": _time, "result_tag": _or_null(_tag), "result": _or_null(_bytes),
        "error": _or_null(_text), "pushed_ns": _time, "changed_ns": _time,
    },
    "leases": {"token": _count},
    "budgets": {
        "name": _text, "amount_limit": _amount, "spent": _amount, "detections": _amount, "version": _count,
        "warned": _one_of(0, 1), "period": _one_of("", "day", "month"), "period_number": _whole(0, 2_900_000),
    },
    "commitments": {"amount": _amount},
    "governed": {
        "id": _text, "type": _whole(0, 255), "status": _whole(0, 255), "reason": _text, "data": _text,
        "version": _count, "updated_ns": _time, "registration": _text, "changes": _count,
    },
}  # fmt: skip


def corrupt(table: str, column: str, found: object) -> StoreCorruptError:
    """The error for a value that no store has there."""
    return StoreCorruptError.because(
        f"{column} of {table} in the store", expected="what a store has there", found=_words(found)
    )


def _words(found: object) -> str:
    if found is None:
        return "no value"
    if isinstance(found, (str, bytes)):
        return f"a {type(found).__name__} of length {len(found)}"
    return f"a {type(found).__name__} out of range" if isinstance(found, (int, float)) else str(found)


def checking(table: str, columns: str) -> Callable[[Row], Row]:
    """A function that gives back a row of these columns, once it was found to be one.

    Args:
        table: whose row it is; ``table.column`` among the columns means another.
        columns: in the order of the row, with spaces between them.
    """
    wanted = []
    for name in columns.split():
        of, _, column = name.rpartition(".")
        of = of or table
        wanted.append((of, column, _COLUMNS[of][column]))

    def checked(row: Row) -> Row:
        for (of, column, good), value in zip(wanted, row, strict=True):
            if not good(value):
                raise corrupt(of, column, value)
        return row

    return checked
