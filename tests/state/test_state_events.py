"""A9: publishing, subscribing, kinds and data."""

import math
import signal
import sys
import threading
import time

import numpy as np
import pytest

import corestate
from corestate import BurstEngineState, changes
from corestate._binding import ffi, lib
from corestate.payload import Undecodable


def test_an_event_comes_as_it_was_published(state, reader):
    before = time.time_ns()
    with state.events.subscribe() as mine, reader.events.subscribe() as theirs:
        sequence = state.events.publish("spike", {"neuron": 17, "weights": [0.5, -1]})
        assert state.events.newest == sequence == 1
        for events in (mine, theirs):
            event = events.get(60)
            assert event.sequence == 1
            assert event.kind == "spike"
            assert event.data == {"neuron": 17, "weights": [0.5, -1]}
            assert event.source == next(one.id for one in state.participants() if one.me)
            assert before <= event.time_ns <= time.time_ns()
            assert events.get(0) is None


@pytest.mark.parametrize(
    "data", [None, b"", b"\x00\xff", 0, -1, 2**64 - 1, 1.5, "ü", "", [], {}, {"a": [1, {"b": None}]}, True, {1: 2}]
)
def test_data_comes_back(state, data):
    with state.events.subscribe() as events:
        state.events.publish("k", data)
        found = events.get(60).data
    assert found == data
    assert type(found) is type(data)


def test_other_forms_of_bytes_and_lists_come_as_bytes_and_lists(state):
    with state.events.subscribe() as events:
        for data in (bytearray(b"abc"), memoryview(b"abc"), (1, 2)):
            state.events.publish("k", data)
        assert [event.data for event in events.drain()] == [b"abc", b"abc", [1, 2]]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"x" * 129, corestate.TooBigError),
        ("x" * 128, corestate.TooBigError),
        (object(), corestate.WrongTypeError),
        ({1j}, corestate.WrongTypeError),
        (2**64, corestate.RangeError),
    ],
)
def test_data_that_cannot_be_carried_is_refused(state, data, error):
    with pytest.raises(error, match="'k'"):
        state.events.publish("k", data)
    assert state.events.newest == 0
    assert state.events.publish("k", b"x" * 128) == 1


@pytest.mark.parametrize("kind", ["", "x" * 64, "\ud800"])
def test_kinds_that_cannot_be_are_refused(state, kind):
    with pytest.raises(corestate.NameInvalidError):
        state.events.publish(kind)
    with pytest.raises(corestate.NameInvalidError):
        state.events.subscribe([kind])
    assert state.events.newest == 0


@pytest.mark.parametrize("kind", [None, 5, b"k"])
def test_kinds_of_another_type_are_refused(state, kind):
    with pytest.raises(TypeError):
        state.events.publish(kind)
    with pytest.raises(TypeError):
        state.events.subscribe([kind])


def test_built_in_kinds_are_the_cores_to_publish(state):
    for kind in ("agent_registered", "burst_engine_state_changed", "lock_inherited"):
        with pytest.raises(corestate.InvalidError):
            state.events.publish(kind, {})
    assert state.events.newest == 0


def test_too_many_kinds_are_refused(small):
    for kind in "abc":
        small.events.publish(kind)
    with pytest.raises(corestate.FullError, match="event_kinds"):
        small.events.publish("d")
    with pytest.raises(corestate.FullError):
        small.events.subscribe(["d"])
    assert small.events.publish("a") == 4


def test_kinds_have_names(state, reader):
    state.events.publish("mine")
    for manager in (state, reader):
        names = manager.events.kinds()
        assert "mine" in names.values()
        assert "agent_registered" in names.values()
        assert names[state.events.subscribe(since=0).drain_array()["kind"][0]] == "mine"


def test_an_observer_cannot_publish(state, reader):
    state.events.publish("k")
    with pytest.raises(corestate.ReadOnlyError):
        reader.events.publish("k")
    with pytest.raises(corestate.ReadOnlyError):
        reader.events.publish("new")
    assert state.events.newest == 1


# -- where to start, and what to take -----------------------------------------------------------


def test_since_says_where_to_start(state):
    for i in range(5):
        state.events.publish("k", i)
    assert state.events.subscribe().drain() == []
    assert [event.data for event in state.events.subscribe(since=0).drain()] == [0, 1, 2, 3, 4]
    assert [event.data for event in state.events.subscribe(since=3).drain()] == [3, 4]
    assert state.events.subscribe(since=99).drain() == []
    for since, error in ((-1, corestate.RangeError), (2**64, corestate.RangeError), ("x", TypeError)):
        with pytest.raises(error):
            state.events.subscribe(since=since)


