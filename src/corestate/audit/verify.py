"""Whether a trail is what was written: every row, every link, both ends, and the table itself."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from corestate.audit.anchor import START, Anchor
from corestate.audit.chain import HASH_BYTES
from corestate.audit.errors import AuditAnchorError, AuditBrokenError
from corestate.audit.rows import DETAILS_BYTES, ID_BYTES, TYPE_BYTES, AuditEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from corestate.audit.anchor import End
    from corestate.audit.chain import Chain
    from corestate.stores import Row, Rows

__all__ = ["Verdict", "broken", "pruned_through", "verify"]

_AT_ONCE = 5000
_FIRST = -(1 << 63)
_TABLES = ("audit", "audit_retention")


def _bytes_of(column: str, least: int, most: int) -> str:
    """SQL: the bytes of a text as ``log`` writes it; NULL where it is of another type or length."""
    return (
        f"CASE WHEN typeof({column}) = 'text' AND length(CAST({column} AS BLOB)) BETWEEN {least} AND {most} "
        f"THEN CAST({column} AS BLOB) END"
    )


# Types are looked at, since 'a' and X'61' have the same bytes and are not found by the same query.
_BYTES = (
    f"SELECT sequence, CASE WHEN typeof(time_ns) = 'integer' THEN time_ns END, {_bytes_of('agent_id', 1, ID_BYTES)}, "  # noqa: S608 - constants
    f"{_bytes_of('event_type', 1, TYPE_BYTES)}, {_bytes_of('details', 1, DETAILS_BYTES)}, "
    f"CASE WHEN typeof(hash) = 'blob' AND length(hash) = {HASH_BYTES} THEN hash END "
    "FROM audit WHERE sequence >= ? ORDER BY sequence LIMIT ?"
)


def broken(sequence: int, found: str, *, expected: str | None = None) -> AuditBrokenError:
    """The error that names a row."""
    error = AuditBrokenError.because(f"audit row {sequence}", expected=expected, found=found)
    error.sequence = sequence
    return error


def pruned_through(rows: Rows) -> Anchor:
    """The last row that retention has taken, as the trail itself says; ``START`` when it has taken none."""
    return _pruned(rows)[0]


def _pruned(rows: Rows) -> tuple[Anchor, int]:
    """The same, and the row that says so."""
    row = rows.one(
        "SELECT sequence, details FROM audit WHERE event_type = ? ORDER BY sequence DESC LIMIT 1",
        AuditEvent.AUDIT_PRUNED.value,
    )
    if row is None:
        return START, 1
    try:
        details = json.loads(row[1])
        return Anchor(int(details["through"]), bytes.fromhex(details["hash"])), int(row[0])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError):
        raise broken(row[0], "an AUDIT_PRUNED row that says nothing of the kind") from None


class _Walk:
    """Along the chain from a row that is taken for granted."""

    def __init__(self, chain: Chain, start: Anchor, anchors: Iterable[Anchor]) -> None:
        self.at = start
        self._chain = chain
        self._anchors: dict[int, set[bytes]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.sequence, set()).add(anchor.hash)

    def past(self, found: list[Row]) -> None:
        """Check some rows, in order."""
        expected, before = self.at
        make, anchors = self._chain.next, self._anchors
        for sequence, time_ns, agent_id, event_type, details, digest in found:
            expected += 1
            if sequence != expected:
                raise broken(expected, f"row {sequence} in its place", expected="this row")
            try:
                before = make(before, sequence, time_ns, agent_id, event_type, details)
            except (TypeError, struct.error):  # what somebody wrote into it is of another type, or no time
                raise broken(sequence, "a row of other types or lengths than were written") from None
            if before != digest:
                raise broken(
                    sequence, "that its hash does not fit", expected="the row as it was written after the one before"
                )
            if sequence in anchors and anchors[sequence] != {before}:
                raise broken(
                    sequence,
                    "another hash than its anchor has: the chain was made anew from some row up to this one",
                    expected="the row the anchor was made for",
                )
        self.at = Anchor(expected, before)


class Verdict:
    """What the anchor file says of the trail, for ``verify``.

    Args:
        allowed: how the trail may end; none: there is no anchor file.
        upto: where it may end at most, where writers went on without a pause: then ``allowed`` says where at least.
    """

    def __init__(self, allowed: Sequence[End], upto: Sequence[End] = ()) -> None:
        self.allowed = allowed
        self.upto = upto

    @property
    def sure(self) -> Anchor | None:
        """A row that is there in any case."""
        return self.allowed[0].anchor if self.allowed else None

    def check(self, end: Anchor, start: Anchor, pruned: int) -> None:
        """Whether a trail of sound links ends and begins as it may.

        Raises:
            AuditBrokenError.
        """
        if not self.allowed:
            return
        ends = (*self.allowed, *self.upto)
        least, most = min(one.sequence for one in ends), max(one.sequence for one in ends)
        if end.sequence < least:
            raise broken(end.sequence + 1, "the end of the trail", expected=f"rows up to {least}")
        if end.sequence > most:
            raise broken(
                most + 1,
                f"{end.sequence - most} rows after the last one its anchor names",
                expected="the end of the trail",
            )
        fitting = [one for one in ends if one.anchor == end]
        if not fitting and not self.upto:
            where = next((one.sequence for one in ends if one.sequence == end.sequence), least + 1)
            raise broken(
                where,
                "another hash or end than its anchor has",
                expected=f"the trail to end with row {' or '.join(str(one.sequence) for one in ends)}",
            )
        if all(one.start != start for one in (fitting or ends)):
            raise broken(
                pruned,
                f"a retention of the rows up to {start.sequence}, of which its anchor knows nothing",
                expected=f"a trail that begins after row {(fitting or ends)[-1].through}",
            )


def verify(rows: Rows, chain: Chain, verdict: Verdict, outside: Anchor | None = None) -> int:
    """Check the whole trail; returns how many rows there are.

    Args:
        rows: of one moment.
        chain: makes its hashes.
        verdict: what the anchor file says.
        outside: an anchor that was kept elsewhere.

    Raises:
        AuditBrokenError: names the first row that shows it. AuditAnchorError: retention has taken the anchor's row.
    """
    start, pruned = _pruned(rows)
    sure = verdict.sure
    anchors = [anchor for anchor in (sure, outside) if anchor is not None and anchor.sequence > start.sequence]
    walk, after = _Walk(chain, start, anchors), _FIRST
    while True:
        found = rows.all(_BYTES, after, _AT_ONCE)
        walk.past(found)
        if len(found) < _AT_ONCE:
            break
        after = walk.at.sequence + 1
    for anchor in (sure, outside):
        if anchor is None:
            continue
        if anchor.sequence > walk.at.sequence:
            raise broken(walk.at.sequence + 1, "the end of the trail", expected=f"rows up to {anchor.sequence}")
        if anchor.sequence == start.sequence and anchor.hash != start.hash:
            raise broken(
                anchor.sequence, "another hash than its anchor has", expected="the row the anchor was made for"
            )
    verdict.check(walk.at, start, pruned)
    _check_table(rows)
    if outside is not None and outside.sequence < start.sequence and outside != START:
        raise AuditAnchorError.because(
            f"anchor {outside.sequence}",
            expected=f"one of a row after {start.sequence}",
            found="one whose row retention has taken since, which shows nothing any more",
            advice="keep one elsewhere after each prune(), and verify with that",
        )
    return walk.at.sequence - start.sequence


def _check_table(rows: Rows) -> None:
    """Whether what keeps the rows is as it was made."""
    from corestate.stores.tables import expected  # SQLite is not on every platform; a store that is open has it

    found = frozenset(
        rows.all("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE lower(tbl_name) IN (?, ?)", *_TABLES)
    )
    made = frozenset(row for row in expected() if row[2] in _TABLES)
    for row in sorted(found ^ made, key=repr):
        raise AuditBrokenError.because(
            f"audit trail, {row[1]!s:.60}",
            expected="the tables and triggers that keep its rows",
            found="one that was not made here" if row in found else "none, or another",
        )
    # An index may have been made without some rows, which queries by it do not find then.
    for (fault,) in rows.all("PRAGMA integrity_check('audit')"):
        if fault != "ok":
            raise AuditBrokenError.because(
                "audit trail", expected="each row in the table and in both of its indexes", found=f"{fault!s:.200}"
            )
    if rows.one("SELECT 1 FROM audit_retention") is not None:
        raise AuditBrokenError.because(
            "audit trail, audit_retention", expected="no retention under way", found="one that lets go of rows"
        )
