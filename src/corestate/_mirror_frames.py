"""Frames of the mirror as Python needs them: to see whether a peer says something valid, and to greet it.

The core makes and takes all others; ``csrc/src/mirror_wire.h`` says what a frame is.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from corestate._binding import lib

__all__ = [
    "ASK",
    "GREETING",
    "KEYED",
    "MOST_REQUEST",
    "VERSION",
    "Frame",
    "frame_in",
    "is_frame",
    "make_frame",
    "version_name",
]

VERSION: int = lib.CS_MIRROR_VERSION
"""Of what is on the line."""
KEYED = 0x10000
"""Beside the version: this end has a key."""
BEAT, ASK, GREETING = 2, 3, 4
_HEAD = struct.Struct("<BBHIIII")
_CRC_BYTES = 4
_LONGEST = 65536


def _table() -> tuple[int, ...]:
    made = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        made.append(crc)
    return tuple(made)


_TABLE = _table()


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class Frame(NamedTuple):
    """A frame that is whole."""

    type: int
    flags: int
    version: int
    """Of beats, requests and greetings."""
    payload: bytes


MOST_REQUEST = 512
"""Bytes of the longest piece that is looked at before it is known whose it is: longer than greetings and requests.
To look at what is longer would cost more than a stranger pays to send it."""


def _decoded(piece: bytes) -> bytes | None:
    """What byte stuffing makes of these bytes (which have no zero), or None."""
    out, at = bytearray(), 0
    while at < len(piece):
        run = piece[at]
        if at + run > len(piece):
            return None
        out += piece[at + 1 : at + run]
        at += run
        if run < 255 and at < len(piece):
            out.append(0)
    return bytes(out)


def frame_in(piece: bytes) -> Frame | None:
    """The frame these bytes between two zeros are, or None. O(its length)."""
    if not _HEAD.size + _CRC_BYTES < len(piece) <= _LONGEST:
        return None
    data = _decoded(piece)
    if data is None or len(data) < _HEAD.size + _CRC_BYTES:
        return None
    if _crc32c(data[:-_CRC_BYTES]) != int.from_bytes(data[-_CRC_BYTES:], "little"):
        return None
    kind, flags, _, _, _, unit, _ = _HEAD.unpack_from(data)
    return Frame(kind, flags, unit, data[_HEAD.size : -_CRC_BYTES])


def is_frame(piece: bytes) -> bool:
    """Whether these bytes between two zeros are a frame a source sends."""
    frame = frame_in(piece)
    return frame is not None and frame.type != ASK


def make_frame(kind: int, payload: bytes = b"", *, keyed: bool = True) -> bytes:
    """A frame with its zero, on its own: it has no number."""
    data = _HEAD.pack(kind, 0, 0, 0, 0, VERSION | (KEYED if keyed else 0), 0) + payload
    data += _crc32c(data).to_bytes(_CRC_BYTES, "little")
    out = bytearray()
    for part in data.split(b"\0"):
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]  # noqa: PLW2901
        out += bytes([len(part) + 1]) + part
    return bytes(out) + b"\0"


def version_name(version: int) -> str:
    """A wire version as a message has it."""
    number = version & 0xFFFF or 1
    return f"wire version {number}{' with a key' if version & KEYED else ''}"
