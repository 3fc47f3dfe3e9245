"""The current values of hot keys, in the region, above the store.

A reader believes what it finds; what it does not find, or finds marked, it reads from the store. A writer holds the
lock of its keys while it marks them, commits in the store, and publishes. So nothing uncommitted is ever shown, and two
writers cannot publish in the wrong order; one killed in between leaves a mark, which sends readers to the store.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from corestate._binding import check, error, ffi, lib
from corestate.errors import CorestateError, StoreBusyError
from corestate.scopes.encoding import decode
from corestate.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from corestate.region import Region

__all__ = ["MISS", "Hot"]

MISS = object()
"""Not here: ask the store."""

_NOT_FOUND, _BUSY, _TOO_BIG = lib.CS_E_NOT_FOUND, lib.CS_E_BUSY, lib.CS_E_TOO_BIG
_now = time.time_ns
_get = lib.cs_value_get
_LOCK_SECONDS = 10.0
"""How long a writer that was stopped alive can keep others from its keys before they are told."""


class _Buffers:
    """What a thread reads into."""

    __slots__ = ("bytes", "info", "memory", "number")

    def __init__(self, size: int) -> None:
        self.bytes = ffi.new("unsigned char[]", max(size, 1))
        self.memory = memoryview(ffi.buffer(self.bytes))
        self.info = ffi.new("cs_value_info *")
        self.number = ffi.new("uint32_t *")


class _Thread(threading.local):
    """Each thread's buffers: one attribute, because looking one up here costs as much as a read of the core."""

    def __init__(self, size: int) -> None:
        self.buffers = _Buffers(size)


class _Held:
    """The locks of some keys, held inside a ``with`` block."""

    __slots__ = ("_hot", "_locks", "_taken", "_within")

    def __init__(self, hot: Hot, locks: Sequence[int]) -> None:
        self._hot = hot
        self._locks = locks
        self._taken = 0
        self._within = False

    def __enter__(self) -> None:
        self._within = True
        try:
            for lock in self._locks:
                self._hot._lock(lock)  # noqa: SLF001 - of one module
                self._taken += 1
        except BaseException:
            self._taken = len(self._locks)  # one may be taken and not counted yet; what is not is not given back
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        for lock in self._locks[: self._taken]:
            with suppress(CorestateError):  # the region was closed: its locks are those of the dead
                self._hot._unlock(lock)  # noqa: SLF001
        self._within = False

    def __del__(self) -> None:
        """Give back what a signal's exception, which may come between any two lines, kept from being given back."""
        for _ in range(2):  # another such exception would be swallowed here anyway
            try:
                if getattr(self, "_within", False):
                    self._taken = len(self._locks)  # one may be taken and not counted; what is not taken is refused
                    self.__exit__()
            except BaseException:  # noqa: BLE001, S112
                continue
            return


