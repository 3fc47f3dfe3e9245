"""Rows of the audit trail: reading, choosing, and writing them down elsewhere."""

from __future__ import annotations

import csv
import datetime as dt
import enum
import json
import math
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from corestate.errors import InvalidError, NotANumberError, TooBigError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corestate.stores import Row, Store

__all__ = ["AuditEvent", "AuditRow", "Filter", "checked", "export", "nanoseconds", "rows_of"]

ID_BYTES, TYPE_BYTES, DETAILS_BYTES = 256, 64, 1 << 20
_AT_ONCE = 2000
_FIELDS = ("sequence", "time_ns", "agent_id", "event_type", "details", "hash")


class AuditEvent(str, enum.Enum):
    """The types of events corestate itself records. Any other text is as good."""

    PII_DETECTED = "PII_DETECTED"
    BUDGET_WARNING = "BUDGET_WARNING"
    CIRCUIT_BREAKER_OPENED = "CIRCUIT_BREAKER_OPENED"
    AGENT_STARTED = "AGENT_STARTED"
    AGENT_COMPLETED = "AGENT_COMPLETED"
    AGENT_STATUS = "AGENT_STATUS"
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
            raise WrongTypeError.because(f"audit {what}", expected="a str", found=f"{text!r:.100}")
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
        return min(max(int(moment * 1e9), -(1 << 63)), (1 << 63) - 1)
    raise WrongTypeError.because(what, expected="a datetime, or seconds since the epoch", found=f"{moment!r:.60}")


class Filter:
    """Which rows are wanted, as SQL."""

    def __init__(self, agent_id: str | None, event_type: str | None, since: object, until: object) -> None:
        conditions, self.parameters = ["sequence > ?"], list[object]()
        if agent_id is not None:
            conditions.append("agent_id = ?")
            self.parameters.append(str(agent_id))
        if event_type is not None:
            conditions.append("event_type = ?")
            self.parameters.append(event_type.value if isinstance(event_type, enum.Enum) else str(event_type))
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
    """A row of the table as its object; what somebody wrote into it by hand comes as it is."""
    sequence, time_ns, agent_id, event_type, details, digest = row
    try:
        decoded = json.loads(details)
    except (ValueError, TypeError):
        decoded = details
    shown = digest.hex() if isinstance(digest, bytes) else str(digest)
    return AuditRow(sequence, time_ns, agent_id, event_type, decoded, shown)


def rows_of(store: Store, wanted: Filter, after: int = 0) -> Iterator[AuditRow]:
    """The rows wanted, in order, some at a time: rows added meanwhile come too. Memory does not grow with the trail."""
    while True:
        with store.read() as rows:
            found = rows.all(wanted.sql, after, *wanted.parameters, _AT_ONCE)
        yield from map(made, found)
        if len(found) < _AT_ONCE:
            return
        after = found[-1][0]


def export(found: Iterable[AuditRow], out: IO[str], form: str) -> int:
    """Write rows as JSON Lines or CSV; returns how many.

    Raises:
        InvalidError: a form that is neither ``"jsonl"`` nor ``"csv"``.
    """
    if form not in ("jsonl", "csv"):
        raise InvalidError.because("audit export", expected='the form "jsonl" or "csv"', found=repr(form))
    count = 0
    writer = csv.writer(out, lineterminator="\n")
    if form == "csv":
        writer.writerow(_FIELDS)
    for row in found:
        count += 1
        if form == "jsonl":
            out.write(json.dumps(row.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n")
        else:
            details = json.dumps(row.details, ensure_ascii=False, separators=(",", ":"))
            writer.writerow((row.sequence, row.time_ns, row.agent_id, row.event_type, details, row.hash))
    return count
