"""P4: one total order; a subscriber gets each event once, or is told exactly how many it lost and where."""

import json
import os
import signal

import numpy as np
import pytest

import corestate
from corestate import AgentType, BurstEngineState, RegionConfig

EACH = 3000
PRODUCERS = 3

PRODUCE = """
import corestate, sys
with corestate.attach(sys.argv[1]) as state:
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(int(sys.argv[3])):
        state.events.publish("k", [int(sys.argv[2]), i])
"""

# Takes events one at a time, in small drains or in large ones, and sleeps now and then so that it is overrun.
CONSUME = """
import corestate, json, random, sys, time
address, mode, how, lazy = sys.argv[1:]
with corestate.attach(address, mode=mode) as state, state.events.subscribe(["k", "end"], since=0) as events:
    print("ready", flush=True)
    got, chance = [], random.Random(how)
    while not got or got[-1][1] != "end":
        if lazy == "lazy" and chance.random() < 0.01:
            time.sleep(0.01)
        if how == "get":
            event = events.get(0.5)
            found = [event] if event else []
        else:
            found = events.drain(7 if how == "few" else None)
        got.extend((event.sequence, event.data) for event in found)
    print(json.dumps({"got": got, "lost": events.lost, "holes": events.holes}), flush=True)
"""


@pytest.mark.parametrize("slots", [256, 65536], ids=["overrun", "roomy"])
def test_p4_everybody_sees_one_order_and_knows_what_it_lost(tmp_path, child, slots):
    path, total = str(tmp_path / "p4.state"), EACH * PRODUCERS
    with corestate.create(path, config=RegionConfig(events=slots)) as state:
        producers = [child(PRODUCE, path, str(n), str(EACH)) for n in range(PRODUCERS)]
        kinds = [("rw", "get", "eager"), ("r", "all", "eager"), ("rw", "few", "lazy"), ("r", "get", "lazy")]
        consumers = [child(CONSUME, path, *kind) for kind in kinds]
        for one in [*producers, *consumers]:
            assert one.line() == "ready"
        for one in producers:
            one.tell()
        for one in producers:
            one.finish()
        newest = state.events.publish("end", "end")
        reports = [json.loads(one.line()) for one in consumers]
        for one in consumers:
            one.finish()
    order = {}
    for report in reports:
        sequences = [sequence for sequence, _ in report["got"]]
        assert sequences == sorted(set(sequences)), "each once, in order"
        # A producer that stands still is passed over and takes a later place: a hole, and never an event less.
        assert len(sequences) + report["lost"] + report["holes"] == newest, "what is missing is counted exactly"
        assert report["got"].pop() == [newest, "end"]
        for sequence, data in report["got"]:
            assert order.setdefault(sequence, data) == data, "all see the same at each place"
        for number in range(PRODUCERS):
            mine = [i for _, (n, i) in report["got"] if n == number]
            assert mine == sorted(mine), "a producer's events keep their order"
        if slots >= 2 * total:
            assert report["lost"] == 0
            assert sorted(map(tuple, order.values())) == [(n, i) for n in range(PRODUCERS) for i in range(EACH)]


def test_p4_an_event_that_is_being_written_is_waited_for(tmp_path, child):
    """Large events take long to write, and the reader looks all the time: it often comes to an unfinished one."""
    source = """
    import corestate, sys, time
    with corestate.attach(sys.argv[1]) as state:
        print("ready", flush=True)
        sys.stdin.readline()
        for i in range(1000):
            state.events.publish("k", i.to_bytes(4, "little") * 8192)
            pause = time.perf_counter_ns() + 50_000
            while time.perf_counter_ns() < pause:
                pass
        state.events.publish("end")
    """
    path = str(tmp_path / "p4.state")
    with corestate.create(path, config=RegionConfig(events=1024, event_bytes=32768)) as state:
        producer = child(source, path)
        assert producer.line() == "ready"
        with state.events.subscribe(["k", "end"]) as events:
            producer.tell()
            got, event = [], None
            while event is None or event.kind != "end":
                event = events.get(0)
                if event is not None and event.kind == "k":
                    assert event.data == event.data[:4] * 8192
                    got.append(int.from_bytes(event.data[:4], "little"))
            assert got == sorted(set(got))
            assert len(got) + events.lost >= 1000, "a place is only a hole if its event has another"
            if not events.lost:
                assert got == list(range(1000))
        producer.finish()


