"""Stream sockets: connections made from here, made again when they are cut, and connections that come."""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate._line import AT_ONCE, RECONNECT, Link, cannot_listen, ready
from corestate.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Connecting", "Listening", "Stream", "Target"]

Target = tuple[int, Any]
"""A family and an address of it."""

_MOST_CONNECTIONS = 8
_MOST_WAITING = 4 << 20
_CONNECT_SECONDS = 5.0
_CONNECT_SECONDS_OF_SEVERAL = 1.0
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, getattr(errno, "WSAEWOULDBLOCK", errno.EAGAIN))
_HALF_OPEN_MS = 10_000


class _Connection:
    def __init__(self, made: socket.socket, number: int) -> None:
        made.setblocking(False)
        self.socket = made
        self.number = number
        self.waiting = bytearray()
        self.moved = time.monotonic()
        if made.family != getattr(socket, "AF_UNIX", None):
            with suppress(OSError):  # a peer whose cable was pulled is noticed without a word from it
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if hasattr(socket, "TCP_USER_TIMEOUT"):
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _HALF_OPEN_MS)
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)

    def fileno(self) -> int:
        return self.socket.fileno()

    def push(self) -> bool:
        """Send what waits, as far as it is taken at once; False when the connection is broken."""
        while self.waiting:
            try:
                taken = self.socket.send(memoryview(self.waiting)[:AT_ONCE])
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:
                return False
            del self.waiting[:taken]
            self.moved = time.monotonic()
        return True


class Stream(Link):
    """Connections, of which one is sent to."""

    many = True

    def __init__(self) -> None:
        self._open: dict[int, _Connection] = {}
        self._made = 0
        self._chosen: int | None = None
        self._turn = 0
        self._closed = False

    # -- for kinds of it

    def _more(self) -> tuple[list[Any], list[Any]]:
        """What else to wait for, to read and to write."""
        raise NotImplementedError

    def _progress(self, readable: Sequence[Any], writable: Sequence[Any]) -> None:
        """Go on with making connections."""
        raise NotImplementedError

    def _add(self, made: socket.socket) -> None:
        if len(self._open) >= _MOST_CONNECTIONS:
            self.drop(next(number for number in self._open if number != self._chosen))
        self._made += 1
        self._open[self._made] = _Connection(made, self._made)

    # -- the line

    @property
    def connected(self) -> bool:
        return bool(self._open)

    @property
    def pending(self) -> bool:
        one = self._target()
        return one is not None and bool(one.waiting)

    def peers(self) -> Sequence[Hashable]:
        return list(self._open)

    def choose(self, peer: Hashable) -> None:
        self._chosen = peer if isinstance(peer, int) else None

    def drop(self, peer: Hashable) -> None:
        one = self._open.pop(peer, None) if isinstance(peer, int) else None
        if one is not None:
            one.socket.close()
        if peer == self._chosen:
            self._chosen = None

    def _target(self) -> _Connection | None:
        if self._chosen in self._open:
            return self._open[self._chosen]
        return next(iter(self._open.values()), None)

    def receive(self, timeout: float) -> bytes:
        if self._closed:
            time.sleep(min(timeout, RECONNECT))
            return b""
        more_readers, more_writers = self._more()
        ones = list(self._open.values())
        try:
            readable, writable = ready(
                [*ones, *more_readers], [*(one for one in ones if one.waiting), *more_writers], timeout
            )
        except (OSError, ValueError):  # closed meanwhile
            return b""
        self._push(ones, writable)
        self._progress(readable, writable)
        return self._read([one for one in readable if isinstance(one, _Connection)])

    def _push(self, ones: Sequence[_Connection], writable: Sequence[Any]) -> None:
        now = time.monotonic()
        for one in ones:
            stalled = bool(one.waiting) and now - one.moved > self.patience
            if (one in writable and not one.push()) or (stalled and bool(one.waiting) and one not in writable):
                self.drop(one.number)

    def _read(self, readable: Sequence[_Connection]) -> bytes:
        """What one of them has, each in its turn."""
        for one in sorted(readable, key=lambda one: (one.number <= self._turn, one.number)):
            if one.number not in self._open:
                continue
            self._turn = one.number
            try:
                data = one.socket.recv(AT_ONCE)
            except (BlockingIOError, InterruptedError):
                continue
            except (OSError, ValueError):
                data = b""
            if data:
                self.peer = one.number
                return data
            self.drop(one.number)
        return b""

    def send(self, data: bytes) -> bool:
        one = self._target()
        return one is not None and self._send(one, data)

    def send_to(self, peer: Hashable, data: bytes) -> bool:
        one = self._open.get(peer) if isinstance(peer, int) else None
        return one is not None and self._send(one, data)

    def _send(self, one: _Connection, data: bytes) -> bool:
        if len(one.waiting) + len(data) > _MOST_WAITING:
            return False
        if not one.waiting:
            one.moved = time.monotonic()
        one.waiting += data
        if not one.push():
            self.drop(one.number)
            return False
        return True

    def close(self) -> None:
        self._closed = True
        for number in list(self._open):
            self.drop(number)


