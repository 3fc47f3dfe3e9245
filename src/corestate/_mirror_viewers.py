"""Whom the sending end of a mirror serves: one receiver at a time, which keeps its place by being heard.

Where peers connect to this end, the first is served at once. A later one that sends a valid request takes the place of
one that has sent none within the limit, so a connection that says nothing keeps nobody out. With a key only a peer with
whom there is a session is served (``_mirror_key``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from corestate._mirror_door import no_key_here, no_key_there, other_version
from corestate._mirror_frames import ASK, GREETING, MOST_REQUEST, VERSION, frame_in
from corestate._mirror_key import SEALED, Greeter, parts

if TYPE_CHECKING:
    from collections.abc import Hashable

    from corestate._line import Link
    from corestate._mirror_door import Refusals
    from corestate._mirror_frames import Frame
    from corestate._mirror_key import Session

__all__ = ["KeyedViewers", "Viewers"]

_GREET_SECONDS = 0.5
_QUIET_SECONDS = 1.5
"""After which a receiver of a session, which sends a sign of life twice a second, is greeted anew."""


class Viewers:
    """The sending end without a key. One thread uses it."""

    def __init__(self, what: str, link: Link, silence: float, refusals: Refusals) -> None:
        self._what = what
        self._link = link
        self._silence = silence
        self._refusals = refusals
        self._rest: dict[Hashable, bytes] = {}
        self._since: dict[Hashable, float] = {}
        self._heard: dict[Hashable, float] = {}
        self._served: Hashable = None
        self._serves = not link.many
        self._new = False
        self.heard_at: float | None = None
        """When a receiver was last heard."""
        self.ever = False
        """Whether there was ever somebody to send to."""

    @property
    def present(self) -> bool:
        """Whether there is somebody to send to."""
        return self._serves and self._link.connected

    def take(self, peer: Hashable, data: bytes) -> bytes:
        """What of this is for the core."""
        rest = b"" if self._link.datagrams else self._rest.get(peer, b"")
        *pieces, rest = (rest + data).split(b"\0")
        self._rest[peer] = b"" if self._link.datagrams else rest[-MOST_REQUEST:]
        return b"".join(self._take_piece(peer, piece) for piece in pieces if piece)

    def _take_piece(self, peer: Hashable, piece: bytes) -> bytes:
        frame = frame_in(piece) if len(piece) <= MOST_REQUEST else None
        if piece.startswith(SEALED) or (frame is not None and frame.type == GREETING):
            self._refusals.add(no_key_here(self._what))
        elif frame is None or frame.type != ASK:
            pass  # noise; it is the core that says so of what it hears
        elif frame.version != VERSION:
            self._refusals.add(other_version(self._what, frame.version))
        else:
            self._note(peer)
            if self._is_served(peer) or self._takes_place(peer):
                return piece + b"\0"
        return b""

    def _note(self, peer: Hashable) -> None:
        self.heard_at = self._heard[peer] = time.monotonic()
        self.ever = True

    def _is_served(self, peer: Hashable) -> bool:
        return not self._link.many or (self._serves and peer == self._served)

    def _takes_place(self, peer: Hashable) -> bool:
        """Whether a peer that has just said something valid is served from now on."""
        if self._serves and time.monotonic() - self._heard.get(self._served, float("-inf")) < self._silence:
            self._refusals.add("another receiver, while the one that is served is heard")
            self._link.drop(peer)
            return False
        if self._serves:
            self._link.drop(self._served)
        self._serve(peer)
        return True

    def _serve(self, peer: Hashable) -> None:
        self._served, self._serves, self._new, self.ever = peer, True, True, True
        self._link.choose(peer)

    def tick(self) -> bool:
        """Now and then: who has come and gone. True when somebody new is served, who has seen nothing yet."""
        if not self._link.many:
            self.ever = self.ever or (self._link.connected and not self._link.datagrams)
            return False
        now = time.monotonic()
        peers = self._link.peers()
        self._since = {peer: self._since.get(peer, now) for peer in peers}
        self._heard = {peer: when for peer, when in self._heard.items() if peer in self._since}
        self._rest = {peer: rest for peer, rest in self._rest.items() if peer in self._since}
        if self._serves and self._served not in self._since:
            self._serves = False
        self._look_for_next()
        for peer in peers if self._link.listens else ():
            waits = not (self._serves and peer == self._served)
            if waits and now - max(self._since[peer], self._heard.get(peer, 0.0)) > self._silence:
                self._refusals.add(f"a connection without a valid frame in {self._silence:g} s")
                self._link.drop(peer)
        new, self._new = self._new, False
        return new

    def _look_for_next(self) -> None:
        if not self._serves and self._since:
            self._serve(next(iter(self._since)))

    def seal(self, frames: bytes) -> bytes:
        """Frames as they go on the line."""
        return frames


class KeyedViewers(Viewers):
    """The sending end with a key."""

    def __init__(self, what: str, link: Link, silence: float, refusals: Refusals, key: bytes) -> None:
        super().__init__(what, link, silence, refusals)
        self._key = key
        self._session: Session | None = None
        self._greeters: dict[Hashable, Greeter] = {}
        self._greeted: dict[Hashable, float] = {}

    @property
    def present(self) -> bool:
        return self._session is not None and super().present

    def _take_piece(self, peer: Hashable, piece: bytes) -> bytes:
        found = parts(piece) if piece.startswith(SEALED) else None
        if found is not None:
            return self._take_sealed(peer, *found)
        frame = frame_in(piece) if len(piece) <= MOST_REQUEST else None
        if frame is None:
            self._refusals.add("bytes that are no frame with a MAC")
        elif frame.type != GREETING:
            self._refusals.add(no_key_there(self._what))
        elif frame.version & 0xFFFF != VERSION:
            self._refusals.add(other_version(self._what, frame.version))
        elif frame.payload:
            self._answered(peer, frame)
        return b""

    def _take_sealed(self, peer: Hashable, session_id: bytes, number: int, mac: bytes, frame: bytes) -> bytes:
        session = self._session
        if session is None or session.id != session_id or not self._is_served(peer):
            self._refusals.add("a frame of another session, such as a recording")
            return b""
        problem = session.open(number, mac, frame)
        if problem:
            self._refusals.add(problem)
            return b""
        self._note(peer)
        return frame + b"\0"

    def _answered(self, peer: Hashable, frame: Frame) -> None:
        greeter = self._greeters.get(peer)
        session = greeter.session(frame) if greeter is not None else None
        if session is None:
            self._refusals.add("an answer to another greeting, or with another key")
            return
        if self._is_served(peer) or self._takes_place(peer):
            self._session, self._new = session, True
            self._note(peer)

    def _look_for_next(self) -> None:
        if not self._serves:
            self._session = None  # whoever comes next has to answer first

    def tick(self) -> bool:
        """As without a key; and who is there and has no session, or says nothing in it, is greeted."""
        new = super().tick()
        now = time.monotonic()
        peers = self._link.peers() if self._link.connected else ()
        for known in (self._greeters, self._greeted):
            for peer in [peer for peer in known if peer not in peers]:
                del known[peer]
        for peer in peers:
            quiet = now - self._heard.get(peer, float("-inf")) > _QUIET_SECONDS
            if quiet and now - self._greeted.get(peer, float("-inf")) > _GREET_SECONDS:
                self._greeted[peer] = now
                greeter = self._greeters.setdefault(peer, Greeter(self._key))
                self._link.send_to(peer, greeter.greeting())
        if self._new:
            new, self._new = True, False
        return new

    def seal(self, frames: bytes) -> bytes:
        return self._session.seal_all(frames) if self._session is not None else b""
