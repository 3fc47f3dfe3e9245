"""The hot types: what they read and write is what the core has, and every bad input is a clear error."""

import inspect
import math
import re
import struct
import sys

import numpy as np
import pytest

from corestate import errors
from corestate._binding import Anchor, HotCounter, HotEngine, HotGauge, ffi, lib
from corestate.region import open_region

STATES = tuple(tuple(range(lib.cs_engine_state_max(state) + 1)) for state in range(lib.CS_STATES))
FIELDS = {
    ffi.string(lib.cs_engine_field_name(f)).decode(): f
    for f in range(lib.CS_ENGINE_FIELDS)
    if lib.cs_engine_field_type(f)
}
UNSIGNED = [
    name for name, f in FIELDS.items() if lib.cs_engine_field_type(f) == lib.CS_TYPE_U64 and f < lib.CS_ENGINE_CELLS
]
FLOATS = [name for name, f in FIELDS.items() if lib.cs_engine_field_type(f) in (lib.CS_TYPE_F64, lib.CS_TYPE_PERCENT)]
PERCENT = [name for name, f in FIELDS.items() if lib.cs_engine_field_type(f) == lib.CS_TYPE_PERCENT]


class Engine(HotEngine):
    """With a setter of states that remembers."""

    def set_state(self, state, value):
        self.set = (state, value)


@pytest.fixture
def engine(region):
    return Engine(region.anchor, STATES)


def opened(region, table, name=b"c"):
    handle = ffi.new("cs_handle *")
    assert getattr(lib, f"cs_{table}_open")(region.view, name, len(name), handle) == 0
    return int(handle[0])


@pytest.fixture
def counter(region):
    return HotCounter(region.anchor, opened(region, "counter"))


@pytest.fixture
def gauge(region):
    return HotGauge(region.anchor, opened(region, "gauge"))


# -- the engine --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNSIGNED)
def test_unsigned_fields(region, engine, name):
    assert getattr(engine, name) == 0
    for value in (1, 255, 256, 2**32, 50_000_000_000, 2**63, 2**64 - 1, 0, True, np.uint64(2**64 - 1), np.int8(5)):
        before = engine.version
        setattr(engine, name, value)
        assert getattr(engine, name) == int(value) == lib.cs_engine_get(region.view, FIELDS[name])
        assert engine.version == before + 1


@pytest.mark.parametrize("name", FLOATS)
def test_float_fields(region, engine, name):
    for value in (0.5, 100.0, 1e-300, 0, 7, np.float32(2.5), -0.0):
        setattr(engine, name, value)
        assert getattr(engine, name) == value == lib.cs_engine_get_f64(region.view, FIELDS[name])
        assert type(getattr(engine, name)) is float


def test_a_bool_field(engine):
    for value in (True, False, 1, 0):
        engine.fatigue_active = value
        assert engine.fatigue_active is bool(value)


@pytest.mark.parametrize("wrong", [-1, 2**64, 2**200, -(2**200)])
def test_numbers_that_do_not_fit(engine, wrong):
    with pytest.raises(
        errors.RangeError, match=r"engine\.neuron_count: expected an int of 0 to 2\*\*64 - 1, found -?\d"
    ) as e:
        engine.neuron_count = wrong
    assert isinstance(e.value, OverflowError)
    assert isinstance(e.value, ValueError)
    assert engine.neuron_count == 0


@pytest.mark.parametrize("wrong", ["5", 5.0, None, b"5", [], np.float64(5), 5j])
def test_values_of_another_type(engine, counter, gauge, wrong):
    kind = "None" if wrong is None else type(wrong).__name__
    for name in (*UNSIGNED, "fatigue_active"):
        with pytest.raises(errors.WrongTypeError, match=rf"engine\.{name}: expected .+ found .*\b{kind}\b.*; convert"):
            setattr(engine, name, wrong)
    for call in (counter.add, counter.set):
        with pytest.raises(TypeError, match=r"counter\.\w+: expected"):
            call(wrong)
    if not isinstance(wrong, float):
        with pytest.raises(TypeError, match="expected a number"):
            engine.burst_frequency = wrong
        for call in (gauge.add, gauge.set):
            with pytest.raises(TypeError, match=r"gauge\.\w+: expected a number"):
                call(wrong)


