"""The registry of workers, local or remote."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar, overload

from corestate._arguments import name_bytes, seconds_to_ns
from corestate._binding import error, ffi, lib
from corestate._shown import shown
from corestate.enums import AgentStatus, AgentType
from corestate.errors import InvalidError, NameInvalidError, NotFoundError, StaleError, WrongTypeError
from corestate.participants import participants
from corestate.payload import pack, unpack
from corestate.records import Record

if TYPE_CHECKING:
    import numpy as np

    from corestate.region import Region

__all__ = ["AgentInfo", "Agents"]

D = TypeVar("D")

_INFO = Record(
    "cs_agent_info",
    (
        *("handle", "registered_ns", "last_seen_ns", "changes", "details_version", "type", "status", "participant"),
        *("id_length", "capabilities_length", "transport_length", "metadata_length", "id"),
    ),
)
_ROW = Record(
    "cs_agent_row",
    ("handle", "registered_ns", "last_seen_ns", "type", "status", "participant", "id_length", "id"),
)
_ID = Record("cs_agent_row", ("id_length", "id"))
_TYPES, _STATUSES = tuple(AgentType), tuple(AgentStatus)
_UNSET: Any = object()
_MOST_HANDLES = 65536


@dataclass(frozen=True, repr=False)
class AgentInfo:
    """A frozen picture of an agent that was true at one instant."""

    id: str
    type: AgentType
    status: AgentStatus
    registered_at: int
    """When it registered, in ns since the epoch."""
    last_seen: int
    """Its last sign of life, in ns since the epoch, of a coarse clock (some milliseconds)."""
    participant: int
    """Id of the process that registered it (see ``state.participants()``)."""
    status_changes: int
    """How often its status has changed."""
    details_version: int
    """How often its details have changed."""
    handle: int = field(repr=False)
    """Names this registration: calls given the AgentInfo mean this one, never a later one of the same id."""
    details: tuple[bytes, bytes, bytes] = field(repr=False)
    """Capabilities, transport and metadata as they are in the region: MessagePack, empty where there are none."""

    @property
    def capabilities(self) -> Any:
        """What it can do, as registered; None where nothing was given.

        Decoded at each access; what a peer wrote that is no MessagePack comes as `corestate.payload.Undecodable`.
        """
        return unpack(self.details[0]) if self.details[0] else None

    @property
    def transport(self) -> Any:
        """How to reach it; as ``capabilities``."""
        return unpack(self.details[1]) if self.details[1] else None

    @property
    def metadata(self) -> Any:
        """Anything else; as ``capabilities``."""
        return unpack(self.details[2]) if self.details[2] else None

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict, with the details decoded and names for type and status."""
        return {
            "id": self.id,
            "type": self.type.name.lower(),
            "status": self.status.name.lower(),
            "registered_at": self.registered_at,
            "last_seen": self.last_seen,
            "participant": self.participant,
            "status_changes": self.status_changes,
            "details_version": self.details_version,
            "capabilities": self.capabilities,
            "transport": self.transport,
            "metadata": self.metadata,
        }

    def __repr__(self) -> str:
        return f"<AgentInfo {self.id!r} {self.type.name.lower()}, {self.status.name.lower()}>"


