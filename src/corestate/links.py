"""Lines a mirror can use: serial, TCP, UDP and Unix sockets, behind one small face.

serial:/dev/ttyACM0            115200 baud; serial:/dev/ttyACM0?baud=921600
tcp:board.local:4000           connects, and connects again when the line was cut
tcp-listen:4000                waits for peers of this machine; tcp-listen:0.0.0.0:4000 for peers from elsewhere
unix:/run/board.sock           as tcp
udp:4000                       who receives: from this machine; udp:0.0.0.0:4000 from elsewhere
udp:viewer.local:4000          who sends: to that host

A host with several addresses has them tried in turn. A line proves nothing about who is at its other end and hides
nothing from who is on the way: see the mirror's part of SECURITY.md.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from typing import Any

from corestate._line import Link
from corestate._line_others import Datagrams, Serial
from corestate._line_streams import Connecting, Listening
from corestate.errors import AddressError, UnsupportedError

__all__ = ["Link", "is_link", "open_link"]

_KINDS = ("serial", "tcp", "tcp-listen", "unix", "udp")
_LINK = re.compile(rf"({'|'.join(_KINDS)}):(.+)")
_LONGEST_SOCKET_PATH = 107 if sys.platform.startswith("linux") else 103


def is_link(text: str) -> bool:
    """Whether this is a line's address and not a region's."""
    return _LINK.fullmatch(text) is not None


def _resolve(what: str, host: str, port: int, kind: int) -> list[tuple[int, Any]]:
    """Every address of the host, with its family."""
    try:
        found = socket.getaddrinfo(host, port, type=kind)
    except (OSError, UnicodeError) as problem:
        raise AddressError.because(what, expected="a host that can be found", found=str(problem)) from problem
    return list(dict.fromkeys((int(family), where) for family, _, _, _, where in found))


def _host_and_port(what: str, rest: str) -> tuple[str, int]:
    host, _, port = rest.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise AddressError.because(what, expected="HOST:PORT, or a PORT of this machine", found=rest)
    return host.strip("[]") or "127.0.0.1", int(port)


def _unix(text: str, path: str) -> Link:
    if not hasattr(socket, "AF_UNIX"):
        raise UnsupportedError.because(text, expected="Unix sockets", found="a platform without them", advice="use tcp")
    length = len(os.fsencode(path))
    if length > _LONGEST_SOCKET_PATH:
        raise AddressError.because(
            text,
            expected=f"the path of a socket, at most {_LONGEST_SOCKET_PATH} bytes",
            found=f"one of {length}",
            advice="use a shorter path, such as one relative to the current directory",
        )
    return Connecting([(int(socket.AF_UNIX), path)])


def open_link(text: str, *, sends: bool = False) -> Link:
    """Open a line by its address (see the module). Streams connect when they are first used, and again when cut.

    Args:
        text: the address.
        sends: whether this end sends a region (and the other receives it), which for UDP is the end that speaks first.

    Raises:
        AddressError: it is no address of a line. StorageError: the line cannot be opened, such as a port that is in
            use. UnsupportedError: a package is missing.
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
        return Serial(port, int(baud[1]) if baud else 115200)
    if kind == "unix":
        return _unix(text, rest)
    host, number = _host_and_port(text, rest)
    if kind == "udp":
        return Datagrams(text, _resolve(text, host, number, socket.SOCK_DGRAM), sends=sends)
    targets = _resolve(text, host, number, socket.SOCK_STREAM)
    return Listening(text, targets) if kind == "tcp-listen" else Connecting(targets)