class Hot:
    """The hot values of one store under one boot.

    Args:
        region: where they live.
        epoch: 64 bits that name store and boot; values made under another are not there.
    """

    def __init__(self, region: Region, epoch: int) -> None:
        self._region = region
        self._size = region.config.value_bytes if region.config.values else 0
        self._thread = _Thread(self._size)
        self.epoch = epoch
        self.there = self._size > 0 and region.writable
        """Whether this region has room for hot values, and this process may write them."""

    def get(self, key: bytes) -> Any:
        """The value, or ``MISS``. One call of the core, lock-free; about a microsecond for a small value."""
        buffers = self._thread.buffers
        info = buffers.info
        code = _get(self._region.view, self.epoch, key, len(key), buffers.bytes, self._size, info)
        if code < 0:
            if code in (_NOT_FOUND, _BUSY, _TOO_BIG):
                return MISS
            raise error(code, "reading a hot value")
        expires_ns = info.expires_ns
        if expires_ns and expires_ns <= _now():
            return MISS
        return decode(info.tag, buffers.memory[: info.length])

    def version(self, key: bytes) -> tuple[int, int, int, bytes] | None:
        """Version, expiry, tag and bytes of a value that is here, expired or not; else None."""
        buffers = self._thread.buffers
        info = buffers.info
        code = lib.cs_value_get(self._region.view, self.epoch, key, len(key), buffers.bytes, self._size, info)
        if code < 0:
            return None
        return info.version, info.expires_ns, info.tag, bytes(buffers.memory[: info.length])

    def locked(self, keys: Iterable[bytes]) -> _Held:
        """Hold the locks of these keys, taken in one order by everybody; marks left at the end are cleared."""
        if not self.there:
            return _Held(self, ())
        return _Held(self, sorted({self._lock_of(key) for key in keys}))

    def locked_one(self, key: bytes) -> _Held:
        """As ``locked``, of one key."""
        return _Held(self, (self._lock_of(key),) if self.there else ())

    @contextmanager
    def locked_now(self, key: bytes) -> Iterator[bool]:
        """Hold the lock of a key if nobody else does; gives whether it is held."""
        lock = self._lock_of(key) if self.there else None
        held = lock is not None and lib.cs_value_lock(self._region.view, lock, 0) >= 0
        try:
            yield held
        finally:
            if lock is not None and held:
                with suppress(CorestateError):
                    self._unlock(lock)

    def _lock(self, lock: int) -> None:
        if lib.cs_value_lock(self._region.view, lock, 0) >= 0:
            return
        code = wait(self._region, lambda view, ns: lib.cs_value_lock(view, lock, ns), _LOCK_SECONDS)
        if code == lib.CS_E_TIMEOUT:
            raise StoreBusyError.because("locking keys", found="that another process has held them for too long")
        check(code, "locking keys")

    def _unlock(self, lock: int) -> None:
        code = lib.cs_value_unlock(self._region.view, lock)
        if code < 0:
            raise error(code, "unlocking keys")

    def _lock_of(self, key: bytes) -> int:
        number = self._thread.buffers.number
        code = lib.cs_value_lock_of(self._region.view, key, len(key), number)
        if code < 0:
            raise error(code, "finding the lock of a key")
        lock: int = number[0]
        return lock

    def mark(self, key: bytes) -> None:
        """While its lock is held: send readers to the store until ``publish``, ``drop`` or the end of the lock."""
        if self.there:
            code = lib.cs_value_mark(self._region.view, key, len(key))
            if code < 0:
                raise error(code, "marking a key")

    def drop(self, key: bytes) -> None:
        """While its lock is held: forget it."""
        if self.there:
            check(lib.cs_value_drop(self._region.view, key, len(key)), "dropping a key")

    def publish(
        self, key: bytes, version: int, tag: int, packed: bytes, expires_ns: int, *, pinned: bool = False
    ) -> int:
        """While its lock is held: from now on this is the value.

        Returns the core's code: too big or full is no error for a value that a store has; it is dropped instead.
        """
        if not self.there:
            return int(lib.CS_E_UNSUPPORTED)
        info = self._thread.buffers.info
        info.version, info.expires_ns, info.length, info.tag = version, expires_ns, len(packed), tag
        code: int = lib.cs_value_publish(self._region.view, self.epoch, key, len(key), packed, info, pinned)
        if code < 0 and code not in (_TOO_BIG, lib.CS_E_FULL):
            raise error(code, "publishing a hot value")
        return code

    def reclaim(self, prefix: bytes) -> int:
        """Forget pinned values of other epochs, whose keys start with these bytes; returns how many. O(room)."""
        stale = set(self._pinned(lib.CS_FOREVER, prefix)) - set(self._pinned(self.epoch, prefix))
        for rest in stale:
            key = prefix + rest
            with self.locked((key,)):
                if self.version(key) is None:
                    self.drop(key)
        return len(stale)

    def pinned(self, prefix: bytes) -> list[bytes]:
        """Every pinned key that starts with these bytes, without them. O(room for hot values)."""
        return self._pinned(self.epoch, prefix)

    def _pinned(self, epoch: int, prefix: bytes) -> list[bytes]:
        buffers = self._thread.buffers
        cursor = ffi.new("uint32_t *")
        found: list[bytes] = []
        while True:
            code = lib.cs_value_next(self._region.view, epoch, cursor, buffers.bytes, self._size, buffers.number)
            if code < 0:
                return sorted(found)
            key = bytes(buffers.memory[: buffers.number[0]])
            if key.startswith(prefix):
                found.append(key[len(prefix) :])