class Agents(Mapping[str, AgentInfo]):
    """``state.agents``: a mapping from agent ids to `AgentInfo`, read-only as a mapping; agents come by ``register``.

    Where an agent is asked for, its id or an AgentInfo will do. An id means whoever has it now; an AgentInfo means the
    very registration it was made from, and is a StaleError once that is gone.

    Look-ups take no lock. Registering and leaving wait for others who do the same.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self._capacity = region.config.agent_details_bytes
        self._handles: dict[str, int] = {}  # a handle never means another agent than it did, so these cannot mislead
        self._buffers: list[tuple[Any, Any, Any, Any]] = []

    # -- changing ----------------------------------------------------------------------------

    def register(
        self,
        id: str,  # noqa: A002 - what an agent's name is called everywhere else
        type: AgentType,  # noqa: A002
        *,
        capabilities: Any = None,
        transport: Any = None,
        metadata: Any = None,
    ) -> AgentInfo:
        """Register an agent; everybody gets an ``agent_registered`` event.

        An agent of this id whose process has ended is taken off first, with an ``agent_deregistered`` event.

        The details are anything MessagePack can carry, together up to ``config.agent_details_bytes``.

        Raises:
            ExistsError: an agent of a living process has the id. FullError. TooBigError (details). NameInvalidError.
            InvalidError (type).
            WrongTypeError, RangeError (details MessagePack cannot carry). ReadOnlyError, DetachedError, ClosedError.
        """
        encoded = name_bytes(id, "agent id")
        number = _number(type, AgentType, "agent type")
        packed = tuple(
            b"" if data is None else pack(data, f"{word} of agent", id)
            for word, data in (("capabilities", capabilities), ("transport", transport), ("metadata", metadata))
        )
        handle = ffi.new("cs_handle *")
        details, _keep = _details(packed)
        code = lib.cs_agent_register(self._region.view, encoded, len(encoded), number, details, handle)
        if code == lib.CS_E_EXISTS and self._take_off_dead(id):
            code = lib.cs_agent_register(self._region.view, encoded, len(encoded), number, details, handle)
        if code < 0:
            raise self._refused(code, id, packed)
        return self._read(self._remember(id, int(handle[0])), id)

    def _take_off_dead(self, id: str) -> bool:  # noqa: A002
        """Take an agent off whose process has ended; whether nobody alive has the id. O(participants)."""
        found = self.get(id)
        if found is None:
            return True
        if any(one.id == found.participant and one.alive for one in participants(self._region)):
            return False
        code = lib.cs_agent_deregister(self._region.view, found.handle, lib.CS_REASON_DEAD)
        return code in (lib.CS_OK, lib.CS_E_STALE)

    def deregister(self, agent: str | AgentInfo) -> None:
        """Take an agent off the registry; everybody gets an ``agent_deregistered`` event.

        Raises:
            NotFoundError: (a KeyError) there is none such. ReadOnlyError, DetachedError, ClosedError.
        """
        self._call(agent, lambda view, handle: lib.cs_agent_deregister(view, handle, lib.CS_REASON_DEREGISTERED))
        self._handles.pop(agent.id if isinstance(agent, AgentInfo) else agent, None)

    def heartbeat(self, agent: str | AgentInfo) -> None:
        """A sign of life: ``last_seen`` becomes now. No event; ``engine.version`` stands. Two loads and a store.

        Raises:
            NotFoundError: (a KeyError) there is none such. ReadOnlyError, ClosedError.
        """
        known = isinstance(agent, str) and self._handles.get(agent)
        handle = agent.handle if isinstance(agent, AgentInfo) else known or None
        if handle is None or lib.cs_agent_heartbeat(self._region.view, handle) < 0:
            self._call(agent, lib.cs_agent_heartbeat)

    def set_status(self, agent: str | AgentInfo, status: AgentStatus) -> bool:
        """Move an agent along its lifecycle; False when it had that status already, and so nothing happened.

        Everybody gets an ``agent_status_changed`` event, also if this process is killed in the middle.

        Raises:
            TransitionError: (a ValueError) the lifecycle has no such transition; failed and cancelled are final.
            NotFoundError, InvalidError, ReadOnlyError, DetachedError, BusyError, ClosedError.
        """
        number = _number(status, AgentStatus, "agent status")
        changed = ffi.new("uint32_t *")
        self._call(agent, lambda view, handle: lib.cs_agent_set_status(view, handle, number, changed))
        return bool(changed[0])

    def update(
        self, agent: str | AgentInfo, *, capabilities: Any = _UNSET, transport: Any = _UNSET, metadata: Any = _UNSET
    ) -> AgentInfo:
        """Replace details; what is not given stays as it is. Readers see all of the change or nothing of it.

        Of two processes that update the same agent at once the later one wins as a whole.

        Raises:
            NotFoundError, TooBigError, WrongTypeError, RangeError, InvalidError, ReadOnlyError, DetachedError.
        """
        current = self._info(agent)
        given = (("capabilities", capabilities), ("transport", transport), ("metadata", metadata))
        packed = tuple(
            had if data is _UNSET else b"" if data is None else pack(data, f"{word} of agent", current.id)
            for had, (word, data) in zip(current.details, given, strict=True)
        )
        details, _keep = _details(packed)
        code = lib.cs_agent_set_details(self._region.view, current.handle, details)
        if code < 0:
            raise self._refused(code, current.id, packed)
        return self._read(current.handle, current.id)

    def reap(self, older_than: float | None = None, *, dead: bool = True) -> int:
        """Take off the silent and the dead; each leaves with an ``agent_deregistered`` event that says which.

        Args:
            older_than: seconds; agents not seen for longer are silent. None: silence is no reason.
            dead: whether to take off agents whose registering process has been killed.

        Returns:
            How many were taken off. O(agents).

        Raises:
            RangeError, NotANumberError (older_than), ReadOnlyError, DetachedError, ClosedError.
        """
        code = lib.cs_agents_reap(self._region.view, seconds_to_ns(older_than, "older_than"), 1 if dead else 0)
        if code < 0:
            raise error(code, "reaping agents")
        return int(code)

    # -- reading -----------------------------------------------------------------------------

    @overload
    def get(self, id: str) -> AgentInfo | None: ...
    @overload
    def get(self, id: str, default: D) -> AgentInfo | D: ...
    def get(self, id: str, default: Any = None) -> Any:  # noqa: A002
        """The agent of this id as it is now, or ``default`` (None) if there is none. Lock-free."""
        try:
            handle = self._handles.get(id)
        except TypeError:
            name_bytes(id, "agent id")
            raise
        if handle is not None:
            try:
                return self._read(handle, id)
            except StaleError:
                self._handles.pop(id, None)
        handle = self._find(id)
        if handle is not None:
            try:
                return self._read(handle, id)
            except StaleError:
                pass
        return default

    def __getitem__(self, id: str) -> AgentInfo:  # noqa: A002
        """The agent of this id as it is now.

        Raises:
            NotFoundError: (a KeyError) there is none such.
        """
        found = self.get(id)
        if found is None:
            raise _unknown(id)
        return found

    def __contains__(self, id: object) -> bool:  # noqa: A002
        try:
            return isinstance(id, str) and self._find(id) is not None
        except NameInvalidError:
            return False

    def __len__(self) -> int:
        count = ffi.new("uint32_t *")
        code = lib.cs_names_count(self._region.view, lib.CS_SECTION_AGENTS, count)
        if code < 0:
            raise error(code, "agents")
        return int(count[0])

    def __iter__(self) -> Iterator[str]:
        """The ids of all agents registered now, as of the call. O(agents)."""
        rows, count = self._export()
        for length, raw in _ID.unpack_all(ffi.buffer(rows)[: count * _ID.size]):
            yield raw[:length].decode("utf-8", "replace")

    def items(self) -> ItemsView[str, AgentInfo]:
        """Ids with agents; one that leaves while this goes on is left out. O(agents)."""
        return _Items(self)

    def values(self) -> ValuesView[AgentInfo]:
        """All agents; one that leaves while this goes on is left out. O(agents)."""
        return _Values(self)

    def array(self) -> np.ndarray[Any, np.dtype[Any]]:
        """A copy of the registry as a NumPy structured array, each row whole. O(agents).

        Fields: ``handle``, ``registered_ns``, ``last_seen_ns`` (u8), ``type``, ``status``, ``participant``,
        ``id_length`` (u4), ``id`` (S64, UTF-8).
        """
        import numpy as np

        dtype = _ROW.dtype()
        capacity, most = len(self) + 16, self._region.config.agents
        while True:
            capacity = min(capacity, most)
            rows = np.empty(capacity, dtype)
            count = self._export_into(ffi.from_buffer(rows), capacity) if capacity else 0
            if count < capacity or capacity == most:
                return rows[:count]
            capacity *= 2  # more came meanwhile

    # -- how ---------------------------------------------------------------------------------

    def _export(self) -> tuple[Any, int]:
        capacity, most = len(self) + 16, self._region.config.agents
        while True:
            capacity = min(capacity, most)
            rows = ffi.new("cs_agent_row[]", capacity)
            count = self._export_into(rows, capacity) if capacity else 0
            if count < capacity or capacity == most:
                return rows, count
            capacity *= 2

    def _export_into(self, rows: Any, capacity: int) -> int:
        count = ffi.new("uint32_t *")
        code = lib.cs_agents_export(self._region.view, ffi.cast("cs_agent_row *", rows), capacity, count)
        if code < 0:
            raise error(code, "agents")
        return int(count[0])

    def _find(self, id: str) -> int | None:  # noqa: A002
        encoded = name_bytes(id, "agent id")
        handle = ffi.new("cs_handle *")
        code = lib.cs_agent_find(self._region.view, encoded, len(encoded), handle)
        if code == lib.CS_E_NOT_FOUND:
            return None
        if code < 0:
            raise error(code, f"agent {id!r:.100}")
        return self._remember(id, int(handle[0]))

    def _remember(self, id: str, handle: int) -> int:  # noqa: A002
        if len(self._handles) >= _MOST_HANDLES:
            self._handles.clear()
        self._handles[id] = handle
        return handle

    def _info(self, agent: str | AgentInfo) -> AgentInfo:
        return self._read(agent.handle, agent.id) if isinstance(agent, AgentInfo) else self[agent]

    def _call(self, agent: str | AgentInfo, call: Any) -> None:
        """Make a call with an agent's handle; one remembered for an id is looked up again once it is stale."""
        if isinstance(agent, AgentInfo):
            name: str = agent.id
            code = call(self._region.view, agent.handle)
        else:
            name = agent
            handle = self._find(name)
            if handle is None:
                raise _unknown(name)
            code = call(self._region.view, handle)
            if code == lib.CS_E_STALE:
                raise _unknown(name)
        if code < 0:
            raise error(code, f"agent {name!r:.100}")

    def _read(self, handle: int, id: str) -> AgentInfo:  # noqa: A002
        try:
            buffers = self._buffers.pop()  # atomic, so that no buffer is used twice at once
        except IndexError:
            info, space = ffi.new("cs_agent_info *"), ffi.new("unsigned char[]", max(self._capacity, 1))
            buffers = (info, ffi.buffer(info), space, ffi.buffer(space))
        info, image, space, details = buffers
        code = lib.cs_agent_get(self._region.view, handle, info, space, self._capacity)
        if code < 0:
            raise error(code, f"agent {id!r:.100}")
        got, registered, seen, changes, version, kind, status, participant, _, a, b, c, _ = _INFO.unpack(image)
        agent = object.__new__(AgentInfo)  # a frozen dataclass's own __init__ takes five times as long
        agent.__dict__.update(
            id=id,
            type=_TYPES[kind] if kind < len(_TYPES) else _TYPES[0],
            status=_STATUSES[status] if status < len(_STATUSES) else _STATUSES[0],
            registered_at=registered,
            last_seen=seen,
            participant=participant,
            status_changes=changes,
            details_version=version,
            handle=got,
            details=(details[:a], details[a : a + b], details[a + b : a + b + c]),
        )
        self._buffers.append(buffers)
        return agent

    def _refused(self, code: int, id: str, packed: tuple[bytes, ...]) -> Exception:  # noqa: A002
        if code == lib.CS_E_TOO_BIG:
            return error(
                code,
                f"details of agent {id!r:.100}",
                expected=f"at most {self._capacity} bytes of MessagePack for all details together",
                found=f"{sum(map(len, packed))} bytes",
                advice="keep them short, or make the region with more RegionConfig(agent_details_bytes=...)",
            )
        if code == lib.CS_E_EXISTS:
            return error(code, f"agent {id!r:.100}", expected="an id nobody has", found="that it is registered already")
        return error(code, f"agent {id!r:.100}")

    def __repr__(self) -> str:
        return "<Agents closed>" if self._region.closed else f"<Agents {len(self)} of {self._region.address}>"

    __hash__ = None  # type: ignore[assignment]


