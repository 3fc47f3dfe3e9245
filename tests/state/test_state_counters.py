"""A5: named counters and gauges, and all of them as one array."""

import math
import threading

import numpy as np
import pytest

import corestate


def test_counters_come_into_being_on_first_use_and_are_shared(state, reader):
    counter = state.counters["spikes"]
    assert counter.value == 0
    assert counter.name == "spikes"
    assert counter.add(5) == 5
    assert counter.add() == 6
    assert counter.add(-2) == 4
    counter.set(2**64 - 1)
    assert reader.counters["spikes"].value == 2**64 - 1


def test_gauges_are_floats(state, reader):
    gauge = state.gauges["load"]
    assert gauge.value == 0.0
    gauge.set(0.25)
    assert gauge.add(0.5) == 0.75
    assert gauge.add() == 1.75
    gauge.set(-math.inf)
    assert reader.gauges["load"].value == -math.inf


def test_compare_exchange_happens_once(state):
    counter, gauge = state.counters["c"], state.gauges["g"]
    assert counter.compare_exchange(0, 7) is True
    assert counter.compare_exchange(0, 9) is False
    assert counter.value == 7
    assert gauge.compare_exchange(0.0, 1.5) is True
    assert gauge.compare_exchange(0.0, 2.5) is False
    assert gauge.value == 1.5


@pytest.mark.parametrize(
    "act", [lambda c: c.set(-1), lambda c: c.set(2**64), lambda c: c.add(-8), lambda c: c.add(2**64)]
)
def test_counts_outside_64_bits_are_refused(state, act):
    counter = state.counters["c"]
    counter.set(7)
    with pytest.raises(corestate.RangeError):
        act(counter)
    assert counter.value == 7


def test_a_counter_does_not_wrap(state):
    counter = state.counters["c"]
    counter.set(2**64 - 1)
    with pytest.raises(corestate.RangeError):
        counter.add(1)
    assert counter.value == 2**64 - 1


@pytest.mark.parametrize(
    "act",
    [
        lambda g: g.set(math.nan),
        lambda g: g.add(math.nan),
        lambda g: g.compare_exchange(0.0, math.nan),
        lambda g: g.wait(math.nan, timeout=0),
    ],
)
def test_nan_has_no_meaning_in_a_gauge(state, act):
    gauge = state.gauges["g"]
    with pytest.raises(corestate.NotANumberError):
        act(gauge)
    assert gauge.value == 0.0


def test_adding_that_gives_nan_is_refused(state):
    gauge = state.gauges["g"]
    gauge.set(math.inf)
    with pytest.raises(corestate.NotANumberError):
        gauge.add(-math.inf)
    assert gauge.value == math.inf


@pytest.mark.parametrize("value", ["1", None, 1.5])
def test_counts_of_another_type_are_refused(state, value):
    with pytest.raises(TypeError):
        state.counters["c"].set(value)
    with pytest.raises(TypeError):
        state.counters["c"].add(value)
    assert state.counters["c"].value == 0


# -- waiting -----------------------------------------------------------------------------------


def test_wait_returns_at_once_when_it_has_changed_already(state):
    state.counters["c"].set(3)
    state.gauges["g"].set(0.5)
    assert state.counters["c"].wait(2) == 3
    assert state.gauges["g"].wait(0.0) == 0.5


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_wait_is_woken_by_another_process(state, child, mode):
    state.counters["c"].set(1)
    state.gauges["g"].set(1.0)
    waiter = child(
        """
        import corestate, sys
        with corestate.attach(sys.argv[1], mode=sys.argv[2]) as state:
            print("waiting", flush=True)
            print(state.counters["c"].wait(1, timeout=60), flush=True)
            print(state.gauges["g"].wait(1.0, timeout=60), flush=True)
        """,
        state.address,
        mode,
    )
    assert waiter.line() == "waiting"
    state.counters["c"].add(41)
    assert waiter.line() == "42"
    state.gauges["g"].set(2.5)
    assert waiter.line() == "2.5"
    waiter.finish()


def test_wait_ends_with_a_timeout(state):
    with pytest.raises(corestate.WaitTimeoutError) as problem:
        state.counters["c"].wait(0, timeout=0.01)
    assert isinstance(problem.value, TimeoutError)
    with pytest.raises(corestate.WaitTimeoutError):
        state.gauges["g"].wait(0.0, timeout=0)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(-1, corestate.RangeError), (math.nan, corestate.NotANumberError), ("soon", corestate.WrongTypeError)],
)
def test_a_timeout_that_makes_no_sense_is_refused(state, timeout, error):
    with pytest.raises(error):
        state.counters["c"].wait(0, timeout=timeout)


def test_wait_ends_when_the_counter_is_removed(state):
    counter, caught = state.counters["c"], []
    started = threading.Event()

    def wait():
        started.set()
        try:
            counter.wait(0, timeout=60)
        except corestate.StaleError as problem:
            caught.append(problem)

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    del state.counters["c"]
    thread.join(60)
    assert len(caught) == 1


