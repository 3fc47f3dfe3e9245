"""What a state manager keeps beyond the moment: its store, opened on first use, and the hot values above it.

Whoever has the store open for writing is in a *session*. A new one begins when nobody has had it open: the store may
have been restored from a backup meanwhile, or used by another region. Hot values, and budgets loaded from the store,
count only in the session they were made in; the region notes which that is (``stores/note.py``).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from corestate._attachment import no_fork
from corestate._binding import ffi, lib
from corestate._reserved import KEYED, TURN
from corestate._trusted import absolute
from corestate.errors import (
    ClosedError,
    CorestateError,
    DeadlockError,
    InvalidError,
    ReadOnlyError,
    StaleError,
    StoreBusyError,
    StoreGoneError,
    StoreNotFoundError,
)
from corestate.guard import Guard
from corestate.names import walk
from corestate.participants import participants
from corestate.scopes.hot import Hot
from corestate.stores import Durability, Store
from corestate.stores.directory import ANCHOR, Modes, StoreDirectory, modes_of
from corestate.stores.note import StoreNote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corestate.locks import Lock, Locks
    from corestate.region import Region

__all__ = ["Durable", "store_directory"]

_TURN_SECONDS = 10.0
"""How long a writer that was stopped alive can keep others waiting before they are told."""
_BELIEVED_NS = 1_000_000
"""How long hot values are believed until it is looked again whether they are of this session."""
_CLOSING_SECONDS = 1.0
_clock = time.monotonic_ns
_durables: weakref.WeakSet[Durable] = weakref.WeakSet()


def store_directory(region: Region, given: str | os.PathLike[str] | None) -> Path | None:
    """Where the store of a region is: beside its file, or where it was said; None: in memory.

    Raises:
        InvalidError: shared memory has no place beside it.
    """
    if given is not None:
        return Path(absolute(given))
    kind = region.address.kind
    if kind == "heap":
        return None
    if kind == "shm":
        raise InvalidError.because(
            f"the store of {region.address}",
            expected="a place for it",
            found="shared memory, which has no place beside it",
            advice="say where: corestate.open(address, store='directory')",
        )
    return Path(f"{region.path}.d")


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
        except DeadlockError:
            return  # this thread has it and is in no transaction: a signal's exception kept it from being given back
        if not taken:
            raise StoreBusyError.because("store", found=f"that {lock.holder} has been writing for too long")

    def _found(self) -> Lock:
        lock = self._lock = self._locks[TURN]
        return lock

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            with suppress(ClosedError, StaleError):  # the region was closed: it is nobody's any more
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
        self._guard = Guard()
        self._note = StoreNote(region)
        self.numbers: dict[bytes, int] = {}
        """Of scopes in the store that is open, by their paths."""
        self._store: Store | None = None
        self._inherited: Store | None = None
        """A parent's, kept until what it has open is closed: later, that would drop the locks of the child's own."""
        self._hot: Hot | None = None
        self._hot_session: int | None = -1
        self._hot_until = 0
        self._closed = False
        self._nowhere: InvalidError | None = None
        self._directory: StoreDirectory | None = None
        try:
            found = store_directory(region, path)
        except InvalidError as problem:  # no matter for who uses nothing durable
            self._nowhere = problem
        else:
            if found is not None:
                self._directory = StoreDirectory(
                    found,
                    permissions=region.config.permissions,
                    owners=region.owners,
                    owner=region.owner,
                    beside=path is None,
                )
        _durables.add(self)

    @property
    def writable(self) -> bool:
        """Whether the region was opened for writing; the store follows it."""
        return self._region.writable

    @property
    def event_bytes(self) -> int:
        """How much data an event of the region carries."""
        return self._region.config.event_bytes

    @property
    def directory(self) -> Path | None:
        """Of the store; None: in memory.

        Raises:
            InvalidError: shared memory has none, and none was named.
        """
        found = self._where()
        return None if found is None else Path(found.path)

    @property
    def path(self) -> Path | None:
        """Of the store's database; None: in memory."""
        found = self._where()
        return None if found is None else Path(found.database)

    @property
    def anchor_path(self) -> Path | None:
        """Of the audit trail's anchor; None: in memory."""
        directory = self.directory
        return None if directory is None else directory / ANCHOR

    @property
    def modes(self) -> Modes:
        """Permission bits of what lies in the directory."""
        return modes_of(self._region.config.permissions)

    def _where(self) -> StoreDirectory | None:
        if self._nowhere is not None:
            raise self._nowhere
        return self._directory

    @property
    def there(self) -> bool:
        """Whether this region has ever had a store, be it gone by now; looking makes none."""
        if self._store is not None:
            return True
        directory = self._directory
        if directory is None:
            return False
        return directory.there or self._note.known or directory.older is not None  # opening it says what is wrong

    @property
    def store(self) -> Store:
        """The store, opened (with mode ``"rw"`` also made) at the first look.

        Raises:
            StoreGoneError: the region was used with a store, and this is another, or none is there any more.
            StoreNotFoundError, StoreVersionError, StoreCorruptError, StoreReadOnlyError, StoreBusyError,
            StoreInUseError (another region has it open), UntrustedFileError, ClosedError.
        """
        store = self._store
        if store is None:
            with self._guard:
                self._check_open()
                if self._store is None:
                    opened = self._open()
                    if self._closed:
                        opened.close()
                        self._check_open()
                    self._store = opened
                store = self._store
        return store

    def _check_open(self) -> None:
        if self._closed or self._region.closed:
            raise ClosedError.because(f"store of {self._region.address}")

    def _open(self) -> Store:
        with no_fork:  # a child would find Python's lock of the import taken
            from corestate.stores.copied import CopiedStore
            from corestate.stores.sqlite import SQLiteStore  # not every platform has it

        self.numbers = {}
        directory, writable = self._where(), self._region.writable
        turn = _Turn(self._locks) if writable and self._region.config.locks else None
        if directory is None:
            return SQLiteStore(None, durability=self.durability, turn=turn)
        known = self._note.known
        if writable and not known:
            self._note.reserve()
        store: Store
        try:
            if writable or directory.private:
                store = SQLiteStore(
                    directory,
                    durability=self.durability,
                    create=writable and not known,
                    turn=turn,
                    region=(self._identity, str(self._region.address)),
                    read_only=not writable,
                )
            else:
                store = CopiedStore(directory)
        except StoreNotFoundError:
            if known:
                raise StoreGoneError.because(directory.what, found="no file") from None
            raise
        try:
            self._agree(store)
        except BaseException:
            store.close()
            raise
        return store

    def _agree(self, store: Store) -> None:
        """See that the store and what the region notes of it are of one session."""
        note = self._note
        if note.known and not note.knows(store.id):
            raise StoreGoneError.because(f"store {self.path}", found=f"the store {store.id.hex()}, which is another")
        if self._region.writable and note.session != store.session:
            note.begin(store.id, store.session, store.newest)

    def committed(self, sequence: int) -> None:
        """A change of this sequence was committed. Never fails."""
        if self._directory is not None:
            with suppress(CorestateError):  # closed meanwhile
                self._note.committed(sequence)

    @property
    def joined(self) -> tuple[bytes, int]:
        """Which store is open in which session, for what was loaded from it; empty where none is."""
        store = self._store
        return (b"", 0) if store is None else (store.id, store.session)

    @property
    def session(self) -> str:
        """Names this boot and this session, for rows about what is in the region. Opens the store."""
        boot = ffi.new("uint64_t[2]")
        lib.cs_boot_id(boot)
        return f"{boot[1]:016x}{boot[0]:016x}:{self.store.session:08x}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What health says of the store: ``"store_gone"``, ``"store_went_back"``."""
        directory, store = self._directory, self._store
        if directory is None:
            return ()
        try:
            if store is not None:
                store.look()
            elif self._note.known and not directory.there:
                return ("store_gone",)
        except StoreGoneError:
            return ("store_gone",)
        return ("store_went_back",) if self._note.went_back else ()

    def adopt(self) -> None:
        """Use the store that is there now, or begin a new one, where the region's own is gone for good.

        What only the lost store knew is lost. Nothing of it is shown from the region either: hot values, and budgets
        that a store had, are forgotten. Where the store is the region's own, and was found to have gone back, it is
        accepted as it is.

        Raises:
            ReadOnlyError: mode ``"r"``. As ``store``, but StoreGoneError.
        """
        if not self._region.writable:
            raise ReadOnlyError.because("adopting a store")
        with self._guard:
            store = self._store
            if store is not None:
                with suppress(StoreGoneError):
                    store.look()
                if store.gone:
                    self._let_go()
            try:
                self.store  # noqa: B018 - opens it
            except StoreGoneError:
                self._let_go()
                self._note.forget()
                self._forget_budgets()
                self.store  # noqa: B018
            else:
                if self._note.went_back:
                    self._note.settle()

    def _forget_budgets(self) -> None:
        """Those that a store had; what is in the region alone stays."""
        view, info = self._region.view, ffi.new("cs_budget_info *")
        for handle, _ in list(walk(self._region, lib.CS_SECTION_BUDGETS)):
            if lib.cs_budget_get(view, handle, info) >= 0 and info.kept:
                lib.cs_budget_remove(view, handle)

    def _let_go(self) -> None:
        store, self._store = self._store, None
        self._hot, self._hot_session, self._hot_until = None, -1, 0
        if store is not None:
            store.close()

    # -- hot values ----------------------------------------------------------------------------

    @property
    def hot(self) -> Hot:
        """The hot values made under this store, this boot and this session."""
        hot = self._hot
        if hot is not None and _clock() < self._hot_until:
            return hot
        return self._believed()

    def _believed(self) -> Hot:
        store = self.store
        now = _clock()
        store.look()
        session: int | None = 0  # of a store in memory
        if self._directory is not None:
            session = self._note.session
            if self._region.writable:
                if session == 0:  # somebody removed the note
                    self._agree(store)
                    session = store.session
                if session != store.session:  # another process has adopted another store
                    store.gone = True
                    store.look()
            else:
                live = store.live and (store.watched or any(one.alive for one in participants(self._region)))
                session = session if live and session else None
        hot = self._hot
        if hot is None or session != self._hot_session:
            epoch = (
                secrets.randbits(64)
                if session is None
                else self._epoch(store.id + session.to_bytes(4, "little") + self._identity.encode())
            )
            hot = self._hot = Hot(self._region, epoch)
            self._hot_session = session
        self._hot_until = now + (_BELIEVED_NS if store.watched else 10 * _BELIEVED_NS)
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

    @property
    def _identity(self) -> str:
        """Of the region: a byte copy has the same instance, and lies in another file."""
        region = self._region
        return region.instance if region.file is None else f"{region.instance} {region.file[0]:x}:{region.file[1]:x}"

    def _epoch(self, of: bytes) -> int:
        boot = ffi.new("uint64_t[2]")
        lib.cs_boot_id(boot)
        whole = f"{of.hex()} {self._region.instance} {boot[0]} {boot[1]}"
        return int.from_bytes(hashlib.blake2b(whole.encode(), digest_size=8).digest(), "little")

    def close(self) -> None:
        """Let go of the store. Idempotent; waits for a commit under way, and for nothing else."""
        self._closed = True
        if not self._guard.acquire(seconds=_CLOSING_SECONDS):
            return  # a thread that is opening the store finds that it was closed
        try:
            self._let_go()
        finally:
            self._guard.release()

    def forked(self) -> None:
        """In a child of fork: a store in a file is opened anew, in a session that may be another by then."""
        if self._directory is not None and self._store is not None:
            self._inherited, self._store = self._store, None
        self._hot, self._hot_until = None, 0


def _in_child() -> None:
    for durable in list(_durables):
        durable.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