@pytest.mark.parametrize("name", PERCENT)
@pytest.mark.parametrize("wrong", [-0.001, 100.001, math.inf, -math.inf, 10**400])
def test_percentages_outside_0_to_100(engine, name, wrong):
    with pytest.raises(errors.RangeError, match=rf"engine\.{name}: expected a number of 0 to 100, found"):
        setattr(engine, name, wrong)


@pytest.mark.parametrize("name", FLOATS)
def test_not_a_number(engine, name):
    with pytest.raises(errors.NotANumberError, match="found nan; pass a number"):
        setattr(engine, name, math.nan)


def test_a_negative_frequency_and_a_third_bool(engine):
    with pytest.raises(errors.RangeError, match="not a negative one"):
        engine.burst_frequency = -1
    with pytest.raises(errors.RangeError, match="expected True or False, found 2"):
        engine.fatigue_active = 2


def test_what_cannot_be_set_or_deleted(engine):
    for name in ("version", "last_modified"):
        with pytest.raises(AttributeError):
            setattr(engine, name, 1)
    for name in ("neuron_count", "burst_frequency", "fatigue_active", "burst_state"):
        with pytest.raises(AttributeError, match="can be set, not deleted"):
            delattr(engine, name)


def test_an_exception_of_the_values_own_passes_through(engine, counter, gauge):
    class Stubborn:
        def __index__(self):
            raise KeyboardInterrupt

        __float__ = __index__

    for use in (
        lambda: setattr(engine, "neuron_count", Stubborn()),
        lambda: setattr(engine, "burst_frequency", Stubborn()),
        lambda: engine.add("neuron_count", Stubborn()),
        lambda: counter.add(Stubborn()),
        lambda: counter.compare_exchange(0, Stubborn()),
        lambda: gauge.set(Stubborn()),
    ):
        with pytest.raises(KeyboardInterrupt):
            use()


def test_add(engine):
    assert engine.add("burst_count", 5) == 5
    assert engine.add("burst_count") == 6
    assert engine.add("burst_count", -6) == 0
    assert engine.add("burst_count", 2**63 - 1) == 2**63 - 1
    assert engine.add("burst_count", 2**63 - 1) == 2**64 - 2
    for wrong in (2, 2**63, 2**64, -(2**64)):
        with pytest.raises(errors.RangeError, match=f"engine.add: expected a sum within .+ found n = {wrong};"):
            engine.add("burst_count", wrong)
    assert engine.burst_count == 2**64 - 2
    for wrong in ("nope", "burst_count\0", "burst_frequency", "burst_state", "fatigue_active", "version", ""):
        with pytest.raises(
            errors.InvalidError, match=f"expected the name of a field .+ found {re.escape(repr(wrong))}"
        ):
            engine.add(wrong, 1)
    for wrong in (5, None, "\ud800"):
        with pytest.raises(errors.WrongTypeError):
            engine.add(wrong, 1)
    for arguments in ((), ("burst_count", 1, 2)):
        with pytest.raises(TypeError, match="found"):
            engine.add(*arguments)


def test_states_read_as_their_members(region):
    members = tuple(tuple(object() for _ in values) for values in STATES)
    engine = Engine(region.anchor, members)
    for state in range(lib.CS_STATES):
        name = ffi.string(lib.cs_engine_state_name(state)).decode()
        for value, member in enumerate(members[state]):
            assert lib.cs_engine_set_state(region.view, state, value) == 0
            assert getattr(engine, name) is member
        setattr(engine, name, "anything")
        assert engine.set == (state, "anything")


def test_last_modified_is_the_time(engine, region):
    import time

    engine.neuron_count = 1
    assert abs(engine.last_modified - time.time_ns()) < 10**9


@pytest.mark.parametrize(
    "states", [(), STATES[:-1], [*STATES], (*STATES[:-1], (0,)), (*STATES[:-1], 5), tuple(range(lib.CS_STATES))]
)
def test_states_of_the_wrong_shape(region, states):
    with pytest.raises(TypeError, match="expected a tuple"):
        HotEngine(region.anchor, states)


