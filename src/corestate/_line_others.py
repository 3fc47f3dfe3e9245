"""Lines without connections: datagrams, and serial ports."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate._line import AT_ONCE, RECONNECT, Link, cannot_listen, ready
from corestate.errors import StorageError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from corestate._line_streams import Target

__all__ = ["Datagrams", "Serial"]

_DATAGRAM = 1400
_RECEIVE_BUFFER = 4 << 20
_MOST_WAITING = 4 << 20
_DRAIN_SECONDS = 0.3


def _pieces(data: bytes) -> list[bytes]:
    """Whole frames, as many as a datagram takes; each frame ends with a zero and has no other."""
    pieces, current = [], b""
    for frame in data.split(b"\0")[:-1]:
        if current and len(current) + len(frame) + 1 > _DATAGRAM:
            pieces.append(current)
            current = b""
        current += frame + b"\0"
    return [*pieces, current] if current else pieces


class Datagrams(Link):
    """UDP. Who sends has one peer, the first of its addresses that does not refuse; who receives hears everybody."""

    datagrams = True

    def __init__(self, what: str, targets: Sequence[Target], *, sends: bool) -> None:
        self._targets = list(targets)
        self._next = 0
        self._sends = sends
        self.many = self.listens = not sends
        self._chosen: Any = None
        self._waiting: deque[tuple[bytes, Any]] = deque()
        self._closed = False
        self._socket = self._aim() if sends else self._bind(what)

    def _aim(self) -> socket.socket:
        """A socket for the next of the addresses. Its peer is fixed, so a refusal is heard and nobody else is."""
        for _ in self._targets:
            family, where = self._targets[self._next]
            self._next = (self._next + 1) % len(self._targets)
            with suppress(OSError):
                made = socket.socket(family, socket.SOCK_DGRAM)
                made.setblocking(False)
                try:
                    made.connect(where)
                except OSError:
                    made.close()
                    continue
                return made
        made = socket.socket(self._targets[0][0], socket.SOCK_DGRAM)  # there is no way there now
        made.setblocking(False)
        return made

    def _aim_again(self) -> None:
        if self._sends and not self._closed and len(self._targets) > 1:
            with suppress(OSError):
                self._socket.close()
            self._waiting.clear()
            self._socket = self._aim()

    def _bind(self, what: str) -> socket.socket:
        problem: OSError | None = None
        for family, where in self._targets:
            made = None
            try:
                made = socket.socket(family, socket.SOCK_DGRAM)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
                made.bind(where)
                made.setblocking(False)
            except OSError as found:
                if made is not None:
                    made.close()
                problem = problem or found
            else:
                return made
        raise cannot_listen(what, problem or OSError("no address")) from problem

    @property
    def port(self) -> int:
        """The port that is listened at."""
        return int(self._socket.getsockname()[1])

    @property
    def pending(self) -> bool:
        return bool(self._waiting)

    def choose(self, peer: Hashable) -> None:
        self._chosen = peer

    def receive(self, timeout: float) -> bytes:
        try:
            readable, writable = ready([self._socket], [self._socket] if self._waiting else [], timeout)
            if writable:
                self._push()
            if not readable:
                return b""
            data, peer = self._socket.recvfrom(AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return b""
        except (OSError, ValueError):  # nobody listens there yet, or closed meanwhile
            self._aim_again()
            time.sleep(min(timeout, RECONNECT))
            return b""
        self.peer = None if self._sends else peer
        return data if data.endswith(b"\0") else data + b"\0"  # a frame ends with its datagram

    def send(self, data: bytes) -> bool:
        return (self._sends or self._chosen is not None) and self.send_to(self._chosen, data)

    def send_to(self, peer: Hashable, data: bytes) -> bool:
        if sum(len(piece) for piece, _ in self._waiting) + len(data) > _MOST_WAITING:
            return False
        self._waiting.extend((piece, peer) for piece in _pieces(data))
        try:
            self._push()
        except (OSError, ValueError):
            self._waiting.clear()
            self._aim_again()
            return False
        return True

    def _push(self) -> None:
        while self._waiting:
            piece, peer = self._waiting[0]
            try:
                if self._sends:
                    self._socket.send(piece)
                else:
                    self._socket.sendto(piece, peer)
            except (BlockingIOError, InterruptedError):
                return
            self._waiting.popleft()

    def close(self) -> None:
        self._closed = True
        self._socket.close()


class Serial(Link):
    """A serial port, opened again under its name when it was unplugged."""

    def __init__(self, port: str, baud: int) -> None:
        try:
            import serial  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError as problem:
            raise UnsupportedError.because(
                f"serial:{port}",
                expected="the package pyserial",
                found="it is not installed",
                advice="pip install pyserial",
            ) from problem
        self._make: Any = lambda: serial.Serial(port, baudrate=baud, timeout=0, write_timeout=RECONNECT)
        self._gone: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError, ValueError)
        self._waiting = bytearray()
        self._closed = False
        self._not_before = 0.0
        try:
            self._port: Any = self._make()
        except (serial.SerialException, ValueError) as problem:
            raise StorageError.because(
                f"serial:{port}",
                expected="a port that can be opened",
                found=str(problem),
                advice="check the port and its permissions",
            ) from problem

    @property
    def connected(self) -> bool:
        return self._port is not None

    @property
    def pending(self) -> bool:
        return bool(self._waiting)

    def _lose(self) -> None:
        port, self._port = self._port, None
        self._waiting.clear()
        self._not_before = time.monotonic() + RECONNECT
        if port is not None:
            with suppress(*self._gone):
                port.close()

    def _plugged_in(self) -> bool:
        if self._port is None and not self._closed and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + RECONNECT
            with suppress(*self._gone):
                self._port = self._make()
        return self._port is not None

    def receive(self, timeout: float) -> bytes:
        if not self._plugged_in():
            time.sleep(min(timeout, RECONNECT))
            return b""
        try:
            if os.name != "posix":
                self._push()
                self._port.timeout = timeout
                first = bytes(self._port.read(1))
                self._port.timeout = 0
                return first + bytes(self._port.read(AT_ONCE)) if first else b""
            readable, writable = ready([self._port], [self._port] if self._waiting else [], timeout)
            if writable:
                self._push()
            return bytes(self._port.read(AT_ONCE)) if readable else b""
        except self._gone:  # unplugged, or closed meanwhile
            self._lose()
            time.sleep(min(timeout, RECONNECT))
            return b""

    def send(self, data: bytes) -> bool:
        if self._port is None or len(self._waiting) + len(data) > _MOST_WAITING:
            return False
        self._waiting += data
        try:
            self._push()
        except self._gone:
            self._lose()
            return False
        return True

    def _push(self) -> None:
        """Give the port what it takes at once."""
        while self._waiting:
            piece = bytes(self._waiting[:AT_ONCE])
            if os.name != "posix":
                self._port.write(piece)  # its time is bounded
                taken = len(piece)
            else:
                try:
                    taken = os.write(self._port.fileno(), piece)
                except (BlockingIOError, InterruptedError):
                    return
            del self._waiting[:taken]

    def close(self) -> None:
        self._closed = True
        port = self._port
        if port is None:
            return
        with suppress(*self._gone):  # the system would wait half a minute for somebody to take it
            end = time.monotonic() + _DRAIN_SECONDS
            while port.out_waiting and time.monotonic() < end:
                time.sleep(0.01)
            port.reset_output_buffer()
        self._lose()
