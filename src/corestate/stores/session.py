"""The lock file of a store: which region has it, since when, and one opening or closing at a time.

Byte 0
    Each process that may write holds a read lock of it while it has the store open. Who gets a write lock of it knows
    that nobody has the store open, and begins a new session: a new token is written, and what any region believes of
    the store under an older token is believed no more. Who does not get it joins, if it is of the same region.
Byte 1
    Held for writing while a connection is opened or closed. SQLite removes ``-shm`` at the last close and makes it
    again with the database's mode; so we make it first, and nobody else is opening or closing meanwhile.

The locks are of open file descriptions: threads and child processes of one cannot take them from each other, and they
go with the process. A child of fork closes what it inherited and joins anew.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import sys
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from corestate._attachment import hold, let_go, no_fork
from corestate._shown import named
from corestate.errors import StoreBusyError, StoreInUseError, UntrustedFileError
from corestate.stores.directory import LOCK

if sys.platform not in ("win32", "emscripten"):
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corestate._trusted import Place
    from corestate.stores.directory import StoreDirectory

__all__ = ["SessionLock"]

TURN_SECONDS = 10.0
"""How long another process that is opening or closing may take until that is an error."""
_SETTLE_SECONDS = 1.0
_HEAD = "corestate store lock 1"
_BYTES = 4096
"""Written as a whole, so that nothing of an older writer stays."""
_BYTE = {"session": 0, "turn": 1}
_LOCKS = hasattr(os, "O_CLOEXEC") and sys.platform.startswith("linux")


def _flock(kind: int, byte: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)


def _token(instance: str) -> int:
    """Another one for each session: of the moment, and of the process's own place in memory."""
    moment = f"{instance} {time.monotonic_ns()} {os.getpid()} {id(object())}"
    return int.from_bytes(hashlib.blake2b(moment.encode(), digest_size=4).digest(), "little") or 1


