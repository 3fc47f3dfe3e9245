from typing_extensions import Self

from corestate.enums import BurstEngineState, ConnectomeState, GenomeState, ServiceState

# What hot cells share. `view` is the address of a cs_region; `keep` must keep it and the mapped memory valid, `alive`
# the region attached. After close() every cell of the anchor raises ClosedError.
class Anchor:
    def __new__(cls, view: int, keep: object, alive: object) -> Self: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...

# The engine's fields as properties under the names the core gives them; base class of Engine. Reading is one atomic
# load. `states[i]` holds what the values of state i (enum cs_engine_state) read as, from 0 up. A state is set by
# calling `self.set_state(index, value)`, a method the subclass has, since that may block and must release the GIL.
# Unsigned fields take ints of 0 to 2**64 - 1; f64 fields floats; percentages 0 to 100; bool fields False or True.
class HotEngine:
    def __new__(cls, anchor: Anchor, states: tuple[tuple[object, ...], ...]) -> Self: ...
    # Add n, which may be negative, to an unsigned field by name; the new value. Atomic.
    def add(self, name: str, n: int = 1) -> int: ...
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
    brain_regions_hash: int
    cortical_areas_hash: int
    brain_geometry_hash: int
    morphologies_hash: int
    cortical_mappings_hash: int
    classifiers_hash: int
    agent_data_hash: int
    burst_state: BurstEngineState
    genome_state: GenomeState
    connectome_state: ConnectomeState
    brain_ready: bool
    fq_sampler_state: ServiceState
    api_state: ServiceState
    zmq_state: ServiceState
    @property
    def version(self) -> int: ...
    @property
    def last_modified(self) -> int: ...

# A named counter; base class of Counter. `value` is two loads, `add` (the new value) one atomic addition.
class HotCounter:
    def __new__(cls, anchor: Anchor, handle: int) -> Self: ...
    @property
    def handle(self) -> int: ...
    @property
    def value(self) -> int: ...
    def add(self, n: int = 1) -> int: ...
    def set(self, value: int, /) -> None: ...
    def compare_exchange(self, expected: int, desired: int) -> bool: ...

# A named gauge; base class of Gauge.
class HotGauge:
    def __new__(cls, anchor: Anchor, handle: int) -> Self: ...
    @property
    def handle(self) -> int: ...
    @property
    def value(self) -> float: ...
    def add(self, n: float = 1.0) -> float: ...
    def set(self, value: float, /) -> None: ...
    def compare_exchange(self, expected: float, desired: float) -> bool: ...

# Give a view's participant slot back when no Python code can run any more; `keep` is never freed.
def detach_at_end(view: int, keep: object, /) -> None: ...
