"""Governed agents as their users meet them: other programs, lost stores, dead processes, odd arguments."""

import time
from pathlib import Path

import pytest

import corestate
from corestate import AgentStatus, AgentType, errors
from corestate.agents import Agents

# -- V5: versions ----------------------------------------------------------------------------------


def test_field_v5_a_suspension_by_a_program_without_a_store_is_not_undone(governed):
    before = governed.agents.state_of("a")
    Agents.set_status(governed.agents, "a", AgentStatus.SUSPENDED)
    now = governed.agents.state_of("a")
    assert (now.status, now.version) == (AgentStatus.SUSPENDED, before.version + 1)
    with pytest.raises(errors.MismatchError):
        governed.agents.save(before.with_(data={"x": 1}))
    assert governed.agents["a"].status == AgentStatus.SUSPENDED
    saved = governed.agents.save(now.with_(data={"x": 1}))
    assert (saved.status, saved.data) == (AgentStatus.SUSPENDED, {"x": 1})
    assert saved.version > now.version


def test_field_v5_there_and_back_is_a_change_too(governed):
    before = governed.agents.state_of("a")
    for status in (AgentStatus.SUSPENDED, AgentStatus.RUNNING):
        Agents.set_status(governed.agents, "a", status)
    assert governed.agents.state_of("a").version == before.version + 2
    with pytest.raises(errors.MismatchError):
        governed.agents.save(before.with_(status=AgentStatus.PAUSED))


def test_field_v5_registering_anew_is_a_change(governed):
    before = governed.agents.state_of("a")
    governed.agents.deregister("a")
    governed.agents.register("a", AgentType.BOTH)
    now = governed.agents.state_of("a")
    assert now.version > before.version
    with pytest.raises(errors.MismatchError):
        governed.agents.save(before.with_(data={"x": 1}))
    governed.agents.govern("a")
    assert governed.agents.state_of("a").version > now.version


def test_field_v5_versions_only_rise_whoever_changes(governed):
    seen = [governed.agents.state_of("a").version]
    for step in range(12):
        if step % 3 == 0:
            Agents.set_status(governed.agents, "a", AgentStatus.SUSPENDED)
        elif step % 3 == 1:
            governed.agents.set_status("a", AgentStatus.RUNNING)
        else:
            governed.agents.update("a", lambda found: found.with_(data={"n": len(seen)}))
        seen.append(governed.agents.state_of("a").version)
    assert seen == sorted(set(seen))


def test_field_v5_moved_by_another_while_it_is_saved(governed, monkeypatch):
    before = governed.agents.state_of("a")
    real = governed.agents._write

    def write(*arguments):
        done = real(*arguments)
        Agents.set_status(governed.agents, "a", AgentStatus.SUSPENDED)
        return done

    monkeypatch.setattr(governed.agents, "_write", write)
    with pytest.raises(errors.MismatchError):
        governed.agents.save(before.with_(status=AgentStatus.PAUSED))
    assert governed.agents["a"].status == AgentStatus.SUSPENDED


# -- V1, V7: a store that is gone, given up, or went back ------------------------------------------


def lose(path, *, keep=()):
    with corestate.attach(path, mode="r") as state:
        store = Path(state.durable.path)
    for name in (store, f"{store}-wal", f"{store}-shm"):
        if str(name) not in keep:
            Path(name).unlink(missing_ok=True)
    return store


@pytest.fixture
def lost(path):
    """A region whose store is gone, with a governed agent, a durable budget and a live one."""
    with corestate.open(path) as state:
        state.agents.register("a", AgentType.BOTH)
        state.agents.govern("a", limit=70)
        state.agents.set_status("a", AgentStatus.RUNNING)
        state.agents.budget("a").spend(7)
        state.budgets.create("bb", 50).spend(5)
        state.budgets.create("live", 50, durable=False).spend(5)
    lose(path)
    return path


@pytest.mark.parametrize("mode", ["r", "rw"])
def test_field_v1_a_lost_store_is_said_by_agents_and_budgets(lost, mode):
    with corestate.attach(lost, mode=mode) as state:
        calls = [
            lambda: state.agents.state_of("a"),
            lambda: state.agents.filter(),
            lambda: list(state.agents.states()),
            lambda: state.agents.counts(governed=True),
            lambda: state.budgets["bb"],
            lambda: state.budgets.get("bb"),
            lambda: state.budgets["never"],
            lambda: state.agents.budget("a"),
        ]
        if mode == "rw":
            calls += [
                lambda: state.agents.set_status("a", AgentStatus.PAUSED),
                lambda: state.agents.remove("a"),
                lambda: state.agents.detect("a"),
                lambda: state.budgets.create("c", 5),
                lambda: state.budgets.__delitem__("bb"),
                lambda: state.agents.govern("a"),
            ]
        for call in calls:
            with pytest.raises(errors.StoreGoneError):
                call()


def test_field_v1_what_is_live_only_works_meanwhile(lost):
    with corestate.attach(lost) as state:
        state.agents.register("another", AgentType.BOTH)
        assert state.agents.set_status("another", AgentStatus.RUNNING)
        live = state.budgets["live"]
        live.spend(5)
        assert (live.spent, live.durable) == (10, False)