def test_p4_a_loss_says_where(tmp_path):
    with corestate.create(tmp_path / "p4.state", config=RegionConfig(events=16)) as state:
        random, missing, seen, last_lost = np.random.default_rng(5), [], [], 0
        with state.events.subscribe("k") as events:
            for count in random.integers(0, 40, 300):
                for _ in range(count):
                    state.events.publish("k")
                seen.extend(event.sequence for event in events.drain(int(random.integers(0, 20))))
                if events.lost > last_lost:
                    first, last = events.last_loss
                    missing.extend(range(first, last + 1))
                    assert last - first + 1 == events.lost - last_lost
                    last_lost = events.lost
            seen.extend(event.sequence for event in events.drain())
            if events.lost > last_lost:
                first, last = events.last_loss
                missing.extend(range(first, last + 1))
        assert sorted(seen + missing) == list(range(1, state.events.newest + 1))
        assert missing, "it was overrun"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this platform has not")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_p4_killed_producers_cost_holes_and_nothing_else(tmp_path):
    with corestate.create(tmp_path / "p4.state", config=RegionConfig(events=1024)) as state:
        random, mine, seen = np.random.default_rng(6), [], []
        with state.events.subscribe(["mine", "theirs"]) as events:
            for delay in random.integers(0, 2000, 100):
                newest = state.events.newest
                pid = os.fork()
                if pid == 0:
                    try:
                        while True:
                            state.events.publish("theirs", "x" * 100)
                    finally:
                        os._exit(1)
                try:
                    while state.events.newest < newest + 1 + delay % 400:
                        pass
                finally:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                mine.append(state.events.publish("mine"))
                seen.extend(events.drain())
            assert len(seen) + events.lost + events.holes == state.events.newest
            sequences = [event.sequence for event in seen]
            assert sequences == sorted(set(sequences))
            if not events.lost:
                assert [event.sequence for event in seen if event.kind == "mine"] == mine


def test_p4_the_cores_own_events_are_one_for_one_with_their_changes(tmp_path, child):
    """Each change of a state and of the registry has its event, once, in the order in which it happened."""
    path = str(tmp_path / "p4.state")
    with corestate.create(path, config=RegionConfig(events=65536)) as state:
        events = state.events.subscribe(since=0)
        source = """
        import corestate, sys
        from corestate import AgentType, AgentStatus
        name = sys.argv[2]
        with corestate.attach(sys.argv[1]) as state:
            for i in range(300):
                state.engine.burst_state = i % 8
                state.agents.register(name, AgentType.MOTOR)
                state.agents.set_status(name, AgentStatus.RUNNING)
                state.agents.deregister(name)
        """
        for one in [child(source, path, f"agent_{n}") for n in range(3)]:
            one.finish()
        found = events.drain()
        assert (events.lost, events.holes) == (0, 0)
        changes = [event.data for event in found if event.kind == "burst_engine_state_changed"]
        assert len(changes) == state.engine.snapshot()["changes"]["burst_state"]
        before = BurstEngineState.UNAVAILABLE
        for change in changes:
            assert change["old"] is before
            before = change["new"]
        assert before is state.engine.burst_state
        for n in range(3):
            mine = [event.kind for event in found if event.data.get("id") == f"agent_{n}"]
            assert mine == ["agent_registered", "agent_status_changed", "agent_deregistered"] * 300
        assert {event.data["type"] for event in found if event.kind == "agent_registered"} == {AgentType.MOTOR}


def test_p4_many_subscribers_in_one_process_get_the_same(tmp_path):
    with corestate.create(tmp_path / "p4.state") as state:
        subscriptions = [state.events.subscribe() for _ in range(50)]
        for i in range(500):
            state.events.publish("k", i)
        for events in subscriptions:
            assert [event.data for event in events.drain()] == list(range(500))
            assert (events.lost, events.holes) == (0, 0)
