"""The anchor: where the trail ends, kept outside the store, so that a cut tail and a recomputed chain show."""

from __future__ import annotations

import contextlib
import os
import sys
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from corestate.audit.chain import GENESIS, HASH_BYTES, Chain
from corestate.audit.errors import AuditAnchorError
from corestate.errors import InvalidError, StorageError
from corestate.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform not in ("win32", "emscripten"):
    import fcntl

__all__ = ["START", "Anchor", "AnchorFile"]

_MAGIC = b"csaudit1"
_CONTENT = Struct(f">8s16sQ{HASH_BYTES}s")
_BYTES = _CONTENT.size + HASH_BYTES


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
            InvalidError.
        """
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


class AnchorFile:
    """The anchor beside the store: one small file, written in place by whoever has added rows.

    Args:
        path: of the file; None keeps it in this process, as a store in memory does with its rows.
        store_id: of the store it belongs to.
        chain: seals it.
        sync: whether it has to survive the loss of power.
    """

    def __init__(self, path: Path | None, store_id: bytes, chain: Chain, *, sync: bool) -> None:
        self.path = path
        self._store_id = store_id
        self._chain = chain
        self._sync = sync
        self._memory = b""
        self._guard = Guard()
        self._descriptor = -1
        self._process = 0

    def read(self) -> Anchor | None:
        """The anchor as it is now; None where there is none.

        Raises:
            AuditAnchorError: it is damaged, sealed with another key, or another store's. StorageError.
        """
        if self.path is None:
            raw = self._memory
        else:
            try:
                raw = self.path.read_bytes()
            except FileNotFoundError:
                return None
            except OSError as cause:
                raise StorageError.because(f"anchor {self.path}", found=str(cause)) from cause
        return self._decoded(raw) if raw else None  # empty: whoever made the file was killed before he wrote

    def _decoded(self, raw: bytes) -> Anchor:
        if len(raw) != _BYTES:
            raise AuditAnchorError.because(f"anchor {self.path}", found=f"{len(raw)} bytes instead of {_BYTES}")
        content, seal = raw[: _CONTENT.size], raw[_CONTENT.size :]
        magic, store_id, sequence, digest = _CONTENT.unpack(content)
        if magic != _MAGIC or not self._chain.sealed(content, seal):
            raise AuditAnchorError.because(
                f"anchor {self.path}", expected="one made by this trail", found="bytes that its seal does not fit"
            )
        if store_id != self._store_id:
            raise AuditAnchorError.because(f"anchor {self.path}", found="the anchor of another store")
        return Anchor(sequence, digest)

    def peek(self) -> Anchor | None:
        """As ``read``, quicker: through the open file. None where there is none, or what is there is no anchor."""
        with self._guard:
            try:
                return self._decoded(self._raw())
            except AuditAnchorError:
                return None

    def write(self, anchor: Anchor) -> None:
        """Make it this one, whatever is there.

        Raises:
            StorageError.
        """
        self._write(anchor, further=False)

    def advance(self, anchor: Anchor) -> None:
        """Make it this one, unless somebody has set it to a later row meanwhile.

        Raises:
            StorageError.
        """
        self._write(anchor, further=True)

    def _write(self, anchor: Anchor, *, further: bool) -> None:
        content = _CONTENT.pack(_MAGIC, self._store_id, *anchor)
        raw = content + self._chain.seal(content)
        with self._guard:
            if self.path is None:
                self._memory = raw
                return
            try:
                with self._locked(create=True) as descriptor:
                    if further:
                        there = self._at_start(descriptor)
                        if len(there) == _BYTES and _CONTENT.unpack(there[: _CONTENT.size])[2] >= anchor.sequence:
                            return
                    os.lseek(descriptor, 0, os.SEEK_SET)
                    os.write(descriptor, raw)
                    if self._sync or not further:
                        os.fsync(descriptor)
            except OSError as cause:
                raise StorageError.because(f"anchor {self.path}", found=str(cause)) from cause

    def _raw(self) -> bytes:
        if self.path is None:
            return self._memory
        try:
            return self._at_start(self._open(create=False))
        except OSError:
            return b""

    @staticmethod
    def _at_start(descriptor: int) -> bytes:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.read(descriptor, _BYTES + 1)

    @contextlib.contextmanager
    def _locked(self, *, create: bool) -> Iterator[int]:
        descriptor = self._open(create=create)
        if sys.platform in ("win32", "emscripten"):
            yield descriptor  # where two write at once the anchor may lag behind by a row until the next one
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                yield descriptor
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _open(self, *, create: bool) -> int:
        """The file, opened anew in a child of fork (which would share its parent's lock) and when it was replaced."""
        if self._descriptor >= 0 and (self._process != os.getpid() or os.fstat(self._descriptor).st_nlink == 0):
            self._let_go()
        if self._descriptor < 0:
            new = create and self.path is not None and not self.path.exists()
            flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
            self._descriptor = os.open(str(self.path), flags, 0o600)
            self._process = os.getpid()
            if new:
                self._sync_name()
        return self._descriptor

    def _sync_name(self) -> None:
        if self.path is not None and hasattr(os, "O_DIRECTORY"):
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._let_go()

    def __del__(self) -> None:
        self._let_go()
