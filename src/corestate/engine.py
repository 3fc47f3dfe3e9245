"""The burst engine's core state: what it is doing, its numbers, its fatigue, its change hashes."""

from __future__ import annotations

import operator
from enum import IntEnum
from struct import pack, unpack
from typing import TYPE_CHECKING, Any

from corestate._binding import HotEngine, check, error, ffi, lib, text
from corestate._shown import shown, typed
from corestate.enums import BurstEngineState, ConnectomeState, GenomeState, ServiceState
from corestate.errors import InvalidError, WrongTypeError

if TYPE_CHECKING:
    from typing_extensions import Self

    from corestate.region import Region

__all__ = ["STATES", "Engine", "from_core", "state_value"]

_KINDS: dict[str, type[IntEnum | bool]] = {
    "burst_state": BurstEngineState,
    "genome_state": GenomeState,
    "connectome_state": ConnectomeState,
    "brain_ready": bool,
    "fq_sampler_state": ServiceState,
    "api_state": ServiceState,
    "zmq_state": ServiceState,
}

STATES: tuple[tuple[str, type[IntEnum | bool]], ...] = tuple(
    (name, _KINDS[name]) for name in (text(lib.cs_engine_state_name(i)) for i in range(lib.CS_STATES))
)
"""Name and type of each state, by the core's number."""

_VALUES: tuple[tuple[Any, ...], ...] = tuple(
    (False, True) if kind is bool else tuple(kind(i) for i in range(lib.cs_engine_state_max(state) + 1))
    for state, (_, kind) in enumerate(STATES)
)

_FIELDS: tuple[tuple[str, int, int], ...] = tuple(
    (text(lib.cs_engine_field_name(field)), field, lib.cs_engine_field_type(field))
    for field in range(lib.CS_ENGINE_FIELDS)
    if lib.cs_engine_field_name(field)
)


def state_value(state: int, number: int) -> Any:
    """What a state's number reads as; an unknown number as the state's zero."""
    values = _VALUES[state] if 0 <= state < len(_VALUES) else ()
    return values[number] if 0 <= number < len(values) else (values[0] if values else number)


class Engine(HotEngine):
    """``state.engine``: each field is a property that reads and writes the region.

    Reading is one atomic load. Setting a number is one atomic store, and adds one to ``version``; nobody is told.
    Setting a state publishes an event (``burst_engine_state_changed`` and so on); state and event are one step: if
    this process is killed in between, whoever comes next publishes it. Setting a state to what it is, is no change.

    Numbers are 0 to 2**64 - 1; percentages (``fatigue_index`` and the ``_util`` fields) 0.0 to 100.0; times are ns
    since the epoch. ``version`` and ``last_modified`` are the core's own and cannot be set; ``agent_count`` is set by
    the registry whenever an agent comes or goes.

    Raises:
        RangeError (negative, beyond 64 bits, a percentage outside 0 to 100), NotANumberError, InvalidError (an unknown
        state), WrongTypeError, ReadOnlyError, DetachedError, BusyError (a living writer of the same state has been
        stopped for a second), ClosedError.
    """

    __slots__ = ("_region",)
    _region: Region

    if TYPE_CHECKING:
        burst_state: BurstEngineState
        """What the burst engine is doing."""
        genome_state: GenomeState
        """Where the genome is between disk and memory."""
        connectome_state: ConnectomeState
        """What is happening to the connectome."""
        brain_ready: bool
        """Whether the brain is ready."""
        fq_sampler_state: ServiceState
        """The FQ sampler."""
        api_state: ServiceState
        """The API."""
        zmq_state: ServiceState
        """The ZMQ service."""

    def __new__(cls, region: Region) -> Self:  # noqa: D102 - made by the StateManager
        self = super().__new__(cls, region.anchor, _VALUES)
        self._region = region
        return self

    def set_state(self, state: int, value: Any, /) -> None:
        """Set a state by the core's number; what assigning to ``burst_state`` and the others calls."""
        code = lib.cs_engine_set_state(self._region.view, state, _number(state, value))
        if code < 0:
            raise error(code, f"engine.{STATES[state][0]}")

    def snapshot(self) -> dict[str, Any]:
        """Every field and state by name, all true at one instant if ``"quiet"`` is True.

        ``"quiet"`` is False when writers never paused for long enough; then each value is true by itself.
        ``"changes"`` has how often each state has changed.
        """
        found = ffi.new("cs_engine_snapshot *")
        check(lib.cs_engine_read(self._region.view, found), "engine.snapshot()")
        return from_core(found)

    def __repr__(self) -> str:
        if self._region.closed:
            return "<Engine closed>"
        return f"<Engine {self.burst_state.name.lower()}, {self.neuron_count} neurons, {self.burst_count} bursts>"


def from_core(found: Any) -> dict[str, Any]:
    """A ``cs_engine_snapshot`` as a dict."""
    shown: dict[str, Any] = {name: state_value(i, found.states[i]) for i, (name, _) in enumerate(STATES)}
    for name, field, kind in _FIELDS:
        bits = int(found.cells[field])
        if kind == lib.CS_TYPE_BOOL:
            shown[name] = bits != 0
        elif kind == lib.CS_TYPE_U64:
            shown[name] = bits
        else:
            (shown[name],) = unpack("=d", pack("=Q", bits))
    shown["changes"] = {name: int(found.changes[i]) for i, (name, _) in enumerate(STATES)}
    shown["quiet"] = bool(found.quiet)
    return shown


def _number(state: int, value: Any) -> int:
    """What a user assigns to a state, as the core's number."""
    name, kind = STATES[state]
    expected = "True or False" if kind is bool else f"a {kind.__name__}: {', '.join(v.name for v in _VALUES[state])}"
    try:
        number = operator.index(value)
    except TypeError:
        raise WrongTypeError.because(
            f"engine.{name}", expected=expected, found=typed(value), advice="pass one of these"
        ) from None
    foreign = isinstance(value, IntEnum) and not isinstance(value, kind)
    if foreign or not 0 <= number < len(_VALUES[state]):
        raise InvalidError.because(f"engine.{name}", expected=expected, found=shown(value), advice="pass one of these")
    return number