def test_a_position_can_be_carried_on_from(state):
    first = state.events.subscribe()
    for i in range(4):
        state.events.publish("k", i)
    assert [event.data for event in first.drain(2)] == [0, 1]
    assert [event.data for event in state.events.subscribe(since=first.position).drain()] == [2, 3]


def test_only_the_kinds_wanted(state, reader):
    wanted = state.events.subscribe(["a", "brain_ready_changed"])
    single = state.events.subscribe("b")
    theirs = reader.events.subscribe(["a", "never"], since=0)
    state.events.publish("a", 1)
    state.events.publish("b", 2)
    state.engine.brain_ready = True
    state.events.publish("a", 3)
    assert [event.sequence for event in wanted.drain()] == [1, 3, 4]
    assert [event.data for event in single.drain()] == [2]
    assert [event.data for event in theirs.drain()] == [1, 3]
    for kinds, error in (([], corestate.InvalidError), (5, TypeError)):
        with pytest.raises(error):
            state.events.subscribe(kinds)


def test_an_observer_hears_of_kinds_that_did_not_exist_when_it_subscribed(state, reader):
    by_one, by_drain, by_array = (reader.events.subscribe(["later"]) for _ in range(3))
    state.events.publish("before", 1)
    state.events.publish("later", 2)
    assert by_one.get(60).data == 2
    assert [event.data for event in by_drain.drain()] == [2]
    assert by_array.drain_array()["sequence"].tolist() == [2]


def test_drain_and_get_and_iteration_share_one_place(state):
    events = state.events.subscribe()
    for i in range(6):
        state.events.publish("k", i)
    assert events.get().data == 0
    assert next(events).data == 1
    assert [event.data for event in events.drain(2)] == [2, 3]
    assert events.drain_array(1)["sequence"].tolist() == [5]
    assert [event.data for event in events.drain()] == [5]
    assert events.drain() == []
    assert events.drain_array().size == 0
    assert events.drain(0) == []
    for act in (events.drain, events.drain_array):
        with pytest.raises(corestate.RangeError):
            act(-1)


def test_drain_array_has_what_was_published(state):
    events = state.events.subscribe()
    state.events.publish("k", b"abc")
    state.events.publish("k", 5)
    state.events.publish("k")
    rows = events.drain_array()
    assert rows["sequence"].tolist() == [1, 2, 3]
    assert rows["length"].tolist() == [3, 1, 0]
    assert rows["format"].tolist() == [1, 2, 0]
    assert rows["data"].shape == (3, state.config.event_bytes)
    assert bytes(rows["data"][0][:3]) == b"abc"
    assert not rows["data"][0][3:].any()
    assert rows["data"].dtype == np.uint8
    assert (np.diff(rows["time_ns"].astype("i8")) >= 0).all()


# -- what is lost ------------------------------------------------------------------------------


def test_a_loss_is_counted_and_placed(small):
    events = small.events.subscribe()
    assert (events.lost, events.last_loss, events.holes) == (0, None, 0)
    for i in range(20):
        small.events.publish("k", i)
    assert [event.data for event in events.drain()] == list(range(4, 20))
    assert (events.lost, events.last_loss) == (4, (1, 4))
    for i in range(40):
        small.events.publish("k", i)
    assert events.get(0).data == 24
    assert (events.lost, events.last_loss) == (28, (21, 44))
    assert small.health().events_lost == 28


def test_a_loss_shows_in_the_array(small):
    events = small.events.subscribe()
    for _ in range(30):
        small.events.publish("k")
    assert events.drain_array()["sequence"].tolist() == list(range(15, 31))
    assert events.lost == 14


# -- waiting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_get_is_woken_by_another_process(state, child, mode):
    waiter = child(
        """
        import corestate, sys
        with corestate.attach(sys.argv[1], mode=sys.argv[2]) as state:
            with state.events.subscribe("k") as events:
                print("waiting", flush=True)
                for event in events:
                    print(event.data, flush=True)
                    if event.data == "last":
                        break
        """,
        state.address,
        mode,
    )
    assert waiter.line() == "waiting"
    for data in ("first", "second", "last"):
        state.events.publish("k", data)
        assert waiter.line() == data
    waiter.finish()


