"""A region's bytes kept the same elsewhere: a board's on this machine, one machine's on another.

    with Mirror("serial:/dev/ttyACM0", "board.state") as mirror:      # this end receives
        mirror.wait_ready(timeout=5)
        with corestate.attach("board.state", mode="r") as state: ...  # any reader, in any process

    with Sender("brain.state", "udp:viewer.local:4000"): ...          # and this one sends

The region at the receiving end is read-only for everybody else. It appears at its address when the first whole picture
has arrived, so readers never see a part of it. While the line is silent its participants are shown as dead and
``health()`` says ``link_silent``. When the source is made anew (a board that was reset), a new region takes the place
of the one before; who reads that one sees its participants dead, and opens the address again.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corestate import region as regions
from corestate._attachment import hold, let_go
from corestate._binding import check, error, ffi, lib
from corestate._storage import map_bytes, reserve, translate
from corestate._trusted import CLOEXEC, SUFFIX
from corestate.address import Address, parse, path_of
from corestate.errors import AddressError, CorestateError, RegionExistsError, TooBigError, WaitTimeoutError
from corestate.links import Link, open_link

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Mirror", "MirrorReport", "Sender", "SenderReport", "Worker"]

_RECEIVE = 1 << 17
_SLICE = 0.02
_ASK_FIRST, _ASK_LAST = 0.3, 5.0
_DATAGRAM_RATE = 8_000_000
_STEP = 1 << 18
"""After how many bytes a step of the sender begins nothing more."""
_READ_ONLY = 0o444


@dataclass(frozen=True)
class MirrorReport:
    """How a mirror is doing."""

    ready: bool
    """Whether the region is there, whole."""
    behind: bool
    """Whether something is missing that only a picture of the whole brings."""
    age: float | None
    """Seconds since the source was last heard; None before."""
    frames: int
    bytes: int
    lost: int
    """Frames that never came, by their numbers."""
    repeated: int
    """Frames that came again, or far too late."""
    reordered: int
    """Frames that came after a later one."""
    corrupt: int
    """Pieces that were no frame: cut, glued or with a wrong checksum."""
    mismatched: int
    """Units of which an earlier part had been lost; they wait for the next picture."""
    units: int
    held: int
    """Times a table waited because what had arrived of it did not fit together yet."""
    pictures: int
    restarts: int
    """Times the source, or its sender, began anew."""

    @property
    def loss(self) -> float:
        """Lost frames as a fraction of all that were sent."""
        sent = self.frames + self.lost
        return self.lost / sent if sent else 0.0


@dataclass(frozen=True)
class SenderReport:
    """What a sender has sent."""

    frames: int
    bytes: int
    pictures: int
    refused: int
    """Frames the line did not take; what was in them is sent again."""
    unsteady: int
    """Units that changed each time they were looked at."""


class Worker:
    """What a `Mirror` and a `Sender` have in common: a thread with an end, and what it failed with."""

    def __init__(self, name: str) -> None:
        self._end = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def _run(self) -> None:
        raise NotImplementedError

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as problem:  # noqa: BLE001 -- raised again by whoever asks
            self._problem = problem

    @property
    def failed(self) -> BaseException | None:
        """What ended the work before ``close()``, if anything did."""
        return self._problem

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until the work has ended by itself, which only a failure does; False after ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the work. Idempotent.

        Raises:
            CorestateError: what it had failed with.
        """
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(Exception):
                self.close()


