"""Budgets and governed agents as their users meet them: overruns, dropped reservations, periods, other programs."""

import datetime as dt
import gc
import threading
import time
from pathlib import Path

import pytest

import corestate
from corestate import AgentStatus, AgentType, errors
from corestate.agents import Agents


def utc(*when):
    return dt.datetime(*when, tzinfo=dt.timezone.utc).timestamp()


@pytest.fixture(params=[True, False], ids=["durable", "live"])
def budget(state, request):
    return state.budgets.create("b", 1000, durable=request.param)


@pytest.fixture
def clock(monkeypatch):
    """The wall clock of budgets, set by hand."""
    now = [utc(2026, 5, 17, 12)]
    for module in ("budget", "budgets"):
        monkeypatch.setattr(f"corestate.governance.{module}._wall", lambda: now[0])
    return now


# -- D13: what it did cost -------------------------------------------------------------------------


@pytest.mark.parametrize(("reserved", "cost"), [(100, 300), (1000, 1700), (0, 5)])
def test_field_d13_a_cost_above_the_reservation_is_recorded(state, budget, reserved, cost):
    with state.events.subscribe(["budget_overrun", "budget_warning"]) as events:
        budget.reserve(reserved).commit(cost)
        found = events.drain()
    assert budget.info()[:3] == (1000, cost, 0)
    assert found[-1].data == {"name": "b", "reserved": reserved, "amount": cost}
    assert [event.kind for event in found] == (["budget_warning"] if cost >= 900 else []) + ["budget_overrun"]
    assert budget.available == max(1000 - cost, 0)
    if not budget.durable:
        return
    assert state.durable.store.one("SELECT spent, amount_limit FROM budgets") == (cost, 1000)
    (row,) = state.audit.query(event_type="BUDGET_OVERRUN")
    assert row.details == {"limit": 1000, "spent": cost, "reserved": reserved, "amount": cost}
    assert state.audit.verify()


def test_field_d13_beyond_the_limit_nothing_more_is_lent(state, budget):
    held = budget.reserve(100)
    budget.reserve(100).commit(1500)
    with pytest.raises(errors.LimitError):
        budget.reserve(1)
    held.commit(50)
    assert budget.info()[:3] == (1000, 1550, 0)
    with pytest.raises(errors.LimitError):
        budget.set_limit(1549)
    budget.set_limit(2000)
    budget.spend(450)
    assert budget.available == 0


def test_field_d13_an_overrun_is_the_same_after_a_crash_of_everything(path):
    with corestate.open(path) as state:
        state.budgets.create("b", 1000).reserve(1000).commit(1700)
    Path(path).unlink()
    with corestate.open(path) as state:
        assert state.budgets["b"].info() == (1000, 1700, 0, 0, True)
        state.budgets["b"].set_limit(3000)
        assert state.budgets["b"].available == 1300


