"""One attachment of this process to one region: mapping, view and sign of life, through fork and exit.

Liveness
    On Linux a participant is alive as long as an open file description of the region's file is, which the core has
    locked one byte of. That description is opened for this purpose alone and never mapped: a mapping holds its
    description in every child that inherits it, and would keep its dead parent alive. fork shares descriptions too,
    so a child opens its own, claims a slot of its own and closes what it inherited. Where it cannot, it is detached:
    reads work, writes raise DetachedError.

Lifetime
    ``view`` is a pointer object that owns nothing; when its last reference goes, and so no call is in flight, the
    attachment ends: the slot is given back and the memory released. The region has one reference, the anchor of its
    hot cells another; closing the region drops both. NumPy views hold the memory themselves.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate._binding import Anchor, address_of, detach_at_end, error, ffi, lib

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

__all__ = ["Attachment", "hold", "let_go"]

LINUX = sys.platform.startswith("linux")

no_fork = threading.RLock()
"""Held while what a child must not find half done is: a descriptor it must know of, an import. Fork waits for it."""

_held: set[int] = set()
"""Descriptors with a lock that says "I live", other than those of attachments."""

_live: dict[int, Attachment] = {}


def _reopen(descriptor: int, path: str, *, writable: bool) -> int:
    """Open a description of its own for the same file: by its descriptor, since its name may be gone; else by name."""
    flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{descriptor}", flags)
    except FileNotFoundError:  # no /proc here
        opened = os.open(path, flags)
        if os.path.sameopenfile(opened, descriptor):
            return opened
        os.close(opened)
        raise


def hold(opener: Callable[[], int]) -> int:
    """Open a descriptor that is to carry a lock; a child of fork closes it, so as not to keep its dead parent's."""
    with no_fork:
        descriptor = opener()
        _held.add(descriptor)
    return descriptor


def let_go(descriptor: int) -> None:
    """Say that a descriptor of ``hold`` has no lock any more, or is about to be closed."""
    _held.discard(descriptor)


class Attachment:
    """What must outlive every call in flight. Made by ``attach``; ends by itself, see the module."""

    def __init__(self, memory: mmap.mmap, flags: int, path: str) -> None:
        self.path = path
        self.memory: mmap.mmap | None = memory
        self.bytes: Any = ffi.from_buffer(memory)
        self.size = len(memory)
        self.flags = flags
        self.owner: Any = ffi.new("cs_region *")
        self.handle = -1
        self.file: tuple[int, int] | None = None
        self.detached = ""
        """Why this process has no participant slot; empty when it has one, or needs none."""

    def attach(self, descriptor: int) -> tuple[Any, Any]:
        """Claim a slot (unless read-only). Returns the view and the anchor for hot cells.

        Args:
            descriptor: of the region's file, or -1 for private memory.
        """
        with no_fork:
            if LINUX and descriptor >= 0:
                self.handle = _reopen(descriptor, self.path, writable=not self.flags & lib.CS_READ_ONLY)
                status = os.fstat(self.handle)
                self.file = (status.st_dev, status.st_ino)
            code = lib.cs_region_attach(self.owner, self.bytes, self.size, self.flags, self.handle)
            if code < 0:
                self._close_handle()
                raise error(code, "attaching to the region")
            _live[id(self)] = self
            _end_of_child.ask_once()
        view = ffi.cast("cs_region *", self.owner)
        weakref.finalize(view, self.end).atexit = False
        return view, Anchor(address_of(self.owner), (self.owner, self.bytes), view)

    def end(self) -> None:
        """Give the slot back and let go of the memory. Idempotent. Never waits: it may run in a garbage collection."""
        if self.memory is None:
            return
        memory, self.memory = self.memory, None
        lib.cs_region_close(self.owner)
        lib.cs_region_detach(self.owner)
        self._close_handle()
        _live.pop(id(self), None)
        self.bytes = None
        del memory

    def _close_handle(self) -> None:
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)

    def after_fork(self) -> None:
        """In the child: a description and a slot of its own, or detached."""
        parents = self.handle
        if self.memory is None:  # it was ending in another thread of the parent, and nobody uses it here
            if self._is_ours(parents):
                os.close(parents)
            self.handle = -1
            _live.pop(id(self), None)
            return
        if self.flags & lib.CS_READ_ONLY:
            return  # no slot, and no lock on the description: sharing it does no harm
        if self.file is None:
            code = lib.cs_region_after_fork(self.owner, -1)
        else:
            try:
                self.handle = _reopen(parents, self.path, writable=True)
            except OSError as problem:
                self.handle = -2  # there is a file, and nobody could see by it that this process lives
                self.detached = f"cannot open the region's file in a child of fork: {problem}"
            code = lib.cs_region_after_fork(self.owner, self.handle)
            if parents >= 0:
                os.close(parents)
        if code < 0 and not self.detached:
            self.detached = f"cannot claim a participant slot in a child of fork: {error(code)}"

    def _is_ours(self, descriptor: int) -> bool:
        """Whether a descriptor is still the one we opened, and not a number used again."""
        with suppress(OSError):
            status = os.fstat(descriptor)
            return descriptor >= 0 and (status.st_dev, status.st_ino) == self.file
        return False


def _in_child() -> None:
    try:
        for descriptor in _held:
            with suppress(OSError):
                os.close(descriptor)
        _held.clear()
        for attachment in list(_live.values()):
            attachment.after_fork()
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # its child begins by forgetting what was to run at its end
            util.register_after_fork(_end_of_child, _EndOfChild.ask)
    finally:
        no_fork.release()


class _EndOfChild:
    """Has a child of multiprocessing, which ends without the interpreter's own end, give its slots back."""

    asked = False

    def ask(self) -> None:
        """Ask it, in the child."""
        self.asked = True
        sys.modules["multiprocessing.util"].Finalize(None, self.leave, exitpriority=-1000)

    def ask_once(self) -> None:
        """Ask it if this process is such a child and has not been asked."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None and not self.asked:
            self.ask()

    @staticmethod
    def leave() -> None:
        """Give every slot back. The memory stays: a daemon thread may still be reading it."""
        for attachment in list(_live.values()):
            lib.cs_region_detach(attachment.owner)


_end_of_child = _EndOfChild()


def _at_exit() -> None:
    """Have every slot given back when no thread can run Python code any more; until then regions can be used."""
    for attachment in list(_live.values()):
        detach_at_end(address_of(attachment.owner), (attachment.owner, attachment.bytes))


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=_in_child)
