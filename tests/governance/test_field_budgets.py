"""Budgets and governed agents as their users meet them: overruns, dropped reservations, periods, other programs."""

import datetime as dt
import gc
import threading
from pathlib import Path

import pytest

import corestate
from corestate import AgentStatus, AgentType, errors


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