def test_get_gives_none_when_the_time_has_passed(state):
    events = state.events.subscribe("wanted")
    assert events.get(0) is None
    started = time.monotonic()
    assert events.get(0.05) is None
    assert time.monotonic() - started >= 0.05
    state.events.publish("unwanted")
    assert events.get(0.01) is None
    for timeout, error in (
        (-1, corestate.RangeError),
        (math.nan, corestate.NotANumberError),
        ("x", corestate.WrongTypeError),
    ):
        with pytest.raises(error):
            events.get(timeout)


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_a_waiting_subscriber_uses_next_to_no_cpu(state, mode):
    with corestate.attach(state.address, mode=mode) as other:
        used, waiting = [], threading.Event()

        def wait():
            with other.events.subscribe("k") as events:
                before = time.thread_time()
                waiting.set()
                assert events.get(60) is not None
                used.append(time.thread_time() - before)

        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        assert state.events.subscribe("never").get(1.0) is None  # one second passes
        state.events.publish("k")
        thread.join(60)
    assert used[0] < 0.1, "a spinning waiter would have used all of the second"


def test_many_threads_share_a_subscription(state):
    events, taken = state.events.subscribe(), []

    def take():
        while True:
            event = events.get(60)
            if event.data is None:
                return
            taken.append(event.data)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(500):
        state.events.publish("k", i)
    for _ in threads:
        state.events.publish("k")
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == list(range(500))


# -- ends --------------------------------------------------------------------------------------


def test_a_closed_subscription_is_closed(state):
    with state.events.subscribe() as events:
        state.events.publish("k")
    assert events.closed
    assert list(events) == []
    for act in (events.get, lambda: events.get(0), events.drain, events.drain_array):
        with pytest.raises(corestate.ClosedError):
            act()
    assert events.lost == 0
    events.close()


def test_closing_a_subscription_ends_a_wait_in_another_thread(state):
    events, ended = state.events.subscribe(), []
    waiting = threading.Event()

    def iterate():
        waiting.set()
        ended.append(list(events))

    thread = threading.Thread(target=iterate)
    thread.start()
    waiting.wait()
    events.close()
    thread.join(60)
    assert ended == [[]]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_signal_handler_may_take_from_a_subscription_of_its_own(state, child):
    one = child(
        """
        import corestate, os, signal, sys
        state = corestate.attach(sys.argv[1])
        mine, theirs = state.events.subscribe("k"), state.events.subscribe("k")
        signal.signal(signal.SIGUSR1, lambda *_: os.write(1, f"handler {theirs.get(0).data}\\n".encode()))
        print("waiting", flush=True)
        for event in mine:
            print("main", event.data, flush=True)
            if event.data == 2:
                break
        """,
        state.address,
    )
    assert one.line() == "waiting"
    state.events.publish("k", 1)
    assert one.line() == "main 1"
    one.process.send_signal(signal.SIGUSR1)
    assert one.line() == "handler 1"
    state.events.publish("k", 2)
    assert one.line() == "main 2"
    one.finish()


# -- what a bad peer writes ----------------------------------------------------------------------


def raw_publish(state, kind, form, data):
    number = ffi.new("uint32_t *")
    assert lib.cs_kind_open(state.region.view, kind, len(kind), number) == lib.CS_OK
    code = lib.cs_event_publish(state.region.view, number[0], form, data, len(data), ffi.NULL)
    assert code == lib.CS_OK


def test_garbage_in_an_event_costs_no_other_event(state):
    events = state.events.subscribe()
    raw_publish(state, b"k", lib.CS_FORMAT_MSGPACK, b"\xc1")
    raw_publish(state, b"k", lib.CS_FORMAT_MSGPACK, b"\xdd\xff\xff\xff\xff")
    state.events.publish("k", "well")
    found = [event.data for event in events.drain()]
    assert [bytes(data) for data in found[:2]] == [b"\xc1", b"\xdd\xff\xff\xff\xff"]
    assert all(isinstance(data, Undecodable) for data in found[:2])
    assert found[2] == "well"


@pytest.mark.parametrize("kind", range(1, 16))
@pytest.mark.parametrize("data", [b"", b"short", b"\xff" * 24, b"\xff" * 40])
def test_garbage_in_the_cores_own_events_is_decoded_to_something(kind, data):
    found = changes.decode(kind, data)
    assert isinstance(found, (changes.Change, Undecodable))
    assert isinstance(str(found), str)


def test_the_data_of_the_cores_own_events_prints_plainly(state):
    events = state.events.subscribe()
    state.engine.burst_state = BurstEngineState.RUNNING
    assert str(events.get(60).data) == "old=UNAVAILABLE new=RUNNING"
