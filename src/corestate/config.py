"""How much of everything a region has room for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from corestate._binding import ffi, lib, text
from corestate._reserved import ROOM
from corestate._shown import shown
from corestate.errors import InvalidError, RangeError

__all__ = ["RegionConfig"]

_DEFAULT = ffi.new("cs_config *")
lib.cs_config_default(_DEFAULT)

_BOUNDS = {
    "agents": "0 to 16777216",
    "areas": "0 to 16777216",
    "counters": "0 to 16777216",
    "gauges": "0 to 16777216",
    "locks": "0 to 16777216",
    "events": "a power of two, 2 to 16777216",
    "event_bytes": "a multiple of 8, 24 to 32768",
    "event_kinds": "0 to 4096",
    "participants": "1 to 4095",
    "agent_details_bytes": "a multiple of 8, 0 to 65528",
    "key_bytes": "16, 32, 48 or 64",
    "line_bytes": "8, 16, 32, 64 or 128",
    "fcl_window": "0 to 4294967295",
    "budgets": "0 to 16777216",
    "reservations": "0 to 1048576",
    "values": "a multiple of 8, 0 to 16777216",
    "value_bytes": "a multiple of 8, 8 to 32768",
    "permissions": "file permission bits, 0o000 to 0o777",
}


@dataclass(frozen=True)
class RegionConfig:
    """Sizes every section of a region; fixed when the region is made.

    What the durable parts need comes on top: a few counters and two locks, whose names begin with ``corestate:``. They
    are made with the region, counted in its ``size``, and not listed among the user's. In a region that C or JavaScript
    made they are taken of the room it has. The kinds of events of the durable parts are built in.

    Attaching takes what the region has. A configuration given explicitly is compared with it, and a difference is a
    ``ConfigMismatchError`` that lists the fields.

    Raises:
        RangeError: A value is outside its bounds; the message names the field and the bounds.
        InvalidError: A value is not an int.
    """

    agents: int = _DEFAULT.agents
    """Agents registered at once."""
    areas: int = _DEFAULT.areas
    """Cortical areas."""
    counters: int = _DEFAULT.counters
    """Named counters."""
    gauges: int = _DEFAULT.gauges
    """Named gauges."""
    locks: int = _DEFAULT.locks
    """Named locks (an area's lock is the area's)."""
    events: int = _DEFAULT.events
    """Slots of the event ring, a power of two: how far a slow subscriber may fall behind without loss."""
    event_bytes: int = _DEFAULT.event_bytes
    """Bytes of data an event can carry."""
    event_kinds: int = _DEFAULT.event_kinds
    """User-defined kinds of events."""
    participants: int = _DEFAULT.participants
    """Processes attached for writing at once."""
    agent_details_bytes: int = _DEFAULT.agent_details_bytes
    """Bytes an agent's capabilities, transport and metadata may take together, as MessagePack."""
    permissions: int = 0o600
    """Permission bits of the file or shared memory, whatever the umask; ``0o660`` lets the group share it."""
    fcl_window: int = _DEFAULT.fcl_window
    """FCL window size a new area starts with."""
    key_bytes: int = _DEFAULT.key_bytes
    """Bytes kept for a name; the longest name is one byte shorter."""
    line_bytes: int = _DEFAULT.line_bytes
    """Slots are padded to this; 8 saves memory on boards without a cache."""
    budgets: int = _DEFAULT.budgets
    """Budgets that processes spend from together."""
    reservations: int = _DEFAULT.reservations
    """Reservations open at once, of all budgets together."""
    values: int = _DEFAULT.values
    """Hot values kept above a store, a multiple of 8."""
    value_bytes: int = _DEFAULT.value_bytes
    """Bytes a hot value and its key may take together."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise InvalidError.because(
                    f"RegionConfig({field.name}=...)",
                    expected=f"an int: {_BOUNDS[field.name]}",
                    found=shown(value),
                    advice="pass an int",
                )
            most = 0o777 if field.name == "permissions" else 0xFFFFFFFF
            if not 0 <= value <= most:
                raise self._outside(field.name)
        name = ffi.new("const char **")
        if lib.cs_config_check(self._plain(), name) < 0 or lib.cs_config_check(self.to_core(), name) < 0:
            raise self._outside(text(name[0]))

    def _outside(self, field: str) -> RangeError:
        return RangeError.because(
            f"RegionConfig({field}=...)",
            expected=_BOUNDS[field],
            found=str(getattr(self, field)),
            advice="choose a value within the bounds",
        )

    @property
    def size(self) -> int:
        """Bytes a region of this configuration takes. O(1)."""
        return int(lib.cs_region_size(self.to_core()))

    def to_core(self) -> Any:
        """What the core is asked for, as a ``cs_config *``: this, and room for the names of the durable parts."""
        config = self._plain()
        for name, more in ROOM.items():
            setattr(config, name, min(getattr(self, name) + more, _MOST))
        return config

    def _plain(self) -> Any:
        config = ffi.new("cs_config *")
        for name in CORE_FIELDS:
            setattr(config, name, getattr(self, name))
        return config

    @classmethod
    def from_core(cls, config: Any, permissions: int, *, reserved: bool = False) -> RegionConfig:
        """From a ``cs_config`` and permission bits.

        Args:
            config: of a region or a snapshot.
            permissions: of its file.
            reserved: whether the region was made with room for the names of the durable parts, which are not counted.
        """
        found = cls(permissions=permissions, **{name: int(getattr(config, name)) for name in CORE_FIELDS})
        return found.without_names() if reserved else found

    def without_names(self) -> RegionConfig:
        """The same without what is there for the names of the durable parts."""
        return replace(self, **{name: max(0, getattr(self, name) - more) for name, more in ROOM.items()})

    def made(self, config: Any, *, reserved: bool) -> bool:
        """Whether a region with this ``cs_config`` is one that this configuration makes, permissions aside."""
        wanted = self.to_core() if reserved else self._plain()
        return all(int(getattr(config, name)) == int(getattr(wanted, name)) for name in CORE_FIELDS)

    def differences(self, other: RegionConfig) -> dict[str, tuple[int, int]]:
        """Fields in which two configurations differ: name to (this one's, the other's)."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


_MOST = 1 << 24
CORE_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(RegionConfig) if field.name != "permissions")
"""The fields the core knows too."""
