"""A8: the agent registry."""

import math
import time

import msgpack
import numpy as np
import pytest

import corestate
from corestate import AgentStatus, AgentType
from corestate._binding import ffi, lib
from corestate.payload import Undecodable

LIFE = AgentStatus


def test_an_agent_is_found_as_it_registered(state, reader):
    before = time.time_ns()
    made = state.agents.register(
        "video_agent_01",
        AgentType.SENSORY,
        capabilities={"fps": 30, "formats": ["rgb", "yuv"]},
        transport={"host": "localhost", "port": 5555},
        metadata="von Hand",
    )
    for manager in (state, reader):
        agent = manager.agents["video_agent_01"]
        assert agent == made
        assert (agent.id, agent.type, agent.status) == ("video_agent_01", AgentType.SENSORY, AgentStatus.STARTING)
        assert agent.capabilities == {"fps": 30, "formats": ["rgb", "yuv"]}
        assert agent.transport == {"host": "localhost", "port": 5555}
        assert agent.metadata == "von Hand"
        assert before <= agent.registered_at <= time.time_ns()
        assert agent.participant == next(one.id for one in state.participants() if one.me)
    assert state.engine.agent_count == 1


def test_what_was_not_given_is_none(state):
    agent = state.agents.register("a", AgentType.MOTOR)
    assert (agent.capabilities, agent.transport, agent.metadata) == (None, None, None)
    agent = state.agents.update("a", transport={"port": 1})
    assert (agent.capabilities, agent.transport, agent.metadata) == (None, {"port": 1}, None)


def test_the_registry_is_a_mapping(state):
    agents = state.agents
    for name in ("a", "b", "ç"):
        agents.register(name, AgentType.BOTH)
    assert len(agents) == 3
    assert sorted(agents) == ["a", "b", "ç"]
    assert {name: agent.id for name, agent in agents.items()} == {"a": "a", "b": "b", "ç": "ç"}
    assert "a" in agents
    assert "z" not in agents
    assert 5 not in agents
    assert "" not in agents
    assert agents.get("z") is None
    assert agents.get("z", 7) == 7
    with pytest.raises(corestate.NotFoundError) as problem:
        agents["z"]
    assert isinstance(problem.value, KeyError)


def test_what_a_reader_has_is_frozen(state):
    agent = state.agents.register("a", AgentType.MOTOR, capabilities={"x": 1})
    with pytest.raises(AttributeError):
        agent.status = AgentStatus.RUNNING
    agent.capabilities["x"] = 2
    assert agent.capabilities == {"x": 1}
    state.agents.set_status("a", AgentStatus.RUNNING)
    assert agent.status is AgentStatus.STARTING


@pytest.mark.parametrize("kind", AgentType)
def test_every_type_is_kept(state, kind):
    assert state.agents.register("a", kind).type is kind
    assert state.agents["a"].type is kind


def test_a_duplicate_is_refused_and_nothing_changes(state):
    first = state.agents.register("a", AgentType.SENSORY, capabilities=1)
    newest = state.events.newest
    with pytest.raises(corestate.ExistsError) as problem:
        state.agents.register("a", AgentType.MOTOR, capabilities=2)
    assert isinstance(problem.value, ValueError)
    assert state.agents["a"] == first
    assert (len(state.agents), state.events.newest) == (1, newest)


@pytest.mark.parametrize(
    "act",
    [
        lambda agents: agents.deregister("ghost"),
        lambda agents: agents.heartbeat("ghost"),
        lambda agents: agents.set_status("ghost", LIFE.RUNNING),
        lambda agents: agents.update("ghost", metadata=1),
        lambda agents: agents["ghost"],
    ],
)
def test_an_unknown_agent_is_an_error(state, act):
    with pytest.raises(corestate.NotFoundError, match="ghost"):
        act(state.agents)


@pytest.mark.parametrize(
    "act",
    [
        lambda agents, agent: agents.deregister(agent),
        lambda agents, agent: agents.heartbeat(agent),
        lambda agents, agent: agents.set_status(agent, LIFE.RUNNING),
        lambda agents, agent: agents.update(agent, metadata=1),
    ],
)
def test_an_info_means_its_registration_and_an_id_whoever_has_it(state, act):
    first = state.agents.register("a", AgentType.SENSORY)
    state.agents.deregister(first)
    second = state.agents.register("a", AgentType.MOTOR)
    with pytest.raises(corestate.StaleError) as problem:
        act(state.agents, first)
    assert isinstance(problem.value, KeyError)
    assert state.agents["a"] == second
    act(state.agents, "a")


