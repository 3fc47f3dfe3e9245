"""Who is attached to a region."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from corestate._binding import check, ffi, lib

if TYPE_CHECKING:
    from corestate.region import Region

__all__ = ["Participant", "participant", "participants"]


@dataclass(frozen=True)
class Participant:
    """A process attached to a region for writing, as of the moment it was asked for."""

    id: int
    """What events, agents and locks name as their source or holder; used again after 1,024 uses of its slot."""
    pid: int
    """Its process id, in its own pid namespace; 0 where its slot has been swept already."""
    alive: bool
    """Whether the process lives, asked of the kernel."""
    attached_at: int
    """When it attached, in ns since the epoch; 0 where unknown."""
    me: bool
    """Whether it is this process."""

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict, for JSON."""
        return asdict(self)


def participants(region: Region) -> list[Participant]:
    """Everybody attached for writing, the dead whose slots await the sweep included. O(participants)."""
    info = ffi.new("cs_participant_info *")
    mine = int(lib.cs_participant_self(region.view))
    found = []
    for slot in range(region.config.participants):
        check(lib.cs_participant_get(region.view, slot, info), f"participant {slot}")
        if info.state != lib.CS_PARTICIPANT_FREE:
            found.append(
                Participant(
                    id=int(info.id),
                    pid=int(info.pid),
                    alive=bool(info.state == lib.CS_PARTICIPANT_LIVE),
                    attached_at=int(info.attached_ns),
                    me=bool(info.id == mine),
                )
            )
    return found


def participant(region: Region, wanted: int) -> Participant:
    """One by id; one whose slot has been swept comes back dead and without a pid. O(participants)."""
    for found in participants(region):
        if found.id == wanted:
            return found
    return Participant(id=wanted, pid=0, alive=False, attached_at=0, me=False)