class SessionLock:
    """One opening of a store's lock file.

    Args:
        directory: of the store.
        inside: the same, entered.
    """

    def __init__(self, directory: StoreDirectory, inside: Place) -> None:
        self._directory = directory
        self.what = directory.what
        self.session = 0
        """The token of the session, 1 to 2**32 - 1; 0 before ``join``."""
        self.begun = False
        """Whether ``join`` began it."""
        self.descriptor = -1
        self._process = os.getpid()
        self._shared = directory.is_shared(inside)
        _locks.add(self)
        self._open(inside)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)

    def _open(self, inside: Place) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self._opened(inside):
            if time.monotonic() > deadline:
                os.close(inside.open_private(LOCK))  # says why
            time.sleep(0.001)

    def _opened(self, inside: Place) -> bool:
        try:
            self.descriptor = hold(lambda: inside.open_private(LOCK))
        except FileNotFoundError:
            self._make(inside)
            return False
        except PermissionError:  # whoever makes it this moment opens it to others last
            return False
        return True

    def _make(self, inside: Place) -> None:
        with suppress(FileExistsError):
            made = self._directory.make(inside, LOCK)
            try:
                self._directory.ready(LOCK, made)
            finally:
                os.close(made)

    # -- locks ---------------------------------------------------------------------------------

    def _lock(self, kind: int, byte: int) -> bool:
        if not _LOCKS:
            return True
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_OFD_SETLK, _flock(kind, byte))
        except (BlockingIOError, PermissionError):
            return False
        return True

    @contextmanager
    def turn(self, seconds: float | None = None) -> Iterator[None]:
        """No other process opens or closes a connection meanwhile.

        Raises:
            StoreBusyError: one does, and does not end.
        """
        if self.descriptor < 0:  # of a parent's, in a child of fork
            yield
            return
        seconds = TURN_SECONDS if seconds is None else seconds
        deadline, pause = time.monotonic() + seconds, 0.0005
        while not self._lock(fcntl.F_WRLCK if _LOCKS else 0, _BYTE["turn"]):
            if time.monotonic() > deadline:
                raise StoreBusyError.because(
                    self.what,
                    expected="to open or close it",
                    found=f"that another process has been doing so for {seconds:g} s (it holds {LOCK})",
                    advice="see which with `lslocks`; a stopped process goes on, or is ended",
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        try:
            yield
        finally:
            if self.descriptor >= 0:
                self._lock(fcntl.F_UNLCK if _LOCKS else 0, _BYTE["turn"])

    # -- sessions ------------------------------------------------------------------------------

    def join(self, instance: str, address: str) -> None:
        """In one's turn: be one of those who have the store open, or begin a session.

        Args:
            instance: of the region, and which file it is: a copy of the file has the same instance.
            address: of the region, for who is refused.

        Raises:
            StoreInUseError: those who have it open are of another region.
        """
        if _LOCKS and self._lock(fcntl.F_WRLCK, _BYTE["session"]):
            self._insist_on_ours()
            self.session = _token(instance)
            self.begun = True
            self._write(instance, address)
            self._lock(fcntl.F_RDLCK, _BYTE["session"])
            return
        said = self._read()
        region = said.get("region", "")
        if _LOCKS and region != instance:
            found = f"that region {named(said.get('address', '?'))} has it open"
            if region.partition(" ")[0] == instance.partition(" ")[0]:
                found += ", in another file: one of the two is a copy"
            raise StoreInUseError.because(self.what, expected=f"nobody, or region {address!r:.200}", found=found)
        try:
            self.session = int(said.get("session", ""), 16)
        except ValueError:
            self.session = 0
        if not 0 < self.session < 1 << 32 or region != instance:
            self.session = _token(instance)  # without such locks: one token for all, for ever
            self.begun = True
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            self._write(instance, address)
        if _LOCKS:
            self._lock(fcntl.F_RDLCK, _BYTE["session"])

    @property
    def live(self) -> bool:
        """Whether anybody else has the store open for writing."""
        if not _LOCKS or self.descriptor < 0:
            return True
        found = fcntl.fcntl(self.descriptor, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, _BYTE["session"]))
        return bool(struct.unpack_from("h", found)[0] != fcntl.F_UNLCK)

    def _insist_on_ours(self) -> None:
        """Where others may write in the directory, they may have moved any file here: it is not written over."""
        if not self._shared:
            return
        head = os.pread(self.descriptor, len(_HEAD), 0)
        if head and head != _HEAD.encode():
            raise UntrustedFileError.because(
                f"{LOCK} of {self.what}",
                expected="a store's lock file",
                found="another one",
                advice="move it to where it belongs",
            )

    def _read(self) -> dict[str, str]:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        text = os.read(self.descriptor, _BYTES).decode("utf-8", "surrogateescape")
        lines = text.rstrip("\n").split("\n")
        if lines[0] != _HEAD:
            return {}
        pairs = (line.partition(" ") for line in lines[1:])
        return {name: value for name, _, value in pairs if name}

    def _write(self, instance: str, address: str) -> None:
        where = address.replace("\n", " ").encode("utf-8", "surrogateescape")[: _BYTES - 256]
        head = f"{_HEAD}\nregion {instance}\nsession {self.session:08x}\naddress "
        content = (head.encode() + where + b"\n").ljust(_BYTES, b"\n")
        if os.write(self.descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), LOCK)

    def close(self) -> None:
        """Let go of the file, and with it of every lock. Idempotent."""
        with no_fork:
            descriptor, self.descriptor = self.descriptor, -1
            if descriptor >= 0 and self._process == os.getpid():  # in a child of fork the number is another's by now
                let_go(descriptor)
                os.close(descriptor)

    def __del__(self) -> None:
        self.close()


_locks: weakref.WeakSet[SessionLock] = weakref.WeakSet()


def _in_child() -> None:
    for lock in list(_locks):  # the descriptors have been closed: see hold()
        lock.descriptor = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