@pytest.mark.parametrize("anchor", [None, 5, object(), "anchor"])
def test_only_an_anchor_is_an_anchor(anchor):
    for make in (lambda: HotEngine(anchor, STATES), lambda: HotCounter(anchor, 1), lambda: HotGauge(anchor, 1)):
        with pytest.raises(TypeError, match=r"expected an Anchor.*region\.anchor"):
            make()


def test_an_anchor_cannot_be_subclassed():
    with pytest.raises(TypeError):
        type("Mine", (Anchor,), {})


# -- counters and gauges -----------------------------------------------------------------------


def test_counter(region, counter):
    out = ffi.new("uint64_t *")
    assert (counter.value, counter.add(), counter.add(4), counter.add(-2)) == (0, 1, 5, 3)
    assert lib.cs_counter_get(region.view, counter.handle, out) == 0
    assert out[0] == 3
    counter.set(2**64 - 1)
    assert counter.value == 2**64 - 1
    assert counter.add(np.int64(-1)) == 2**64 - 2
    assert counter.compare_exchange(2**64 - 2, 7) is True
    assert counter.compare_exchange(2**64 - 2, 8) is False
    assert counter.value == 7


@pytest.mark.parametrize("n", [-8, 2**63, -(2**63), 2**64, -(2**64)])
def test_a_counter_keeps_within_64_bits(counter, n):
    counter.set(7)
    with pytest.raises(errors.RangeError, match=f"found n = {n};"):
        counter.add(n)
    counter.set(2**64 - 1)
    with pytest.raises(errors.RangeError):
        counter.add(1)
    for wrong in (-1, 2**64):
        for call in (counter.set, lambda v: counter.compare_exchange(v, 0), lambda v: counter.compare_exchange(0, v)):
            with pytest.raises(errors.RangeError, match=f"found {wrong};"):
                call(wrong)
    assert counter.value == 2**64 - 1


def test_gauge(region, gauge):
    assert (gauge.value, gauge.add(0.5), gauge.add(), gauge.add(-2)) == (0.0, 0.5, 1.5, -0.5)
    for value in (math.inf, -math.inf, sys.float_info.max, 5e-324, 7):
        gauge.set(value)
        assert gauge.value == value
    assert gauge.compare_exchange(7, 1.25) is True
    assert gauge.compare_exchange(7, 1.5) is False
    assert gauge.value == 1.25
    gauge.set(-0.0)
    assert struct.pack("<d", gauge.value) == struct.pack("<d", -0.0)


def test_a_gauge_refuses_what_is_no_number(gauge):
    for use in (
        lambda: gauge.set(math.nan),
        lambda: gauge.add(math.nan),
        lambda: gauge.compare_exchange(math.nan, 1),
        lambda: gauge.compare_exchange(0.0, math.nan),
    ):
        with pytest.raises(errors.NotANumberError, match=r"gauge\.\w+: expected a number"):
            use()
    assert gauge.value == 0.0


@pytest.mark.parametrize(("table", "kind"), [("counter", HotCounter), ("gauge", HotGauge)])
def test_what_has_been_removed_is_stale_even_when_its_slot_is_used_again(region, table, kind):
    cell = kind(region.anchor, opened(region, table))
    assert getattr(lib, f"cs_{table}_remove")(region.view, cell.handle) == 0
    uses = (lambda: cell.value, cell.add, lambda: cell.set(1), lambda: cell.compare_exchange(0, 1))
    for _ in range(3):
        for use in uses:
            with pytest.raises(errors.StaleError, match="look it up again by name"):
                use()
        with pytest.raises(errors.StaleError):
            kind(region.anchor, cell.handle)
        other = kind(region.anchor, opened(region, table))  # which takes the same slot
        assert other.handle & 0xFFFFFFFF == cell.handle & 0xFFFFFFFF
        assert other.value == 0
    for handle in (0, 2**64 - 1, 12345):
        with pytest.raises(errors.CorestateError):
            kind(region.anchor, handle)