def test_field_d13_an_interrupted_overrun_is_spent_once(state, monkeypatch):
    budget = state.budgets.create("b", 1000)
    reservation = budget.reserve(100)
    monkeypatch.setattr(type(reservation), "finish", lambda self, amount: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reservation.commit(1600)
    monkeypatch.undo()
    reservation.commit(1600)
    assert budget.info()[1:3] == (1600, 0)
    assert state.durable.store.one("SELECT spent FROM budgets") == (1600,)
    assert len(state.audit.query(event_type="BUDGET_OVERRUN")) == 1


def test_field_d13_a_killed_process_whose_overrun_was_committed(state, path, child):
    budget = state.budgets.create("b", 1000)
    other = child(
        """
        import sys, os, signal, corestate
        from corestate.governance.budget import Reservation
        state = corestate.open(sys.argv[1])
        Reservation.finish = lambda self, amount: os.kill(os.getpid(), signal.SIGKILL)
        state.budgets["b"].reserve(10).commit(1200)
        """,
        path,
    )
    other.process.wait(60)
    assert budget.info()[:3] == (1000, 1200, 0)


def test_field_d13_more_than_can_be_counted_is_refused(budget):
    budget.spend(10)
    reservation = budget.reserve(5)
    with pytest.raises(errors.RangeError):
        reservation.commit((1 << 63) - 5)
    assert budget.info()[1:3] == (10, 5)
    reservation.commit(6)
    assert budget.spent == 16


# -- D13: reservations that nobody ends ------------------------------------------------------------


def test_field_d13_a_dropped_reservation_comes_back(budget):
    for _ in range(3):
        budget.reserve(100)
    gc.collect()
    assert budget.info()[:3] == (1000, 0, 0)
    held = [budget.reserve(100)]
    held.append(held)  # a circle
    assert budget.reserved == 100
    del held
    gc.collect()
    assert budget.reserved == 0


def test_field_d13_a_reservation_held_for_too_long_comes_back(budget, monkeypatch):
    now = [1000.0]
    for module in ("budget", "holds"):
        monkeypatch.setattr(f"corestate.governance.{module}._clock", lambda: now[0])
    first, second, third = budget.reserve(400), budget.reserve(300, hold=10), budget.reserve(300, hold=1e300)
    now[0] += 11
    assert budget.available == 300
    now[0] += 600
    assert budget.reserve(700)  # refused first, and then there is room
    for ended in (first, second):
        ended.cancel()
        assert ended.ended
    third.commit(300)
    assert budget.spent == 300


def test_field_d13_what_it_did_cost_is_recorded_though_it_was_held_for_too_long(state, budget, monkeypatch):
    now = [1000.0]
    for module in ("budget", "holds"):
        monkeypatch.setattr(f"corestate.governance.{module}._clock", lambda: now[0])
    first, second = budget.reserve(400), budget.reserve(600)
    now[0] += 601
    assert budget.available == 1000
    first.commit(300)
    assert budget.info()[:3] == (1000, 300, 0)
    budget.spend(700)
    second.commit(500)  # others have spent its money
    assert budget.info()[:3] == (1000, 1500, 0)
    for ended in (first, second):
        with pytest.raises(errors.StaleError):
            ended.commit(1)
    assert budget.spent == 1500


@pytest.mark.parametrize("hold", [float("nan"), -1, "x", None, True])
def test_field_d13_odd_holds_are_errors_of_ours(budget, hold):
    with pytest.raises(errors.CorestateError):
        budget.reserve(1, hold=hold)
    assert budget.reserved == 0


def test_field_d13_one_that_was_dropped_in_the_middle_of_a_commit(state, monkeypatch):
    budget = state.budgets.create("b", 1000)
    reservation = budget.reserve(100)
    monkeypatch.setattr(type(reservation), "finish", lambda self, amount: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reservation.commit(60)
    monkeypatch.undo()
    del reservation
    gc.collect()
    assert budget.info()[1:3] == (60, 0)


# -- D13: periods ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "following", "name"),
    [("day", utc(2026, 5, 18), "2026-05-17"), ("month", utc(2026, 6, 1), "2026-05")],
)
def test_field_d13_what_is_spent_begins_anew_with_each_period(state, path, clock, period, following, name):
    budget = state.budgets.create("b", 1000, period=period)
    budget.spend(950)
    held = budget.reserve(50)
    clock[0] = following - 0.001
    with pytest.raises(errors.LimitError):
        budget.reserve(1)
    clock[0] = following
    assert budget.info() == (1000, 0, 50, 0, False)
    budget.spend(900)
    held.commit(50)
    assert budget.spent == 950
    (row,) = state.audit.query(event_type="BUDGET_PERIOD")
    assert row.details == {"period": name, "limit": 1000, "spent": 950}
    assert len(state.audit.query(event_type="BUDGET_WARNING")) == 2
    with corestate.attach(path) as other:
        assert other.budgets["b"].period == period
        assert other.budgets["b"].spent == 950
    assert state.audit.verify()


def test_field_d13_a_clock_that_goes_back_gives_nothing_twice(state, clock):
    budget = state.budgets.create("b", 1000, period="day")
    budget.spend(1000)
    clock[0] += 86400
    budget.spend(1000)
    clock[0] -= 86400
    with pytest.raises(errors.LimitError):
        budget.reserve(1)
    clock[0] += 86400
    for found in (budget, state.budgets["b"]):
        with pytest.raises(errors.LimitError):
            found.reserve(1)
    clock[0] += 86400
    budget.spend(1000)


def test_field_d13_many_find_the_period_over_at_once(state, path, clock):
    state.budgets.create("b", 1000, period="day").spend(1000)
    clock[0] += 86400
    found = [state.budgets["b"] for _ in range(8)]
    spent = []

    def spend(one):
        for _ in range(40):
            try:
                one.spend(10)
            except errors.LimitError:
                return
            spent.append(10)

    threads = [threading.Thread(target=spend, args=(one,)) for one in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(spent) == 1000
    assert state.durable.store.one("SELECT spent FROM budgets") == (1000,)
    assert len(state.audit.query(event_type="BUDGET_PERIOD")) == 1


def test_field_d13_killed_between_the_new_period_in_the_store_and_in_the_region(state, clock, monkeypatch):
    state.budgets.create("b", 1000, period="day").spend(1000)
    clock[0] += 86400
    budget = state.budgets["b"]
    monkeypatch.setattr(state.budgets, "load", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        budget.reserve(1)
    monkeypatch.undo()
    assert state.budgets["b"].info()[:3] == (1000, 0, 0)


def test_field_d13_periods_of_agents_and_odd_ones(state, clock):
    state.agents.register("a", AgentType.BOTH)
    state.agents.govern("a", limit=10, period="month")
    state.agents.set_status("a", AgentStatus.RUNNING)
    state.agents.budget("a").spend(10)
    clock[0] += 40 * 86400
    state.agents.budget("a").spend(10)
    assert state.agents.state_of("a").budget_spent == 10
    for bad in ("week", 5, "", b"day"):
        with pytest.raises(errors.InvalidError):
            state.budgets.create("c", 10, period=bad)
    with pytest.raises(errors.InvalidError):
        state.budgets.create("c", 10, period="day", durable=False)
    assert "c" not in state.budgets


# -- V8: warnings ----------------------------------------------------------------------------------


def warned(state):
    return [row.details for row in state.audit.query(event_type="BUDGET_WARNING")]


def test_field_v8_a_warning_set_off_by_lowering_the_limit_is_audited_once(state):
    budget = state.budgets.create("b", 1000)
    budget.spend(800)
    budget.set_limit(880)
    assert warned(state) == [{"limit": 880, "spent": 800}]
    budget.spend(10)
    budget.set_limit(870)
    _ = state.budgets["b"].spent
    assert len(warned(state)) == 1
    budget.set_limit(2000)
    budget.spend(990)  # passed again: a new one
    assert len(warned(state)) == 2
    budget.set_limit(1999)
    budget.spend(1)
    assert len(warned(state)) == 2


def test_field_v8_raised_and_passed_again_in_one_commit(state):
    budget = state.budgets.create("b", 1000)
    budget.spend(950)
    budget.set_limit(10_000)
    budget.spend(9_000)
    assert [row["spent"] for row in warned(state)] == [950, 9950]


def test_field_v8_a_warning_set_off_by_a_program_without_a_store_is_booked_once(state):
    from corestate._binding import ffi, lib

    budget = state.budgets.create("b", 1000)
    out = ffi.new("cs_handle *")
    assert lib.cs_budget_reserve(state.region.view, budget.handle, 930, out) == 0
    assert lib.cs_budget_commit(state.region.view, out[0], 930) == 0
    for _ in range(3):
        _ = state.budgets["b"]
    assert warned(state) == [{"limit": 1000, "spent": 930}]
    budget.spend(10)
    assert len(warned(state)) == 1


def test_field_v8_a_limit_lowered_by_a_program_without_a_store(state):
    from corestate._binding import lib

    budget = state.budgets.create("b", 1000)
    budget.spend(500)
    assert lib.cs_budget_set_limit(state.region.view, budget.handle, 510) == 0
    assert state.budgets["b"].limit == 1000, "the store says what the limit is"
    assert warned(state) == [{"limit": 510, "spent": 500}]
    budget.spend(450)
    assert len(warned(state)) == 2


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
