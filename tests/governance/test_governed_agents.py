"""B2 and B3: what is kept of governed agents; nobody's change is lost, and nothing is shown that is not kept."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

import corestate
from corestate import AgentId, AgentStatus, AgentType, errors
from corestate._binding import lib

RUNNING, PAUSED, STOPPED = AgentStatus.RUNNING, AgentStatus.PAUSED, AgentStatus.STOPPED


def test_an_agent_that_is_not_governed_makes_no_store(state, path):
    state.agents.register("a", AgentType.BOTH)
    state.agents.set_status("a", RUNNING)
    assert state.agents.counts()[RUNNING] == 1
    assert state.agents.filter() == []
    with pytest.raises(errors.NotFoundError, match="govern"):
        state.agents.state_of("a")
    with pytest.raises(errors.InvalidError, match="govern"):
        state.agents.set_status("a", PAUSED, "because")
    state.agents.deregister("a")
    assert not Path(f"{path}.d").exists()


def test_what_is_kept_comes_back(state):
    name = AgentId.generate()
    state.agents.register(name, AgentType.SENSORY)
    made = state.agents.govern(name, limit=1000, data={"model": "é", "n": 2**70})
    assert (made.id, made.type, made.status) == (name, AgentType.SENSORY, AgentStatus.STARTING)
    assert (made.budget_limit, made.budget_spent, made.pii_detections) == (1000, 0, 0)
    assert made.data == {"model": "é", "n": 2**70}
    assert made.to_dict()["status"] == "starting"
    state.agents.set_status(name, RUNNING, "go")
    state.agents.budget(name).spend(45)
    assert state.agents.detect(name, 2, {"field": "email"}) == 2
    found = state.agents.state_of(name)
    assert (found.status, found.reason, found.budget_spent, found.pii_detections) == (RUNNING, "go", 45, 2)
    assert found.version > made.version
    assert state.budgets[name].detections == 2
    assert state.agents[name].status is RUNNING


def test_every_transition_of_the_lifecycle_and_no_other(state):
    for start in AgentStatus:
        for end in AgentStatus:
            name = f"{start.name}-{end.name}"
            state.agents.register(name, AgentType.BOTH)
            state.agents.govern(name)
            for status in path_to(start):
                state.agents.set_status(name, status)
            before = state.agents.state_of(name)
            if start == end:
                assert state.agents.set_status(name, end) is False
                assert state.agents.state_of(name) == before
            elif lib.cs_agent_may(start, end):
                assert state.agents.set_status(name, end) is True
                assert state.agents[name].status is end
                assert state.agents.state_of(name).status is end
            else:
                with pytest.raises(errors.TransitionError):
                    state.agents.set_status(name, end)
                with pytest.raises(errors.TransitionError):
                    state.agents.save(before.with_(status=end))
                assert state.agents.state_of(name) == before
                assert state.agents[name].status is start
            state.agents.remove(name)


def path_to(status):
    if status == AgentStatus.STARTING:
        return []
    return [RUNNING] if status == RUNNING else [RUNNING, status]


def test_ten_threads_get_change_save_and_none_is_lost(governed):
    def work():
        for _ in range(20):
            governed.agents.update(
                "a", lambda s: s.with_(budget_spent=s.budget_spent + 1, data={"n": s.data.get("n", 0) + 1})
            )

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = governed.agents.state_of("a")
    assert (found.data, found.budget_spent) == ({"n": 200}, 200)
    assert governed.budgets["a"].info()[:3] == (1000, 200, 0)


def test_save_is_compare_and_swap(governed):
    mine = governed.agents.state_of("a")
    theirs = governed.agents.save(mine.with_(data={"by": "them"}))
    with pytest.raises(errors.MismatchError, match=f"version {mine.version}"):
        governed.agents.save(mine.with_(data={"by": "me"}))
    assert governed.agents.state_of("a") == theirs
    for change in (lambda: governed.agents.budget("a").spend(1), lambda: governed.agents.detect("a")):
        mine = governed.agents.state_of("a")
        change()
        with pytest.raises(errors.MismatchError):
            governed.agents.save(mine.with_(budget_spent=5))
    assert governed.agents.state_of("a").budget_spent == 1
    governed.agents.remove("a")
    with pytest.raises(errors.NotFoundError):
        governed.agents.save(mine)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"budget_spent": 1001}, errors.LimitError),
        ({"budget_spent": -1}, errors.RangeError),
        ({"budget_limit": 5}, errors.InvalidError),
        ({"type": AgentType.MOTOR}, errors.InvalidError),
        ({"status": AgentStatus.STARTING, "budget_spent": 5}, errors.TransitionError),
        ({"data": {"x": float("nan")}, "budget_spent": 5}, errors.InvalidError),
        ({"data": [1]}, errors.WrongTypeError),
        ({"data": {1: 1}}, errors.WrongTypeError),
        ({"data": {"x": b""}}, errors.WrongTypeError),
        ({"data": {"x": "y" * 70000}}, errors.TooBigError),
    ],
)
def test_what_is_refused_changes_nothing(governed, change, kind):
    before = governed.agents.state_of("a")
    with pytest.raises(kind):
        governed.agents.save(replace(before, **change))
    assert governed.agents.state_of("a") == before
    assert governed.budgets["a"].info()[:3] == (1000, 0, 0)
    assert governed.audit.verify()


def test_what_was_spent_or_detected_stays_so(governed):
    governed.agents.update("a", lambda s: s.with_(budget_spent=10, pii_detections=3))
    assert governed.budgets["a"].info() == (1000, 10, 0, 3, False)
    for less in ({"budget_spent": 9}, {"pii_detections": 2}):
        with pytest.raises(errors.InvalidError, match="stays"):
            governed.agents.update("a", lambda s, less=less: s.with_(**less))


def test_update_wants_a_state_back(governed):
    with pytest.raises(errors.WrongTypeError, match="with_"):
        governed.agents.update("a", lambda s: None)
    with pytest.raises(errors.InvalidError):
        governed.agents.update("a", lambda s: s, metadata=1)
    assert governed.agents.update("a", metadata={"x": 1}).metadata == {"x": 1}


def test_money_is_spent_only_while_running(governed):
    budget = governed.agents.budget("a")
    held = budget.reserve(100)
    governed.agents.set_status("a", PAUSED)
    for refused in (lambda: budget.reserve(1), held.commit, lambda: governed.budgets["a"].spend(1)):
        with pytest.raises(errors.TransitionError, match="PAUSED"):
            refused()
    with pytest.raises(errors.TransitionError):
        governed.agents.update("a", lambda s: s.with_(budget_spent=5))
    assert budget.info()[1:3] == (0, 100)
    held.commit(40, late=True)
    assert budget.info()[1:3] == (40, 0)
    governed.agents.set_status("a", RUNNING)
    budget.spend(5)
    governed.agents.deregister("a")
    with pytest.raises(errors.TransitionError, match="not registered"):
        budget.reserve(1)
    assert governed.agents.state_of("a").budget_spent == 45


def test_filter_and_counts(state):
    for n in range(6):
        state.agents.register(f"a{n}", AgentType.BOTH)
        state.agents.govern(f"a{n}", limit=100)
        state.agents.set_status(f"a{n}", RUNNING)
        state.agents.budget(f"a{n}").spend(n * 20)
        state.agents.detect(f"a{n}", n)
    state.agents.set_status("a5", STOPPED)
    state.agents.register("live", AgentType.BOTH)
    names = lambda **wanted: [found.id for found in state.agents.filter(**wanted)]  # noqa: E731
    assert names(status=RUNNING, spent_over=40) == ["a3", "a4"]
    assert names(spent_over=40) == ["a3", "a4", "a5"]
    assert names(detections_over=4) == ["a5"]
    assert names(where=lambda found: found.budget_spent == 20) == ["a1"]
    assert [found.id for found in state.agents.states()] == [f"a{n}" for n in range(6)]
    assert state.agents.counts(governed=True) == {**dict.fromkeys(AgentStatus, 0), RUNNING: 5, STOPPED: 1}
    assert state.agents.counts() == {**dict.fromkeys(AgentStatus, 0), RUNNING: 5, STOPPED: 1, AgentStatus.STARTING: 1}


def test_what_governed_agents_do_is_audited(governed):
    governed.agents.set_status("a", PAUSED, "lunch")
    governed.agents.set_status("a", PAUSED)
    governed.agents.set_status("a", RUNNING)
    governed.agents.detect("a", 1, {"field": "email"})
    governed.agents.update("a", lambda s: s.with_(status=AgentStatus.COMPLETED, budget_spent=950))
    governed.agents.remove("a")
    assert [(row.event_type, row.details) for row in governed.audit.query(agent_id="a")] == [
        ("AGENT_STARTED", {"old": "STARTING", "new": "RUNNING"}),
        ("AGENT_STATUS", {"old": "RUNNING", "new": "PAUSED", "reason": "lunch"}),
        ("AGENT_STATUS", {"old": "PAUSED", "new": "RUNNING"}),
        ("PII_DETECTED", {"count": 1, "details": {"field": "email"}}),
        ("AGENT_COMPLETED", {"old": "RUNNING", "new": "COMPLETED"}),
        ("BUDGET_WARNING", {"limit": 1000, "spent": 950}),
        ("AGENT_REMOVED", {}),
    ]
    assert governed.audit.verify()


def test_remove_forgets_all_but_the_trail(governed):
    governed.agents.remove("a")
    assert "a" not in governed.agents
    assert "a" not in governed.budgets
    with pytest.raises(errors.NotFoundError):
        governed.agents.state_of("a")
    with pytest.raises(errors.NotFoundError):
        governed.agents.remove("a")
    governed.agents.register("a", AgentType.BOTH)
    assert governed.agents.govern("a").budget_spent == 0
    with pytest.raises(errors.ExistsError, match="remove"):
        del governed.budgets["a"]


def test_a_budget_that_is_no_agents_keeps_its_name(state):
    state.budgets.create("a", 5)
    state.agents.register("a", AgentType.BOTH)
    with pytest.raises(errors.ExistsError):
        state.agents.govern("a")
    with pytest.raises(errors.NotFoundError):
        state.agents.budget("a")
    assert state.agents.set_status("a", RUNNING)
    state.budgets.create("live", 5, durable=False)
    state.agents.register("live", AgentType.BOTH)
    with pytest.raises(errors.ExistsError):
        state.agents.govern("live")


def test_govern_again_takes_up_what_is_kept(governed):
    governed.agents.budget("a").spend(100)
    governed.agents.update("a", lambda s: s.with_(data={"x": 1}))
    governed.agents.deregister("a")
    assert governed.agents.state_of("a").status is RUNNING
    with pytest.raises(errors.NotFoundError):
        governed.agents.set_status("a", STOPPED)
    with pytest.raises(errors.NotFoundError):
        governed.agents.govern("a")
    governed.agents.register("a", AgentType.BOTH)
    again = governed.agents.govern("a", limit=5000)
    assert (again.status, again.budget_spent, again.budget_limit, again.data) == (
        AgentStatus.STARTING,
        100,
        5000,
        {"x": 1},
    )
    with pytest.raises(errors.LimitError):
        governed.agents.govern("a", limit=99)
    assert governed.agents.govern("a", data={}).data == {}


@pytest.mark.parametrize("final", [AgentStatus.FAILED, AgentStatus.CANCELLED])
def test_the_failed_and_cancelled_do_not_come_back(path, final):
    with corestate.open(path) as state:
        state.agents.register("a", AgentType.BOTH)
        state.agents.govern("a", limit=1000)
        state.agents.set_status("a", final, "out of hand")
        state.agents.deregister("a")
        with pytest.raises(errors.TransitionError, match="out of hand"):
            state.agents.register("a", AgentType.BOTH)
    Path(path).unlink()
    with corestate.open(path) as state:
        with pytest.raises(errors.TransitionError, match="out of hand"):
            state.agents.register("a", AgentType.BOTH)
        assert state.agents.state_of("a").reason == "out of hand"


def test_a_crash_of_everything_keeps_status_money_and_detections(path, child):
    other = child(
        """
        import os, sys, corestate
        from corestate import AgentStatus, AgentType
        state = corestate.open(sys.argv[1])
        state.agents.register("a", AgentType.BOTH)
        state.agents.govern("a", limit=1000, data={"x": 1})
        state.agents.set_status("a", AgentStatus.RUNNING)
        state.agents.detect("a", 3)
        state.agents.budget("a").spend(400)
        held = state.agents.budget("a").reserve(100)
        state.agents.set_status("a", AgentStatus.SUSPENDED, "night")
        print("done", flush=True)
        input()
        """,
        path,
    )
    assert other.line() == "done"
    other.kill()
    Path(path).unlink()
    with corestate.open(path) as state:
        found = state.agents.state_of("a")
        assert (found.status, found.reason, found.data) == (AgentStatus.SUSPENDED, "night", {"x": 1})
        assert state.budgets["a"].info() == (1000, 400, 0, 3, False)
        state.agents.register("a", AgentType.BOTH)
        state.agents.govern("a")
        state.agents.set_status("a", RUNNING)
        state.agents.budget("a").spend(600)


def test_a_status_changed_without_a_store_is_seen_and_kept_next(governed, path):
    """Firmware and pages have no store; what they do stands."""
    info = governed.agents["a"]
    assert lib.cs_agent_set_status(governed.region.view, info.handle, PAUSED, corestate._binding.ffi.NULL) == 0
    assert governed.agents.state_of("a").status is PAUSED
    assert governed.agents.filter(status=PAUSED)[0].id == "a"
    with pytest.raises(errors.TransitionError):
        governed.agents.set_status("a", AgentStatus.WAITING)
    assert governed.agents.set_status("a", PAUSED) is True
    assert governed.durable.store.one("SELECT status FROM governed") == (int(PAUSED),)
    assert governed.agents.set_status("a", PAUSED) is False


def test_who_died_between_store_and_region_is_caught_up(governed, monkeypatch):
    monkeypatch.setattr(type(governed.agents), "_publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        governed.agents.set_status("a", PAUSED, "lunch")
    monkeypatch.undo()
    assert governed.agents["a"].status is RUNNING
    assert governed.agents.state_of("a").status is PAUSED
    governed.agents.set_status("a", AgentStatus.SUSPENDED)
    assert governed.agents["a"].status is AgentStatus.SUSPENDED
    assert governed.agents["a"].status_changes == 3


def test_an_observer_sees_and_changes_nothing(governed, path):
    with corestate.attach(path, mode="r") as reader:
        assert reader.agents.state_of("a").status is RUNNING
        assert reader.agents.counts(governed=True)[RUNNING] == 1
        for write in (
            lambda: reader.agents.set_status("a", PAUSED),
            lambda: reader.agents.update("a", lambda s: s.with_(reason="x")),
            lambda: reader.agents.detect("a"),
            lambda: reader.agents.govern("a"),
            lambda: reader.agents.remove("a"),
            lambda: reader.agents.budget("a").spend(1),
        ):
            with pytest.raises(errors.ReadOnlyError):
                write()


def test_in_memory_and_without_room_for_hot_values(tmp_path):
    config = corestate.RegionConfig(values=0)
    for address, more in (("heap:", {}), (tmp_path / "x.state", {"config": config})):
        with corestate.open(address, **more) as state:
            state.agents.register("a", AgentType.BOTH)
            state.agents.govern("a", limit=10)
            state.agents.set_status("a", RUNNING)
            threads = [
                threading.Thread(
                    target=lambda: state.agents.update("a", lambda s: s.with_(budget_spent=s.budget_spent + 1))
                )
                for _ in range(10)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert state.agents.state_of("a").budget_spent == 10
            assert state.audit.verify()
