"""What a state manager keeps beyond the moment: its store, opened on first use, and the hot values above it."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from corestate._attachment import no_fork
from corestate._binding import ffi, lib
from corestate.errors import (
    ClosedError,
    DeadlockError,
    InvalidError,
    StaleError,
    StoreBusyError,
    StoreError,
    StoreGoneError,
)
from corestate.guard import Guard
from corestate.scopes.encoding import encode
from corestate.scopes.hot import Hot
from corestate.stores import Durability, Store

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from corestate.locks import Lock, Locks
    from corestate.region import Region

__all__ = ["Durable", "store_path"]

_TURN_SECONDS = 10.0
"""How long a writer that was stopped alive can keep others waiting before they are told."""
_STORE_NOTE = b"corestate:store"
TURN = "corestate:store"
"""The named lock in which processes that write to the store queue up."""

KEYED = "corestate:keyed"
"""The named lock that stands for all keys in a region without room for hot values."""


def store_path(address: str, given: str | os.PathLike[str] | None) -> Path | None:
    """Where the store of a region at an address is: beside its file, or where it was said; None: in memory.

    Raises:
        InvalidError: shared memory has no place beside it.
    """
    if given is not None:
        return Path(given)
    if address.startswith("heap:"):
        return None
    if address.startswith("shm:"):
        raise InvalidError.because(
            f"the store of {address}",
            expected="a place for it",
            found="shared memory, which has no place beside it",
            advice="say where: corestate.open(address, store='path')",
        )
    return Path(f"{address}.db")


class _Turn:
    """The writers' queue, as a context manager that every write of a process uses."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._lock: Lock | None = None

    def __enter__(self) -> None:
        try:
            lock = self._lock or self._found()
            try:
                taken = lock.take(_TURN_SECONDS)
            except StaleError:  # somebody removed it
                lock = self._found()
                taken = lock.take(_TURN_SECONDS)
        except DeadlockError as cause:
            raise StoreError.because(
                "store",
                expected="a thread that is in no transaction",
                found="one that is in one already",
                advice="transactions do not nest: finish the outer one first, or do all of it in that one",
            ) from cause
        if not taken:
            raise StoreBusyError.because("store", found=f"that {lock.holder} has been writing for too long")

    def _found(self) -> Lock:
        lock = self._lock = self._locks[TURN]
        return lock

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()


class Durable:
    """The store of a region and the hot values above it, opened when first asked for.

    Args:
        region: whose store it is.
        locks: of the same region, for the writers' queue.
        path: see ``store_path``.
        durability: what a commit survives.
    """

    def __init__(
        self,
        region: Region,
        locks: Locks,
        path: str | os.PathLike[str] | None = None,
        durability: Durability | str = Durability.NORMAL,
    ) -> None:
        self.durability = Durability(durability)
        self._region = region
        self._locks = locks
        self._given = path
        self._guard = Guard()
        self._store: Store | None = None
        self._hot: Hot | None = None

    @property
    def writable(self) -> bool:
        """Whether the region was opened for writing; the store follows it."""
        return self._region.writable

    @property
    def event_bytes(self) -> int:
        """How much data an event of the region carries."""
        return self._region.config.event_bytes

    @property
    def path(self) -> Path | None:
        """Of the store's file; None: in memory."""
        return store_path(str(self._region.address), self._given)

    @property
    def there(self) -> bool:
        """Whether this region has ever had a store, be it gone by now; looking makes none."""
        if self._store is not None or self._known_store() is not None:
            return True
        try:
            path = self.path
        except InvalidError:  # shared memory without a place for one
            return False
        return path is not None and path.exists()

    @property
    def store(self) -> Store:
        """The store, opened (with mode ``"rw"`` also made) at the first look.

        Raises:
            StoreGoneError: the region was used with a store, and this is another, or none is there any more.
            StoreNotFoundError, StoreVersionError, StoreCorruptError, StoreReadOnlyError, StoreBusyError, ClosedError.
        """
        store = self._store
        if store is None:
            with self._guard:
                if self._region.closed:
                    raise ClosedError.because(f"store of {self._region.address}")
                if self._store is None:
                    self._store = self._open()
                store = self._store
        return store

    def _open(self) -> Store:
        with no_fork:  # a child would find Python's lock of the import taken
            from corestate.stores.sqlite import SQLiteStore  # not every platform has it

        path, writable, known = self.path, self._region.writable, self._known_store()
        if known is not None and path is not None and not path.exists():
            raise StoreGoneError.because(f"store {path}", found="no file")
        turn = _Turn(self._locks) if writable and self._region.config.locks else None
        store = SQLiteStore(path, durability=self.durability, create=writable, turn=turn)
        if path is None:
            return store
        if known is not None and known != store.id:
            store.close()
            raise StoreGoneError.because(f"store {path}", found=f"the store {store.id.hex()}, which is another")
        if known is None and writable:
            self._remember(store.id)
        return store

    def _notes(self) -> Hot:
        """What the region itself knows, whatever store and boot."""
        return Hot(self._region, 1)

    def _known_store(self) -> bytes | None:
        found = self._notes().get(_STORE_NOTE)
        return found if isinstance(found, bytes) else None

    def _remember(self, store_id: bytes) -> None:
        notes = self._notes()
        with notes.locked((_STORE_NOTE,)):
            tag, packed = encode(store_id)
            notes.publish(_STORE_NOTE, 1, tag, packed, 0, pinned=True)

    def adopt(self) -> None:
        """Use the store that is there now, or begin a new one, where the region's own is gone for good.

        What only the lost store knew is lost; nothing of it is shown from the region either.
        """
        notes = self._notes()
        with notes.locked((_STORE_NOTE,)):
            notes.drop(_STORE_NOTE)

    @property
    def hot(self) -> Hot:
        """The hot values made under this store and this boot."""
        hot = self._hot
        if hot is None:
            hot = self._hot = Hot(self._region, self._epoch(self.store.id))
        return hot

    @property
    def ephemeral(self) -> Hot:
        """Values that live in the region alone, of this boot."""
        return Hot(self._region, self._epoch(b"ephemeral"))

    @contextmanager
    def keyed(self, key: bytes) -> Iterator[None]:
        """Hold the lock that stands for a key between all processes, around a commit and its publishing.

        Keys share locks: do not nest. Take it before a transaction, never within one.
        """
        hot = self.hot
        if hot.there:
            with hot.locked((key,)):
                yield
        elif self._region.writable and self._region.config.locks:
            with self._locks[KEYED]:
                yield
        else:
            yield

    def _epoch(self, of: bytes) -> int:
        boot = ffi.new("uint64_t[2]")
        lib.cs_boot_id(boot)
        whole = f"{of.hex()} {self._region.instance} {boot[0]} {boot[1]}"
        return int.from_bytes(hashlib.blake2b(whole.encode(), digest_size=8).digest(), "little")

    def close(self) -> None:
        """Let go of the store. Idempotent."""
        with self._guard:
            store, self._store, self._hot = self._store, None, None
        if store is not None:
            store.close()
