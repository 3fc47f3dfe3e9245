"""Lines a mirror can use: serial, TCP, UDP and Unix sockets, behind one small face.

serial:/dev/ttyACM0            115200 baud; serial:/dev/ttyACM0?baud=921600
tcp:board.local:4000           connects, and connects again when the line was cut
tcp-listen:4000                waits for one peer at a time; tcp-listen:0.0.0.0:4000 for peers from elsewhere
unix:/run/board.sock           as tcp
udp:4000                       who receives: from anybody; udp:0.0.0.0:4000 from elsewhere
udp:viewer.local:4000          who sends: to that host
"""

from __future__ import annotations

import re
import select
import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate.errors import AddressError, StorageError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

__all__ = ["Link", "is_link", "open_link"]

_KINDS = ("serial", "tcp", "tcp-listen", "unix", "udp")
_LINK = re.compile(rf"({'|'.join(_KINDS)}):(.+)")
_AT_ONCE = 65536
_RECONNECT = 0.2
_DATAGRAM = 1400
_RECEIVE_BUFFER = 4 << 20


class Link(ABC):
    """A line. One thread uses it; ``close()`` may come from another. A line that is cut mends itself where it can."""

    datagrams = False
    """Whether what is sent arrives in pieces that may be lost or change their order."""
    both_ways = True
    """Whether a request can be sent back."""

    @abstractmethod
    def receive(self, timeout: float) -> bytes:
        """What has arrived; ``b""`` when nothing came within ``timeout`` seconds or the line is down."""

    @abstractmethod
    def send(self, data: bytes) -> bool:
        """Send all of it; False when the line is down and it is lost."""

    @abstractmethod
    def close(self) -> None:
        """Close the line. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Serial(Link):
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
        try:
            self._port: Any = serial.Serial(port, baudrate=baud, timeout=0)
        except (serial.SerialException, ValueError) as problem:
            raise StorageError.because(
                f"serial:{port}", found=str(problem), advice="check the port and its permissions"
            ) from problem
        self._gone: type[Exception] = serial.SerialException

    def receive(self, timeout: float) -> bytes:
        try:
            self._port.timeout = timeout
            first = bytes(self._port.read(1))
            self._port.timeout = 0
            return first + bytes(self._port.read(_AT_ONCE)) if first else b""
        except (self._gone, OSError, TypeError):  # unplugged, or closed meanwhile
            time.sleep(min(timeout, _RECONNECT))
            return b""

    def send(self, data: bytes) -> bool:
        try:
            self._port.write(data)
        except (self._gone, OSError, TypeError):
            return False
        return True

    def close(self) -> None:
        self._port.close()


class _Stream(Link):
    """A stream socket that is opened again when its peer has gone."""

    def __init__(self, again: Callable[[float], socket.socket | None], forget: Callable[[], None]) -> None:
        self._again = again
        self._forget = forget
        self._socket: socket.socket | None = None
        self._closed = False

    def _ready(self, timeout: float) -> socket.socket | None:
        if self._socket is None and not self._closed:
            self._socket = self._again(timeout)
        return self._socket

    def _cut(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def receive(self, timeout: float) -> bytes:
        open_socket = self._ready(timeout)
        if open_socket is None:
            return b""
        try:
            if not select.select([open_socket], [], [], timeout)[0]:
                return b""
            data = open_socket.recv(_AT_ONCE)
        except (OSError, ValueError):
            data = b""
        if not data:
            self._cut()
        return data

    def send(self, data: bytes) -> bool:
        open_socket = self._ready(0)
        if open_socket is None:
            return False
        try:
            open_socket.sendall(data)
        except OSError:
            self._cut()
            return False
        return True

    def close(self) -> None:
        self._closed = True
        self._cut()
        self._forget()


class _Datagrams(Link):
    datagrams = True

    def __init__(self, host: str, port: int, *, sends: bool) -> None:
        what = f"udp:{host}:{port}"
        family, _, _, _, where = _resolve(what, host, port, socket.SOCK_DGRAM)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._sends = sends
        self._peer: Any = where if sends else None
        try:
            if not sends:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
                self._socket.bind(where)
        except OSError as problem:
            self._socket.close()
            raise StorageError.because(what, found=str(problem)) from problem

    @property
    def port(self) -> int:
        """The port that is listened at."""
        return int(self._socket.getsockname()[1])

    def receive(self, timeout: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], timeout)[0]:
                return b""
            data, peer = self._socket.recvfrom(_AT_ONCE)
        except (OSError, ValueError):
            time.sleep(min(timeout, _RECONNECT))  # nobody listens there yet, or closed meanwhile
            return b""
        if not self._sends:
            self._peer = peer  # where requests go
        return data

    def send(self, data: bytes) -> bool:
        if self._peer is None:
            return False
        try:
            for piece in _pieces(data):
                self._socket.sendto(piece, self._peer)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


def _pieces(data: bytes) -> list[bytes]:
    """Whole frames, as many as a datagram takes; each frame ends with a zero and has no other."""
    pieces, current = [], b""
    for frame in data.split(b"\0")[:-1]:
        if current and len(current) + len(frame) + 1 > _DATAGRAM:
            pieces.append(current)
            current = b""
        current += frame + b"\0"
    return [*pieces, current] if current else pieces


def _resolve(what: str, host: str, port: int, kind: int) -> Any:
    try:
        return socket.getaddrinfo(host, port, type=kind)[0]
    except (OSError, UnicodeError) as problem:
        raise AddressError.because(what, expected="a host that can be found", found=str(problem)) from problem


def _connecting(family: int, where: Any) -> Callable[[float], socket.socket | None]:
    last = [0.0]

    def connect(timeout: float) -> socket.socket | None:
        wait = last[0] + _RECONNECT - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, timeout))
            return None
        last[0] = time.monotonic()
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(max(timeout, _RECONNECT))
        try:
            made.connect(where)
        except OSError:
            made.close()
            return None
        made.settimeout(None)
        return made

    return connect


def _listening(what: str, host: str, port: int) -> tuple[socket.socket, Callable[[float], socket.socket | None]]:
    family, _, _, _, where = _resolve(what, host, port, socket.SOCK_STREAM)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(1)
    except OSError as problem:
        listener.close()
        raise StorageError.because(what, found=str(problem)) from problem

    def accept(timeout: float) -> socket.socket | None:
        with suppress(OSError, ValueError):
            if select.select([listener], [], [], timeout)[0]:
                return listener.accept()[0]
        return None

    return listener, accept


def is_link(text: str) -> bool:
    """Whether this is a line's address and not a region's."""
    return _LINK.fullmatch(text) is not None


def _host_and_port(what: str, rest: str) -> tuple[str, int]:
    host, _, port = rest.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise AddressError.because(what, expected="HOST:PORT, or a PORT of this machine", found=rest)
    return host.strip("[]") or "127.0.0.1", int(port)


def open_link(text: str, *, sends: bool = False) -> Link:
    """Open a line by its address (see the module). Streams connect when they are first used, and again when cut.

    Args:
        text: the address.
        sends: whether this end sends a region (and the other receives it), which for UDP is the end that speaks first.

    Raises:
        AddressError: it is no address of a line. StorageError: the line cannot be opened. UnsupportedError: a package
            is missing.
    """
    match = _LINK.fullmatch(text)
    if match is None:
        raise AddressError.because("line", expected=f"one of {', '.join(_KINDS)}, a colon and where", found=text)
    kind, rest = match[1], match[2]
    if kind == "serial":
        port, _, options = rest.partition("?")
        baud = re.fullmatch(r"baud=([1-9][0-9]{0,7})", options) if options else None
        if options and baud is None:
            raise AddressError.because(text, expected="serial:PORT?baud=NUMBER", found=options)
        return _Serial(port, int(baud[1]) if baud else 115200)
    if kind == "unix":
        if not hasattr(socket, "AF_UNIX"):
            raise UnsupportedError.because(
                text, expected="Unix sockets", found="a platform without them", advice="use tcp"
            )
        return _Stream(_connecting(socket.AF_UNIX, rest), lambda: None)
    host, number = _host_and_port(text, rest)
    if kind == "udp":
        return _Datagrams(host, number, sends=sends)
    if kind == "tcp-listen":
        listener, accept = _listening(text, host, number)
        return _Stream(accept, listener.close)
    family, _, _, _, where = _resolve(text, host, number, socket.SOCK_STREAM)
    return _Stream(_connecting(family, where), lambda: None)
