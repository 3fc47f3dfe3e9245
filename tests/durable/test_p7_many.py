"""P7: what was logged or changed before kill -9, a hundred times or a hundred thousand, is there."""

import pytest

import corestate


@pytest.mark.parametrize(("rounds", "each"), [(100, 1), (100, 1000)], ids=["hundred", "hundred thousand"])
def test_p7_rows_survive_kill_9(path, child, rounds, each):
    other = child(
        """
        import os, signal, sys, corestate
        path, rounds, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        state = corestate.open(path)
        for n in range(rounds):
            if each == 1:
                state.audit.log("a", "T", n)
            else:
                state.audit.log_many([("a", "T", n * each + k) for k in range(each)])
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
        str(rounds),
        str(each),
    )
    other.process.wait(timeout=100)
    assert other.process.returncode == -9
    with corestate.attach(path) as state:
        assert state.audit.verify()
        assert [row.details for row in state.audit] == list(range(rounds * each))


def test_p7_killed_while_writing_nothing_that_returned_is_missing(path, child):
    """Killed whenever it happens, again and again, by others who write as well."""
    source = """
        import sys, corestate
        from corestate import AgentStatus
        with corestate.open(sys.argv[1]) as state:
            more = lambda s: s.with_(budget_spent=s.budget_spent + 1, data={"n": s.data["n"] + 1})
            n = 0
            while True:
                state.agents.update("a", more)
                state.audit.log(sys.argv[2], "T", n)
                n += 1
                print(n, flush=True)
    """
    with corestate.open(path) as state:
        state.agents.register("a", corestate.AgentType.BOTH)
        state.agents.govern("a", limit=10**9, data={"n": 0})
        state.agents.set_status("a", corestate.AgentStatus.RUNNING)
        told, steady = {}, child(source, path, "steady")
        for number in range(5):
            victim = child(source, path, f"v{number}")
            for _ in range(10 + 7 * number):
                told[f"v{number}"] = int(victim.line())
                told["steady"] = int(steady.line())
            victim.kill()
        steady.kill()
        kept, money = state.agents.state_of("a"), state.budgets["a"].info()
        assert kept.budget_spent == kept.data["n"] == money.spent
        assert money.reserved == 0
        assert kept.data["n"] >= sum(told.values())
        for name, count in told.items():
            rows = state.audit.query(agent_id=name, event_type="T")
            assert [row.details for row in rows] == list(range(len(rows)))
            assert len(rows) >= count
        assert state.audit.verify()
        state.agents.update("a", lambda s: s.with_(data={"n": 0}))
