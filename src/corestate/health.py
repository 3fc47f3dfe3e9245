"""One call that says how things are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from corestate._arguments import seconds_to_ns
from corestate._binding import check, ffi, lib, text
from corestate._reserved import ROOM
from corestate.engine import from_core
from corestate.enums import Verdict

if TYPE_CHECKING:
    from corestate.region import Region

__all__ = ["Health", "Use", "read", "with_reasons"]


@dataclass(frozen=True)
class Use:
    """How full a table is."""

    used: int
    capacity: int

    def __str__(self) -> str:
        return f"{self.used} of {self.capacity}"


@dataclass(frozen=True)
class Health:
    """How a region is, as of one moment."""

    verdict: Verdict
    """``OK``, ``DEGRADED`` or ``FAILED``."""
    reasons: tuple[str, ...]
    """Why, by the core's names, such as ``"dead_participants"``; empty when all is well.

    Of the store: ``"store_gone"`` (the one this region was used with is not there any more: failed) and
    ``"store_went_back"`` (it has less than had been committed, as an older copy has: degraded until ``adopt``)."""
    time_ns: int
    """When, in ns since the epoch."""
    engine: dict[str, Any]
    """Every state and number of the engine, as ``state.engine.snapshot()``."""
    participants: Use
    """Processes attached for writing and alive."""
    participants_dead: int
    """Killed, and not swept yet."""
    agents: Use
    agents_stale: int
    """Not seen for longer than was asked about."""
    agents_dead: int
    """Registered by a process that was killed, and not reaped yet."""
    areas: Use
    counters: Use
    gauges: Use
    locks: Use
    locks_held: int
    """Named and area locks together."""
    locks_dead: int
    """Held by a process that was killed, and not taken over yet."""
    events_newest: int
    """Sequence of the newest event."""
    events_depth: int
    """Events that can still be read."""
    events_capacity: int
    events_lost: int
    """Overwritten before a reader came to them, over all readers that may write, since the region was made."""
    events_holes: int
    """Positions whose producer was killed or stood still, since the region was made."""
    link_age: float
    """Of a mirror: seconds since its source was last heard; 0 in every other region."""
    link_loss: float
    """Of a mirror: frames lost on the line, as a fraction of all that were sent; 0 in every other region."""

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict for JSON: enums as lower-case names, `Use` as ``{"used", "capacity"}``."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Use):
        return {"used": value.used, "capacity": value.capacity}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    name = getattr(value, "name", None)
    return name.lower() if isinstance(name, str) else value


def _reasons(bits: int) -> tuple[str, ...]:
    single = (1 << i for i in range(32))
    return tuple(text(lib.cs_health_reason_name(bit)) or f"reason-{bit}" for bit in single if bits & bit)


def with_reasons(health: Health, reasons: tuple[str, ...]) -> Health:
    """The same with what is to be said of the store."""
    if not reasons:
        return health
    worst = Verdict.FAILED if "store_gone" in reasons else max(health.verdict, Verdict.DEGRADED)
    return replace(health, verdict=worst, reasons=health.reasons + reasons)


def read(region: Region, stale_after: float | None = 30.0) -> Health:
    """Take stock; works read-only and changes nothing. O(agents + areas + locks + participants).

    Args:
        region: attached in any mode.
        stale_after: seconds after which a silent agent counts as stale; None: never.
    """
    found = ffi.new("cs_health *")
    check(lib.cs_health_read(region.view, seconds_to_ns(stale_after, "stale_after"), found), "health")

    def use(name: str) -> Use:
        own = ROOM.get(name, 0) if region.reserved else 0  # the user's own, as RegionConfig has it
        return Use(max(0, int(getattr(found, name)) - own), int(getattr(found, f"{name}_capacity")) - own)

    return Health(
        verdict=Verdict(found.verdict),
        reasons=_reasons(int(found.reasons)),
        time_ns=int(found.time_ns),
        engine=from_core(found.engine),
        participants=Use(int(found.participants_live), int(found.participants_capacity)),
        participants_dead=int(found.participants_dead),
        agents=use("agents"),
        agents_stale=int(found.agents_stale),
        agents_dead=int(found.agents_dead),
        areas=use("areas"),
        counters=use("counters"),
        gauges=use("gauges"),
        locks=use("locks"),
        locks_held=int(found.locks_held),
        locks_dead=int(found.locks_dead),
        events_newest=int(found.events_newest),
        events_depth=int(found.events_depth),
        events_capacity=int(found.events_capacity),
        events_lost=int(found.events_lost),
        events_holes=int(found.events_holes),
        link_age=int(found.link_age_ns) / 1e9,
        link_loss=int(found.link_loss) / 1e6,
    )
