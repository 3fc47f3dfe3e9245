"""The anchor: where the trail ends, kept outside the store, so that what was done to the store alone shows.

Who adds rows writes here, inside its transaction and before the commit, how the trail may end after it: as it did
before, and as it will. After the commit it marks the new end as settled. So whenever a writer is killed, the trail ends
as the anchor says; rows, a cut or a retention that did not come this way do not fit. Each of the two is one write at a
fixed place of the file. No lock is needed: the first is made in the store's writing transaction, of which there is one
at a time; the second goes to a place of its own, which a later writer does not use again so soon.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from corestate._shown import typed
from corestate._trusted import Place
from corestate.audit.chain import GENESIS, HASH_BYTES, Chain
from corestate.audit.errors import AuditAnchorError
from corestate.errors import ClosedError, CorestateError, InvalidError, StorageError, WrongTypeError
from corestate.guard import Guard

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BEGUN", "START", "Anchor", "AnchorFile", "End", "Ends"]

_MAGIC = b"csaudit2"
_FAMILY = b"csaudit"
_END = Struct(f">Q{HASH_BYTES}sQ{HASH_BYTES}s")
_HEAD = Struct(">8s16sQQ")  # magic, store, turn, how many ends
_MOST_ENDS, _MARKS = 3, 8
_CONTENT_BYTES = _HEAD.size + _MOST_ENDS * _END.size
_RECORD_BYTES = _CONTENT_BYTES + HASH_BYTES
_MARK = Struct(f">QQ{HASH_BYTES}s")  # turn, sequence, hash
_MARK_BYTES = _MARK.size + HASH_BYTES
_SECTOR = 512  # what a disk writes as a whole: the record is in the first one, and no mark in two
_MARK_STRIDE = 128
_BYTES = _SECTOR + _MARKS * _MARK_STRIDE
_LOOK_SECONDS = 0.001


class Anchor(NamedTuple):
    """Where a trail ends: the sequence and hash of its last row. Keep one anywhere, and ``verify(anchor=...)``."""

    sequence: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """From what ``str()`` gives.

        Raises:
            InvalidError, WrongTypeError.
        """
        if not isinstance(text, str):
            raise WrongTypeError.because("anchor", expected="a str", found=typed(text))
        sequence, _, digits = text.partition(":")
        try:
            found = cls(int(sequence), bytes.fromhex(digits))
        except ValueError:
            found = cls(-1, b"")
        if found.sequence < 0 or len(found.hash) != HASH_BYTES:
            raise InvalidError.because(
                f"anchor {text!r:.100}", expected=f"SEQUENCE:HASH, of {HASH_BYTES * 2} hexadecimal digits"
            )
        return found


START = Anchor(0, GENESIS)
"""Of a trail without rows."""


class End(NamedTuple):
    """How a trail ends, and how far retention has shortened it."""

    sequence: int
    hash: bytes
    through: int
    """The last row that retention has taken, and its hash."""
    through_hash: bytes

    @property
    def anchor(self) -> Anchor:
        """The part that one can keep elsewhere."""
        return Anchor(self.sequence, self.hash)

    @property
    def start(self) -> Anchor:
        """The row before the first that is left."""
        return Anchor(self.through, self.through_hash)


BEGUN = End(*START, *START)
"""Of a trail about to begin."""


class Ends(NamedTuple):
    """What an anchor file says."""

    turn: int
    """Rises with each write."""
    known: tuple[End, ...]
    """How the trail may end: as before the transaction that was written last, and as after it."""
    settled: bool
    """Whether that transaction is known to be committed."""

    @property
    def allowed(self) -> tuple[End, ...]:
        """How the trail may end now."""
        return self.known[-1:] if self.settled else self.known


class AnchorFile:
    """The anchor beside the store: one small file, written in place by whoever adds rows.

    Args:
        path: of the file; None keeps it in this process, as a store in memory does with its rows.
        store_id: of the store it belongs to.
        chain: seals it.
        sync: whether it has to survive the loss of power.
        mode: of a new file.
    """

    def __init__(self, path: Path | None, store_id: bytes, chain: Chain, *, sync: bool, mode: int = 0o600) -> None:
        self.path = path
        self._store_id = store_id
        self._chain = chain
        self._sync = sync
        self._mode = mode
        self._memory = bytearray()
        self._guard = Guard()
        self._descriptor = -1
        self._seen: tuple[bytes, Ends] | None = None

    # -- reading -------------------------------------------------------------------------------

    def read(self) -> Ends | None:
        """What it says now; None where there is none.

        Raises:
            AuditAnchorError: it is damaged, sealed with another key, or another store's. StorageError.
            UntrustedFileError: it is no regular file.
        """
        before = b""
        while True:
            raw = self._whole()
            if not raw:
                return None  # or empty: whoever made the file was killed before it wrote
            try:
                return self._decoded(raw)
            except AuditAnchorError:
                if raw == before:
                    raise
            before = raw
            time.sleep(_LOOK_SECONDS)  # a read beside a write may have seen half of it

    def _whole(self) -> bytes:
        if self.path is None:
            return bytes(self._memory)
        try:
            with Place(self.path, f"anchor {self.path}") as place:
                descriptor = place.open()
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except OSError as cause:
            raise self._failed(cause) from None
        try:
            return os.read(descriptor, _BYTES + 1)
        except OSError as cause:
            raise self._failed(cause) from None
        finally:
            os.close(descriptor)

    def peek(self) -> Ends | None:
        """As ``read`` for who writes, quicker: through the open file, and only what the next write needs.

        Raises:
            AuditAnchorError, StorageError, UntrustedFileError: as ``read``; it may not be written, either.
        """
        with self._guard:
            if self.path is None:
                raw = bytes(self._memory)
            else:
                try:
                    raw = self._at(0, _BYTES + 1) if self._open() else b""
                except OSError as cause:
                    raise self._failed(cause) from None
            if not raw:
                return None
            seen = self._seen
            if seen is not None and raw[:_RECORD_BYTES] == seen[0] and len(raw) == _BYTES:
                return seen[1]._replace(settled=self._is_settled(raw, seen[1]))
            found = self._record(raw)
            self._seen = (raw[:_RECORD_BYTES], found)
            return found

    def _record(self, raw: bytes) -> Ends:
        if len(raw) != _BYTES:
            raise AuditAnchorError.because(
                f"anchor {self.path}", found=f"{min(len(raw), _BYTES + 1)} bytes or more instead of {_BYTES}"
            )
        content, seal = raw[:_CONTENT_BYTES], raw[_CONTENT_BYTES:_RECORD_BYTES]
        magic, store_id, turn, count = _HEAD.unpack_from(content)
        if magic != _MAGIC or not self._chain.sealed(content, seal) or not 0 < count <= _MOST_ENDS:
            raise AuditAnchorError.because(
                f"anchor {self.path}", expected="one made by this trail", found="bytes that its seal does not fit"
            )
        if store_id != self._store_id:
            raise AuditAnchorError.because(f"anchor {self.path}", found="the anchor of another store")
        known = tuple(End(*_END.unpack_from(content, _HEAD.size + at * _END.size)) for at in range(count))
        found = Ends(turn, known, settled=False)
        return found._replace(settled=self._is_settled(raw, found))

    def _decoded(self, raw: bytes) -> Ends:
        found = self._record(raw)
        ends = [_SECTOR + place * _MARK_STRIDE for place in range(_MARKS + 1)]
        unused = [raw[_RECORD_BYTES:_SECTOR], *(raw[end - _MARK_STRIDE + _MARK_BYTES : end] for end in ends[1:])]
        if any(map(any, unused)):
            raise AuditAnchorError.because(f"anchor {self.path}", found="bytes where there are none")
        for place in range(_MARKS):
            mark = self._mark_at(raw, place)
            turn = _MARK.unpack_from(mark)[0]
            content = mark[: _MARK.size]
            if turn % _MARKS != place or not self._chain.sealed(self._store_id + content, mark[_MARK.size :]):
                raise AuditAnchorError.because(
                    f"anchor {self.path}", expected="one made by this trail", found="bytes that its seal does not fit"
                )
            if turn > found.turn:
                raise AuditAnchorError.because(
                    f"anchor {self.path}",
                    expected="to say how the trail ends",
                    found="the mark of a later commit: its last write is missing, as after a loss of power",
                )
        return found

    @staticmethod
    def _mark_at(raw: bytes, place: int) -> bytes:
        at = _SECTOR + place * _MARK_STRIDE
        return raw[at : at + _MARK_BYTES]

    def _is_settled(self, raw: bytes, found: Ends) -> bool:
        return self._mark_at(raw, found.turn % _MARKS) == self._mark(found.turn, found.known[-1])

    # -- writing -------------------------------------------------------------------------------

    def intend(self, before: Ends | None, known: tuple[End, ...]) -> int:
        """Before a commit: the trail will end in one of these ways. Returns the turn, for ``settle``.

        Args:
            before: what ``peek`` has said in this transaction; None makes the file.
            known: the last is how it ends after the commit.

        Raises:
            StorageError, UntrustedFileError, AuditAnchorError, ClosedError: nothing may be committed.
        """
        turn = _next(before)
        if before is None:
            self._write_whole(known, turn)
            return turn
        record = self._packed(turn, known)
        with self._guard:
            if self.path is not None and self._descriptor < 0:  # another thread has closed it since ``peek``
                raise ClosedError.because("audit trail")
            self._put(0, record)
            self._seen = (record, Ends(turn, known, settled=False))
            if self._sync and self.path is not None:
                os.fsync(self._descriptor)
        return turn

    def settle(self, turn: int, end: End) -> None:
        """After that commit. That it cannot be written changes nothing: the anchor fits all the same."""
        with self._guard, suppress(OSError):
            if self.path is None or self._descriptor >= 0:  # else another thread has closed it meanwhile
                self._put(_SECTOR + turn % _MARKS * _MARK_STRIDE, self._mark(turn, end))

    def write(self, end: End) -> None:
        """Make it this one, whatever the anchor that is there says.

        Raises:
            StorageError. UntrustedFileError, AuditAnchorError: what is there is no anchor; it is left alone.
        """
        try:
            before = self.read()
        except AuditAnchorError:
            before = None
        turn = _next(before)
        self._write_whole((end,), turn)
        self.settle(turn, end)

    def _write_whole(self, known: tuple[End, ...], turn: int) -> None:
        record = self._packed(turn, known)
        marks = [b""] * _MARKS
        for earlier in range(turn - _MARKS, turn):  # not of this turn: it is not settled
            marks[earlier % _MARKS] = self._mark(earlier, known[0])
        raw = record.ljust(_SECTOR, b"\0") + b"".join(mark.ljust(_MARK_STRIDE, b"\0") for mark in marks)
        with self._guard:
            self._seen = (record, Ends(turn, known, settled=False))
            if self.path is None:
                self._memory[:] = raw
                return
            try:
                if not self._open():
                    self._make()
                there = self._at(0, len(_FAMILY))
                if there and there != _FAMILY:
                    raise AuditAnchorError.because(
                        f"anchor {self.path}",
                        expected="an anchor, or nothing",
                        found="another file, which is left alone",
                        advice="move it away",
                    )
                self._put(0, raw)
                os.ftruncate(self._descriptor, _BYTES)
                os.fsync(self._descriptor)
            except OSError as cause:
                raise self._failed(cause) from None

    def _packed(self, turn: int, known: tuple[End, ...]) -> bytes:
        content = _HEAD.pack(_MAGIC, self._store_id, turn, len(known)) + b"".join(_END.pack(*end) for end in known)
        content = content.ljust(_CONTENT_BYTES, b"\0")
        return content + self._chain.seal(content)

    def _mark(self, turn: int, end: End) -> bytes:
        content = _MARK.pack(turn, end.sequence, end.hash)
        return content + self._chain.seal(self._store_id + content)

    def _put(self, at: int, raw: bytes) -> None:
        if self.path is None:
            self._memory[at : at + len(raw)] = raw
            return
        try:
            if hasattr(os, "pwrite"):
                os.pwrite(self._descriptor, raw, at)
            else:
                os.lseek(self._descriptor, at, os.SEEK_SET)
                os.write(self._descriptor, raw)
        except OSError as cause:
            raise self._failed(cause) from None

    def _at(self, at: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, at)
        os.lseek(self._descriptor, at, os.SEEK_SET)
        return os.read(self._descriptor, size)

    # -- the file ------------------------------------------------------------------------------

    def _open(self) -> bool:
        """See that the file is open, anew where it was replaced; False where there is none. Never through a link."""
        if self._descriptor >= 0:
            if os.fstat(self._descriptor).st_nlink == 1:
                return True
            self._let_go()
        if self.path is None:
            return False
        try:
            with Place(self.path, f"anchor {self.path}") as place:
                self._descriptor = place.open_private(place.name)  # of a directory that was judged with the store
        except FileNotFoundError:
            return False
        return True

    def _make(self) -> None:
        if self.path is None:
            return
        with Place(self.path, f"anchor {self.path}") as place:
            self._descriptor = place.make()
            give(place, self._descriptor, self._mode)
            place.sync()

    def _failed(self, cause: OSError) -> CorestateError:
        if isinstance(cause, CorestateError):
            return cause
        return StorageError.because(f"anchor {self.path}", found=str(cause))

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._seen = None

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._let_go()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self._let_go()


def give(place: Place, descriptor: int, mode: int) -> None:
    """Let in whom the region lets in to a new file; what root made is the directory's owner's."""
    status = place.directory_status
    if status is not None and hasattr(os, "geteuid") and os.geteuid() == 0 and status.st_uid != 0:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)


def _next(before: Ends | None) -> int:
    """The turn after this; the first of a file is a new one also where there was a file before."""
    return secrets.randbits(60) + _MARKS if before is None else before.turn + 1
