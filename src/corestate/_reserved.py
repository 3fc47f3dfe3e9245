"""What the durable parts have in a region's tables, beside the user's own.

It is made with the region, in room that is laid out on top of what ``RegionConfig`` says, so that nobody else can take
it and what the user asked for is the user's alone. A region that C or JavaScript made has no such room: there the
durable parts take theirs of the user's, and say so before anything is committed when there is none. Their kinds of
events are the core's, and need no room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._binding import error, ffi, lib

if TYPE_CHECKING:
    import mmap

__all__ = [
    "AUDIT",
    "COUNTERS",
    "EPOCH",
    "KEYED",
    "LEAST",
    "LOCKS",
    "PUSHED",
    "ROOM",
    "STORE",
    "TURN",
    "has_room",
    "made_with_room",
    "reserve_names",
]

# Regions with the shortest keys have room for 15 bytes.
PUSHED = "corestate:tasks"
"""The counter that moves when a task becomes ready: waiting workers sleep on it."""
TURN = "corestate:store"
"""The named lock in which processes that write to the store queue up."""
KEYED = "corestate:keyed"
"""The named lock that stands for all keys in a region without room for hot values."""
_MARK = "corestate:names"
"""The counter that says that the region was made with room for all of these."""

STORE, EPOCH, LEAST = "corestate:store", "corestate:epoch", "corestate:least"
"""The counters in which a region notes its store: see stores/note.py."""
AUDIT = "corestate:audit"
"""The counter in which a region notes in which store an audit trail has begun."""

COUNTERS = (_MARK, PUSHED, STORE, EPOCH, LEAST, AUDIT)
LOCKS = (TURN, KEYED)
ROOM = {"counters": len(COUNTERS), "locks": len(LOCKS)}
"""How much more a region has of what ``RegionConfig`` says."""


def reserve_names(memory: mmap.mmap) -> None:
    """Make the names in a region that was laid out with room for them and is in the making, and mark it ready.

    Raises:
        CorestateError: as the core has it.
    """
    view, handle = ffi.new("cs_region *"), ffi.new("cs_handle *")
    flags = lib.CS_PRIVATE | lib.CS_MAKING
    _check(lib.cs_region_attach(view, ffi.from_buffer(memory), len(memory), flags, -1))
    for names, call in ((COUNTERS, lib.cs_counter_open), (LOCKS, lib.cs_lock_open)):
        for name in names:
            _check(call(view, name.encode(), len(name), handle))
    lib.cs_region_detach(view)


def has_room(view: Any) -> bool:
    """Whether the region of a view was made with room for the names."""
    return bool(lib.cs_counter_find(view, _MARK.encode(), len(_MARK), ffi.new("cs_handle *")) == lib.CS_OK)


def made_with_room(snapshot: bytes) -> bool:
    """Whether a snapshot is of a region that was made with room for the names."""
    return b"\xaf" + _MARK.encode() in snapshot  # a text of 15 bytes in MessagePack


def _check(code: int) -> None:
    if code < 0:
        raise error(code, "making a region")
