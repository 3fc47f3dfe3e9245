"""What a region itself knows of the store it is used with: named counters, which every region has room for.

A region may outlive its store, be used with another one, or be newer than a store that was restored from a backup. What
it notes does not depend on its room for hot values. A snapshot carries counters into other regions: what is noted there
is another region's, and counts as nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from corestate._binding import check, error, ffi, lib
from corestate._reserved import AUDIT, EPOCH, LEAST, STORE
from corestate.errors import StoreError
from corestate.scopes.hot import Hot

if TYPE_CHECKING:
    from corestate.region import Region

__all__ = ["NAMES", "StoreNote"]

# STORE: a hash of the store's id. EPOCH: the token of the session, above a hash of the region's instance, whose note it
# is. LEAST: the newest change known to be committed; the highest bit says that the store was found to have less.
NAMES = (STORE, EPOCH, LEAST)
_BACK = 1 << 63


def _hash(of: bytes, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(of, digest_size=size).digest(), "little") | 1


class StoreNote:
    """The note in one region. Any thread may use it; it is changed in a store's turn only, but for ``committed``."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._own = _hash(region.instance.encode(), 4)
        self._handles: dict[str, int] = {}
        self._spare: Hot | None = None

    # -- cells ---------------------------------------------------------------------------------

    def _get(self, name: str) -> int:
        """What is noted under a name; 0 where nothing is."""
        value = ffi.new("uint64_t *")
        for _ in range(3):
            handle = self._handles.get(name) or self._find(name)
            if handle is None:
                break
            code = lib.cs_counter_get(self._region.view, handle, value)
            if code != lib.CS_E_STALE:
                check(code, f"counter {name!r}")
                return int(value[0])
            self._handles.pop(name, None)  # somebody removed it
        found = self._spare_values().get(name.encode())
        return found if isinstance(found, int) and 0 <= found < 1 << 64 else 0

    def _find(self, name: str) -> int | None:
        handle = ffi.new("cs_handle *")
        code = lib.cs_counter_find(self._region.view, name.encode(), len(name), handle)
        if code < 0:
            if code != lib.CS_E_NOT_FOUND:
                raise error(code, f"counter {name!r}")
            return None
        self._handles[name] = int(handle[0])
        return self._handles[name]

    def _set(self, name: str, value: int) -> None:
        handle = ffi.new("cs_handle *")
        code = lib.cs_counter_open(self._region.view, name.encode(), len(name), handle)
        if code == lib.CS_E_FULL:
            self._set_spare(name, value)
            return
        check(code, f"counter {name!r}")
        self._handles[name] = int(handle[0])
        check(lib.cs_counter_set(self._region.view, handle[0], value), f"counter {name!r}")

    def _spare_values(self) -> Hot:
        """Where the note is when all counters are taken: among the hot values, of no store and no boot."""
        if self._spare is None:
            self._spare = Hot(self._region, 1)
        return self._spare

    def _set_spare(self, name: str, value: int) -> None:
        from corestate.scopes.encoding import encode

        spare, key = self._spare_values(), name.encode()
        tag, packed = encode(value)
        with spare.locked_one(key):
            if spare.publish(key, 1, tag, packed, 0, pinned=True) >= 0:
                return
        raise StoreError.because(
            f"region {self._region.address}",
            expected="room to note which store it is used with",
            found="that all its counters are taken, and its hot values too",
            advice=f"remove counters, or make the region with RegionConfig(counters=...) of {len(NAMES)} more",
        )

    # -- what is noted -------------------------------------------------------------------------

    @property
    def session(self) -> int:
        """Token of the session under which the region last believed its store; 0: none, or another region's note."""
        epoch = self._get(EPOCH)
        return epoch >> 32 if epoch & 0xFFFFFFFF == self._own else 0

    @property
    def known(self) -> bool:
        """Whether the region was used with a store."""
        return self.session != 0 and self._get(STORE) != 0

    def knows(self, store_id: bytes) -> bool:
        """Whether that is the store it was used with."""
        return self.known and self._get(STORE) == _hash(store_id, 8)

    @property
    def went_back(self) -> bool:
        """Whether the store was found to have less than had been committed."""
        return self.known and bool(self._get(LEAST) & _BACK)

    def begin(self, store_id: bytes, session: int, newest: int) -> None:
        """A session has begun with this store, which has changes up to ``newest``.

        Raises:
            StoreError: the region has no room for the note.
        """
        back = 0
        if self.knows(store_id):
            least = self._get(LEAST)
            if least & _BACK or newest < least:
                back = _BACK
        else:
            self._set(EPOCH, 0)  # who is killed in between leaves no note that is half of one and half of another
        self._set(STORE, _hash(store_id, 8))
        self._set(LEAST, newest | back)
        self._set(EPOCH, session << 32 | self._own)

    def reserve(self) -> None:
        """See that there is room for the note, before a store is made.

        Raises:
            StoreError: there is none.
        """
        for name in NAMES:
            if self._find(name) is None:
                self._set(name, self._get(name))

    def settle(self) -> None:
        """The store is accepted as it is."""
        self._set(LEAST, self._get(LEAST) & ~_BACK)

    def committed(self, sequence: int) -> None:
        """A change was committed. Never fails, and makes no system call."""
        handle = self._handles.get(LEAST)
        if handle is None:
            handle = self._find(LEAST)
            if handle is None:
                return
        expected = ffi.new("uint64_t *")
        if lib.cs_counter_get(self._region.view, handle, expected) < 0:
            self._handles.pop(LEAST, None)
            return
        while expected[0] & ~_BACK < sequence:
            wanted = sequence | (expected[0] & _BACK)
            if lib.cs_counter_compare_exchange(self._region.view, handle, expected, wanted) != lib.CS_E_MISMATCH:
                return

    def trail_begun(self, store_id: bytes) -> bool:
        """Whether it is noted that an audit trail has begun in that store."""
        return self._get(AUDIT) == _hash(store_id, 8)

    def begin_trail(self, store_id: bytes) -> None:
        """An audit trail has begun in that store.

        Raises:
            StoreError: the region has no room for the note.
        """
        self._set(AUDIT, _hash(store_id, 8))

    def forget(self) -> None:
        """The region was used with no store."""
        for name in (EPOCH, STORE, LEAST):
            self._set(name, 0)
