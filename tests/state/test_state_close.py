"""Closing while others read and wait; forks; many threads."""

import contextlib
import functools
import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import corestate
from corestate import AgentType, BurstEngineState


def every_use(state):
    """One of everything there is to do, made while the state is open."""
    state.agents.register("a", AgentType.MOTOR)
    counter, gauge, area, lock = state.counters["c"], state.gauges["g"], state.areas["v1"], state.locks["l"]
    agent, events = state.agents["a"], state.events.subscribe()
    engine = state.engine
    return {
        "engine read": lambda: engine.neuron_count,
        "engine write": lambda: setattr(engine, "neuron_count", 1),
        "state read": lambda: engine.burst_state,
        "state write": lambda: setattr(engine, "burst_state", BurstEngineState.READY),
        "engine add": lambda: engine.add("burst_count", 1),
        "engine snapshot": engine.snapshot,
        "counter": lambda: counter.value,
        "counter add": counter.add,
        "counter wait": lambda: counter.wait(0, timeout=0),
        "counter lookup": lambda: state.counters["c"],
        "counter array": state.counters.array,
        "gauge": lambda: gauge.value,
        "gauge set": lambda: gauge.set(1.0),
        "area": lambda: area.neuron_count,
        "area set": lambda: setattr(area, "fcl_window", 1),
        "lock": lock.acquire,
        "release": lock.release,
        "locked": lock.locked,
        "holder": lambda: lock.holder,
        "agents": lambda: len(state.agents),
        "agent": lambda: state.agents["a"],
        "register": lambda: state.agents.register("b", AgentType.MOTOR),
        "heartbeat": lambda: state.agents.heartbeat(agent),
        "agents array": state.agents.array,
        "reap": state.agents.reap,
        "publish": lambda: state.events.publish("k"),
        "subscribe": state.events.subscribe,
        "get": lambda: events.get(0),
        "drain": events.drain,
        "drain_array": events.drain_array,
        "iterate": lambda: next(events),
        "health": state.health,
        "participants": state.participants,
        "snapshot": lambda: state.snapshot("/nowhere"),
    }


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_after_close_every_use_is_an_error(path, mode):
    corestate.create(path).close()
    state = corestate.attach(path)
    uses = every_use(state)
    if mode == "r":
        reader = corestate.attach(path, mode="r")
        state.close()
        engine, counter = reader.engine, reader.counters["c"]
        uses = {"engine": lambda: engine.neuron_count, "counter": lambda: counter.value, "health": reader.health}
        state = reader
    state.close()
    state.close()
    assert state.closed
    for name, use in uses.items():
        with pytest.raises(corestate.ClosedError) as problem:
            use()
        assert isinstance(problem.value, RuntimeError), name
    for thing in (state, state.engine, state.counters, state.agents, state.events, state.locks, state.areas):
        assert isinstance(repr(thing), str)


@pytest.mark.parametrize(
    "wait",
    [
        lambda state: state.events.subscribe().get(),
        lambda state: next(state.events.subscribe()),
        lambda state: state.counters["c"].wait(0),
        lambda state: state.gauges["g"].wait(0.0),
        lambda state: state.locks["held"].acquire(),
    ],
    ids=["event", "iterator", "counter", "gauge", "lock"],
)
def test_closing_ends_a_wait_in_another_thread(path, wait, child):
    state = corestate.create(path)
    holder = child(
        """
        import corestate, sys
        state = corestate.attach(sys.argv[1])
        state.locks["held"].acquire()
        print("held", flush=True)
        sys.stdin.readline()
        """,
        path,
    )
    assert holder.line() == "held"
    waiting, caught = threading.Event(), []

    def run():
        waiting.set()
        try:
            wait(state)
        except corestate.ClosedError as problem:
            caught.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    waiting.wait()
    state.close()
    thread.join(60)
    assert len(caught) == 1


