"""What opening a region gives: everything in it, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate import health, snapshot
from corestate.agents import Agents
from corestate.areas import Areas
from corestate.counters import Counters, Gauges
from corestate.engine import Engine
from corestate.events import Events
from corestate.locks import Locks
from corestate.participants import Participant, participants

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self

    from corestate.config import RegionConfig
    from corestate.health import Health
    from corestate.region import Mode, Region
    from corestate.snapshot import SnapshotInfo

__all__ = ["StateManager"]


class StateManager:
    """The live state in one region. Made by ``corestate.open``, ``create``, ``attach`` and ``restore``.

    Any thread may use it, and so may a child of fork. It is a context manager; leaving it without ``close()`` is no
    error.
    """

    engine: Engine
    """The burst engine's states, numbers, fatigue and change hashes."""
    counters: Counters
    """Named counters."""
    gauges: Gauges
    """Named gauges."""
    areas: Areas
    """Cortical areas."""
    locks: Locks
    """Named locks."""
    agents: Agents
    """The agent registry."""
    events: Events
    """The event log."""
    region: Region
    """Where the bytes live, and this process's attachment to them."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.engine = Engine(region)
        self.counters = Counters(region)
        self.gauges = Gauges(region)
        self.areas = Areas(region)
        self.locks = Locks(region)
        self.agents = Agents(region)
        self.events = Events(region)

    @property
    def address(self) -> str:
        """Where the region lives, in the form ``corestate.open`` takes."""
        return str(self.region.address)

    @property
    def mode(self) -> Mode:
        """``"rw"`` or ``"r"``."""
        return self.region.mode

    @property
    def config(self) -> RegionConfig:
        """How much of everything the region has room for."""
        return self.region.config

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self.region.closed

    def health(self, stale_after: float | None = 30.0) -> Health:
        """How things are: states, numbers, who lives, what is full, lost or held by the dead, and a verdict.

        Works with mode ``"r"`` and changes nothing. O(agents + areas + locks + participants).

        Args:
            stale_after: seconds after which a silent agent counts as stale; None: never.

        Raises:
            RangeError, NotANumberError (stale_after), ClosedError.
        """
        return health.read(self.region, stale_after)

    def participants(self) -> list[Participant]:
        """The processes attached for writing, the dead whose slots await the sweep included. O(participants)."""
        return participants(self.region)

    def snapshot(self, path: str | os.PathLike[str]) -> SnapshotInfo:
        """Write a picture of the region to a file, which is then there as a whole and durably, or not at all.

        In the picture every record is whole and the engine's fields are of one version; it says whether anything
        changed while it was taken. Held locks and participants are of the moment and left out. O(what is there).

        Raises:
            RegionPermissionError, RegionNotFoundError (no such directory), StorageError, BusyError, ClosedError.
        """
        return snapshot.write(self.region, path)

    def close(self) -> None:
        """Let go of the region. Idempotent, does not block, safe while other threads use it.

        Threads waiting in it get ClosedError, and so does every later call; the memory is unmapped at the last
        reference. Locks this process still holds count as a dead holder's. The region itself stays.
        """
        self.region.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.region.size} bytes"
        return f"<StateManager {self.address} mode={self.mode!r} {state}>"
