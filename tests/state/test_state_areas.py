"""A6: cortical areas."""

import pytest

import corestate
from corestate import RegionConfig


def test_an_area_has_its_numbers(state, reader):
    area = state.areas["v1"]
    assert area.snapshot() == {
        "neuron_count": 0,
        "incoming_synapse_count": 0,
        "outgoing_synapse_count": 0,
        "fcl_window": 20,
    }
    area.neuron_count = 50_000_000_000
    area.incoming_synapse_count = 2**64 - 1
    area.outgoing_synapse_count = 7
    area.fcl_window = 2**32 - 1
    seen = reader.areas["v1"]
    assert (seen.neuron_count, seen.incoming_synapse_count) == (50_000_000_000, 2**64 - 1)
    assert (seen.outgoing_synapse_count, seen.fcl_window) == (7, 2**32 - 1)


def test_the_region_says_which_window_a_new_area_has(tmp_path):
    with corestate.create(tmp_path / "r", config=RegionConfig(fcl_window=50)) as state:
        assert state.areas["v1"].fcl_window == 50


def test_areas_are_found_by_name_or_index(state):
    v1, v2 = state.areas["v1"], state.areas["v2"]
    assert (v1.index, v2.index) == (0, 1)
    assert state.areas[1].name == "v2"
    assert state.areas.get(0).name == "v1"
    assert 1 in state.areas
    for index in (2, -1, 2**40):
        assert index not in state.areas
        assert state.areas.get(index) is None
        with pytest.raises(KeyError):
            state.areas[index]
    assert len(state.areas) == 2
    with pytest.raises(TypeError):
        state.areas[1.5]


def test_add_is_atomic_and_never_goes_below_zero(state):
    area = state.areas["v1"]
    assert area.add("neuron_count", 5) == 5
    assert area.add("neuron_count") == 6
    assert area.add("neuron_count", -6) == 0
    for n in (-1, 2**63, -(2**64)):
        with pytest.raises(corestate.RangeError):
            area.add("neuron_count", n)
    with pytest.raises(corestate.WrongTypeError):
        area.add("neuron_count", 1.5)
    with pytest.raises(corestate.InvalidError, match="neuron_count"):
        area.add("neurons", 1)
    area.outgoing_synapse_count = 2**64 - 1
    with pytest.raises(corestate.RangeError):
        area.add("outgoing_synapse_count", 1)
    assert area.snapshot()["neuron_count"] == 0
    assert area.outgoing_synapse_count == 2**64 - 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("neuron_count", -1), ("neuron_count", 2**64), ("fcl_window", 2**32), ("fcl_window", -1)],
)
def test_numbers_outside_their_range_are_refused(state, field, value):
    area = state.areas["v1"]
    before, newest = area.snapshot(), state.events.newest
    with pytest.raises(corestate.RangeError):
        setattr(area, field, value)
    assert (area.snapshot(), state.events.newest) == (before, newest)


def test_a_change_is_an_event(state):
    area = state.areas["v1"]
    with state.events.subscribe("area_changed") as events:
        area.fcl_window = 30
        area.add("neuron_count", 2)
        assert [event.data for event in events.drain()] == [
            {"name": "v1", "field": "fcl_window"},
            {"name": "v1", "field": "neuron_count"},
        ]


def test_a_removed_area_is_stale(state):
    area, lock = state.areas["v1"], state.areas["v1"].lock
    del state.areas["v1"]
    for act in (
        lambda: area.neuron_count,
        lambda: setattr(area, "neuron_count", 1),
        lambda: area.add("neuron_count", 1),
        lambda: lock.acquire(),
        lambda: lock.locked(),
    ):
        with pytest.raises(corestate.StaleError):
            act()
    assert "removed" in repr(area)
    assert state.areas["v2"].index == 0, "its slot is used again"
    with pytest.raises(corestate.StaleError):
        area.snapshot()


def test_an_area_whose_lock_is_held_cannot_be_removed(state, child):
    holder = child(
        """
        import corestate, sys
        with corestate.attach(sys.argv[1]) as state, state.areas["v1"].lock:
            print("held", flush=True)
            sys.stdin.readline()
        """,
        state.address,
    )
    assert holder.line() == "held"
    with pytest.raises(corestate.BusyError):
        del state.areas["v1"]
    assert "v1" in state.areas
    holder.tell()
    holder.finish()
    del state.areas["v1"]
    assert "v1" not in state.areas


def test_an_observer_cannot_change_an_area(state, reader):
    state.areas["v1"]
    area = reader.areas["v1"]
    for act in (
        lambda: setattr(area, "neuron_count", 1),
        lambda: area.add("neuron_count", 1),
        lambda: area.lock.acquire(),
    ):
        with pytest.raises(corestate.ReadOnlyError):
            act()
    assert state.areas["v1"].neuron_count == 0
