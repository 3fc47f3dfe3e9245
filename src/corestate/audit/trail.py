"""``state.audit``: what happened, who did it, in an order nobody can rewrite unnoticed."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from corestate._arguments import unsigned
from corestate._shown import typed
from corestate.audit import held
from corestate.audit.anchor import BEGUN, START, Anchor, AnchorFile, End, Ends
from corestate.audit.batch import CLOSE_SECONDS, Batch
from corestate.audit.chain import Chain
from corestate.audit.errors import AuditAnchorError, AuditKeyError
from corestate.audit.rows import (
    AuditEvent,
    AuditRow,
    Filter,
    as_json,
    checked,
    event_of,
    export,
    kept_by,
    made,
    rows_of,
    several,
    to_file,
)
from corestate.audit.surroundings import anchor_path, file_mode, noted, remember
from corestate.audit.verify import Verdict, broken, pruned_through, verify
from corestate.errors import ClosedError, InvalidError, ReadOnlyError, StoreError, WrongTypeError
from corestate.guard import Guard
from corestate.scopes.workflow import Moment
from corestate.stores import Durability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corestate.audit.batch import Packed
    from corestate.durable import Durable
    from corestate.stores import Rows, Store

__all__ = ["Audit", "Recorded"]

_LAST = "SELECT sequence, CAST(hash AS BLOB) FROM audit ORDER BY sequence DESC LIMIT 1"
_INSERT = "INSERT INTO audit (sequence, time_ns, agent_id, event_type, details, hash) VALUES (?, ?, ?, ?, ?, ?)"


_MARK = b"the key of the audit trail"
_LOOKS = 200


class Recorded(NamedTuple):
    """Rows that were added in a transaction; the anchor is to hear of the commit."""

    end: End
    """How the trail ends with them."""
    turn: int
    """Of the anchor's; 0 where the trail they were added to does not end as its anchor says."""


class _Opened(NamedTuple):
    store: Store
    anchor: AnchorFile


