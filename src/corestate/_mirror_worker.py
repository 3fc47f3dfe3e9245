"""What both ends of a mirror have in common: how they tell how they are doing, and a thread with an end."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MirrorReport", "SenderReport", "Worker"]


@dataclass(frozen=True)
class MirrorReport:
    """How a mirror is doing."""

    ready: bool
    """Whether the region is there, whole."""
    behind: bool
    """Whether something is missing that only a picture of the whole brings."""
    age: float | None
    """Seconds since the source was last heard; None before."""
    frames: int
    bytes: int
    lost: int
    """Frames that never came, by their numbers."""
    repeated: int
    """Frames that came again, or far too late."""
    reordered: int
    """Frames that came after a later one."""
    corrupt: int
    """Pieces that were no frame: cut, glued or with a wrong checksum."""
    mismatched: int
    """Units of which an earlier part had been lost; they wait for the next picture."""
    units: int
    held: int
    """Times a table waited because what had arrived of it did not fit together yet."""
    pictures: int
    restarts: int
    """Times the source, or its sender, began anew."""
    refused: int
    """Frames, connections and sources that were not let in: of another sender, without a right MAC, too large."""
    reason: str
    """Why, of the last of them; empty before."""

    @property
    def loss(self) -> float:
        """Lost frames as a fraction of all that were sent."""
        sent = self.frames + self.lost
        return self.lost / sent if sent else 0.0


@dataclass(frozen=True)
class SenderReport:
    """What a sender has sent."""

    frames: int
    bytes: int
    pictures: int
    untaken: int
    """Frames the line did not take; what was in them is sent again."""
    unsteady: int
    """Units that changed each time they were looked at."""
    connected: bool
    """Whether there ever was somebody to send to: a connection, a port, an answer over UDP; with a key, a session."""
    heard: float | None
    """Seconds since a receiver was last heard; None before, and where none answers."""
    refused: int
    """Requests and connections that were not let in: of another receiver, without a right MAC, of another version."""
    reason: str
    """Why, of the last of them; empty before."""


class Worker:
    """What a `Mirror` and a `Sender` have in common: a thread with an end, and what it failed with."""

    def __init__(self, name: str) -> None:
        self._end = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def _run(self) -> None:
        raise NotImplementedError

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as problem:  # noqa: BLE001 -- raised again by whoever asks
            self._problem = problem

    @property
    def failed(self) -> BaseException | None:
        """What ended the work before ``close()``, if anything did."""
        return self._problem

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until the work has ended by itself, which only a failure does; False after ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the work. Idempotent.

        Raises:
            CorestateError: what it had failed with.
        """
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(Exception):
                self.close()
