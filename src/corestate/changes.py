"""What the core's own events carry, as dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._binding import lib
from corestate.areas import FIELDS
from corestate.engine import STATES, state_value
from corestate.enums import AgentStatus, AgentType, DeregisterReason
from corestate.payload import Undecodable
from corestate.records import Record

if TYPE_CHECKING:
    from enum import IntEnum

__all__ = ["Change", "decode"]

_CHANGE = Record("cs_change", ("subject", "old_value", "new_value", "change", "table"))

_STATE_OF = {
    lib.CS_KIND_BURST_ENGINE_STATE_CHANGED: lib.CS_STATE_BURST,
    lib.CS_KIND_GENOME_STATE_CHANGED: lib.CS_STATE_GENOME,
    lib.CS_KIND_CONNECTOME_STATE_CHANGED: lib.CS_STATE_CONNECTOME,
    lib.CS_KIND_BRAIN_READY_CHANGED: lib.CS_STATE_BRAIN_READY,
}


class Change(dict[str, Any]):
    """The data of one of the core's own events: a dict that prints as ``old=READY new=RUNNING``.

    | kind | keys |
    |---|---|
    | ``burst_engine_state_changed`` | ``old``, ``new``: BurstEngineState |
    | ``genome_state_changed`` | ``old``, ``new``: GenomeState |
    | ``connectome_state_changed`` | ``old``, ``new``: ConnectomeState |
    | ``brain_ready_changed`` | ``old``, ``new``: bool |
    | ``service_state_changed`` | ``service`` ("fq_sampler_state", ...), ``old``, ``new``: ServiceState |
    | ``agent_registered`` | ``id``, ``type``: AgentType |
    | ``agent_deregistered`` | ``id``, ``type``, ``reason``: DeregisterReason |
    | ``agent_status_changed`` | ``id``, ``old``, ``new``: AgentStatus |
    | ``lock_inherited`` | ``name``, ``area`` (whether it is an area's), ``dead``, ``taker``: participant ids |
    | ``area_changed`` | ``name``, ``field`` |
    | ``budget_warning`` | ``name``, ``percent`` spent |

    An id or name is cut short where the region's ``event_bytes`` have no room for all of it.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return " ".join(f"{key}={getattr(value, 'name', value)}" for key, value in self.items())


def decode(kind: int, data: bytes) -> Change | Undecodable:
    """The data of a built-in event. Bytes that no core of ours wrote come back as they are."""
    if len(data) < _CHANGE.size:
        return Undecodable(data)
    subject, old, new, _, table = _CHANGE.unpack(data)
    if kind in _STATE_OF:
        state = _STATE_OF[kind]
        return Change(old=state_value(state, old), new=state_value(state, new))
    if kind == lib.CS_KIND_SERVICE_STATE_CHANGED:
        if subject >= len(STATES):
            return Undecodable(data)
        return Change(service=STATES[subject][0], old=state_value(subject, old), new=state_value(subject, new))
    name = data[_CHANGE.size :].decode("utf-8", "replace")
    if kind == lib.CS_KIND_AGENT_REGISTERED:
        return Change(id=name, type=_member(AgentType, new))
    if kind == lib.CS_KIND_AGENT_DEREGISTERED:
        return Change(id=name, type=_member(AgentType, old), reason=_member(DeregisterReason, new))
    if kind == lib.CS_KIND_AGENT_STATUS_CHANGED:
        return Change(id=name, old=_member(AgentStatus, old), new=_member(AgentStatus, new))
    if kind == lib.CS_KIND_LOCK_INHERITED:
        return Change(name=name, area=table == lib.CS_SECTION_AREAS, dead=old, taker=new)
    if kind == lib.CS_KIND_AREA_CHANGED:
        return Change(name=name, field=FIELDS[old] if old < len(FIELDS) else "")
    if kind == lib.CS_KIND_BUDGET_WARNING:
        return Change(name=name, percent=new)
    return Undecodable(data)


def _member(kind: type[IntEnum], number: int) -> IntEnum:
    """An unknown number reads as zero, as everywhere."""
    return kind(number) if number < len(kind) else kind(0)