class _Items(ItemsView[str, AgentInfo]):
    _mapping: Agents

    def __iter__(self) -> Iterator[tuple[str, AgentInfo]]:
        for found in self._mapping.values():
            yield found.id, found


class _Values(ValuesView[AgentInfo]):
    """As the standard view, which raises when an agent leaves between its id and the look at it."""

    _mapping: Agents

    def __iter__(self) -> Iterator[AgentInfo]:
        for name in self._mapping:
            found = self._mapping.get(name)
            if found is not None:
                yield found


def _unknown(id: object) -> NotFoundError:  # noqa: A002
    return NotFoundError.because(
        f"agent {id!r:.100}", expected="a registered agent", found="none of this id", advice="register it first"
    )


def _details(packed: tuple[bytes, ...]) -> tuple[Any, Any]:
    """A ``cs_details *``, or NULL where there are none, and what must be kept alive with it."""
    if not any(packed):
        return ffi.NULL, None
    details = ffi.new("cs_details *")
    keep = [ffi.from_buffer(part) for part in packed]
    details.capabilities, details.transport, details.metadata = keep
    details.capabilities_length, details.transport_length, details.metadata_length = map(len, packed)
    return details, keep


def _number(value: Any, kind: type[IntEnum], what: str) -> int:
    if isinstance(value, kind):
        return int(value)
    try:
        number = -1 if isinstance(value, IntEnum) else operator.index(value)  # another enum's member is a mistake
    except TypeError:
        number = None
    if number is not None and 0 <= number < len(kind):
        return number
    wrong = WrongTypeError if number is None else InvalidError
    expected = f"a {kind.__name__}: {', '.join(kind.__members__)}"
    raise wrong.because(what, expected=expected, found=shown(value), advice="pass one of these")
