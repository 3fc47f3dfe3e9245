"""The sending end of a mirror."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from corestate import region as regions
from corestate._binding import error, ffi, lib
from corestate._mirror_door import Refusals
from corestate._mirror_key import checked
from corestate._mirror_viewers import KeyedViewers, Viewers
from corestate._mirror_worker import SenderReport, Worker
from corestate.errors import CorestateError
from corestate.links import Link, open_link

if TYPE_CHECKING:
    import os

    from corestate.address import Address

__all__ = ["Sender"]

_SLICE = 0.02
_DATAGRAM_RATE = 8_000_000
_STEP = 1 << 18
"""After how many bytes a step of the sender begins nothing more."""


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
        silence: float = 2.0,
        key: bytes | None = None,
    ) -> None:
        """Attach to the region, read-only, and begin to send.

        Args:
            region: an address, or a region that is open (which is not closed by this).
            line: where to (see ``corestate.links``).
            bytes_per_second: the most the line may be given; 0: as much as there is; None: 8 MB over UDP, whose buffers
                overflow silently, and no bound elsewhere.
            picture_every: seconds from one picture of the whole to the next; 0: only at first and on request.
            interval: seconds from one look at the region to the next.
            silence: seconds after which a receiver that was not heard, or takes nothing, gives its place to another.
            key: 16 to 64 bytes that the receiver has too: each frame is sealed with it, and nobody else is served. See
                the mirror's part of SECURITY.md for what that does.

        Raises:
            WrongTypeError, InvalidError: of the key. CorestateError: of the region or the line.
        """
        super().__init__("corestate-sender")
        key = checked(key)
        self._own = not isinstance(region, regions.Region)
        self._region = region if isinstance(region, regions.Region) else regions.attach_region(region, mode="r")
        self._lock = threading.Lock()
        try:
            self.link = line if isinstance(line, Link) else open_link(line, sends=True)
        except CorestateError:
            self._close_region()
            raise
        self.link.patience = silence
        self._refusals = Refusals()
        self._what = f"sender of {self._region.address}"
        self._viewers = (
            Viewers(self._what, self.link, silence, self._refusals)
            if key is None
            else KeyedViewers(self._what, self.link, silence, self._refusals, key)
        )
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
            heard = self._viewers.heard_at
            return SenderReport(
                frames=int(sent.frames),
                bytes=int(sent.bytes),
                pictures=int(sent.pictures),
                untaken=int(sent.refused),
                unsteady=int(sent.unsteady),
                connected=self._viewers.ever,
                heard=None if heard is None else max(0.0, time.monotonic() - heard),
                refused=self._refusals.count,
                reason=self._refusals.reason,
            )

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                started = time.monotonic()
                with self._lock:
                    if self._viewers.tick():
                        lib.cs_mirror_picture(self._sender)  # who is new has seen nothing
                while self._may_send() and self._step() and not self._end.is_set():
                    pass  # there is more
                self._listen(started + self._interval)
        finally:
            self.link.close()
            self._close_region()

    def _listen(self, until: float) -> None:
        """Hear requests until then, in pieces that keep nobody waiting who wants this to end."""
        while not self._end.is_set():
            left = until - time.monotonic()
            asked = min(max(left, 0.0), _SLICE)
            begun = time.monotonic()
            heard = self.link.receive(_SLICE if self.link.pending else asked)
            if heard:
                self._take(heard)
            if left <= _SLICE or self.link.pending:
                return
            rest = asked - (time.monotonic() - begun)
            if rest > 0 and not heard:
                self._end.wait(rest)  # a line that does not wait

    def _may_send(self) -> bool:
        return self._viewers.present and not self.link.pending

    def _take(self, heard: bytes) -> None:
        with self._lock:
            plain = self._viewers.take(self.link.peer, heard)
            if plain:
                lib.cs_mirror_heard(self._sender, ffi.from_buffer(plain), len(plain))

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
        whole = data[: data.rfind(b"\0") + 1]
        if whole and not self.link.send(self._viewers.seal(whole)):
            with self._lock:
                lib.cs_mirror_picture(self._sender)  # who comes next has seen none of it
            return False
        return code == lib.CS_E_IO or len(data) >= _STEP
