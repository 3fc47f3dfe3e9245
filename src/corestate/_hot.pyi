from typing import Any

class Anchor:
    """What hot cells share: where the region's view is, that it stays mapped, and whether it was closed.

    ``view`` is the address of a ``cs_region``; ``keep`` is held as long as any cell lives and must keep both the view
    and the mapped memory alive.
    """

    closed: bool
    """Whether ``close`` was called."""
    def __new__(cls, view: int, keep: object) -> Anchor: ...
    def close(self) -> None:
        """Make every hot cell of this anchor raise ClosedError from now on. Idempotent."""

class HotEngine:
    """The engine's fields as properties under the names the core gives them; base class of ``Engine``.

    ``states[i]`` holds what the values of state ``i`` (``enum cs_engine_state``) read as, from 0 up. Reading is one
    atomic load. Numbers are set here; a state is set by calling ``self.set_state(index, value)``, which a subclass
    provides, since that may block and so must release the GIL. Unsigned fields take ints of 0 to 2**64 - 1; f64 fields
    floats; percentages 0 to 100; bool fields False or True. Fields the core keeps itself have no setter.
    """

    def __new__(cls, anchor: Anchor, states: tuple[tuple[object, ...], ...]) -> HotEngine: ...
    def set_state(self, state: int, value: Any, /) -> None: ...
    def add(self, name: str, n: int = 1, /) -> int:
        """Add n (which may be negative) to an unsigned field by name; the new value. Atomic."""
    agent_count: int
    burst_count: int
    burst_frequency: float
    neuron_count: int
    synapse_count: int
    cortical_area_count: int
    memory_usage: int
    genome_timestamp: int
    fatigue_index: float
    regular_neuron_util: float
    memory_neuron_util: float
    synapse_util: float
    fatigue_active: bool
    @property
    def version(self) -> int: ...
    @property
    def last_modified(self) -> int: ...

class HotCounter:
    """A named counter; base class of ``Counter``."""

    def __new__(cls, anchor: Anchor, handle: int) -> HotCounter: ...
    @property
    def handle(self) -> int: ...
    @property
    def value(self) -> int:
        """What it stands at. Two loads."""
    def add(self, n: int = 1, /) -> int:
        """Add n, which may be negative; the new value. One atomic addition."""
    def set(self, value: int, /) -> None: ...
    def compare_exchange(self, expected: int, desired: int, /) -> bool: ...

class HotGauge:
    """A named gauge; base class of ``Gauge``."""

    def __new__(cls, anchor: Anchor, handle: int) -> HotGauge: ...
    @property
    def handle(self) -> int: ...
    @property
    def value(self) -> float:
        """What it stands at. Two loads."""
    def add(self, n: float = 1.0, /) -> float:
        """Add n; the new value."""
    def set(self, value: float, /) -> None: ...
    def compare_exchange(self, expected: float, desired: float, /) -> bool: ...

def keep_forever(object: object, /) -> None:
    """Never free an object, not even when the interpreter ends and daemon threads still run."""
