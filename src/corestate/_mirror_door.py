"""Who is let in at the receiving end of a mirror: one source, for as long as it is heard.

Without a key
    The first peer that sends a valid frame is the source. While it is heard nobody else is; when it has been silent
    for the limit, whoever sends a valid frame next takes its place. This keeps out a second sender and a recording sent
    from elsewhere. It does not keep out who comes first, who waits, or who can send in the source's name.
With a key
    As above, and what counts is a frame with a right MAC of a session both ends made now (``_mirror_key``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from corestate._mirror_frames import ASK, GREETING, MOST_REQUEST, VERSION, frame_in, is_frame, make_frame, version_name
from corestate._mirror_key import SEALED, answer_to, notice, parts
from corestate.errors import CorestateError, LayoutVersionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from corestate._line import Link
    from corestate._mirror_frames import Frame
    from corestate._mirror_key import Session

__all__ = ["Door", "KeyedDoor", "Refusals", "no_key_here", "no_key_there", "other_version"]

_MOST_UNPROVEN = 1 << 16
_MOST_PIECE = 1 << 18
_MOST_SESSIONS = 4
_MOST_BANNED = 64
_TELL_SECONDS = 1.0


class Refusals:
    """What was refused: how often, why last, and what whoever waits for the mirror must hear of."""

    def __init__(self) -> None:
        self.count = 0
        self.reason = ""
        self.error: CorestateError | None = None

    def add(self, why: str | CorestateError, times: int = 1) -> None:
        """Count it."""
        self.count += times
        self.reason = str(why)
        if isinstance(why, CorestateError):
            self.error = why


def no_key_there(what: str) -> UnsupportedError:
    """The error for a peer without a key."""
    return UnsupportedError.because(
        what, expected="a peer with the key", found="one without", advice="give the same key at both ends"
    )


def no_key_here(what: str) -> UnsupportedError:
    """The error for a peer with a key."""
    return UnsupportedError.because(
        what, expected="a peer without a key", found="one with a key", advice="give the same key at both ends"
    )


def other_version(what: str, version: int) -> LayoutVersionError:
    """The error for a peer of another wire version."""
    return LayoutVersionError.because(
        what,
        expected=version_name(VERSION),
        found=version_name(version),
        advice="use the same corestate at both ends",
    )


class Door:
    """The receiving end without a key. One thread uses it."""

    def __init__(self, what: str, link: Link, silence: float, refusals: Refusals) -> None:
        self._what = what
        self._link = link
        self._silence = silence
        self._refusals = refusals
        self._source: Hashable = None
        self._has_source = False
        self._heard = 0.0
        self._banned: dict[Hashable, tuple[float, str]] = {}
        self._unproven: dict[Hashable, bytearray] = {}
        self._told = 0.0
        self._since: dict[Hashable, float] = {}

    @property
    def open(self) -> bool:
        """Whether there is a source to answer to."""
        return self._has_source or not self._link.listens

    def take(self, peer: Hashable, data: bytes) -> bytes:
        """What of this is for the core."""
        if not self._link.many:
            if SEALED not in data:
                return data
            self._tell(peer, make_frame(ASK, keyed=False))
            self._refusals.add(no_key_here(self._what))
            return b""
        self._notice_end()
        if self._has_source and peer == self._source:
            return data
        if self.live():
            self._refuse(peer, "another sender, while the source is heard")
            return b""
        until, why = self._banned.get(peer, (0.0, ""))
        if until > time.monotonic():
            self._refuse(peer, why)
            return b""
        return self._prove(peer, data)

    def _prove(self, peer: Hashable, data: bytes) -> bytes:
        came = bytearray(data) if self._link.datagrams else self._unproven.setdefault(peer, bytearray())
        known = 0 if self._link.datagrams else came.rfind(b"\0") + 1
        if not self._link.datagrams:
            came += data
        ended = came.rfind(b"\0")
        pieces = bytes(came[known : ended + 1]).split(b"\0")
        if any(piece.startswith(SEALED) for piece in pieces):
            self._tell(peer, make_frame(ASK, keyed=False))
            self._refusals.add(no_key_here(self._what))
        elif any(map(is_frame, pieces)):
            self._admit(peer)
            return bytes(came)
        elif self._link.datagrams or len(came) > _MOST_UNPROVEN:
            self._refuse(peer, "bytes that are no frame")
        return b""

    def _admit(self, peer: Hashable) -> None:
        """Make this peer the source."""
        if self._has_source and self._source != peer:
            self._link.drop(self._source)
        self._source, self._has_source = peer, True
        self._heard = time.monotonic()
        self._unproven.clear()
        self._link.choose(peer)

    def heard(self) -> None:
        """A frame of the source was taken."""
        self._heard = time.monotonic()

    def live(self) -> bool:
        """Whether the source has been heard within the limit."""
        return self._has_source and time.monotonic() - self._heard < self._silence

    def _refuse(self, peer: Hashable, why: str | CorestateError) -> None:
        self._refusals.add(why)
        self._unproven.pop(peer, None)
        if not self._link.datagrams:
            self._link.drop(peer)

    def _tell(self, peer: Hashable, frame: bytes) -> None:
        """Say something to who is refused, so that it can name the reason too. Once a second at most."""
        now = time.monotonic()
        if now - self._told > _TELL_SECONDS:
            self._told = now
            self._link.send_to(peer, frame)

    def refuse_source(self, *, keyed: bool = False) -> None:
        """The source cannot be one (whoever says so has said why): others get their chance.

        Args:
            keyed: it has a key, and there is none here.
        """
        if keyed:
            self._tell(self._source, make_frame(ASK, keyed=False))
        if not self._has_source:
            return
        now = time.monotonic()
        self._banned = {peer: ban for peer, ban in self._banned.items() if ban[0] > now}
        if len(self._banned) < _MOST_BANNED:
            self._banned[self._source] = now + self._silence, self._refusals.reason
        self._has_source = False
        self._link.choose(None)

    def _notice_end(self) -> None:
        """Whose connection has ended is not here any more; the core stays with what it sent for the limit."""
        if self._has_source and not self._link.datagrams and self._source not in self._link.peers():
            self._has_source = False

    def tick(self) -> None:
        """Now and then: who has connected and says nothing makes room."""
        if not self._link.many or self._link.datagrams:
            return
        self._notice_end()
        now = time.monotonic()
        peers = self._link.peers()
        self._since = {peer: self._since.get(peer, now) for peer in peers}
        self._unproven = {peer: came for peer, came in self._unproven.items() if peer in self._since}
        for peer in peers if self._link.listens else ():
            proven = self._has_source and peer == self._source
            if not proven and now - self._since[peer] > self._silence:
                self._refuse(peer, f"a connection without a valid frame in {self._silence:g} s")

    def answer(self, frames: bytes) -> None:
        """Send to the source."""
        if self.open:
            self._link.send(frames)


class KeyedDoor(Door):
    """The receiving end with a key."""

    def __init__(self, what: str, link: Link, silence: float, refusals: Refusals, key: bytes) -> None:
        super().__init__(what, link, silence, refusals)
        self._key = key
        self._session: Session | None = None
        self._offered: dict[bytes, Session] = {}
        self._rest: dict[Hashable, bytes] = {}

    @property
    def open(self) -> bool:
        return self._session is not None

    def take(self, peer: Hashable, data: bytes) -> bytes:
        rest = b"" if self._link.datagrams else self._rest.get(peer, b"")
        *pieces, rest = (rest + data).split(b"\0")
        if not self._link.datagrams:
            if len(rest) > _MOST_PIECE:
                self._refusals.add("bytes that are no frame")
                rest = b""
            self._rest = {one: left for one, left in self._rest.items() if one in self._link.peers()}
            self._rest[peer] = rest
        return b"".join(self._take_piece(peer, piece) for piece in pieces if piece)

    def _take_piece(self, peer: Hashable, piece: bytes) -> bytes:
        found = parts(piece) if piece.startswith(SEALED) else None
        if found is not None:
            return self._take_sealed(peer, *found)
        frame = frame_in(piece) if len(piece) <= MOST_REQUEST else None
        if frame is not None and frame.type == GREETING:
            self._greet(peer, frame)
        elif frame is not None:
            self._refusals.add(no_key_there(self._what))
            self._tell(peer, notice())
        else:
            self._refusals.add("bytes that are no frame with a MAC")
        return b""

    def _take_sealed(self, peer: Hashable, session_id: bytes, number: int, mac: bytes, frame: bytes) -> bytes:
        current = self._session
        session = current if current is not None and current.id == session_id else self._offered.get(session_id)
        if session is None:
            self._refusals.add("a frame of another session, such as a recording")
            return b""
        problem = session.open(number, mac, frame)
        if problem:
            self._refusals.add(problem)
            return b""
        self._notice_end()
        if session is not current:
            if self.live():
                self._refusals.add("another sender, while the source is heard")
                return b""
            self._session = session
            self._offered.clear()
            self._admit(peer)
        elif peer != self._source:  # the same session from another address
            self._admit(peer)
        self.heard()
        return frame + b"\0"

    def _greet(self, peer: Hashable, frame: Frame) -> None:
        if frame.version & 0xFFFF != VERSION:
            self._refusals.add(other_version(self._what, frame.version))
            return
        offered = next((one for one in self._offered.values() if frame.payload.startswith(one.greeted)), None)
        session = offered or answer_to(self._key, frame)
        if session is None:
            self._refusals.add(
                UnsupportedError.because(
                    self._what, expected="a peer with the same key", found="one with another", advice="compare the keys"
                )
            )
            return
        while len(self._offered) >= _MOST_SESSIONS and session.id not in self._offered:
            self._offered.pop(next(iter(self._offered)))
        self._offered[session.id] = session
        self._link.send_to(peer, session.answer)

    def refuse_source(self, *, keyed: bool = False) -> None:
        self._session = None
        super().refuse_source(keyed=keyed)

    def answer(self, frames: bytes) -> None:
        if self._session is not None:
            self._link.send(self._session.seal_all(frames))
