"""A region's bytes kept the same elsewhere: a board's on this machine, one machine's on another.

    with Mirror("serial:/dev/ttyACM0", "board.state") as mirror:      # this end receives
        mirror.wait_ready(timeout=5)
        with corestate.attach("board.state", mode="r") as state: ...  # any reader, in any process

    with Sender("brain.state", "udp:viewer.local:4000"): ...          # and this one sends

The region at the receiving end is read-only, and only this user may read it unless ``permissions=`` says more. It
appears at its address when the first whole picture has arrived, so readers never see a part of it. While the line is
silent its participants are shown as dead and ``health()`` says ``link_silent``. When the source is made anew (a board
that was reset) a new region takes the place of the one before, once that has been silent for ``silence`` seconds; who
reads the old one sees its participants dead, and opens the address again.

Who can send to the line can be the source. With ``key=`` at both ends only who has the key can; SECURITY.md says what
that does and what it does not do.
"""

from __future__ import annotations

import mmap
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from corestate._binding import check, error, ffi, lib
from corestate._mirror_door import Door, KeyedDoor, Refusals, no_key_here, other_version
from corestate._mirror_frames import KEYED
from corestate._mirror_key import checked
from corestate._mirror_place import File, Name
from corestate._mirror_sender import Sender
from corestate._mirror_worker import MirrorReport, SenderReport, Worker
from corestate.address import Address, parse
from corestate.errors import (
    AddressError,
    CorestateError,
    InvalidError,
    StorageError,
    TooBigError,
    WaitTimeoutError,
)
from corestate.links import Link, open_link

if TYPE_CHECKING:
    import os

__all__ = ["Mirror", "MirrorReport", "Sender", "SenderReport", "Worker"]

_RECEIVE = 1 << 17
_SLICE = 0.02
_ASK_FIRST, _ASK_LAST = 0.3, 5.0
_HERE = 0.5
"""Seconds from one sign of life, sent to the source, to the next."""
_SHOW_AGAIN = 0.5
_REFUSED = 2.5
"""Seconds after a source was refused in which what is refused is taken for its frames; the core drops them for two."""
_PINNED = "frames that are not of the source, or of one begun anew, while the source is heard"
_READ_BITS = 0o444
_COUNTS = (
    "frames", "bytes", "lost", "repeated", "reordered", "corrupt", "mismatched", "units", "held", "pictures",
    "restarts",
)  # fmt: skip


def _aligned(size: int) -> tuple[Any, Any]:
    """Memory of this process, zeroed and page-aligned, and a pointer to it."""
    memory = mmap.mmap(-1, size)
    return memory, ffi.from_buffer(memory)


def _read_permissions(permissions: int) -> int:
    """Permission bits a mirrored region can have.

    Raises:
        InvalidError: others than for reading, or none for its owner.
    """
    if permissions & ~_READ_BITS or not permissions & 0o400:
        raise InvalidError.because(
            "mirror",
            expected="permissions to read, 0o400 with 0o040 or 0o004 at most: nobody writes to a mirrored region",
            found=f"{permissions:#o}",
            advice="0o440 lets the group read it, 0o444 everybody",
        )
    return permissions