class _Place:
    """The file a mirrored region lives in: under a temporary name until it is whole."""

    def __init__(self, where: Address, size: int) -> None:
        self.where = where
        self.path = path_of(where)
        folder, name = os.path.split(self.path)
        self.hidden = os.path.join(folder, f".{name}.{secrets.token_hex(8)}{SUFFIX}")  # noqa: PTH118
        self.lock = -1
        descriptor = -1
        try:
            descriptor = os.open(self.hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOEXEC, 0o600)
            reserve(descriptor, size)
            self.memory = map_bytes(descriptor, size, writable=True)
            # By a description of its own this process shows that it lives; a mapped one would live on in children.
            self.lock = hold(lambda: os.open(self.hidden, os.O_RDWR | CLOEXEC))
            Path(self.hidden).chmod(_READ_ONLY)
        except OSError as problem:
            self.close()
            raise translate(problem, where, writable=True) from problem
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def show(self) -> None:
        """Give it its name, in place of what had it."""
        try:
            Path(self.hidden).replace(self.path)
        except OSError as problem:
            raise translate(problem, self.where, writable=True) from problem
        self.hidden = ""

    def close(self) -> None:
        """Let go; a region that was shown stays, with nobody alive in it."""
        if self.lock >= 0:
            let_go(self.lock)
            os.close(self.lock)
            self.lock = -1
        if self.hidden:
            with suppress(OSError):
                Path(self.hidden).unlink()