def test_how_many_arguments(counter, gauge):
    for use in (
        lambda: counter.add(1, 2),
        lambda: counter.compare_exchange(1),
        lambda: counter.compare_exchange(1, 2, 3),
        lambda: gauge.add(1, 2),
        lambda: gauge.compare_exchange(),
        lambda: counter.set(),
        lambda: HotCounter(),
    ):
        with pytest.raises(TypeError):
            use()


def test_arguments_by_name(engine, counter, gauge):
    assert counter.add(n=3) == 3
    assert counter.compare_exchange(expected=3, desired=4)
    assert counter.compare_exchange(4, desired=5)
    assert not counter.compare_exchange(desired=9, expected=4)
    assert counter.value == 5
    assert gauge.add(n=0.5) == 0.5
    assert gauge.compare_exchange(desired=2.0, expected=0.5)
    assert gauge.value == 2.0
    assert engine.add(name="burst_count", n=7) == 7
    assert engine.add("burst_count", n=-7) == 0


def test_arguments_by_a_wrong_name(engine, counter, gauge):
    for use, found in (
        (lambda: counter.add(m=1), "'m'"),
        (lambda: counter.add(1, n=1), "found 2"),
        (lambda: counter.compare_exchange(1, expected=1), "'expected' twice"),
        (lambda: counter.compare_exchange(expected=1, wanted=2), "'wanted'"),
        (lambda: gauge.compare_exchange(expected=1.0), "found 1"),
        (lambda: engine.add(n=1), "'name', found none"),
    ):
        with pytest.raises(TypeError, match=found):
            use()
    assert counter.value == 0
    with pytest.raises(errors.RangeError, match="found n = -1"):
        counter.add(n=-1)


def test_methods_show_their_arguments():
    for method, arguments in (
        (HotCounter.add, ["n"]),
        (HotCounter.set, ["value"]),
        (HotCounter.compare_exchange, ["expected", "desired"]),
        (HotGauge.add, ["n"]),
        (HotGauge.compare_exchange, ["expected", "desired"]),
        (HotEngine.add, ["name", "n"]),
    ):
        assert list(inspect.signature(method).parameters) == ["self", *arguments]


def test_value_cannot_be_assigned(counter, gauge):
    """``counter.value += 1`` would look atomic and not be."""
    for cell in (counter, gauge):
        with pytest.raises(AttributeError):
            cell.value = 1


def test_read_only(path):
    with open_region(path) as writer, open_region(path, mode="r") as reader:
        handle, gauge_handle = opened(writer, "counter"), opened(writer, "gauge")
        engine, counter, gauge = (
            Engine(reader.anchor, STATES),
            HotCounter(reader.anchor, handle),
            HotGauge(reader.anchor, gauge_handle),
        )
        HotCounter(writer.anchor, handle).add(3)
        assert (engine.neuron_count, counter.value, gauge.value) == (0, 3, 0.0)
        for use in (
            lambda: setattr(engine, "neuron_count", 1),
            lambda: setattr(engine, "burst_frequency", 1),
            lambda: engine.add("neuron_count", 1),
            counter.add,
            lambda: counter.set(1),
            lambda: counter.compare_exchange(3, 1),
            gauge.add,
            lambda: gauge.set(1),
        ):
            with pytest.raises(errors.ReadOnlyError, match='open it with mode="rw"') as caught:
                use()
            assert isinstance(caught.value, PermissionError)


def test_types_are_not_leaked(path):
    """Making and dropping cells leaves the counts of references as they were."""
    with open_region(path) as region:
        handle = opened(region, "counter")
        before = sys.getrefcount(region.anchor), sys.getrefcount(HotCounter), sys.getrefcount(STATES)
        for _ in range(1000):
            HotCounter(region.anchor, handle).add()
            Engine(region.anchor, STATES).neuron_count = 1
            with pytest.raises(errors.RangeError):
                HotCounter(region.anchor, handle).set(-1)
        after = sys.getrefcount(region.anchor), sys.getrefcount(HotCounter), sys.getrefcount(STATES)
        assert all(late - early < 10 for early, late in zip(before, after, strict=True))  # and not 1000