class Mirror(Worker):
    """Keeps a local, read-only region the same as one at the other end of a line. Works in a thread of its own."""

    def __init__(
        self,
        source: str | Link,
        address: str | os.PathLike[str] | Address,
        *,
        silence: float = 2.0,
        shift_times: bool = True,
        largest: int = 1 << 30,
        permissions: int = 0o400,
        key: bytes | None = None,
    ) -> None:
        """Open the line and begin to listen.

        Args:
            source: a line (see ``corestate.links``).
            address: where the region is to be: a path or ``shm:NAME``. What is there and is no mirror is left alone,
                also what comes there meanwhile.
            silence: seconds after which a silent source counts as gone. Until then nobody else is followed: what
                another sender sends is refused and counted, and so is a source that was made anew.
            shift_times: show the times of a source whose clock is over a minute off by this machine's clock, so that
                ages make sense. Off: its times as they are, and all bytes the same.
            largest: bytes of a source's region above which it is refused: whoever is at the other end of the line says
                how large it is.
            permissions: of the region: 0o400, with 0o040 for its group and 0o004 for everybody.
            key: 16 to 64 bytes that the sender has too: only frames with a MAC by it, of a session made now, are taken.

        Raises:
            AddressError, RegionExistsError: something that is no mirror, or another mirror at work, has the address.
            RegionNotFoundError, UntrustedFileError: there is no such directory; a link there is somebody else's.
            InvalidError, WrongTypeError: of the permissions or the key.
            StorageError, UnsupportedError: of the line.
        """
        super().__init__("corestate-mirror")
        self.address = parse(address)
        self._permissions = _read_permissions(permissions)
        key = checked(key)
        self._what = f"mirror at {self.address}"
        self._name = self._checked_name()
        self._silence = silence
        self._largest = largest
        self._flags = lib.CS_MIRROR_SHIFT_TIMES if shift_times else 0
        self._receiver = ffi.new("cs_mirror_receiver *")
        self._frame = ffi.new("unsigned char[]", _RECEIVE)
        check(lib.cs_mirror_listen(self._receiver, self._frame, _RECEIVE), "mirror")
        lib.cs_mirror_pin(self._receiver, int(silence * 1e9))
        self._file: File | None = None
        self._memory: Any = None
        self._workspace: Any = None
        self._ready = threading.Condition()
        self._lock = threading.Lock()
        self._shown = False
        self._show_not_before = 0.0
        self._refusals = Refusals()
        self._refused_at = float("-inf")
        self._known = (0, 0)
        self.link = source if isinstance(source, Link) else open_link(source)
        self.link.patience = silence
        self._door = (
            Door(self._what, self.link, silence, self._refusals)
            if key is None
            else KeyedDoor(self._what, self.link, silence, self._refusals, key)
        )
        self._thread.start()

    def _checked_name(self) -> Name:
        if self.address.kind == "heap":
            raise AddressError.because("mirror", expected="a path or shm:NAME", found=str(self.address))
        if self.address.kind == "shm" and sys.platform == "darwin":
            raise AddressError.because("mirror", expected="a path on this platform", found=str(self.address))
        return Name(self.address)

    # -- for others

    @property
    def ready(self) -> bool:
        """Whether the region is at its address, whole."""
        return self._shown

    def wait_ready(self, timeout: float | None = None) -> None:
        """Sleep until the region is at its address. The mirror goes on, whatever this raises.

        What was refused meanwhile is raised at the end of ``timeout``, since the right source may still come; without a
        timeout at once.

        Raises:
            WaitTimeoutError: after ``timeout`` seconds in which no source came.
            TooBigError, LayoutVersionError, UnsupportedError: a source that came was refused: it is too large, speaks
                another wire version, has a key or has none.
            RegionExistsError: something else has come to the address. CorestateError: what the mirror failed with.
        """

        def over() -> bool:
            refused = timeout is None and self._refusals.error is not None
            return self._shown or refused or self._problem is not None or self._end.is_set()

        with self._ready:
            self._ready.wait_for(over, timeout)
        if self._problem is not None:
            self.close()
        if self._shown:
            return
        refused = self._refusals.error
        if refused is not None:
            raise type(refused)(str(refused)) from refused
        raise WaitTimeoutError.because(
            self._what, expected="a whole picture of the source", found=f"none; {self.report()}"
        )

    def report(self) -> MirrorReport:
        """How it is doing. O(1)."""
        with self._lock:
            told = self._told()
            refused, reason = self._refusals.count, self._refusals.reason
        age = max(0.0, (time.time_ns() - int(told.heard_ns)) / 1e9) if told.heard_ns else None
        counts = {name: int(getattr(told, name)) for name in _COUNTS}
        return MirrorReport(
            ready=self._shown, behind=bool(told.behind), age=age, refused=refused, reason=reason, **counts
        )

    def _told(self) -> Any:
        told = ffi.new("cs_mirror_status *")
        lib.cs_mirror_told(self._receiver, told)
        return told

    # -- the thread

    def _run(self) -> None:
        patience, waited_from, here = _ASK_FIRST, time.monotonic(), 0.0
        try:
            while not self._end.is_set():
                data = self.link.receive(_SLICE)
                with self._lock:
                    self._door.tick()
                    plain = self._door.take(self.link.peer, data) if data else b""
                    if plain or self._file is not None:
                        self._take(plain)
                self._tell_refused()
                report = self.report()
                if self._file is not None and (report.age or 0.0) > self._silence:
                    with self._lock:
                        lib.cs_mirror_silent(self._receiver)
                now = time.monotonic()
                if not report.behind:
                    patience, waited_from = _ASK_FIRST, now
                elif now - waited_from > patience:  # each time longer: it may be on its way
                    patience, waited_from = min(2 * patience, _ASK_LAST), now
                    self._say(lib.cs_mirror_ask)
                if now - here > _HERE and self.link.both_ways:
                    here = now
                    self._say(lib.cs_mirror_here)
        finally:
            self._leave()

    def _tell_refused(self) -> None:
        if self._refusals.error is not None and not self._shown:
            with self._ready:
                self._ready.notify_all()

    def _take(self, data: bytes) -> None:
        bytes_in = ffi.from_buffer(data)
        used = ffi.new("uint32_t *")
        done = 0
        while done < len(data):
            code = lib.cs_mirror_feed(self._receiver, bytes_in + done, len(data) - done, used)
            done += used[0]
            if code == lib.CS_E_NOT_READY:
                self._provide()
            elif code == lib.CS_E_VERSION:
                version = int(self._told().peer_version)
                refused = no_key_here(self._what) if version & KEYED else other_version(self._what, version)
                self._refuse(refused, keyed=bool(version & KEYED))
            else:
                check(code, "mirror")
        self._note_counts()
        if self._file is not None and lib.cs_mirror_apply(self._receiver) == 1 and not self._shown:
            self._show()

    def _note_counts(self) -> None:
        """What the core has taken shows that the source lives; what it has refused is counted with the rest."""
        told = self._told()
        frames, refused = int(told.frames), int(told.refused)
        if frames > self._known[0]:
            self._door.heard()
        if refused > self._known[1]:
            times = refused - self._known[1]
            lately = time.monotonic() - self._refused_at < _REFUSED
            self._refusals.add(self._refusals.reason if lately else _PINNED, times)
        self._known = frames, refused

    def _refuse(self, problem: CorestateError, *, keyed: bool = False) -> None:
        """Say why the core has refused a source, which it has counted, and let others come."""
        self._refusals.add(problem, 0)
        self._refused_at = time.monotonic()
        self._door.refuse_source(keyed=keyed)

    def _provide(self) -> None:
        """Make a region for a source that is new, or refuse it."""
        info, workspace = ffi.new("cs_region_info *"), ffi.new("uint64_t *")
        try:
            code = lib.cs_mirror_wanted(self._receiver, info, workspace)
            if code < 0:
                raise error(code, self._what)
            if info.size > self._largest:
                raise TooBigError.because(
                    self._what,
                    expected=f"a region of {self._largest} bytes at most",
                    found=f"one of {info.size}",
                    advice="pass largest= if that is right",
                )
            file, room = self._make(int(info.size), int(workspace[0]))
        except CorestateError as problem:
            lib.cs_mirror_refuse(self._receiver)
            self._refuse(problem)
            return
        before = self._file
        self._shown = False
        memory = ffi.from_buffer(file.memory)
        code = lib.cs_mirror_provide(self._receiver, memory, info.size, room[1], workspace[0], file.lock, self._flags)
        self._file, self._workspace, self._memory = file, room, memory
        if before is not None:
            before.close()
        check(code, self._what)

    def _make(self, size: int, workspace: int) -> tuple[File, tuple[Any, Any]]:
        """A file for a region, and what the receiver needs beside it."""
        try:
            room = _aligned(workspace)
        except (OSError, OverflowError, ValueError, MemoryError) as problem:
            raise StorageError.because(
                self._what, expected=f"{workspace} bytes of memory", found=str(problem), advice="set largest= lower"
            ) from problem
        return File(self._name, size, self._permissions), room

    def _show(self) -> None:
        """Give the region its name; where something else has it, that is left alone and the mirror tries again."""
        now = time.monotonic()
        if self._file is None or now < self._show_not_before:
            return
        try:
            self._file.show()
        except CorestateError as problem:
            self._show_not_before = now + _SHOW_AGAIN
            self._refusals.add(problem)
            return
        self._refusals.error = None
        with self._ready:
            self._shown = True
            self._ready.notify_all()

    def _say(self, request: Any) -> None:
        frame, length = ffi.new("unsigned char[64]"), ffi.new("uint32_t *")
        with self._lock:
            check(request(self._receiver, frame, 64, length), "mirror")
            self._door.answer(bytes(ffi.buffer(frame, length[0])))

    def _leave(self) -> None:
        self.link.close()
        with self._lock:
            if self._file is not None:
                lib.cs_mirror_silent(self._receiver)
                self._file.close()
        with self._ready:
            self._ready.notify_all()