class Connecting(Stream):
    """One connection at a time, made from here: to the first address that answers, and again when it was cut."""

    def __init__(self, targets: Sequence[Target]) -> None:
        super().__init__()
        self._targets = list(targets)
        self._next = 0
        self._trying: socket.socket | None = None
        self._until = 0.0
        self._not_before = 0.0

    def _more(self) -> tuple[list[Any], list[Any]]:
        if not self._open and self._trying is None and time.monotonic() >= self._not_before:
            self._try()
        return [], [] if self._trying is None else [self._trying]

    def receive(self, timeout: float) -> bytes:
        if not self._open and self._trying is None:
            wait = self._not_before - time.monotonic()
            if wait > 0:  # nobody answers; there is nothing to wait for but the next try
                time.sleep(min(wait, timeout))
                return b""
        return super().receive(timeout)

    def _try(self) -> None:
        family, where = self._targets[self._next]
        trying = socket.socket(family, socket.SOCK_STREAM)
        trying.setblocking(False)
        several = len(self._targets) > 1
        self._until = time.monotonic() + (_CONNECT_SECONDS_OF_SEVERAL if several else _CONNECT_SECONDS)
        self._trying = trying
        code = trying.connect_ex(where)
        if code == 0:
            self._succeed()
        elif code not in _UNDER_WAY or family == getattr(socket, "AF_UNIX", None):
            self._fail()

    def _succeed(self) -> None:
        made, self._trying = self._trying, None
        if made is not None:
            self._add(made)
        self._not_before = time.monotonic() + RECONNECT

    def _fail(self) -> None:
        failed, self._trying = self._trying, None
        if failed is not None:
            failed.close()
        self._next = (self._next + 1) % len(self._targets)
        if self._next == 0:  # all were tried
            self._not_before = time.monotonic() + RECONNECT

    def _progress(self, readable: Sequence[Any], writable: Sequence[Any]) -> None:  # noqa: ARG002 -- nobody comes
        trying = self._trying
        if trying is None:
            return
        if trying in writable:
            if trying.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                self._succeed()
            else:
                self._fail()
        elif time.monotonic() > self._until:
            self._fail()

    def close(self) -> None:
        super().close()
        trying, self._trying = self._trying, None
        if trying is not None:
            trying.close()


class Listening(Stream):
    """Connections that come to this end."""

    listens = True

    def __init__(self, what: str, targets: Sequence[Target]) -> None:
        super().__init__()
        self._listener = _bound(what, targets)

    @property
    def port(self) -> int:
        """The port that is listened at."""
        return int(self._listener.getsockname()[1])

    def _more(self) -> tuple[list[Any], list[Any]]:
        return [self._listener], []

    def _progress(self, readable: Sequence[Any], writable: Sequence[Any]) -> None:  # noqa: ARG002 -- nothing is made
        if self._listener in readable:
            with suppress(OSError, ValueError):
                self._add(self._listener.accept()[0])

    def close(self) -> None:
        super().close()
        self._listener.close()


def _bound(what: str, targets: Sequence[Target]) -> socket.socket:
    """A listener at the first of these addresses that can be had."""
    problem: OSError | None = None
    for family, where in targets:
        listener = None
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
            if os.name == "posix":  # elsewhere it would let two programs have one port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_MOST_CONNECTIONS)
            listener.setblocking(False)
        except OSError as found:
            if listener is not None:
                listener.close()
            problem = problem or found
        else:
            return listener
    if problem is None:
        raise StorageError.because(what, expected="an address to listen at", found="none", advice="check the host")
    raise cannot_listen(what, problem) from problem
