"""What all scopes of one state manager share: store, hot values, hooks, the announcing of changes, the sweep."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate.errors import CorestateError, NotFoundError, ReadOnlyError, WrongTypeError
from corestate.guard import Guard
from corestate.scopes.encoding import decode, encode
from corestate.scopes.hooks import Hooks
from corestate.scopes.limits import LimitExceededError, Limits
from corestate.scopes.paths import ScopePath
from corestate.scopes.rows import ConflictError, Write, alive, apply, apply_one, path_of, scope_id, sound, stored
from corestate.stores.checked import checking
from corestate.telling import STATE_CHANGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.durable import Durable
    from corestate.events import Events
    from corestate.scopes.hot import Hot
    from corestate.scopes.rows import Current
    from corestate.stores import Rows, Store
    from corestate.telling import Teller

__all__ = ["EPHEMERAL", "Batch", "KeyMissingError", "Space"]

_expired_key = checking("entries", "scopes.path key")

_log = logging.getLogger(__name__)
EPHEMERAL = b"\xc1"
"""What the keys of ephemeral values begin with among the hot ones: a byte no packed path has."""
EXPIRED_AT_ONCE = 500
"""How many expired values one sweep takes from the store in one transaction."""
WRITES_PER_SWEEP = 64
NUMBERS_KEPT = 10_000
"""Of how many scopes the number in the store is remembered."""


class KeyMissingError(NotFoundError):
    """The scope has no such key, or its time to live is over."""

    expected = "a key the scope has"
    found = "none such"
    advice = "set it first, or use get(key, default)"


class Batch:
    """Changes to several scopes that are made together. Keys are locked in one order, whoever asks first."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.writes: dict[ScopePath, list[Write]] = {}
        self.limits: dict[ScopePath, Limits] = {}

    def add(self, path: ScopePath, limits: Limits, write: Write) -> None:
        """One more change."""
        self.writes.setdefault(path, []).append(write)
        self.limits[path] = limits

    def commit(self, check: Callable[[Rows], None] | None = None) -> int:
        """Make all of them, or none. Returns the sequence of the last change; 0 when nothing changed.

        Args:
            check: called in the store's transaction before anything is written; an exception undoes everything.
        """
        try:
            last = self._commit(check)
        except LimitExceededError as refusal:
            self.space.teller.refused(refusal)
            raise
        self.space.announce(last)
        return last

    def _commit(self, check: Callable[[Rows], None] | None) -> int:
        packed = {
            (path, write.key): path.to_bytes() + write.key.encode()
            for path, writes in self.writes.items()
            for write in writes
        }
        self.space.insist_on_writing()
        hot, store = self.space.hot, self.space.store
        with hot.locked(packed.values()):
            for key in packed.values():
                hot.mark(key)
            with store.write() as rows:
                if check is not None:
                    check(rows)
                numbers = {}
                for path, writes in self.writes.items():
                    numbers[path] = number = self.space.number(rows, path)
                    apply(rows, number, writes, self.limits[path])
            self.space.committed(numbers)
            for path, writes in self.writes.items():
                for write in writes:
                    self.space.publish(hot, packed[path, write.key], write)
        return max((write.sequence for writes in self.writes.values() for write in writes), default=0)