def _aligned(size: int) -> tuple[Any, Any]:
    """Memory of this process, zeroed and page-aligned, and a pointer to it."""
    memory = mmap.mmap(-1, size)
    return memory, ffi.from_buffer(memory)


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
    ) -> None:
        """Open the line and begin to listen.

        Args:
            source: a line (see ``corestate.links``).
            address: where the region is to be: a path or ``shm:NAME``. What is there and is no mirror is left alone.
            silence: seconds after which a silent source counts as gone.
            shift_times: show the times of a source whose clock is over a minute off by this machine's clock, so that
                ages make sense. Off: its times as they are, and all bytes the same.
            largest: bytes of a source's region above which there is no mirror of it: whoever is at the other end of the
                line says how large it is. Then the mirror ends with TooBigError.

        Raises:
            AddressError, RegionExistsError: something that is no mirror, or another mirror at work, has the address.
            StorageError, UnsupportedError: of the line.
        """
        super().__init__("corestate-mirror")
        self.address = parse(address)
        self._check_address()
        self._silence = silence
        self._largest = largest
        self._flags = lib.CS_MIRROR_SHIFT_TIMES if shift_times else 0
        self._receiver = ffi.new("cs_mirror_receiver *")
        self._frame = ffi.new("unsigned char[]", _RECEIVE)
        check(lib.cs_mirror_listen(self._receiver, self._frame, _RECEIVE), "mirror")
        self._place: _Place | None = None
        self._workspace: Any = None
        self._ready = threading.Condition()
        self._lock = threading.Lock()
        self._shown = False
        self.link = source if isinstance(source, Link) else open_link(source)
        self._thread.start()

    def _check_address(self) -> None:
        if self.address.kind == "heap":
            raise AddressError.because("mirror", expected="a path or shm:NAME", found=str(self.address))
        if self.address.kind == "shm" and sys.platform == "darwin":
            raise AddressError.because("mirror", expected="a path on this platform", found=str(self.address))
        if not os.path.lexists(path_of(self.address)):
            return
        with suppress(CorestateError):
            with regions.attach_region(self.address, mode="r") as found:
                health = ffi.new("cs_health *")
                check(lib.cs_health_read(found.view, lib.CS_FOREVER, health), "health")
            if health.link_age_ns > 0 and health.participants_live == 0:
                return  # a mirror whose process has ended
        raise RegionExistsError.because(
            f"mirror at {self.address}", expected="nothing there, or a mirror nobody keeps up", found="something else"
        )

    # -- for others

    @property
    def ready(self) -> bool:
        """Whether the region is at its address, whole."""
        return self._shown

    def wait_ready(self, timeout: float | None = None) -> None:
        """Sleep until the region is at its address.

        Raises:
            WaitTimeoutError: after ``timeout`` seconds. CorestateError: what the mirror failed with.
        """
        with self._ready:
            came = self._ready.wait_for(lambda: self._shown or self._problem is not None or self._end.is_set(), timeout)
        if self._problem is not None:
            self.close()
        if not came or not self._shown:
            raise WaitTimeoutError.because(
                f"mirror at {self.address}", expected="a whole picture of the source", found=f"none; {self.report()}"
            )

    def report(self) -> MirrorReport:
        """How it is doing. O(1)."""
        told = ffi.new("cs_mirror_status *")
        with self._lock:
            lib.cs_mirror_told(self._receiver, told)
        age = max(0.0, (time.time_ns() - int(told.heard_ns)) / 1e9) if told.heard_ns else None
        counts = {
            name: int(getattr(told, name))
            for name in MirrorReport.__annotations__
            if name not in ("ready", "behind", "age")
        }
        return MirrorReport(ready=self._shown, behind=bool(told.behind), age=age, **counts)

    # -- the thread

    def _run(self) -> None:
        patience, waited_from = _ASK_FIRST, time.monotonic()
        try:
            while not self._end.is_set():
                data = self.link.receive(_SLICE)
                with self._lock:
                    self._take(data)
                report = self.report()
                if self._place is not None and (report.age or 0.0) > self._silence:
                    with self._lock:
                        lib.cs_mirror_silent(self._receiver)
                if not report.behind:
                    patience, waited_from = _ASK_FIRST, time.monotonic()
                elif time.monotonic() - waited_from > patience:  # each time longer: it may be on its way
                    patience, waited_from = min(2 * patience, _ASK_LAST), time.monotonic()
                    self._ask()
        finally:
            self._leave()

    def _take(self, data: bytes) -> None:
        bytes_in = ffi.from_buffer(data)
        used = ffi.new("uint32_t *")
        done = 0
        while done < len(data):
            code = lib.cs_mirror_feed(self._receiver, bytes_in + done, len(data) - done, used)
            done += used[0]
            if code == lib.CS_E_NOT_READY:
                self._provide()
            else:
                check(code, "mirror")
        if self._place is not None and lib.cs_mirror_apply(self._receiver) == 1 and not self._shown:
            self._place.show()
            with self._ready:
                self._shown = True
                self._ready.notify_all()

    def _provide(self) -> None:
        """Make a region for a source that is new."""
        info, workspace = ffi.new("cs_region_info *"), ffi.new("uint64_t *")
        check(lib.cs_mirror_wanted(self._receiver, info, workspace), "mirror")
        if info.size > self._largest:
            raise TooBigError.because(
                f"mirror at {self.address}",
                expected=f"a region of {self._largest} bytes at most",
                found=f"one of {info.size}",
                advice="pass largest= if that is right",
            )
        if self._place is not None:
            self._place.close()
        self._shown = False
        self._place = _Place(self.address, int(info.size))
        self._workspace = _aligned(int(workspace[0]))
        self._memory = ffi.from_buffer(self._place.memory)
        code = lib.cs_mirror_provide(
            self._receiver, self._memory, info.size, self._workspace[1], workspace[0], self._place.lock, self._flags
        )
        check(code, f"mirror at {self.address}")

    def _ask(self) -> None:
        frame, length = ffi.new("unsigned char[64]"), ffi.new("uint32_t *")
        with self._lock:
            check(lib.cs_mirror_ask(self._receiver, frame, 64, length), "mirror")
        self.link.send(bytes(ffi.buffer(frame, length[0])))

    def _leave(self) -> None:
        self.link.close()
        with self._lock:
            if self._place is not None:
                lib.cs_mirror_silent(self._receiver)
                self._place.close()
        with self._ready:
            self._ready.notify_all()