def test_field_v7_nothing_of_a_store_that_was_given_up_is_shown(lost):
    with corestate.attach(lost) as state:
        assert state.budgets.forget_durable() + state.agents.forget() == 2
        state.durable.adopt()
        assert list(state.budgets) in (["live"], [])
        assert "bb" not in state.budgets
        assert "a" not in state.budgets
        with pytest.raises(errors.NotFoundError):
            state.agents.state_of("a")
        assert state.agents.govern("a", limit=10).budget_spent == 0
        state.budgets.create("bb", 5)


def test_field_v7_budgets_are_taken_anew_from_the_store(state):
    budget = state.budgets.create("b", 1000)
    budget.spend(300)
    held = budget.reserve(100)
    later = state.budgets.create("later", 1000)
    live = state.budgets.create("live", 1000, durable=False)
    live.spend(3)
    with state.durable.store.write() as rows:  # as an older copy of it that was put back has it
        rows.run("UPDATE budgets SET spent = 100, amount_limit = 500 WHERE name = 'b'")
        rows.run("DELETE FROM budgets WHERE name = 'later'")
    state.budgets.reload()
    assert state.budgets["b"].info()[:3] == (500, 100, 0)
    with pytest.raises(errors.StaleError):
        held.commit()
    assert "later" not in state.budgets
    with pytest.raises(errors.StaleError):
        later.spend(1)
    assert live.spent == 3


def test_field_v7_a_mapping_lists_what_it_has(path):
    with corestate.open(path) as state:
        state.budgets.create("b", 1000)
    Path(path).unlink()
    with corestate.open(path):
        pass
    with corestate.attach(path, mode="r") as reader:
        assert [name for name in reader.budgets if name not in reader.budgets] == []


# -- L2: a dead process's agent --------------------------------------------------------------------

REGISTERS = """
    import os, sys, corestate
    state = corestate.open(sys.argv[1])
    state.agents.register("camera", corestate.AgentType.SENSORY, capabilities={"fps": int(sys.argv[2])})
    print("registered", flush=True)
    if sys.argv[3] == "close":
        state.close()
    else:
        input()
"""


@pytest.mark.parametrize("end", ["close", "kill"])
def test_field_l2_a_dead_processs_agent_is_taken_over_with_its_event(state, path, child, end):
    first = child(REGISTERS, path, "30", end)
    assert first.line() == "registered"
    if end == "close":
        first.finish()
    else:
        with pytest.raises(errors.ExistsError):
            state.agents.register("camera", AgentType.BOTH)
        first.kill()
    with state.events.subscribe(["agent_deregistered", "agent_registered"]) as events:
        second = child(REGISTERS, path, "60", "stay")
        assert second.line() == "registered"
        told = [(event.kind, event.data.get("reason")) for event in events.drain()]
    assert [kind for kind, _ in told] == ["agent_deregistered", "agent_registered"]
    assert state.agents["camera"].capabilities == {"fps": 60}
    with pytest.raises(errors.ExistsError):
        state.agents.register("camera", AgentType.BOTH)


def test_field_l2_a_program_runs_twice(path, child):
    for fps in ("30", "60"):
        first = child(REGISTERS, path, fps, "close")
        first.finish()
    with corestate.attach(path, mode="r") as state:
        assert state.agents["camera"].capabilities == {"fps": 60}


# -- D16: arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, 5, "\udc80", b"a", "", ["a"]])
def test_field_d16_odd_ids_are_errors_of_ours(governed, name):
    agents, budgets = governed.agents, governed.budgets
    calls = [
        lambda: agents.govern(name),
        lambda: agents.set_status(name, AgentStatus.PAUSED),
        lambda: agents.detect(name),
        lambda: agents.budget(name),
        lambda: agents.remove(name),
        lambda: agents.state_of(name),
        lambda: agents.register(name, AgentType.BOTH),
        lambda: agents.update(name, lambda found: found),
        lambda: agents[name],
        lambda: agents.get(name),
        lambda: agents.deregister(name),
        lambda: agents.heartbeat(name),
        lambda: budgets[name],
        lambda: budgets.create(name, 5),
        lambda: budgets.__delitem__(name),
    ]
    for call in calls:
        with pytest.raises(errors.CorestateError):
            call()
    assert name not in agents
    assert name not in budgets


@pytest.mark.parametrize(
    "call",
    [
        lambda agents: agents.filter(status="nope"),
        lambda agents: agents.filter(spent_over="x"),
        lambda agents: agents.filter(spent_over=2**70),
        lambda agents: agents.filter(detections_over=-1),
        lambda agents: agents.govern("a", data={"t": (1, 2)}),
        lambda agents: agents.govern("a", data={"t": {1: 2}}),
        lambda agents: agents.govern("a", limit=1.5),
        lambda agents: agents.detect("a", "x"),
        lambda agents: agents.detect("a", 1, {"x": b""}),
        lambda agents: agents.set_status("a", "nope"),
        lambda agents: agents.update("a", 5),
        lambda agents: agents.update("a", lambda found: None),
        lambda agents: agents.save(5),
        lambda agents: agents.save(agents.state_of("a").with_(data={"t": (1, 2)})),
    ],
)
def test_field_d16_odd_arguments_are_errors_of_ours(governed, call):
    before = governed.agents.state_of("a")
    with pytest.raises(errors.CorestateError):
        call(governed.agents)
    assert governed.agents.state_of("a") == before


def test_field_d16_a_reason_in_any_words_is_kept(governed):
    governed.agents.set_status("a", AgentStatus.PAUSED, "\udc80 said so")
    assert "said so" in governed.agents.state_of("a").reason
    assert time.time_ns() >= governed.agents.state_of("a").updated_ns