def test_an_id_finds_the_new_agent_also_in_other_processes(state, reader):
    state.agents.register("a", AgentType.SENSORY)
    assert reader.agents["a"].type is AgentType.SENSORY
    state.agents.deregister("a")
    assert reader.agents.get("a") is None
    state.agents.register("b", AgentType.MOTOR)  # takes the slot
    assert reader.agents.get("a") is None
    state.agents.register("a", AgentType.MOTOR)
    assert reader.agents["a"].type is AgentType.MOTOR


@pytest.mark.parametrize("name", ["", "x" * 64, "é" * 32, "\ud800", "a\0b"])
def test_ids_that_cannot_be_are_refused(state, name):
    with pytest.raises(corestate.NameInvalidError):
        state.agents.register(name, AgentType.SENSORY)
    assert len(state.agents) == 0


def test_ids_of_63_bytes_are_kept_whole(state):
    name = "é" * 31 + "x"
    state.agents.register(name, AgentType.SENSORY)
    assert list(state.agents) == [name]
    assert state.agents[name].id == name


@pytest.mark.parametrize(
    ("kind", "error"), [(5, corestate.InvalidError), (-1, corestate.InvalidError), ("sensory", TypeError)]
)
def test_unknown_types_are_refused(state, kind, error):
    with pytest.raises(error, match="SENSORY"):
        state.agents.register("a", kind)
    assert len(state.agents) == 0


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("x" * 300, corestate.TooBigError),
        ({"x": object()}, corestate.WrongTypeError),
        ({1, 2}, corestate.WrongTypeError),
        (2**64, corestate.RangeError),
        (-(2**63) - 1, corestate.RangeError),
    ],
)
def test_details_that_cannot_be_kept_are_refused(state, data, error):
    with pytest.raises(error):
        state.agents.register("a", AgentType.SENSORY, capabilities=data)
    assert len(state.agents) == 0
    first = state.agents.register("a", AgentType.SENSORY, capabilities=1)
    with pytest.raises(error):
        state.agents.update("a", metadata=data)
    assert state.agents["a"] == first


def test_details_share_their_room(small):
    small.agents.register("a", AgentType.SENSORY, capabilities=b"x" * 20, transport=b"y" * 20, metadata=b"z" * 10)
    with pytest.raises(corestate.TooBigError, match="64 bytes"):
        small.agents.register("b", AgentType.SENSORY, capabilities=b"x" * 20, transport=b"y" * 20, metadata=b"z" * 25)
    assert small.agents["a"].metadata == b"z" * 10


def test_details_in_themselves_or_too_deep_are_refused(state):
    circle = []
    circle.append(circle)
    with pytest.raises(corestate.InvalidError):
        state.agents.register("a", AgentType.SENSORY, capabilities=circle)


def test_a_region_without_details_has_none(tmp_path):
    config = corestate.RegionConfig(agent_details_bytes=0)
    with corestate.create(tmp_path / "r", config=config) as state:
        assert state.agents.register("a", AgentType.MOTOR).capabilities is None
        with pytest.raises(corestate.TooBigError):
            state.agents.register("b", AgentType.MOTOR, capabilities=1)


def test_a_full_registry_says_so_and_goes_on(small):
    for name in "abcd":
        small.agents.register(name, AgentType.SENSORY)
    with pytest.raises(corestate.FullError):
        small.agents.register("e", AgentType.SENSORY)
    assert sorted(small.agents) == list("abcd")
    small.agents.deregister("b")
    small.agents.register("e", AgentType.SENSORY)
    assert sorted(small.agents) == list("acde")


# -- life --------------------------------------------------------------------------------------


def test_coming_and_going_are_events(state):
    with state.events.subscribe(["agent_registered", "agent_deregistered", "agent_status_changed"]) as events:
        state.agents.register("a", AgentType.MOTOR)
        state.agents.set_status("a", AgentStatus.RUNNING)
        state.agents.deregister("a")
        assert [(event.kind, event.data) for event in events.drain()] == [
            ("agent_registered", {"id": "a", "type": AgentType.MOTOR}),
            ("agent_status_changed", {"id": "a", "old": AgentStatus.STARTING, "new": AgentStatus.RUNNING}),
            (
                "agent_deregistered",
                {"id": "a", "type": AgentType.MOTOR, "reason": corestate.DeregisterReason.DEREGISTERED},
            ),
        ]
    assert state.engine.agent_count == 0


