"""A1 to A4: the engine's states, numbers, fatigue and change hashes."""

import math

import numpy as np
import pytest

import corestate
from corestate import BurstEngineState, ConnectomeState, GenomeState, ServiceState

STATES = {
    "burst_state": (BurstEngineState, "burst_engine_state_changed"),
    "genome_state": (GenomeState, "genome_state_changed"),
    "connectome_state": (ConnectomeState, "connectome_state_changed"),
    "fq_sampler_state": (ServiceState, "service_state_changed"),
    "api_state": (ServiceState, "service_state_changed"),
    "zmq_state": (ServiceState, "service_state_changed"),
}
NUMBERS = [
    *("burst_count", "neuron_count", "synapse_count", "cortical_area_count", "memory_usage", "genome_timestamp"),
    *("brain_regions_hash", "cortical_areas_hash", "brain_geometry_hash", "morphologies_hash"),
    *("cortical_mappings_hash", "classifiers_hash", "agent_data_hash"),
]
PERCENTAGES = ["fatigue_index", "regular_neuron_util", "memory_neuron_util", "synapse_util"]


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_set_and_announced(state, reader, name):
    kind, event_kind = STATES[name]
    assert getattr(state.engine, name) is kind(0)
    with state.events.subscribe([event_kind]) as events:
        for value in list(kind)[1:]:
            setattr(state.engine, name, value)
            assert getattr(reader.engine, name) is value
        changes = [event.data for event in events.drain()]
    assert [change["new"] for change in changes] == list(kind)[1:]
    assert [change["old"] for change in changes] == list(kind)[:-1]
    if kind is ServiceState:
        assert {change["service"] for change in changes} == {name}


def test_the_numbers_of_the_states_are_those_of_the_specification():
    assert [s.name for s in BurstEngineState] == (
        ["UNAVAILABLE", "INITIALIZING", "READY", "RUNNING", "PAUSED", "ERROR", "LIGHT_SLEEP", "DEEP_SLEEP"]
    )
    assert [s.name for s in GenomeState] == ["MISSING", "LOADING", "LOADED", "SAVING", "ERROR"]
    assert [s.name for s in ConnectomeState] == [
        "MISSING",
        "INITIALIZING",
        "UPDATING",
        "READY",
        "SNAPSHOTTING",
        "ERROR",
    ]
    assert [s.name for s in ServiceState] == ["UNAVAILABLE", "INITIALIZING", "READY", "DEGRADED", "ERROR"]
    for kind in (BurstEngineState, GenomeState, ConnectomeState, ServiceState):
        assert [int(member) for member in kind] == list(range(len(kind)))


def test_setting_a_state_to_what_it_is_changes_nothing(state):
    state.engine.burst_state = BurstEngineState.READY
    version, newest = state.engine.version, state.events.newest
    state.engine.burst_state = BurstEngineState.READY
    assert (state.engine.version, state.events.newest) == (version, newest)


def test_brain_ready_is_a_bool_with_an_event(state, reader):
    assert reader.engine.brain_ready is False
    with state.events.subscribe("brain_ready_changed") as events:
        state.engine.brain_ready = True
        assert reader.engine.brain_ready is True
        assert events.drain()[0].data == {"old": False, "new": True}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_64_bits(state, reader, name):
    for value in (0, 50_000_000_000, 2**64 - 1):
        setattr(state.engine, name, value)
        assert getattr(reader.engine, name) == value


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, 2**64, 2**200])
def test_numbers_beyond_64_bits_and_below_zero_are_refused(state, name, value):
    setattr(state.engine, name, 7)
    version = state.engine.version
    with pytest.raises(corestate.RangeError) as problem:
        setattr(state.engine, name, value)
    assert isinstance(problem.value, (ValueError, OverflowError))
    assert name in str(problem.value)
    assert (getattr(state.engine, name), state.engine.version) == (7, version)


@pytest.mark.parametrize("value", ["7", None, 1.5])
def test_numbers_of_another_type_are_refused(state, value):
    with pytest.raises(TypeError):
        state.engine.neuron_count = value
    assert state.engine.neuron_count == 0


def test_numpy_integers_are_numbers(state):
    state.engine.neuron_count = np.uint64(2**63)
    assert state.engine.neuron_count == 2**63


@pytest.mark.parametrize("name", PERCENTAGES)
def test_percentages_are_0_to_100(state, reader, name):
    for value in (0.0, 33.25, 100.0):
        setattr(state.engine, name, value)
        assert getattr(reader.engine, name) == value
    for value, error in (
        (100.0000001, corestate.RangeError),
        (-0.1, corestate.RangeError),
        (math.inf, corestate.RangeError),
        (math.nan, corestate.NotANumberError),
    ):
        with pytest.raises(error):
            setattr(state.engine, name, value)
        assert getattr(state.engine, name) == 100.0


def test_the_frequency_is_not_negative_and_a_number(state):
    state.engine.burst_frequency = 40.5
    for value, error in ((-1.0, corestate.RangeError), (math.nan, corestate.NotANumberError)):
        with pytest.raises(error):
            state.engine.burst_frequency = value
    assert state.engine.burst_frequency == 40.5


