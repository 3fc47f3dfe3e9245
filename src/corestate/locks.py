"""Locks between threads and processes that survive their holders."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from corestate._binding import check, error, ffi, lib
from corestate._reserved import LOCKS
from corestate._shown import typed
from corestate.errors import InvalidError, WrongTypeError
from corestate.names import Named, NamedTable
from corestate.participants import Participant, participant
from corestate.waiting import wait

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from corestate.region import Region

__all__ = ["Lock", "LockInfo", "Locks"]


_FIRST_WAIT_NS = 50_000_000
_core_try, _core_release = lib.cs_lock_try, lib.cs_lock_release


class LockInfo(NamedTuple):
    """One look at a lock."""

    holder: int
    """Participant id of the process that holds it, dead or alive; 0 when it is free."""
    inherited: bool
    """Whether that process took it over from one that was killed while holding it."""
    mine: bool
    """Whether it is this process."""


class Lock(Named):
    """A lock of a region, with the interface of `threading.Lock`.

    It is held by a process: any of its threads may release it. Another thread of the holding process waits like
    anybody else; the thread that acquired it gets a DeadlockError when it asks again.

    If the holder is killed, the next who asks takes the lock over within 10 ms; ``inherited`` is then True until it is
    released, because what the lock guards may be half done, and everybody gets a ``lock_inherited`` event.

    A lock object stands for what had the name when it was looked up; once that has been removed every use is a
    StaleError (a KeyError).
    """

    __slots__ = ("_table",)

    def __init__(self, region: Region, handle: int, name: str, table: int = lib.CS_SECTION_LOCKS) -> None:
        super().__init__(region, handle, name)
        self._table = table

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; returns whether it was taken.

        Args:
            blocking: False tries once and never waits.
            timeout: seconds to wait at most; -1 waits without bound.

        Free, it costs one compare-and-swap. Who waits sleeps in the kernel; Ctrl-C ends the wait.

        Raises:
            DeadlockError: the calling thread holds it already.
            InvalidError: a timeout without blocking, or a negative one other than -1.
            ReadOnlyError, DetachedError, StaleError, ClosedError (also: the region was closed during the wait).
        """
        seconds = self._seconds(blocking, timeout)
        code = lib.cs_lock_try(self._region.view, self._table, self._handle)
        if code == lib.CS_E_BUSY:
            return self._wait(seconds) if blocking else False
        if code < 0:
            raise error(code, f"lock {self._name!r}")
        return True

    def take(self, seconds: float) -> bool:
        """As ``acquire(timeout=seconds)``, for who expects to wait: one call of the core in most cases either way."""
        code = lib.cs_lock_acquire(self._region.view, self._table, self._handle, _FIRST_WAIT_NS)
        return code >= 0 or self._wait(seconds)

    def _wait(self, seconds: float | None) -> bool:
        table, handle = self._table, self._handle
        code = wait(self._region, lambda view, ns: lib.cs_lock_acquire(view, table, handle, ns), seconds)
        if code == lib.CS_E_TIMEOUT:
            return False
        if code < 0:
            raise error(code, f"lock {self._name!r}")
        return True

    def _seconds(self, blocking: bool, timeout: float) -> float | None:
        if timeout == -1:
            return None
        if not isinstance(timeout, (int, float)):
            raise WrongTypeError.because("lock timeout", expected="seconds as a number", found=typed(timeout))
        if not blocking or math.isnan(timeout) or timeout < 0:
            raise InvalidError.because(
                "lock timeout",
                expected="seconds, 0 or more, or -1 to wait without bound; none when not blocking",
                found=f"timeout={timeout} with blocking={blocking}",
                advice="leave one of them out",
            )
        return timeout

    def release(self) -> None:
        """Let go; wakes one who waits. One atomic exchange.

        Raises:
            NotOwnerError: (a RuntimeError) this process does not hold it. StaleError, ClosedError.
        """
        code = lib.cs_lock_release(self._region.view, self._table, self._handle)
        if code < 0:
            raise error(code, f"releasing lock {self._name!r}")

    def locked(self) -> bool:
        """Whether anybody holds it, dead or alive."""
        return self.info().holder != 0

    @property
    def holder(self) -> Participant | None:
        """The process that holds it, dead or alive; None when it is free. O(participants) when held."""
        holder = self.info().holder
        return participant(self._region, holder) if holder else None

    @property
    def inherited(self) -> bool:
        """Whether its present holder took it over from one that was killed while holding it."""
        return self.info().inherited

    @property
    def mine(self) -> bool:
        """Whether this process holds it."""
        return self.info().mine

    def info(self) -> LockInfo:
        """Who holds it and how, in one look. O(1)."""
        info = ffi.new("cs_lock_info *")
        check(lib.cs_lock_get(self._region.view, self._table, self._handle, info), f"lock {self._name!r}")
        return LockInfo(int(info.holder), bool(info.inherited), bool(info.mine))

    def __enter__(self) -> Self:
        if _core_try(self._region.view, self._table, self._handle) < 0:
            self.acquire()  # waits, or says what is wrong
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if _core_release(self._region.view, self._table, self._handle) < 0:
            self.release()

    def __repr__(self) -> str:
        if self._region.closed:
            return f"<Lock {self._name!r}>"
        try:
            holder = self.holder
        except KeyError:
            return f"<Lock {self._name!r} removed>"
        return f"<Lock {self._name!r} {'free' if holder is None else f'held by process {holder.pid}'}>"


class Locks(NamedTable[Lock]):
    """``state.locks``: a mapping from names to locks. See `corestate.names.NamedTable`.

    ``del state.locks[name]`` is a BusyError while somebody alive holds the lock.
    """

    _table: ClassVar[int] = lib.CS_SECTION_LOCKS
    _word: ClassVar[str] = "lock"
    _own: ClassVar[tuple[str, ...]] = LOCKS

    def _make(self, handle: int, name: str) -> Lock:
        return Lock(self._region, handle, name)