def test_the_lifecycle_is_enforced(state):
    state.agents.register("a", AgentType.SENSORY)
    assert state.agents.set_status("a", LIFE.RUNNING) is True
    assert state.agents.set_status("a", LIFE.RUNNING) is False
    state.agents.set_status("a", LIFE.STOPPED)
    assert state.agents.set_status("a", LIFE.RUNNING) is True, "a restart"
    state.agents.set_status("a", LIFE.FAILED)
    newest = state.events.newest
    for status in (LIFE.RUNNING, LIFE.STARTING, LIFE.CANCELLED):
        with pytest.raises(corestate.TransitionError) as problem:
            state.agents.set_status("a", status)
        assert isinstance(problem.value, ValueError)
    assert state.agents["a"].status is LIFE.FAILED
    assert state.agents["a"].status_changes == 4
    assert state.events.newest == newest


@pytest.mark.parametrize("status", [9, -1, 2**33, AgentType.MOTOR])
def test_unknown_statuses_are_refused(state, status):
    state.agents.register("a", AgentType.SENSORY)
    with pytest.raises(corestate.InvalidError):
        state.agents.set_status("a", status)
    assert state.agents["a"].status is LIFE.STARTING


def test_a_heartbeat_is_seen(state, reader):
    agent = state.agents.register("a", AgentType.SENSORY)
    version, newest = state.engine.version, state.events.newest
    while reader.agents["a"].last_seen <= agent.last_seen:  # the clock is coarse
        state.agents.heartbeat("a")
    state.agents.heartbeat(agent)
    assert (state.engine.version, state.events.newest) == (version, newest)


def test_the_silent_are_reaped(state):
    state.agents.register("silent", AgentType.SENSORY)
    talker = state.agents.register("talker", AgentType.SENSORY)
    assert state.agents.reap(3600) == 0
    silent = state.agents["silent"]
    while state.agents["talker"].last_seen < silent.last_seen + 50_000_000:
        state.agents.heartbeat(talker)
    with state.events.subscribe("agent_deregistered") as events:
        assert state.agents.reap(0.04) == 1
        assert events.drain()[0].data == {
            "id": "silent",
            "type": AgentType.SENSORY,
            "reason": corestate.DeregisterReason.SILENT,
        }
    assert list(state.agents) == ["talker"]


def test_the_dead_are_reaped(state, child):
    dead = child(
        """
        import corestate, sys
        state = corestate.attach(sys.argv[1])
        state.agents.register("dead", corestate.AgentType.MOTOR)
        print("registered", flush=True)
        sys.stdin.readline()
        """,
        state.address,
    )
    assert dead.line() == "registered"
    state.agents.register("alive", AgentType.MOTOR)
    assert state.agents.reap() == 0
    dead.kill()
    assert state.agents.reap(dead=False) == 0
    with state.events.subscribe("agent_deregistered") as events:
        assert state.agents.reap() == 1
        data = events.drain()[0].data
    assert (data["id"], data["reason"]) == ("dead", corestate.DeregisterReason.DEAD)
    assert list(state.agents) == ["alive"]


@pytest.mark.parametrize(
    ("older_than", "error"), [(-1, corestate.RangeError), (math.nan, corestate.NotANumberError), ("x", TypeError)]
)
def test_reaping_needs_a_sensible_age(state, older_than, error):
    state.agents.register("a", AgentType.SENSORY)
    with pytest.raises(error):
        state.agents.reap(older_than)
    assert len(state.agents) == 1


def test_an_observer_cannot_change_the_registry(state, reader):
    agent = state.agents.register("a", AgentType.SENSORY)
    for act in (
        lambda: reader.agents.register("b", AgentType.SENSORY),
        lambda: reader.agents.deregister("a"),
        lambda: reader.agents.heartbeat(agent),
        lambda: reader.agents.heartbeat("a"),
        lambda: reader.agents.set_status("a", LIFE.RUNNING),
        lambda: reader.agents.update("a", metadata=1),
        lambda: reader.agents.reap(),
    ):
        with pytest.raises(corestate.ReadOnlyError):
            act()
    assert state.agents["a"] == agent


