"""Several processes at one governed agent: every change is there, once, in the region and in the store."""

import itertools

import pytest

import corestate
from corestate import AgentStatus, AgentType, errors

WORK = """
    import sys, corestate
    with corestate.open(sys.argv[1]) as state:
        print("ready", flush=True)
        input()
        for n in range(50):
            state.agents.update("a", lambda s: s.with_(budget_spent=s.budget_spent + 2, data={"n": s.data["n"] + 1}))
            state.agents.detect("a")
            state.agents.budget("a").spend(1)
        print("done", flush=True)
"""


@pytest.mark.parametrize("values", [1024, 0])
def test_updates_detections_and_spending(tmp_path, child, values):
    path = str(tmp_path / "x.state")
    with corestate.create(path, config=corestate.RegionConfig(values=values)) as state:
        state.agents.register("a", AgentType.BOTH)
        state.agents.govern("a", limit=10**6, data={"n": 0})
        state.agents.set_status("a", AgentStatus.RUNNING)
        others = [child(WORK, path) for _ in range(4)]
        for other in others:
            assert other.line() == "ready"
        for other in others:
            other.tell()
        for other in others:
            other.finish()
        kept = state.agents.state_of("a")
        assert (kept.data, kept.budget_spent, kept.pii_detections) == ({"n": 200}, 600, 200)
        assert state.budgets["a"].info() == (10**6, 600, 0, 200, False)
        assert len(state.audit.query(event_type="PII_DETECTED")) == 200
        assert state.audit.verify()


def test_of_many_who_want_another_status_each_gets_it_or_an_error(tmp_path, child):
    path = str(tmp_path / "x.state")
    source = """
        import sys, corestate
        from corestate import AgentStatus, TransitionError
        with corestate.open(sys.argv[1]) as state:
            print("ready", flush=True)
            input()
            moved = 0
            for n in range(40):
                for status in (AgentStatus.PAUSED, AgentStatus.RUNNING, AgentStatus.WAITING):
                    try:
                        moved += state.agents.set_status("a", status)
                    except TransitionError:
                        pass
            print(moved, flush=True)
    """
    with corestate.create(path) as state:
        state.agents.register("a", AgentType.BOTH)
        state.agents.govern("a")
        state.agents.set_status("a", AgentStatus.RUNNING)
        with state.events.subscribe(["agent_status_changed"]) as changes:
            others = [child(source, path) for _ in range(3)]
            for other in others:
                assert other.line() == "ready"
            for other in others:
                other.tell()
            moved = sum(int(other.line()) for other in others)
            seen = [(event.data["old"], event.data["new"]) for event in changes.drain()]
        rows = [row for row in state.audit.query(agent_id="a") if row.sequence > 1]
        audited = [(AgentStatus[row.details["old"]], AgentStatus[row.details["new"]]) for row in rows]
        assert len(seen) == len(audited) == moved
        assert audited == seen, "the store, the region and the events have one order"
        assert all(after[0] == before[1] for before, after in itertools.pairwise(audited))
        assert state.agents.state_of("a").status is state.agents["a"].status is audited[-1][1]


def test_the_dead_are_reaped_and_what_is_kept_stays(tmp_path, child):
    path = str(tmp_path / "x.state")
    with corestate.create(path) as state:
        other = child(
            """
            import sys, corestate
            state = corestate.open(sys.argv[1])
            state.agents.register("a", corestate.AgentType.BOTH)
            state.agents.govern("a", limit=10)
            state.agents.set_status("a", corestate.AgentStatus.RUNNING)
            held = state.agents.budget("a").reserve(10)
            print("held", flush=True)
            input()
            """,
            path,
        )
        assert other.line() == "held"
        other.kill()
        assert state.agents.reap() == 1
        assert "a" not in state.agents
        assert state.agents.state_of("a").status is AgentStatus.RUNNING
        assert state.budgets["a"].available == 10
        with pytest.raises(errors.TransitionError, match="not registered"):
            state.budgets["a"].reserve(1)