def test_closing_under_readers_and_writers_is_safe(path):
    """Threads that hammer every part while it is closed get errors and nothing worse."""
    for _ in range(10):
        with contextlib.suppress(corestate.RegionNotFoundError):
            corestate.unlink(path)
        state = corestate.create(path)
        started, ended = threading.Barrier(5), []

        def hammer(use, started=started, ended=ended):
            started.wait()
            try:
                while True:
                    use()
            except corestate.ClosedError:
                ended.append(use)

        engine, counter, agents, events = state.engine, state.counters["c"], state.agents, state.events
        agents.register("a", AgentType.MOTOR, capabilities={"x": 1})
        uses = [
            functools.partial(engine.add, "burst_count"),
            counter.add,
            functools.partial(agents.get, "a"),
            functools.partial(events.publish, "k"),
        ]
        threads = [threading.Thread(target=hammer, args=(use,)) for use in uses]
        for thread in threads:
            thread.start()
        started.wait()
        state.close()
        for thread in threads:
            thread.join(60)
        assert len(ended) == 4


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_what_is_left_open_leaves_nothing(path):
    state = corestate.create(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    state.counters["c"].add(1)
    events = state.events.subscribe()
    events.get(0)
    del state, events
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) < before
    with corestate.attach(path) as again:
        assert len(again.participants()) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this platform has not")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_fork_uses_it_with_a_slot_of_its_own(state):
    state.counters["c"].add(1)
    state.agents.register("parent", AgentType.MOTOR)
    events = state.events.subscribe("k")
    mine = next(one.id for one in state.participants() if one.me)
    pid = os.fork()
    if pid == 0:
        ok = False
        try:
            state.counters["c"].add(1)
            state.agents.register("child", AgentType.MOTOR)
            state.agents.heartbeat("parent")
            with state.locks["l"]:
                state.events.publish("k", "from the child")
            me = next(one.id for one in state.participants() if one.me)
            ok = me != mine and events.get(60).data == "from the child"
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert state.counters["c"].value == 2
    assert state.agents["child"].participant != mine
    assert events.get(60).data == "from the child"


def test_many_threads_do_everything_at_once(state):
    errors = []

    def work(number):
        try:
            for i in range(200):
                state.agents.register(f"{number}.{i}", AgentType.BOTH, capabilities={"n": number, "i": i})
                assert state.agents[f"{number}.{i}"].capabilities == {"n": number, "i": i}
                state.counters["c"].add(1)
                state.events.publish("k", {"n": number, "i": i})
                with state.locks["l"]:
                    state.areas["v1"].add("neuron_count", 1)
                state.agents.deregister(f"{number}.{i}")
        except BaseException as problem:
            errors.append(problem)

    with state.events.subscribe("k", since=0) as events:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        seen, lost = [], 0
        while len(seen) + lost < 800 and not errors:
            event = events.get(60)
            seen.append((event.data["n"], event.data["i"]))
            lost = events.lost
        for thread in threads:
            thread.join(60)
    assert errors == []
    assert len(set(seen)) == len(seen)
    if not lost:
        assert sorted(seen) == [(n, i) for n in range(4) for i in range(200)]
    assert state.counters["c"].value == 800
    assert state.areas["v1"].neuron_count == 800
    assert len(state.agents) == 0


def test_values_read_while_written_are_whole(state):
    """A 64-bit value whose halves agree is never seen with halves that do not."""
    stop, gauge = threading.Event(), state.counters["c"]
    patterns = [int.from_bytes(bytes([i]) * 8, "little") for i in range(16)]

    def write():
        while not stop.is_set():
            for value in patterns:
                gauge.set(value)

    thread = threading.Thread(target=write)
    thread.start()
    array, end = state.counters.array(), time.monotonic() + 0.5
    try:
        while time.monotonic() < end:
            assert gauge.value in patterns
            assert int(array[0]) in patterns
    finally:
        stop.set()
        thread.join(60)
    assert isinstance(array, np.ndarray)
