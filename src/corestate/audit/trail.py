"""``state.audit``: what happened, who did it, in an order nobody can rewrite unnoticed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from corestate.audit.anchor import START, Anchor, AnchorFile
from corestate.audit.batch import Batch
from corestate.audit.chain import Chain
from corestate.audit.errors import AuditAnchorError, AuditKeyError
from corestate.audit.rows import AuditEvent, AuditRow, Filter, as_json, checked, export, made, rows_of
from corestate.audit.verify import broken, pruned_through, verify
from corestate.errors import InvalidError, ReadOnlyError
from corestate.guard import Guard
from corestate.scopes.workflow import Moment
from corestate.stores import Durability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corestate.durable import Durable
    from corestate.stores import Rows, Store

__all__ = ["Audit", "Recorded"]

_LAST = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1"
_INSERT = "INSERT INTO audit (sequence, time_ns, agent_id, event_type, details, hash) VALUES (?, ?, ?, ?, ?, ?)"


class Recorded(NamedTuple):
    """Rows that were added in a transaction, to be anchored when it is committed."""

    anchor: Anchor
    """Of the last of them."""
    sound: bool
    """Whether the trail they were added to ended where its anchor says."""


class _Opened(NamedTuple):
    store: Store
    anchor: AnchorFile


class Audit:
    """The audit trail of a state: append-only, each row with the hash of the one before.

    The anchor, a small file beside the store (``<store>.anchor``), says where the trail ends. Any thread and process
    may add rows; they are in one order. After a loss of power a store of durability ``"normal"`` may have lost the last
    rows, and its anchor then says so: ``verify`` names the first of them.
    """

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._chain = Chain()
        self._opened: _Opened | None = None
        self._key_seen = False
        self._guard = Guard()
        self._batch = Batch(self._commit_batch)

    def use_key(self, key: bytes) -> None:
        """Hash with a key, which has to be given before the first row, by every process that adds or verifies rows.

        Who can write to the store but has no key can then not forge a row, a chain or an anchor.

        Args:
            key: 16 to 64 bytes, kept elsewhere than the store.

        Raises:
            InvalidError, WrongTypeError: of the key. AuditKeyError: the trail was begun with another, or with none.
        """
        with self._guard:
            self._chain = Chain(key)
            self._close_anchor()
        if self._durable.there:
            with self._store.read() as rows:
                self._check_key(rows, begin=False)

    # -- adding --------------------------------------------------------------------------------

    def log(self, agent_id: str, event_type: str, details: Any = None) -> int | None:
        """Add a row. When this returns it is as durable as the store's durability says.

        With durability ``"batched"`` it is committed within ``BATCH_SECONDS`` (0.05), or by ``flush()``; until then the
        death of this process takes it. O(size of the details).

        Args:
            agent_id: who, 1 to 256 bytes.
            event_type: an ``AuditEvent`` or any text of 1 to 64 bytes.
            details: what JSON can carry, up to 1 MiB.

        Returns:
            Its sequence; None with durability ``"batched"``, where it has none yet.

        Raises:
            WrongTypeError, InvalidError, NotANumberError, TooBigError; AuditKeyError; ReadOnlyError; StoreError.
        """
        row = checked(agent_id, event_type, details)
        if self._durable.durability is Durability.BATCHED:
            self._writable()
            self._batch.add((time.time_ns(), *row))
            return None
        return self._commit([(time.time_ns(), *row)])

    def log_many(self, events: Iterable[tuple[str, str, Any]]) -> int:
        """Add rows of (agent id, event type, details) in one transaction: all or none. Returns the last sequence.

        Raises:
            As ``log``; InvalidError: no rows.
        """
        now = time.time_ns()
        packed = [(now, *checked(*event)) for event in events]
        if not packed:
            raise InvalidError.because("audit.log_many()", expected="at least one row", found="none")
        return self._commit(packed)

    def flush(self) -> None:
        """Commit what durability ``"batched"`` has held back.

        Raises:
            StoreError: it could not be committed; it is still held, and tried again.
        """
        self._batch.flush()

    def _commit(self, packed: list[tuple[int, str, str, str]]) -> int:
        self._writable()
        with self._store.write() as rows:
            recorded = self._add(rows, packed)
        self.recorded(recorded)
        return recorded.anchor.sequence

    def _commit_batch(self, packed: list[tuple[int, str, str, str]]) -> None:
        self._commit(packed)

    def add(self, rows: Rows, agent_id: str, event_type: str, details: Any = None) -> Recorded:
        """Add a row inside a transaction of the store: it is there if and only if the rest of it is.

        Give what this returns to ``recorded`` when the transaction is committed.
        """
        return self._add(rows, [(time.time_ns(), *checked(agent_id, event_type, details))])

    def recorded(self, recorded: Recorded) -> None:
        """After the commit: move the anchor. A trail that did not fit its anchor keeps it, as evidence."""
        if recorded.sound:
            self._anchor_file.advance(recorded.anchor)

    def _add(self, rows: Rows, packed: list[tuple[int, str, str, str]]) -> Recorded:
        if not self._key_seen:
            self._check_key(rows, begin=True)
        last = rows.one(_LAST)
        at = START if last is None else Anchor(*last)
        sound = self._fits(rows, at)
        sequence, digest = at
        chained = []
        for time_ns, agent_id, event_type, details in packed:
            sequence += 1
            digest = self._chain.next(
                digest, sequence, time_ns, agent_id.encode(), event_type.encode(), details.encode()
            )
            chained.append((sequence, time_ns, agent_id, event_type, details, digest))
        if len(chained) == 1:
            rows.run(_INSERT, *chained[0])
        else:
            rows.many(_INSERT, chained)
        return Recorded(Anchor(sequence, digest), sound)

    def _fits(self, rows: Rows, last: Anchor) -> bool:
        """Whether the trail, which ends here, agrees with its anchor; a trail about to begin gets one."""
        file = self._anchor_file
        anchor = file.peek()
        if anchor is None:
            if last.sequence:
                return False
            file.write(START)
            return True
        if anchor.sequence == last.sequence:
            return anchor.hash == last.hash
        if anchor.sequence > last.sequence:
            return False
        # Others have committed rows that they have not anchored yet, or died before they could.
        row = rows.one("SELECT hash FROM audit WHERE sequence = ?", anchor.sequence)
        return anchor == START if row is None else bool(row[0] == anchor.hash)

    # -- reading -------------------------------------------------------------------------------

    def query(
        self,
        agent_id: str | None = None,
        event_type: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int | None = None,
    ) -> list[AuditRow]:
        """The rows that fit all that is given, oldest first.

        Args:
            agent_id: of this agent.
            event_type: of this type.
            since: from this time on: a datetime with a time zone, or seconds since the epoch.
            until: before this time.
            limit: at most so many.

        Raises:
            InvalidError, WrongTypeError, NotANumberError, StoreError.
        """
        wanted = Filter(agent_id, event_type, since, until)
        if not self._there():
            return []
        if limit is None:
            return list(rows_of(self._store, wanted))
        with self._store.read() as rows:
            return [made(row) for row in rows.all(wanted.sql, 0, *wanted.parameters, max(limit, 0))]

    def tail(self, n: int = 10) -> list[AuditRow]:
        """The last rows, oldest first. O(n)."""
        if not self._there():
            return []
        with self._store.read() as rows:
            found = rows.all(
                "SELECT sequence, time_ns, agent_id, event_type, details, hash FROM audit "
                "ORDER BY sequence DESC LIMIT ?",
                max(n, 0),
            )
        return [made(row) for row in reversed(found)]

    def __iter__(self) -> Iterator[AuditRow]:
        """Every row, oldest first; memory does not grow with the trail."""
        return rows_of(self._store, Filter(None, None, None, None)) if self._there() else iter(())

    def __len__(self) -> int:
        if not self._there():
            return 0
        row = self._store.one("SELECT count(*) FROM audit")
        return int(row[0]) if row else 0

    def export(
        self,
        out: str | os.PathLike[str] | IO[str],
        form: str = "jsonl",
        *,
        agent_id: str | None = None,
        event_type: str | None = None,
        since: Any = None,
        until: Any = None,
    ) -> int:
        """Write rows as JSON Lines (``"jsonl"``) or CSV (``"csv"``); returns how many.

        Args:
            out: a path, or a file open for text.
            form: see above.
            agent_id: as in ``query``, and so the rest.
            event_type: see ``query``.
            since: see ``query``.
            until: see ``query``.
        """
        wanted = Filter(agent_id, event_type, since, until)
        found = rows_of(self._store, wanted) if self._there() else iter(())
        if isinstance(out, (str, os.PathLike)):
            with Path(out).open("w", encoding="utf-8", newline="") as file:
                return export(found, file, form)
        return export(found, out, form)

    def timeline(self, workflow: str) -> list[Moment]:
        """What a workflow's timeline shows of the trail: rows with ``{"workflow": name}`` in their details. O(rows)."""
        if not self._there():
            return []
        with self._store.read() as rows:
            found = rows.all(
                "SELECT sequence, time_ns, agent_id, event_type, details, hash FROM audit "
                "WHERE details LIKE '%\"workflow\"%' ORDER BY sequence"
            )
        return [
            Moment(row.time_ns, "audit", row.event_type, row.agent_id, {"sequence": row.sequence, **row.details})
            for row in map(made, found)
            if isinstance(row.details, dict) and row.details.get("workflow") == workflow
        ]

    # -- trusting ------------------------------------------------------------------------------

    def verify(self, anchor: Anchor | None = None) -> bool:
        """Check every row, every link and the end; True, or an error that names the first row that shows a fault.

        Finds rows that were changed, are missing or were added in between, a tail that was cut off, and a chain that
        was made anew. O(rows), some 3 us each; memory does not grow with the trail. Rows may be added meanwhile.

        Args:
            anchor: one kept elsewhere (``anchor()`` gives it), checked beside the anchor file; without such a file,
                instead of it.

        Raises:
            AuditBrokenError: ``sequence`` is the row. AuditAnchorError: there is no anchor to check the end against.
            AuditKeyError.
        """
        if not self._there():
            if anchor is not None and anchor.sequence:
                raise broken(1, "no store", expected=f"rows up to {anchor.sequence}")
            return True
        self.flush()
        with self._store.read() as rows:
            self._check_key(rows, begin=False)
        there = self._anchor_file.read()  # before the rows are looked at: it never says more than there is
        anchors = [found for found in (there, anchor) if found is not None]
        with self._store.read() as rows:
            count = verify(rows, self._chain, anchors)
        if count and not anchors:
            raise AuditAnchorError.because(f"audit trail of {count} rows")
        return True

    def anchor(self) -> Anchor:
        """Where the trail ends now, to be kept elsewhere; also makes the anchor file anew from it.

        Do this after a restore from a backup, or once a fault that ``verify`` found has been dealt with.

        Raises:
            AuditBrokenError: the trail is broken within. ReadOnlyError, StorageError.
        """
        self._writable()
        self.flush()
        with self._store.read() as rows:
            verify(rows, self._chain, [])
        with self._store.write() as rows:
            end = self._end(rows)
            self._anchor_file.write(end)
        return end

    def head(self) -> Anchor:
        """Where the trail ends now: a few bytes to keep elsewhere. O(1)."""
        if not self._there():
            return START
        with self._store.read() as rows:
            return self._end(rows)

    @staticmethod
    def _end(rows: Rows) -> Anchor:
        last = rows.one(_LAST)
        return START if last is None else Anchor(*last)

    def prune(self, *, age: float | None = None, count: int | None = None) -> int:
        """Take the oldest rows out of the trail, which says so in a row of its own and stays verifiable.

        Args:
            age: keep rows of the last ``age`` seconds.
            count: keep the newest ``count`` rows.

        Rows go that both would let go, from the oldest on, never the last. Returns how many went.

        Raises:
            InvalidError: neither is given, or one is negative. ReadOnlyError, StoreError.
        """
        if (age is None and count is None) or min(age or 0, count or 0) < 0:
            raise InvalidError.because(
                "audit.prune()", expected="age in seconds or count, 0 or more", found=f"age={age}, count={count}"
            )
        self._writable()
        self.flush()
        with self._store.write() as rows:
            through, digest, taken = self._too_old(rows, age, count)
            if not taken:
                return 0
            recorded = self._add(
                rows,
                [
                    (
                        time.time_ns(),
                        "corestate",
                        AuditEvent.AUDIT_PRUNED.value,
                        as_json({"through": through, "hash": digest.hex(), "rows": taken}),
                    )
                ],
            )
            rows.run("INSERT INTO audit_retention VALUES (?)", through)
            rows.run("DELETE FROM audit WHERE sequence <= ?", through)
            rows.run("DELETE FROM audit_retention")
        self.recorded(recorded)
        return taken

    def _too_old(self, rows: Rows, age: float | None, count: int | None) -> tuple[int, bytes, int]:
        """The last row to go, its hash, and how many go."""
        end = self._end(rows)
        first = rows.one("SELECT min(sequence) FROM audit")
        if first is None or first[0] is None:
            return 0, b"", 0
        most = end.sequence - 1
        # A row that is not anchored yet stays: whoever finds the anchor short of it has to find the row, too.
        anchor = self._anchor_file.peek()
        if anchor is not None:
            most = min(most, anchor.sequence - 1)
        if count is not None:
            most = min(most, end.sequence - count)
        if age is not None:
            row = rows.one(
                "SELECT min(sequence) FROM audit WHERE time_ns >= ?", time.time_ns() - int(min(age, 1e9) * 1e9)
            )
            if row is not None and row[0] is not None:
                most = min(most, row[0] - 1)
        last = rows.one("SELECT sequence, hash FROM audit WHERE sequence = ?", most)
        return (last[0], last[1], last[0] - first[0] + 1) if last is not None else (0, b"", 0)

    def pruned(self) -> int:
        """The sequence of the last row that retention has taken; 0 when it has taken none."""
        if not self._there():
            return 0
        with self._store.read() as rows:
            return pruned_through(rows).sequence

    # -- how -----------------------------------------------------------------------------------

    @property
    def _store(self) -> Store:
        return self._open().store

    @property
    def _anchor_file(self) -> AnchorFile:
        return self._open().anchor

    def _open(self) -> _Opened:
        store = self._durable.store
        opened = self._opened
        if opened is None or opened.store is not store:
            with self._guard:
                path = self._durable.path
                beside = None if path is None else path.with_name(f"{path.name}.anchor")
                file = AnchorFile(beside, store.id, self._chain, sync=store.durability is Durability.FULL)
                opened = self._opened = _Opened(store, file)
                self._key_seen = False
        return opened

    def _there(self) -> bool:
        """Whether there can be rows: looking makes no store."""
        return self._durable.there

    def _writable(self) -> None:
        if not self._durable.writable:
            raise ReadOnlyError.because("audit trail")

    def _check_key(self, rows: Rows, *, begin: bool) -> None:
        """Whether this is the trail's key; the first row settles what the key is."""
        mark = b"the key of the audit trail"
        row = rows.one("SELECT value FROM meta WHERE name = 'audit_key'")
        if row is None and begin:
            rows.run("INSERT INTO meta VALUES ('audit_key', ?)", self._chain.seal(mark))
        elif row is None:
            return
        elif not self._chain.sealed(mark, row[0]):
            raise AuditKeyError.because("audit trail")
        else:
            self._key_seen = True

    def _close_anchor(self) -> None:
        if self._opened is not None:
            self._opened.anchor.close()
        self._opened = None

    def close(self) -> None:
        """Commit what is held back, and let go of the anchor."""
        self._batch.close()
        with self._guard:
            self._close_anchor()

    def __repr__(self) -> str:
        return f"<Audit {'keyed, ' if self._chain.keyed else ''}of {self._durable.path or 'memory'}>"