# -- many --------------------------------------------------------------------------------------


def test_the_array_has_a_row_for_each(state):
    for i in range(300):
        state.agents.register(f"agent_{i}", AgentType(i % 5))
    for i in range(0, 300, 3):
        state.agents.deregister(f"agent_{i}")
    rows = state.agents.array()
    assert len(rows) == 200
    assert {row["id"].decode(): int(row["type"]) for row in rows} == {f"agent_{i}": i % 5 for i in range(300) if i % 3}
    assert set(rows["participant"].tolist()) == {next(one.id for one in state.participants() if one.me)}
    assert rows["last_seen_ns"].dtype == np.uint64
    assert sorted(state.agents) == sorted(row["id"].decode() for row in rows)


def test_the_array_of_nobody_is_empty(state, tmp_path):
    assert len(state.agents.array()) == 0
    with corestate.create(tmp_path / "none", config=corestate.RegionConfig(agents=0)) as none:
        assert len(none.agents.array()) == 0
        assert list(none.agents) == []


def test_register_and_leave_a_hundred_thousand_times(state):
    """Removal does not rot the index, and remembered handles do not pile up."""
    for i in range(20_000):
        state.agents.register(f"agent_{i}", AgentType.SENSORY)
        state.agents.deregister(f"agent_{i}")
    assert len(state.agents) == 0
    assert len(state.agents.array()) == 0


# -- what a bad peer writes ----------------------------------------------------------------------


def raw_register(state, name, capabilities):
    details = ffi.new("cs_details *")
    keep = ffi.from_buffer(capabilities)
    details.capabilities, details.capabilities_length = keep, len(capabilities)
    code = lib.cs_agent_register(state.region.view, name, len(name), 0, details, ffi.new("cs_handle *"))
    assert code == lib.CS_OK


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",  # an array of four billion
        b"\xdf\xff\xff\xff\xff",  # a map of as many
        b"\xc6\xff\xff\xff\xffabc",  # bytes longer than there are
        b"\xa4\xff\xfe\xfd\xfc",  # a str that is no UTF-8
        b"\x91" * 200,  # nested, without an end
        b"\x81\x90\x01",  # a list as a key
        b"\x01\x02",  # more than one
        b"\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # a timestamp with too many nanoseconds
    ],
)
def test_details_that_are_no_messagepack_come_as_undecodable(state, reader, garbage):
    raw_register(state, b"bad", garbage)
    for manager in (state, reader):
        found = manager.agents["bad"].capabilities
        assert isinstance(found, Undecodable)
        assert bytes(found) == garbage
        assert "Undecodable" in repr(found)
        assert manager.agents["bad"].to_dict()["id"] == "bad"
    assert list(state.agents) == ["bad"]


def test_nesting_within_bounds_is_decoded(state):
    deep = b"\x91" * 150 + b"\x01"
    raw_register(state, b"deep", deep)
    found = state.agents["deep"].capabilities
    for _ in range(150):
        (found,) = found
    assert found == 1


def test_messagepack_of_others_is_read(state):
    raw_register(state, b"a", msgpack.packb({1: (2, b"x", "y", None, 1.5, 2**64 - 1)}))
    assert state.agents["a"].capabilities == {1: [2, b"x", "y", None, 1.5, 2**64 - 1]}


def test_an_agent_that_leaves_while_all_are_looked_at_is_left_out(state, child):
    others = child(
        """
        import corestate, sys
        with corestate.attach(sys.argv[1]) as state:
            for word in sys.stdin:
                state.agents.deregister(word.strip())
                print("gone", flush=True)
        """,
        state.address,
    )
    for name in ("a", "b", "c", "d"):
        state.agents.register(name, AgentType.MOTOR)
    values, items = iter(state.agents.values()), iter(state.agents.items())
    assert next(values).id == next(items)[0] == "a"
    for name in ("b", "d"):
        others.tell(name)
        assert others.line() == "gone"
    assert [agent.id for agent in values] == ["c"]
    assert [(name, agent.id) for name, agent in items] == [("c", "c")]
    assert len(state.agents.values()) == len(state.agents.items()) == 2