def test_fatigue_active_is_a_bool(state, reader):
    state.engine.fatigue_active = True
    assert reader.engine.fatigue_active is True
    with pytest.raises((corestate.RangeError, corestate.WrongTypeError)):
        state.engine.fatigue_active = 2
    assert reader.engine.fatigue_active is True


@pytest.mark.parametrize("name", ["version", "last_modified"])
def test_what_the_core_keeps_cannot_be_set(state, name):
    before = getattr(state.engine, name)
    with pytest.raises(AttributeError):
        setattr(state.engine, name, before + 5)
    assert getattr(state.engine, name) == before


@pytest.mark.parametrize("value", [8, -1, 255, 2**32, GenomeState.LOADED, 2**70])
def test_unknown_states_are_refused(state, value):
    state.engine.burst_state = BurstEngineState.RUNNING
    newest = state.events.newest
    with pytest.raises(corestate.InvalidError, match="RUNNING"):
        state.engine.burst_state = value
    assert state.engine.burst_state is BurstEngineState.RUNNING
    assert state.events.newest == newest


@pytest.mark.parametrize("value", ["running", None, 1.0])
def test_states_of_another_type_are_refused(state, value):
    with pytest.raises(corestate.WrongTypeError):
        state.engine.burst_state = value
    assert state.engine.burst_state is BurstEngineState.UNAVAILABLE


def test_a_states_number_is_as_good_as_its_name(state):
    state.engine.burst_state = 3
    assert state.engine.burst_state is BurstEngineState.RUNNING


def test_add_is_atomic_and_returns_the_new_value(state):
    assert state.engine.add("burst_count", 5) == 5
    assert state.engine.add("burst_count") == 6
    assert state.engine.add("burst_count", -6) == 0
    for n, error in ((-1, corestate.RangeError), (2**64, corestate.RangeError), ("x", TypeError)):
        with pytest.raises(error):
            state.engine.add("burst_count", n)
    assert state.engine.burst_count == 0
    state.engine.burst_count = 2**64 - 1
    with pytest.raises(corestate.RangeError):
        state.engine.add("burst_count", 1)
    assert state.engine.burst_count == 2**64 - 1


@pytest.mark.parametrize("name", ["nothing", "burst_frequency", "burst_state", "version", ""])
def test_add_refuses_what_is_no_count(state, name):
    version = state.engine.version
    with pytest.raises((corestate.InvalidError, corestate.NotFoundError)):
        state.engine.add(name, 1)
    assert state.engine.version == version


def test_add_loses_nothing_between_processes(state, child):
    source = """
    import corestate, sys
    with corestate.attach(sys.argv[1]) as state:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(20_000):
            state.engine.add("burst_count", 1)
    """
    children = [child(source, state.address) for _ in range(3)]
    for one in children:
        assert one.line() == "ready"
    for one in children:
        one.tell()
    for one in children:
        one.finish()
    assert state.engine.burst_count == 60_000


def test_every_change_counts_in_the_version_and_sets_the_time(state):
    engine = state.engine
    before, time_before = engine.version, engine.last_modified
    engine.neuron_count = 5
    engine.burst_state = BurstEngineState.READY
    engine.add("burst_count", 1)
    state.areas["v1"].neuron_count = 3
    with state.locks["l"]:
        pass
    assert engine.version >= before + 5
    assert engine.last_modified >= time_before
    assert engine.last_modified > 1_600_000_000 * 10**9
    version = engine.version
    state.counters["c"].add(1)
    state.counters["c"].add(1)
    assert engine.version == version, "named counters leave the version alone"


def test_a_snapshot_has_every_field(state):
    engine = state.engine
    engine.burst_state = BurstEngineState.RUNNING
    engine.synapse_count = 50_000_000_000
    engine.synapse_util = 12.5
    engine.fatigue_active = True
    found = engine.snapshot()
    names = {*STATES, *NUMBERS, *PERCENTAGES, "brain_ready", "fatigue_active", "burst_frequency"}
    assert names | {"agent_count", "version", "last_modified"} <= set(found)
    assert found["burst_state"] is BurstEngineState.RUNNING
    assert (found["synapse_count"], found["synapse_util"], found["fatigue_active"]) == (50_000_000_000, 12.5, True)
    assert found["quiet"] is True
    assert found["changes"]["burst_state"] == 1
    for name in names:
        assert found[name] == getattr(engine, name)


def test_an_observer_cannot_write(state, reader):
    before = state.engine.version
    for change in (
        lambda: setattr(reader.engine, "neuron_count", 1),
        lambda: setattr(reader.engine, "burst_state", BurstEngineState.READY),
        lambda: setattr(reader.engine, "synapse_util", 1.0),
        lambda: reader.engine.add("burst_count", 1),
    ):
        with pytest.raises(corestate.ReadOnlyError) as problem:
            change()
        assert isinstance(problem.value, PermissionError)
    assert state.engine.version == before


def test_there_is_no_other_field(state):
    with pytest.raises(AttributeError):
        state.engine.neurons_count = 5