class Space:
    """Shared by the scopes of a manager. Any thread may use it."""

    def __init__(self, durable: Durable, events: Events, teller: Teller) -> None:
        self.durable = durable
        self.events = events
        self.teller = teller
        self._writes = 0
        self._reclaimed = False
        self._sweeping = Guard()
        self.hooks = Hooks()
        self.timelines: list[Callable[[str], list[Any]]] = []
        """What other parts of the durable floor add to a workflow's timeline: given its name, their moments."""

    @property
    def store(self) -> Store:
        """Where everything is."""
        return self.durable.store

    @property
    def hot(self) -> Hot:
        """What is quick to reach."""
        return self.durable.hot

    @property
    def writable(self) -> bool:
        """Whether this process may change anything."""
        return self.durable.writable

    @property
    def ephemeral(self) -> Hot:
        """Where values are that no store has. What is left there of an earlier boot is taken away at the first look."""
        hot = self.durable.ephemeral
        if not self._reclaimed and hot.there:
            self._reclaimed = True
            hot.reclaim(EPHEMERAL)
        return hot

    # -- reading -------------------------------------------------------------------------------

    def fetch(self, path: bytes, key: str, packed: bytes) -> Any:
        """The value of a key that is not hot, from the store; it is hot afterwards.

        Raises:
            KeyMissingError.
        """
        hot = self.hot
        with hot.locked_now(
            packed
        ) as filling:  # a reader never waits for a writer: it then leaves the filling to others
            row = self.store.one(
                "SELECT e.version, e.tag, e.value, e.expires_ns FROM scopes s JOIN entries e ON e.scope = s.id "
                "WHERE s.path = ? AND e.key = ?",
                path,
                key,
            )
            if row is not None:
                sound(*row)
            if row is None or (row[3] and row[3] <= time.time_ns()):
                raise KeyMissingError.because(f"key {key!r:.80} of {ScopePath.from_bytes(path)}")
            version, tag, value, expires_ns = row
            if filling:
                with suppress(CorestateError):  # the value is known, hot or not
                    hot.publish(packed, version, tag, value, expires_ns)
        return stored("entries", "value", tag, value)

    # -- writing -------------------------------------------------------------------------------

    def change(
        self, path: ScopePath, limits: Limits, key: str, decide: Callable[[Current | None], Write | None]
    ) -> Write | None:
        """One change, decided on inside the store's transaction: ``decide(what there is, expired or not)`` gives it."""
        prefix = path.to_bytes()
        packed = prefix + key.encode()
        if not self.durable.writable:
            self.insist_on_writing()
        hot = self.durable.hot
        try:
            with hot.locked_one(packed):
                hot.mark(packed)
                with self.durable.store.write() as rows:
                    number = self.durable.numbers.get(prefix) or self.number(rows, path)
                    write = apply_one(rows, number, key, limits, decide)
                if prefix not in self.durable.numbers:
                    self.committed({path: number})
                if write is not None:
                    self.publish(hot, packed, write)
        except LimitExceededError as refusal:
            self.teller.refused(refusal)
            raise
        if write is not None:
            self.announce(write.sequence)
        return write

    def insist_on_writing(self) -> None:
        """Before anything is done.

        Raises:
            ReadOnlyError: the region was opened with mode ``"r"``.
        """
        if not self.durable.writable:
            raise ReadOnlyError.because("scopes")

    def number(self, rows: Rows, path: ScopePath) -> int:
        """The number of a scope in the store, made there on demand."""
        return self.durable.numbers.get(path.to_bytes()) or scope_id(rows, path.to_bytes(), make=True) or 0

    def committed(self, numbers: dict[ScopePath, int]) -> None:
        """Remember the numbers of scopes: they are committed, and never change."""
        if len(self.durable.numbers) >= NUMBERS_KEPT:
            self.durable.numbers.clear()
        self.durable.numbers.update((path.to_bytes(), number) for path, number in numbers.items())

    def publish(self, hot: Hot, packed: bytes, write: Write) -> None:
        """After the commit, under the key's lock: what readers find. Never raises: a mark sends them to the store."""
        try:
            if write.value is None:
                hot.drop(packed)
            else:
                hot.publish(packed, write.version, write.tag, write.value, write.expires_ns)
        except Exception:  # noqa: BLE001 - what is committed is done
            _log.debug("the hot value of a committed change is left to the store", exc_info=True)

    def announce(self, sequence: int) -> None:
        """After the commit: tell everybody that there are changes up to this one. Never raises."""
        if not sequence:
            return
        self.durable.committed(sequence)
        self.teller.tell(STATE_CHANGED, {"sequence": sequence})
        self._writes += 1
        if self._writes % WRITES_PER_SWEEP == 0:
            self.teller.after(self.sweep)

    # -- time to live --------------------------------------------------------------------------

    def sweep(self) -> int:
        """Take the values whose time to live is over out of the store, each with its change; returns how many.

        Readers have not seen them since they expired, swept or not.
        """
        if self._sweeping.mine or not self._sweeping.acquire(blocking=False):
            return 0
        swept = 0
        try:
            while True:
                found = self._expired()
                for path, key in found:
                    swept += self.change(path, Limits(), key, _expire(key)) is not None
                if len(found) < EXPIRED_AT_ONCE:
                    return swept
        finally:
            self._sweeping.release()

    def _expired(self) -> list[tuple[ScopePath, str]]:
        with self.store.read() as rows:
            found = rows.all(
                "SELECT s.path, e.key FROM entries e JOIN scopes s ON s.id = e.scope "
                "WHERE e.expires_ns > 0 AND e.expires_ns <= ? LIMIT ?",
                time.time_ns(),
                EXPIRED_AT_ONCE,
            )
        return [(path_of(path), key) for path, key in map(_expired_key, found)]


def _expire(key: str) -> Callable[[Current | None], Write | None]:
    def decide(found: Current | None) -> Write | None:
        if found is None or alive(found, time.time_ns()) is not None:
            return None  # swept or renewed meanwhile
        return Write(key, operation="expire")

    return decide


def add_to(key: str, by: float, initial: float, expires_ns: int | None) -> Callable[[Current | None], Write]:
    """The change that adds to a number."""

    def decide(there: Current | None) -> Write:
        found = alive(there, time.time_ns())
        now = decode(found.tag, found.value) if found else initial
        if type(now) not in (int, float):
            raise WrongTypeError.because(f"key {key!r:.80}", expected="a number to add to", found=type(now).__name__)
        tag, value = encode(now + by)
        keeps = expires_ns if expires_ns is not None else (found.expires_ns if found else 0)
        return Write(key, tag, value, keeps, operation="increment")

    return decide


def retrying(attempts: int, call: Callable[[], Any]) -> Any:
    """Call until there is no conflict, at most so often.

    Raises:
        ConflictError: every attempt met one.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return call()
        except ConflictError:
            if attempt >= attempts:
                raise
        time.sleep(min(0.001 * 2**attempt, 0.05))
