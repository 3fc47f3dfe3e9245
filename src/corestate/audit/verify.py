"""Whether a trail is what was written: every row, every link, both ends."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from corestate.audit.anchor import START, Anchor
from corestate.audit.errors import AuditBrokenError
from corestate.audit.rows import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corestate.audit.chain import Chain
    from corestate.stores import Row, Rows

__all__ = ["pruned_through", "verify"]

_AT_ONCE = 5000
_BYTES = (
    "SELECT sequence, time_ns, CAST(agent_id AS BLOB), CAST(event_type AS BLOB), CAST(details AS BLOB), hash "
    "FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?"
)


def broken(sequence: int, found: str, *, expected: str | None = None) -> AuditBrokenError:
    """The error that names a row."""
    error = AuditBrokenError.because(f"audit row {sequence}", expected=expected, found=found)
    error.sequence = sequence
    return error


def pruned_through(rows: Rows) -> Anchor:
    """The last row that retention has taken, as the trail itself says; ``START`` when it has taken none."""
    row = rows.one(
        "SELECT sequence, details FROM audit WHERE event_type = ? ORDER BY sequence DESC LIMIT 1",
        AuditEvent.AUDIT_PRUNED.value,
    )
    if row is None:
        return START
    try:
        details = json.loads(row[1])
        return Anchor(int(details["through"]), bytes.fromhex(details["hash"]))
    except (ValueError, TypeError, KeyError, UnicodeDecodeError):
        raise broken(row[0], "an AUDIT_PRUNED row that says nothing of the kind") from None


class _Walk:
    """Along the chain from a row that is taken for granted."""

    def __init__(self, chain: Chain, start: Anchor, anchors: Iterable[Anchor]) -> None:
        self.at = start
        self._chain = chain
        self._anchors = {anchor.sequence: anchor.hash for anchor in anchors}

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
                raise broken(sequence, "a row of other types than were written") from None
            if before != digest:
                raise broken(
                    sequence, "that its hash does not fit", expected="the row as it was written after the one before"
                )
            if sequence in anchors and anchors[sequence] != before:
                raise broken(
                    sequence,
                    "another hash than its anchor has: the chain was made anew from some row up to this one",
                    expected="the row the anchor was made for",
                )
        self.at = Anchor(expected, before)


def verify(rows: Rows, chain: Chain, anchors: list[Anchor]) -> int:
    """Check the whole trail against anchors from outside; returns how many rows there are.

    Raises:
        AuditBrokenError: names the first row that shows it.
    """
    start = pruned_through(rows)
    walk = _Walk(chain, start, anchors)
    while True:
        found = rows.all(_BYTES, walk.at.sequence if walk.at is not start else -1, _AT_ONCE)
        walk.past(found)
        if len(found) < _AT_ONCE:
            break
    for sequence, digest in sorted(anchors):
        if sequence > walk.at.sequence:
            raise broken(walk.at.sequence + 1, "the end of the trail", expected=f"rows up to {sequence}")
        if sequence < start.sequence:
            continue  # retention has taken it since
        if sequence == start.sequence and digest != start.hash:
            raise broken(sequence, "another hash than its anchor has", expected="the row the anchor was made for")
    return walk.at.sequence - start.sequence