# -- the mapping -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["counters", "gauges", "areas", "locks"])
def test_a_table_is_a_mapping_that_only_indexing_creates_in(state, table):
    mapping = getattr(state, table)
    assert len(mapping) == 0
    assert "a" not in mapping
    assert mapping.get("a") is None
    assert mapping.get("a", 5) == 5
    assert len(mapping) == 0
    for name in ("a", "b", "üñí ☃"):
        assert mapping[name].name == name
    assert set(mapping) == set(mapping.keys()) == {"a", "b", "üñí ☃"}
    assert {name: thing.name for name, thing in mapping.items()} == {n: n for n in ("a", "b", "üñí ☃")}
    assert sorted(thing.name for thing in mapping.values()) == ["a", "b", "üñí ☃"]
    assert "b" in mapping
    del mapping["b"]
    assert "b" not in mapping
    assert len(mapping) == 2
    with pytest.raises(KeyError):
        del mapping["b"]


def test_what_was_removed_is_stale_also_when_the_name_is_used_again(state):
    old = state.counters["c"]
    old.set(5)
    del state.counters["c"]
    new = state.counters["c"]
    assert new.value == 0
    for act in (
        lambda: old.value,
        lambda: old.add(1),
        lambda: old.set(1),
        lambda: old.compare_exchange(0, 1),
        lambda: old.wait(0, timeout=0),
    ):
        with pytest.raises(corestate.StaleError) as problem:
            act()
        assert isinstance(problem.value, KeyError)
    assert new.value == 0
    assert "removed" in repr(old)


@pytest.mark.parametrize("table", ["counters", "gauges", "areas", "locks"])
def test_an_observer_finds_and_never_makes(state, reader, table):
    getattr(state, table)["there"]
    assert getattr(reader, table)["there"].name == "there"
    with pytest.raises(corestate.NotFoundError) as problem:
        getattr(reader, table)["absent"]
    assert isinstance(problem.value, KeyError)
    with pytest.raises(corestate.ReadOnlyError):
        del getattr(reader, table)["there"]
    assert list(getattr(state, table)) == ["there"]


@pytest.mark.parametrize("table", ["counters", "gauges", "areas", "locks"])
@pytest.mark.parametrize("name", ["", "x" * 64, "é" * 32, "\udc80", "a\0b"])
def test_names_that_cannot_be_are_refused(state, table, name):
    mapping = getattr(state, table)
    with pytest.raises(corestate.NameInvalidError) as problem:
        mapping[name]
    assert isinstance(problem.value, ValueError)
    assert name not in mapping
    assert len(mapping) == 0


@pytest.mark.parametrize("table", ["counters", "gauges", "locks"])
@pytest.mark.parametrize("name", [None, 5, b"bytes"])
def test_names_of_another_type_are_refused(state, table, name):
    with pytest.raises(TypeError):
        getattr(state, table)[name]
    assert name not in getattr(state, table)


@pytest.mark.parametrize("table", ["counters", "gauges", "areas", "locks"])
def test_a_full_table_says_so_and_goes_on(small, table):
    mapping = getattr(small, table)
    for name in "abc":
        mapping[name]
    with pytest.raises(corestate.FullError, match="RegionConfig"):
        mapping["d"]
    assert sorted(mapping) == ["a", "b", "c"]
    del mapping["b"]
    assert mapping["d"].name == "d"


# -- arrays ------------------------------------------------------------------------------------


def test_the_array_is_live_and_has_names(state, reader):
    for i, name in enumerate(("a", "b", "c")):
        state.counters[name].set(i + 1)
    for manager in (state, reader):
        array = manager.counters.array()
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.uint64
        assert array.names == ("a", "b", "c")
        assert array.tolist() == [1, 2, 3]
        state.counters["b"].add(2**40)
        assert array[1] == 2 + 2**40
        assert array.sum() == 6 + 2**40
        state.counters["b"].set(2)
        with pytest.raises(ValueError):
            array[0] = 9


def test_the_array_of_gauges_holds_floats(state):
    state.gauges["x"].set(0.5)
    array = state.gauges.array()
    assert array.dtype == np.float64
    assert array.current() == {"x": 0.5}


def test_the_array_knows_what_was_removed(state):
    for name in ("a", "b", "c"):
        state.counters[name].add(1)
    array = state.counters.array()
    del state.counters["b"]
    assert array.current() == {"a": 1, "c": 1}
    assert array.generations[1] % 2 == 0
    assert state.counters.array().names == ("a", None, "c")
    state.counters["d"].set(9)  # takes the free slot: not what the older array calls b
    assert array.current() == {"a": 1, "c": 1}
    assert state.counters.array().current() == {"a": 1, "c": 1, "d": 9}


def test_the_array_outlives_the_close(path):
    state = corestate.create(path)
    state.counters["c"].set(7)
    array = state.counters.array()
    state.close()
    assert array[0] == 7


def test_an_array_of_nothing_is_empty(state, tmp_path):
    assert state.counters.array().size == 0
    with corestate.create(tmp_path / "none", config=corestate.RegionConfig(counters=0)) as none:
        assert none.counters.array().size == 0
        with pytest.raises(corestate.FullError):
            none.counters["c"]


def test_part_of_the_array_is_an_ordinary_array(state):
    state.counters["a"].set(1)
    assert (state.counters.array()[:1] + 1).tolist() == [2]