class Audit:
    """The audit trail of a state: append-only, each row with the hash of the one before.

    The anchor, a small file beside the store, says where the trail ends; it is written before each commit and after
    it. Any thread and process may add rows; they are in one order. A killed writer leaves a trail that verifies. A loss
    of power may take the last commits of a store of durability ``"normal"``, or the last writes of its anchor: then
    ``verify`` names the first row that does not fit, and ``anchor()`` makes the anchor anew.
    """

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._chain = Chain()
        self._opened: _Opened | None = None
        self._key_seen = False
        self._guard = Guard()
        self._begun_noted = False
        self._held_taken = False
        self._batch = Batch(lambda packed: self._commit(packed), self._keep)  # noqa: PLW0108 - looked up at each call

    def use_key(self, key: bytes) -> None:
        """Hash with a key, which has to be given before the first row, by every process that adds or verifies rows.

        Who can write to store and anchor but has no key can then not forge a row, a chain or an anchor, nor empty the
        trail while the region is there, which remembers that it has begun (one made by C or JavaScript, where it has a
        free counter or room for values). Putting back an older copy of both takes no key; an anchor kept elsewhere
        shows it.

        Args:
            key: 16 to 64 bytes, kept elsewhere than the store.

        Raises:
            InvalidError, WrongTypeError: of the key. AuditKeyError: the trail was begun with another, or with none.
        """
        with self._guard:
            self._chain = Chain(key)
            self._close_anchor()
        self._key_seen = False
        if self._durable.there:
            with self._store.read() as rows:
                self._check_key(rows)

    # -- adding --------------------------------------------------------------------------------

    def log(self, agent_id: str, event_type: str, details: Any = None) -> int | None:
        """Add a row. When this returns it is as durable as the store's durability says.

        With durability ``"batched"`` it is committed within ``BATCH_SECONDS`` (0.05) while the store can be had, later
        when another writer holds it, or by ``flush()``; until then the death of this process takes it. O(size of the
        details).

        Args:
            agent_id: who, 1 to 256 bytes.
            event_type: an ``AuditEvent`` or any text of 1 to 64 bytes.
            details: what JSON can carry, up to 1 MiB.

        Returns:
            Its sequence; None with durability ``"batched"``, where it has none yet.

        Raises:
            WrongTypeError, InvalidError, NotANumberError, TooBigError; AuditKeyError; ReadOnlyError; StoreError;
            UntrustedFileError, StorageError (the anchor cannot be written; then nothing is added). ClosedError.
        """
        row = checked(agent_id, event_type, details)
        if self._durable.durability is Durability.BATCHED:
            self._writable()
            _ = self._durable.store  # gone or closed is said now, not later
            self._batch.add((time.time_ns(), *row))
            return None
        return self._commit([(time.time_ns(), *row)])

    def log_many(self, events: Iterable[tuple[str, str, Any]]) -> int:
        """Add rows of (agent id, event type, details) in one transaction: all or none. Returns the last sequence.

        Raises:
            As ``log``; InvalidError: no rows.
        """
        now = time.time_ns()
        packed = [(now, *checked(*event_of(event))) for event in several(events)]
        if not packed:
            raise InvalidError.because("audit.log_many()", expected="at least one row", found="none")
        return self._commit(packed)

    def flush(self) -> None:
        """Commit what durability ``"batched"`` has held back.

        Raises:
            StoreError: it could not be committed; it is still held, and tried again.
        """
        self._batch.flush()

    def _commit(self, packed: list[Packed]) -> int:
        self._writable()
        self._take_up()
        with self._store.write() as rows:
            self._batch.decide(packed)
            recorded = self._add(rows, packed)
        self.recorded(recorded)
        return recorded.end.sequence

    def _keep(self, packed: list[Packed]) -> str:
        opened = self._opened
        store_id = opened.store.id if opened is not None else self._durable.store.id
        return held.keep(anchor_path(self._durable), store_id, self._chain, packed, file_mode(self._durable))

    def _take_up(self) -> None:
        """Add what others could not commit before they ended. One look a manager."""
        if self._held_taken:
            return
        self._held_taken = True
        path = anchor_path(self._durable)
        if path is None or not self._durable.writable:
            return
        for waiting in held.waiting(path, self._store.id, self._chain):
            recorded = None
            with self._store.write() as rows:
                if waiting.rows and held.noted(rows, waiting.seal):
                    recorded = self._add(rows, waiting.rows)
            if recorded is not None:
                self.recorded(recorded)
            with suppress(OSError):  # noted: whoever can remove it does
                waiting.place.remove(waiting.name)

    def add(self, rows: Rows, agent_id: str, event_type: str, details: Any = None) -> Recorded:
        """Add a row inside a transaction of the store: it is there if and only if the rest of it is.

        Give what this returns to ``recorded`` when the transaction is committed.
        """
        return self._add(rows, [(time.time_ns(), *checked(agent_id, event_type, details))])

    def recorded(self, recorded: Recorded) -> None:
        """After the commit: settle the anchor. A trail that did not fit its anchor keeps it, as evidence."""
        with suppress(ClosedError):  # closed meanwhile: the anchor knows of both ends, and the next writer settles it
            if recorded.turn:
                self._anchor_file.settle(recorded.turn, recorded.end)
            if not self._begun_noted:
                self._note_begun()

    def _add(self, rows: Rows, packed: list[Packed], start: Anchor | None = None) -> Recorded:
        """Add rows, and tell the anchor first; with ``start``, retention takes the rows up to that."""
        last = rows.one(_LAST)
        at = START if last is None else Anchor(*last)
        before, known = self._before(rows, at)
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
        if not known:
            if start is not None:
                raise AuditAnchorError.because(
                    "audit trail",
                    expected="a trail that ends as its anchor says, before rows are taken",
                    found="one that does not",
                )
            return Recorded(End(sequence, digest, *START), 0)
        end = End(sequence, digest, *(known[-1].start if start is None else start))
        return Recorded(end, self._anchor_file.intend(before, (*known, end)))

    def _before(self, rows: Rows, last: Anchor) -> tuple[Ends | None, tuple[End, ...]]:
        """What the anchor says, and the ends to fall back to when this transaction comes to nothing.

        The last of these is the present end; there is none when the trail does not end as its anchor says.
        """
        try:
            before = self._anchor_file.peek()
        except AuditAnchorError:
            before = None
        known = (BEGUN,) if before is None else before.allowed
        if not self._key_seen and not self._check_key(rows):
            if last.sequence or BEGUN not in known or self._noted_begun():
                return before, ()  # the mark of a trail that has begun is gone
            # A damaged anchor is one that was being made when the power went; another file is not written over.
            rows.run("INSERT INTO meta VALUES ('audit_key', ?)", self._chain.seal(_MARK))
        elif before is None:
            return None, ()  # a trail has begun here, and its anchor is gone, or damaged
        else:
            self._key_seen = BEGUN not in known  # else the mark may be of this very transaction
        fits = [end for end in known if end.anchor == last]
        if not fits:
            return before, ()
        if fits[0] is known[-1] and len(known) > 1:
            # Committed, or added before in this very transaction, which may yet come to nothing.
            return before, (known[0], known[-1])
        return before, (fits[0],)

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
        most = None if limit is None else unsigned(limit, "limit", 63)
        if not self._durable.there:
            return []
        if most is None:
            return list(rows_of(self._store, wanted))
        with self._store.read() as rows:
            return [made(row) for row in rows.all(wanted.sql, 0, *wanted.parameters, most)]

    def tail(self, n: int = 10) -> list[AuditRow]:
        """The last rows, oldest first. O(n).

        Raises:
            WrongTypeError, RangeError (n), StoreError.
        """
        most = unsigned(n, "n", 63)
        if not self._durable.there:
            return []
        with self._store.read() as rows:
            found = rows.all(
                "SELECT sequence, time_ns, agent_id, event_type, details, hash FROM audit "
                "ORDER BY sequence DESC LIMIT ?",
                most,
            )
        return [made(row) for row in reversed(found)]

    def __iter__(self) -> Iterator[AuditRow]:
        """Every row, oldest first; memory does not grow with the trail."""
        return rows_of(self._store, Filter(None, None, None, None)) if self._durable.there else iter(())

    def __len__(self) -> int:
        if not self._durable.there:
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

        JSON Lines have the rows exactly. In CSV a text that begins as a formula of a spreadsheet does (``=``, ``+``,
        ``-``, ``@``, tab, carriage return), or with an apostrophe, has an apostrophe put before it.

        Args:
            out: a path, or a file open for text. A file takes its place as a whole, mode 0600; only nothing or an
                earlier export is replaced.
            form: see above.
            agent_id: as in ``query``, and so the rest.
            event_type: see ``query``.
            since: see ``query``.
            until: see ``query``.

        Raises:
            InvalidError (form), WrongTypeError, NotANumberError, StoreError. UntrustedFileError: another file is there.
            StorageError: it cannot be written.
        """
        wanted = Filter(agent_id, event_type, since, until)
        found = rows_of(self._store, wanted) if self._durable.there else iter(())
        if isinstance(out, (str, os.PathLike)):
            return to_file(found, out, form)
        if not hasattr(out, "write"):
            raise WrongTypeError.because("audit export", expected="a path or a file open for text", found=typed(out))
        return export(found, out, form)

    def timeline(self, workflow: str) -> list[Moment]:
        """What a workflow's timeline shows of the trail: rows with ``{"workflow": name}`` in their details. O(rows)."""
        if not self._durable.there:
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

        Finds rows that were changed, are missing or were added, a tail that was cut off, a retention that was not
        ``prune``'s, a chain that was made anew, triggers that are gone, and rows that an index leaves out. O(rows),
        some 5 us each; memory does not grow with the trail. Rows may be added meanwhile.

        Args:
            anchor: one kept elsewhere (``anchor()`` gives it), checked beside the anchor file, never instead of it.

        Raises:
            AuditBrokenError: ``sequence`` is the row. AuditAnchorError: the anchor file is missing or damaged, or
            retention has taken the row of the one given. AuditKeyError. UntrustedFileError, StorageError, StoreError.
        """
        if anchor is not None and not isinstance(anchor, Anchor):
            raise WrongTypeError.because(
                "anchor", expected="an Anchor", found=typed(anchor), advice="Anchor.parse() makes one of text"
            )
        if not self._durable.there:
            if anchor is not None and anchor.sequence:
                raise broken(1, "no store", expected=f"rows up to {anchor.sequence}")
            return True
        if self._durable.writable:
            self.flush()
            self._take_up()
        with self._store.read() as rows:
            self._check_key(rows)
        for look in range(_LOOKS):
            first = self._anchor_or_none()
            with self._store.read() as rows:
                end = self._end(rows)  # from here on the transaction sees one moment
                second = self._anchor_or_none()
                steady = first is second is None or (
                    first is not None and second is not None and first.turn == second.turn
                )
                if steady or look == _LOOKS - 1:
                    self._examine(rows, first, None if steady else second, end, anchor)
                    break
            time.sleep(min(look, 10) * 0.0001)  # others commit all the time: look again
        return True

    def _anchor_or_none(self) -> Ends | None:
        """What the anchor says. One that is damaged is none where no trail has begun: it was being made."""
        try:
            return self._anchor_file.read()
        except AuditAnchorError:
            with self._store.read() as rows:
                if self._end(rows) != START or self._check_key(rows) or self._noted_begun():
                    raise
            return None

    def _examine(self, rows: Rows, first: Ends | None, later: Ends | None, end: Anchor, outside: Anchor | None) -> None:
        marked = self._check_key(rows)
        begun = marked or self._noted_begun()
        if not marked and (begun or end != START or (first is not None and BEGUN not in first.known)):
            raise broken(1, "a trail that says it has never begun", expected="its mark in the store")
        verdict = Verdict(first.allowed if first else (), later.known if later else ())
        verify(rows, self._chain, verdict, outside)
        if first is None and begun:  # also with one from outside, which says nothing of the rows after it
            raise AuditAnchorError.because(f"audit trail of {end.sequence} rows")

    def anchor(self) -> Anchor:
        """Where the trail ends now, to be kept elsewhere; also makes the anchor file anew from it.

        Do this after a restore from a backup, or once a fault that ``verify`` found has been dealt with.

        Raises:
            AuditBrokenError: the trail is broken within. UntrustedFileError, AuditAnchorError: in the anchor's place is
            another file. ReadOnlyError, StorageError, StoreError.
        """
        self._writable()
        self.flush()
        with self._store.read() as rows:
            verify(rows, self._chain, Verdict(()))
        with self._store.write() as rows:
            end = self._end(rows)
            if end != START and not self._check_key(rows):
                rows.run("INSERT INTO meta VALUES ('audit_key', ?)", self._chain.seal(_MARK))
            self._anchor_file.write(End(*end, *pruned_through(rows)))
        return end

    def head(self) -> Anchor:
        """Where the trail ends now: a few bytes to keep elsewhere. O(1)."""
        if not self._durable.there:
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
            InvalidError: neither is given, or one is negative. WrongTypeError, NotANumberError. AuditAnchorError: the
            trail does not end as its anchor says; it stays as it is. ReadOnlyError, StoreError.
        """
        age, count = kept_by(age, count)
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
                Anchor(through, digest),
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
        if count is not None:
            most = min(most, end.sequence - min(count, end.sequence))
        if age is not None:
            row = rows.one(
                "SELECT min(sequence) FROM audit WHERE time_ns >= ?", time.time_ns() - int(min(age, 1e9) * 1e9)
            )
            if row is not None and row[0] is not None:
                most = min(most, row[0] - 1)
        last = rows.one("SELECT sequence, CAST(hash AS BLOB) FROM audit WHERE sequence = ?", most)
        return (last[0], last[1], last[0] - first[0] + 1) if last is not None else (0, b"", 0)

    def pruned(self) -> int:
        """The sequence of the last row that retention has taken; 0 when it has taken none."""
        if not self._durable.there:
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
                path, sync = anchor_path(self._durable), store.durability is Durability.FULL
                file = AnchorFile(path, store.id, self._chain, sync=sync, mode=file_mode(self._durable))
                opened = self._opened = _Opened(store, file)
                self._key_seen = self._begun_noted = self._held_taken = False
        return opened

    def _writable(self) -> None:
        if not self._durable.writable:
            raise ReadOnlyError.because("audit trail")

    def _check_key(self, rows: Rows) -> bool:
        """Whether a trail has begun in this store, which settles what its key is.

        Raises:
            AuditKeyError: with another key, or with none.
        """
        row = rows.one("SELECT value FROM meta WHERE name = 'audit_key'")
        if row is None:
            return False
        if not isinstance(row[0], bytes) or not self._chain.sealed(_MARK, row[0]):
            raise AuditKeyError.because("audit trail")
        return True

    def _noted_begun(self) -> bool:
        """Whether the region remembers that a trail has begun in this store."""
        return self._durable.path is not None and noted(self._durable, self._store.id)

    def _note_begun(self) -> None:
        """Let the region remember it: who empties the trail cannot make that undone in the store."""
        with suppress(Exception):  # the rows are committed; the next will try again
            if self._durable.path is not None and not self._noted_begun():
                with suppress(StoreError):  # no room, and no more of it later
                    remember(self._durable, self._store.id)
            self._begun_noted = True

    def _close_anchor(self) -> None:
        if self._opened is not None:
            self._opened.anchor.close()
        self._opened = None

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Commit what is held back, and let go of the anchor.

        Where the store cannot be had within ``timeout`` seconds the rows are kept in a file beside the anchor; who
        opens the trail for writing next adds them.

        Raises:
            AuditHeldError: such a file cannot be written, either; the error has the rows.
        """
        try:
            self._batch.close(timeout)
        finally:
            with self._guard:
                self._close_anchor()

    def __repr__(self) -> str:
        return f"<Audit {'keyed, ' if self._chain.keyed else ''}of {self._durable.path or 'memory'}>"