class Sender(Worker):
    """Sends a region's changes over a line, from a thread of its own."""

    def __init__(
        self,
        region: str | os.PathLike[str] | Address | regions.Region,
        line: str | Link,
        *,
        bytes_per_second: int | None = None,
        picture_every: float = 10.0,
        interval: float = 0.02,
    ) -> None:
        """Attach to the region, read-only, and begin to send.

        Args:
            region: an address, or a region that is open (which is not closed by this).
            line: where to (see ``corestate.links``).
            bytes_per_second: the most the line may be given; 0: as much as there is; None: 8 MB over UDP, whose buffers
                overflow silently, and no bound elsewhere.
            picture_every: seconds from one picture of the whole to the next; 0: only at first and on request.
            interval: seconds from one look at the region to the next.

        Raises:
            CorestateError: of the region or the line.
        """
        super().__init__("corestate-sender")
        self._own = not isinstance(region, regions.Region)
        self._region = region if isinstance(region, regions.Region) else regions.attach_region(region, mode="r")
        self._lock = threading.Lock()
        try:
            self.link = line if isinstance(line, Link) else open_link(line, sends=True)
        except CorestateError:
            self._close_region()
            raise
        view = self._region.view
        lines = lib.cs_mirror_lines(view)
        size = 1200 if self.link.datagrams else 4096
        self._seen = ffi.new("uint32_t[]", lines)
        self._frame = ffi.new("unsigned char[]", size)
        config = self._region.config
        room = _STEP + 16 * (4096 + config.event_bytes + 2 * config.agent_details_bytes)  # a unit more, however often
        self._out = ffi.new("unsigned char[]", room)
        self._buffer = ffi.new("cs_mirror_buffer *", {"bytes": self._out, "capacity": room, "filled": 0})
        self._sender = ffi.new("cs_mirror_sender *")
        options = ffi.new("cs_mirror_options *")
        if bytes_per_second is None:
            bytes_per_second = _DATAGRAM_RATE if self.link.datagrams else 0
        options.bytes_per_second = bytes_per_second
        self._interval = min(interval, 0.01) if bytes_per_second else interval  # what may be sent at once is small
        options.picture_ms = int(picture_every * 1000)
        options.whole = int(self.link.datagrams)
        options.step_bytes = _STEP
        code = lib.cs_mirror_open(
            self._sender, view, options, self._seen, lines, self._frame, size,
            ffi.addressof(lib, "cs_mirror_collect"), self._buffer,
        )  # fmt: skip
        if code < 0:
            self.link.close()
            self._close_region()
            raise error(code, "mirror")
        self._thread.start()

    def _close_region(self) -> None:
        if self._own:
            self._region.close()

    def report(self) -> SenderReport:
        """What it has sent. O(1)."""
        sent = ffi.new("cs_mirror_sent *")
        with self._lock:
            lib.cs_mirror_sent_so_far(self._sender, sent)
        return SenderReport(**{name: int(getattr(sent, name)) for name in SenderReport.__annotations__})

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                started = time.monotonic()
                while self._step() and not self._end.is_set():
                    pass  # there is more
                heard = self.link.receive(max(0.0, started + self._interval - time.monotonic()))
                if heard:
                    with self._lock:
                        lib.cs_mirror_heard(self._sender, ffi.from_buffer(heard), len(heard))
                left = started + self._interval - time.monotonic()
                if left > 0:
                    self._end.wait(left)
        finally:
            self.link.close()
            self._close_region()

    def _step(self) -> bool:
        """One step; True when there is more to send at once."""
        with self._lock:
            view = self._region.view  # holds the mapping while the core reads it
            code = lib.cs_mirror_step(self._sender)
            del view
            data = bytes(ffi.buffer(self._out, self._buffer.filled))
            self._buffer.filled = 0
        if code < 0 and code != lib.CS_E_IO:
            raise error(code, "mirror")
        if data and not self.link.send(data[: data.rfind(b"\0") + 1]):
            with self._lock:
                lib.cs_mirror_picture(self._sender)  # who comes next has seen none of it
            return False
        return code == lib.CS_E_IO or len(data) >= _STEP
