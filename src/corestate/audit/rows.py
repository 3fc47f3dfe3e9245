"""Rows of the audit trail: reading, choosing, and writing them down elsewhere."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import enum
import json
import math
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from corestate._shown import named, typed
from corestate._whole_files import replacing
from corestate.errors import (
    CorestateError,
    InvalidError,
    NotANumberError,
    StorageError,
    StoreCorruptError,
    TooBigError,
    WrongTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corestate.stores import Row, Store

__all__ = [
    "AuditEvent",
    "AuditRow",
    "Filter",
    "checked",
    "event_of",
    "export",
    "kept_by",
    "nanoseconds",
    "rows_of",
    "several",
    "to_file",
]

ID_BYTES, TYPE_BYTES, DETAILS_BYTES = 256, 64, 1 << 20
_AT_ONCE = 2000
_FAR = 9.2e9
_FORMULA = tuple(
    "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
)  # and an apostrophe, so that what was put before is told from what was there
_EXPORTED = (b'{"sequence":', b'"sequence","time_ns",')
_FIELDS = ("sequence", "time_ns", "agent_id", "event_type", "details", "hash")


class AuditEvent(str, enum.Enum):
    """The types of events corestate itself records. Any other text is as good."""

    PII_DETECTED = "PII_DETECTED"
    BUDGET_WARNING = "BUDGET_WARNING"
    CIRCUIT_BREAKER_OPENED = "CIRCUIT_BREAKER_OPENED"
    AGENT_STARTED = "AGENT_STARTED"
    AGENT_COMPLETED = "AGENT_COMPLETED"
    AGENT_STATUS = "AGENT_STATUS"
    BUDGET_OVERRUN = "BUDGET_OVERRUN"
    BUDGET_PERIOD = "BUDGET_PERIOD"
    AUDIT_PRUNED = "AUDIT_PRUNED"
    """Written by ``prune`` alone: which rows it took."""


@dataclass(frozen=True)
class AuditRow:
    """One row of the trail."""

    sequence: int
    """1 for the first, one more for each; nothing is missing between two."""
    time_ns: int
    """Since the epoch, by the clock of who wrote it. Clocks step back; sequences do not."""
    agent_id: str
    event_type: str
    details: Any
    """As JSON has it."""
    hash: str
    """Of this row and, through the one before, of all before it; hexadecimal."""

    @property
    def time(self) -> dt.datetime:
        """The time with microseconds, in UTC."""
        return dt.datetime.fromtimestamp(self.time_ns / 1e9, dt.timezone.utc)

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict."""
        return {name: getattr(self, name) for name in _FIELDS}


def checked(agent_id: object, event_type: object, details: object) -> tuple[str, str, str]:
    """What a row takes: agent and type as text, details as JSON text.

    Raises:
        WrongTypeError, InvalidError, NotANumberError, TooBigError.
    """
    kind = event_type.value if isinstance(event_type, enum.Enum) else event_type
    for what, text, most in (("agent id", agent_id, ID_BYTES), ("event type", kind, TYPE_BYTES)):
        if not isinstance(text, str):
            raise WrongTypeError.because(f"audit {what}", expected="a str", found=typed(text))
        try:
            size = len(text.encode())
        except UnicodeEncodeError as cause:
            raise InvalidError.because(f"audit {what}", expected="Unicode", found=str(cause)) from None
        if not 0 < size <= most:
            raise InvalidError.because(
                f"audit {what}", expected=f"1 to {most} bytes of UTF-8", found=f"{size}", advice="choose another"
            )
    if kind == AuditEvent.AUDIT_PRUNED.value:
        raise InvalidError.because(
            "audit event type", expected="one of your own", found=f"{kind}, which only prune() writes"
        )
    return str.__str__(agent_id), str.__str__(kind), "{}" if details is None else as_json(details)


def several(events: object) -> Iterable[Any]:
    """The rows given to ``log_many``, as far as they are rows."""
    if isinstance(events, (str, bytes)) or not hasattr(events, "__iter__"):
        raise WrongTypeError.because(
            "audit.log_many()", expected="rows of (agent id, event type, details)", found=typed(events)
        )
    return events


def event_of(event: object) -> tuple[Any, Any, Any]:
    """One of them."""
    if not isinstance(event, (tuple, list)) or len(event) not in (2, 3):
        raise WrongTypeError.because(
            "audit.log_many()", expected="rows of (agent id, event type, details)", found=typed(event)
        )
    agent_id, event_type, *details = event
    return agent_id, event_type, details[0] if details else None


def kept_by(age: object, count: object) -> tuple[float | None, int | None]:
    """The arguments of ``prune``."""
    if age is None and count is None:
        raise InvalidError.because(
            "audit.prune()", expected="age in seconds or count, 0 or more", found="neither", advice="give one"
        )
    for what, value, kind in (("age", age, (int, float)), ("count", count, (int,))):
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise WrongTypeError.because(f"audit.prune({what}=)", expected="a number", found=typed(value))
        if math.isnan(value):
            raise NotANumberError.because(f"audit.prune({what}=)")
        if value < 0:
            raise InvalidError.because(f"audit.prune({what}=)", expected="0 or more", found=typed(value))
    return age, count  # type: ignore[return-value]


