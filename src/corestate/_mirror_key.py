"""What a shared key does for a mirror: each frame has a MAC and a number that only goes forward, in both directions.

The handshake
    Both ends have the key. The source greets with a random number N and a MAC of it. The viewer answers with a random
    number M of its own, with N, and a MAC of both. Keys of the session, one for each direction, come from the key, N
    and M. So neither end takes a session for its own that the other did not make just now: a recording of an earlier
    one has other numbers. A greeting is used for one session, an answer for one greeting.

What is sealed
    ``~cs2~``, then 44 characters of base64 (session 9 bytes, number 8, MAC 16), then the frame as the core made it,
    which has no zero, and the zero that ends it. The MAC is BLAKE2b with the key of the direction, 16 bytes, of
    session, number and frame. Nothing is encrypted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from corestate._mirror_frames import GREETING, VERSION, make_frame
from corestate.errors import InvalidError, WrongTypeError

if TYPE_CHECKING:
    from corestate._mirror_frames import Frame

__all__ = ["SEALED", "Greeter", "Session", "answer_to", "checked", "notice", "parts", "read_key"]

SEALED = b"~cs2~"
_ID, _NUMBER, _MAC, _NONCE = 9, 8, 16, 16
_HEAD = (_ID + _NUMBER + _MAC) * 4 // 3
_SHORTEST, _LONGEST = 16, 64
_PERSON = b"corestate-mirror"


def checked(key: bytes | None) -> bytes | None:
    """The key, if it can be one.

    Raises:
        WrongTypeError: no bytes. InvalidError: fewer than 16 bytes, or more than 64.
    """
    if key is None:
        return None
    if not isinstance(key, (bytes, bytearray)):
        raise WrongTypeError.because(
            "key", expected="bytes", found=type(key).__name__, advice="see secrets.token_bytes(32)"
        )
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise InvalidError.because(
            "key",
            expected=f"{_SHORTEST} to {_LONGEST} bytes that nobody can guess",
            found=f"{len(key)} bytes",
            advice="make one with secrets.token_bytes(32)",
        )
    return bytes(key)


def read_key(path: str | os.PathLike[str]) -> bytes:
    """A key from a file, without white space at its end.

    Raises:
        InvalidError: it is no key. UntrustedFileError: others may read or write the file.
        OSError: as the system has it.
    """
    from corestate._trusted import Place
    from corestate.errors import UntrustedFileError

    what = f"key file {os.fspath(path)}"
    with Place(path, what) as place:
        descriptor = place.open()
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if os.name == "posix" and (status.st_mode & 0o027 or status.st_uid not in place.trusted):
                raise UntrustedFileError.because(
                    what,
                    expected="a file of this user that nobody else may read",
                    found=f"mode {status.st_mode & 0o777:04o} of user {status.st_uid}",
                    advice=f"chmod 600 {os.fspath(path)}",
                )
            content = file.read(4096).rstrip()
    key = checked(content)
    return b"" if key is None else key


def _mac(key: bytes, *parts: bytes, size: int = _MAC) -> bytes:
    made = hashlib.blake2b(key=key, digest_size=size, person=_PERSON)
    for part in parts:
        made.update(part)
    return made.digest()


class Session:
    """One session, seen from one end of it."""

    def __init__(self, key: bytes, of_source: bytes, of_viewer: bytes, *, source: bool) -> None:
        self.greeted = of_source
        self.answer = b""
        """The viewer's answer, to be given again if it was lost."""
        both = bytes([VERSION]) + of_source + of_viewer
        self.id = _mac(key, b"session", both, size=_ID)
        keys = _mac(key, b"from the source", both, size=64), _mac(key, b"from the viewer", both, size=64)
        self._ours, self._theirs = keys if source else keys[::-1]
        self._sent = 0
        self._seen = 0

    def seal(self, frame: bytes) -> bytes:
        """A frame (without its zero) with a number and a MAC, and with its zero."""
        self._sent += 1
        head = self.id + self._sent.to_bytes(_NUMBER, "big")
        return SEALED + base64.b64encode(head + _mac(self._ours, head, frame)) + frame + b"\0"

    def seal_all(self, frames: bytes) -> bytes:
        """All of these frames, sealed each."""
        return b"".join(map(self.seal, filter(None, frames.split(b"\0"))))

    def open(self, number: int, mac: bytes, frame: bytes) -> str:
        """Why a frame is not of the other end, now; empty when it is."""
        if not hmac.compare_digest(mac, _mac(self._theirs, self.id + number.to_bytes(_NUMBER, "big"), frame)):
            return "a wrong MAC"
        if number <= self._seen:
            return "a frame that came before"
        self._seen = number
        return ""


def parts(piece: bytes) -> tuple[bytes, int, bytes, bytes] | None:
    """Session, number, MAC and frame of sealed bytes (without their zero), or None."""
    try:
        head = base64.b64decode(piece[len(SEALED) : len(SEALED) + _HEAD], validate=True)
    except ValueError:
        return None
    if len(head) != _ID + _NUMBER + _MAC:
        return None
    number = int.from_bytes(head[_ID : _ID + _NUMBER], "big")
    return head[:_ID], number, head[_ID + _NUMBER :], piece[len(SEALED) + _HEAD :]


class Greeter:
    """The source's end of the handshake with one peer."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._nonce = secrets.token_bytes(_NONCE)

    def greeting(self) -> bytes:
        """A frame that asks for a session."""
        mac = _mac(self._key, b"greeting", bytes([VERSION]), self._nonce)
        return make_frame(GREETING, self._nonce + mac)

    def session(self, frame: Frame) -> Session | None:
        """The session a viewer's answer makes, if it is an answer to the last greeting, from one who has the key."""
        of_viewer, of_source, mac = _cut(frame.payload)
        if of_source != self._nonce:
            return None
        if not hmac.compare_digest(mac, _mac(self._key, b"answer", bytes([VERSION]), of_viewer, of_source)):
            return None
        self._nonce = secrets.token_bytes(_NONCE)
        return Session(self._key, of_source, of_viewer, source=True)


def _cut(payload: bytes) -> tuple[bytes, bytes, bytes]:
    return payload[:_NONCE], payload[_NONCE : 2 * _NONCE], payload[2 * _NONCE :]


def answer_to(key: bytes, frame: Frame) -> Session | None:
    """The viewer's end: the session a greeting asks for, with the answer to send; None where the key is another."""
    of_source, mac = frame.payload[:_NONCE], frame.payload[_NONCE:]
    if not hmac.compare_digest(mac, _mac(key, b"greeting", bytes([VERSION]), of_source)):
        return None
    of_viewer = secrets.token_bytes(_NONCE)
    session = Session(key, of_source, of_viewer, source=False)
    answer = _mac(key, b"answer", bytes([VERSION]), of_viewer, of_source)
    session.answer = make_frame(GREETING, of_viewer + of_source + answer)
    return session


def notice() -> bytes:
    """A frame that only says: there is a key at this end."""
    return make_frame(GREETING)
