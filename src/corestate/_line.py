"""What every line has in common; ``corestate.links`` has the addresses of lines."""

from __future__ import annotations

import errno
import select
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from corestate.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from typing import Any

    from typing_extensions import Self

__all__ = ["AT_ONCE", "RECONNECT", "Link", "cannot_listen", "ready"]

AT_ONCE = 65536
RECONNECT = 0.2
"""Seconds from one try to open a line to the next."""


class Link(ABC):
    """A line. One thread uses it; ``close()`` may come from another. A line that is cut mends itself where it can.

    Nothing but ``receive`` waits, and that no longer than it is told to: what a peer does not take at once is kept and
    sent by later calls. A line of your own needs ``receive``, ``send`` and ``close``; the rest is for lines with more
    than one peer.
    """

    datagrams = False
    """Whether what is sent arrives in pieces that may be lost or change their order."""
    both_ways = True
    """Whether a request can be sent back."""
    many = False
    """Whether there can be several peers at a time."""
    listens = False
    """Whether peers come to this end."""
    patience = 2.0
    """Seconds after which a peer that takes nothing is given up, where it can come again."""
    peer: Hashable = None
    """Who sent what ``receive`` gave last."""

    @property
    def connected(self) -> bool:
        """Whether there is somebody, or something, to send to."""
        return True

    @property
    def pending(self) -> bool:
        """Whether something is still to be sent."""
        return False

    @abstractmethod
    def receive(self, timeout: float) -> bytes:
        """What has arrived; ``b""`` when nothing came within ``timeout`` seconds or the line is down."""

    @abstractmethod
    def send(self, data: bytes) -> bool:
        """Send all of it, now or later, to the peer that was chosen; False when the line is down and it is lost."""

    @abstractmethod
    def close(self) -> None:
        """Close the line. Idempotent."""

    def peers(self) -> Sequence[Hashable]:
        """Who is connected, in the order they came."""
        return [None]

    def choose(self, peer: Hashable) -> None:  # noqa: B027 -- of several
        """Send to this peer from now on."""

    def drop(self, peer: Hashable) -> None:  # noqa: B027 -- of several
        """Have no more to do with this peer, where it has a connection of its own."""

    def send_to(self, peer: Hashable, data: bytes) -> bool:  # noqa: ARG002 -- of several
        """Send to this peer once."""
        return self.send(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ready(readers: Sequence[Any], writers: Sequence[Any], timeout: float) -> tuple[list[Any], list[Any]]:
    """Which of these can be read, or written, at once; waits for the first of them.

    Raises:
        OSError, ValueError: one was closed meanwhile.
    """
    if not hasattr(select, "poll"):
        if not readers and not writers:
            return [], []
        return select.select(readers, writers, [], timeout)[:2]
    poll = select.poll()  # unlike select it takes descriptors of any number
    masks: dict[int, int] = {}
    for ones, mask in ((readers, select.POLLIN), (writers, select.POLLOUT)):
        for one in ones:
            masks[one.fileno()] = masks.get(one.fileno(), 0) | mask
    for descriptor, mask in masks.items():
        poll.register(descriptor, mask)
    happened = dict(poll.poll(timeout * 1000))
    broken = select.POLLERR | select.POLLHUP | select.POLLNVAL
    return (
        [one for one in readers if happened.get(one.fileno(), 0) & (select.POLLIN | broken)],
        [one for one in writers if happened.get(one.fileno(), 0) & (select.POLLOUT | broken)],
    )


_ADVICE = {
    errno.EADDRINUSE: (
        "a free port",
        "that it is in use by another program",
        "end that program, or use another port",
    ),
    errno.EADDRNOTAVAIL: (
        "an address of this machine",
        "that it is none",
        "use an address that `ip address` shows, 0.0.0.0 for all of them, or only the port",
    ),
    errno.EACCES: ("a port this user may listen at", "that it may not", "use a port above 1023"),
}


def cannot_listen(what: str, problem: OSError) -> StorageError:
    """The error for a socket that cannot be bound."""
    expected, found, advice = _ADVICE.get(
        problem.errno or 0, ("a socket that can be listened at", str(problem), "check the address")
    )
    return StorageError.because(what, expected=expected, found=found, advice=advice)