def as_json(details: object) -> str:
    """Details as JSON text.

    Raises:
        WrongTypeError, InvalidError, NotANumberError, TooBigError.
    """
    try:
        text = json.dumps(details, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except TypeError as cause:
        raise WrongTypeError.because(
            "audit details", expected="what JSON can carry", found=str(cause), advice="convert it first"
        ) from None
    except (ValueError, RecursionError) as cause:
        kind = NotANumberError if "JSON compliant" in str(cause) else InvalidError
        raise kind.because(
            "audit details", expected="what JSON can carry", found=str(cause), advice="leave it out"
        ) from None
    if size > DETAILS_BYTES:
        raise TooBigError.because(
            "audit details", expected=f"at most {DETAILS_BYTES} bytes of JSON", found=str(size), advice="record less"
        )
    return text


def nanoseconds(moment: object, what: str) -> int:
    """A datetime with a time zone, or seconds since the epoch, as nanoseconds.

    Raises:
        InvalidError, WrongTypeError, NotANumberError.
    """
    if isinstance(moment, dt.datetime):
        if moment.tzinfo is None:
            raise InvalidError.because(
                what, expected="a datetime with a time zone", found="one without", advice="datetime.now(timezone.utc)"
            )
        return round(moment.timestamp() * 1e6) * 1000
    if isinstance(moment, (int, float)) and not isinstance(moment, bool):
        if not math.isfinite(moment):
            raise NotANumberError.because(what)
        return int(min(max(moment, -_FAR), _FAR) * 1e9)
    raise WrongTypeError.because(what, expected="a datetime, or seconds since the epoch", found=typed(moment))


def _sought(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise WrongTypeError.because(what, expected="a str", found=typed(text))
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise InvalidError.because(what, expected="Unicode", found=str(cause), advice="no row can have it") from None
    return str.__str__(text)


class Filter:
    """Which rows are wanted, as SQL."""

    def __init__(self, agent_id: str | None, event_type: str | None, since: object, until: object) -> None:
        conditions, self.parameters = ["sequence > ?"], list[object]()
        if agent_id is not None:
            conditions.append("agent_id = ?")
            self.parameters.append(_sought(agent_id, "agent_id"))
        if event_type is not None:
            conditions.append("event_type = ?")
            self.parameters.append(
                _sought(event_type.value if isinstance(event_type, enum.Enum) else event_type, "event_type")
            )
        if since is not None:
            conditions.append("time_ns >= ?")
            self.parameters.append(nanoseconds(since, "since"))
        if until is not None:
            conditions.append("time_ns < ?")
            self.parameters.append(nanoseconds(until, "until"))
        self.sql = (
            f"SELECT sequence, time_ns, agent_id, event_type, details, hash FROM audit "  # noqa: S608 - no input in it
            f"WHERE {' AND '.join(conditions)} ORDER BY sequence LIMIT ?"
        )


def made(row: Row) -> AuditRow:
    """A row of the table as its object. What somebody wrote into it by hand comes as text, a time as 0."""
    sequence, time_ns, agent_id, event_type, details, digest = row
    try:
        decoded = json.loads(details)
    except (ValueError, TypeError, RecursionError):
        decoded = _as_text(details)
    shown = digest.hex() if isinstance(digest, bytes) else str(digest)
    since = time_ns if isinstance(time_ns, int) else 0
    return AuditRow(sequence, since, _as_text(agent_id), _as_text(event_type), decoded, shown)


def _as_text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def rows_of(store: Store, wanted: Filter, after: int = 0) -> Iterator[AuditRow]:
    """The rows wanted, in order, some at a time: rows added meanwhile come too. Memory does not grow with the trail."""
    while True:
        with store.read() as rows:
            found = rows.all(wanted.sql, after, *wanted.parameters, _AT_ONCE)
        if any(not isinstance(row[0], int) or row[0] <= last for last, row in _with_last(after, found)):
            raise StoreCorruptError.because("audit trail", found="rows that are not in order")
        yield from map(made, found)
        if len(found) < _AT_ONCE:
            return
        after = found[-1][0]


def _with_last(after: int, found: list[Any]) -> Iterator[tuple[int, Any]]:
    """Each row with the sequence of the one before it."""
    return zip((after, *(row[0] for row in found)), found, strict=False)


def export(found: Iterable[AuditRow], out: IO[str], form: str) -> int:
    """Write rows as JSON Lines or CSV; returns how many. See ``Audit.export``.

    Raises:
        InvalidError: a form that is neither ``"jsonl"`` nor ``"csv"``.
    """
    _insist_on_form(form)
    count = 0
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # else a lone \\r is left bare
    if form == "csv":
        writer.writerow(_FIELDS)
    for row in found:
        count += 1
        if form == "jsonl":
            out.write(_text(row.to_dict()) + "\n")
        else:
            cells = (row.agent_id, row.event_type, _text(row.details), row.hash)
            writer.writerow((row.sequence, row.time_ns, *map(_cell, cells)))
    return count


def to_file(found: Iterable[AuditRow], path: str | os.PathLike[str], form: str) -> int:
    """The same, into a file that takes its place as a whole.

    Raises:
        InvalidError, UntrustedFileError, StorageError.
    """
    _insist_on_form(form)
    what = f"audit export {os.fspath(path)!r:.200}"
    try:
        with replacing(path, what, purpose="audit-export", may_replace=lambda head: head.startswith(_EXPORTED)) as raw:
            return export(found, cast("IO[str]", codecs.getwriter("utf-8")(raw)), form)
    except CorestateError:
        raise
    except (OSError, ValueError) as cause:
        raise StorageError.because(
            what, expected="a place where a file can be made", found=str(cause), advice="check the path"
        ) from cause


def _insist_on_form(form: object) -> None:
    if form not in ("jsonl", "csv"):
        raise InvalidError.because("audit export", expected='the form "jsonl" or "csv"', found=named(form))


def _text(value: object) -> str:
    """As JSON; what somebody wrote by hand and no UTF-8 can carry comes with escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, separators=(",", ":"))
    return text


def _cell(text: object) -> str:
    """A text as no spreadsheet takes it for a formula."""
    shown = str(text).encode("utf-8", "backslashreplace").decode()
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
