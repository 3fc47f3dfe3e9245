"""B4: money in integer micro-units; never over the limit, never below zero, by whom and how many ever."""

import threading
from pathlib import Path

import pytest

import corestate
from corestate import errors


@pytest.fixture(params=[True, False], ids=["durable", "live"])
def budget(state, request):
    return state.budgets.create("b", 1000, durable=request.param)


def test_reserve_commit_cancel(state, budget):
    first = budget.reserve(600)
    assert budget.info() == (1000, 0, 600, 0, False)
    second = budget.reserve(400)
    assert (budget.spent, budget.reserved, budget.available, budget.limit) == (0, 1000, 0, 1000)
    with pytest.raises(errors.LimitError, match="at most 0 micro-units"):
        budget.reserve(1)
    first.commit(500)
    assert budget.info()[:3] == (1000, 500, 400)
    second.cancel()
    assert budget.info()[:3] == (1000, 500, 0)
    for ended in (first, second):
        assert ended.ended
        for again in (ended.commit, ended.cancel):
            with pytest.raises(errors.StaleError):
                again()
    budget.spend(500)
    assert budget.info()[:3] == (1000, 1000, 0)
    with pytest.raises(errors.LimitError):
        budget.spend(1)
    budget.spend(0)
    assert state.budgets["b"].spent == 1000


def test_leaving_the_block_gives_back(budget):
    with budget.reserve(10) as reservation:
        assert budget.reserved == 10
    assert reservation.ended
    with pytest.raises(ZeroDivisionError), budget.reserve(10):
        _ = 1 / 0
    with budget.reserve(10) as reservation:
        reservation.commit()
    assert budget.info()[1:3] == (10, 0)


@pytest.mark.parametrize(
    ("amount", "kind"),
    [
        (-1, errors.RangeError),
        (1 << 63, errors.RangeError),
        (0.5, errors.WrongTypeError),
        ("1", errors.WrongTypeError),
        (True, None),
    ],
)
def test_amounts(budget, amount, kind):
    if kind is None:
        budget.spend(amount)
        assert budget.spent == 1
        return
    for wrong in (budget.reserve, budget.spend, budget.set_limit):
        with pytest.raises(kind):
            wrong(amount)
    with budget.reserve(5) as reservation:
        with pytest.raises(kind):
            reservation.commit(amount)
        assert budget.reserved == 5
    assert budget.spent == 0


def test_more_than_there_are_places_for_is_said(tmp_path):
    config = corestate.RegionConfig(reservations=2, budgets=1)
    with corestate.open(tmp_path / "small.state", config=config) as state:
        budget = state.budgets.create("b", 1000)
        held = [budget.reserve(1), budget.reserve(1)]
        with pytest.raises(errors.FullError, match="reservations="):
            budget.reserve(1)
        held[0].cancel()
        budget.spend(1)
        with pytest.raises(errors.FullError, match="budgets="):
            state.budgets.create("c", 1)
        assert list(state.budgets) == ["b"]


def test_the_limit(state, budget):
    held = budget.reserve(600)
    with pytest.raises(errors.LimitError, match="at least 600"):
        budget.set_limit(599)
    budget.set_limit(600)
    held.commit(100)
    budget.set_limit(2000)
    assert state.budgets["b"].info()[:3] == (2000, 100, 0)


def test_the_mapping(state, budget):
    assert list(state.budgets) == ["b"]
    assert len(state.budgets) == 1
    assert "b" in state.budgets
    assert "c" not in state.budgets
    assert "" not in state.budgets
    assert state.budgets.get("c") is None
    with pytest.raises(errors.NotFoundError):
        _ = state.budgets["c"]
    for durable in (True, False):
        with pytest.raises(errors.ExistsError):
            state.budgets.create("b", 1, durable=durable)
    held = budget.reserve(10)
    del state.budgets["b"]
    assert "b" not in state.budgets
    for gone in (held.commit, budget.info, lambda: budget.reserve(1), lambda: budget.set_limit(5)):
        with pytest.raises(errors.StaleError):
            gone()
    assert state.budgets.create("b", 7).limit == 7


def test_a_live_budget_makes_no_store(state, path):
    budget = state.budgets.create("b", 1000, durable=False)
    budget.spend(10)
    with corestate.attach(path) as other:
        assert other.budgets["b"].spent == 10
        assert not other.budgets["b"].durable
    assert not Path(f"{path}.d").exists()


def test_an_observer_looks(state, budget, path):
    budget.spend(10)
    with corestate.attach(path, mode="r") as reader:
        found = reader.budgets["b"]
        assert found.info() == (1000, 10, 0, 0, False)
        assert found.durable == budget.durable
        for write in (lambda: found.reserve(1), lambda: found.set_limit(5), lambda: reader.budgets.create("c", 1)):
            with pytest.raises(errors.ReadOnlyError):
                write()
        with pytest.raises(errors.ReadOnlyError):
            del reader.budgets["b"]


def test_nine_tenths_are_told_once_and_audited(state):
    budget = state.budgets.create("b", 1000)
    with state.events.subscribe(["budget_warning"]) as warnings:
        budget.spend(899)
        assert warnings.drain() == []
        budget.spend(1)
        budget.spend(1)
        (event,) = warnings.drain()
    assert event.data == {"name": "b", "percent": 90}
    (row,) = state.audit.query(event_type="BUDGET_WARNING")
    assert (row.agent_id, row.details) == ("b", {"limit": 1000, "spent": 900})
    assert budget.info().warned


HAMMER = """
    import sys, corestate
    from corestate import LimitError
    with corestate.open(sys.argv[1]) as state:
        budget, spent = state.budgets["b"], 0
        print("ready", flush=True)
        input()
        while True:
            try:
                with budget.reserve(7) as reservation:
                    reservation.commit(5)
                    spent += 5
            except LimitError:
                break
        print(spent, flush=True)
"""


@pytest.mark.parametrize(("durable", "limit"), [(True, 4_003), (False, 200_003)])
def test_eight_processes_spend_all_of_it_and_no_more(state, path, child, durable, limit):
    budget = state.budgets.create("b", limit, durable=durable)
    others = [child(HAMMER, path) for _ in range(8)]
    for other in others:
        assert other.line() == "ready"
    for other in others:
        other.tell()
    total = sum(int(other.line()) for other in others)
    assert budget.spent == total
    assert limit - 7 * 8 < total <= limit
    assert budget.reserved == 0
    if durable:
        row = state.durable.store.one("SELECT spent FROM budgets WHERE name = 'b'")
        assert row == (total,)


def test_threads_share_a_reservation_once(budget):
    reservation, ended, refused = budget.reserve(100), [], []

    def end():
        try:
            reservation.commit(60)
            ended.append(1)
        except errors.StaleError:
            refused.append(1)

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.info()[1:3] == (60, 0)
    assert len(ended) >= 1


def test_what_a_killed_process_reserved_lapses(state, path, child, budget):
    other = child(
        """
        import sys, corestate
        state = corestate.open(sys.argv[1])
        state.budgets["b"].spend(100)
        held = state.budgets["b"].reserve(500)
        print("held", flush=True)
        input()
        """,
        path,
    )
    assert other.line() == "held"
    assert budget.info()[:3] == (1000, 100, 500)
    with pytest.raises(errors.LimitError):
        budget.reserve(401)
    other.kill()
    budget.spend(900)
    assert budget.info()[:3] == (1000, 1000, 0)


def test_a_crash_of_everything_keeps_what_was_committed(path):
    with corestate.open(path) as state:
        state.budgets.create("b", 1000).spend(300)
        state.budgets.create("live", 1000, durable=False).spend(300)
        state.budgets["b"].reserve(100)
    Path(path).unlink()
    with corestate.open(path) as state:
        assert list(state.budgets) == ["b"]
        assert state.budgets["b"].info() == (1000, 300, 0, 0, False)
        state.budgets["b"].spend(700)
        with pytest.raises(errors.LimitError):
            state.budgets["b"].spend(1)


def test_another_boot_counts_only_what_the_store_has(path, monkeypatch):
    """Pages of the region may outlive a loss of power that the store's last commits did not."""
    with corestate.open(path) as state:
        state.budgets.create("b", 1000).spend(300)
        held = state.budgets["b"].reserve(500)
        with state.durable.store.write() as rows:
            rows.run("UPDATE budgets SET spent = 250 WHERE name = 'b'")
        monkeypatch.setattr(type(state.durable), "session", "another boot")
        with corestate.attach(path) as after:
            assert after.budgets["b"].info() == (1000, 250, 0, 0, False)
            with pytest.raises(errors.StaleError):
                held.commit()
            state.budgets["b"].spend(50)
            assert after.budgets["b"].spent == 300


def test_an_interrupted_commit_that_reached_the_store_is_spent_once(state, monkeypatch):
    budget = state.budgets.create("b", 1000)
    reservation = budget.reserve(100)
    monkeypatch.setattr(type(reservation), "finish", lambda self, amount: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reservation.commit(60)
    monkeypatch.undo()
    reservation.commit(90)  # it was 60 that was committed
    assert budget.info()[1:3] == (60, 0)
    again = budget.reserve(100)
    monkeypatch.setattr(type(again), "finish", lambda self, amount: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        again.commit(70)
    monkeypatch.undo()
    again.cancel()
    assert budget.info()[1:3] == (130, 0)
    assert state.durable.store.one("SELECT spent FROM budgets") == (130,)


def test_a_store_that_refuses_leaves_the_reservation(state, monkeypatch):
    budget = state.budgets.create("b", 1000)
    reservation = budget.reserve(100)

    def refuse(*_):
        raise errors.StoreFullError.because("store")

    monkeypatch.setattr(state.budgets, "record", refuse)
    with pytest.raises(errors.StoreFullError):
        reservation.commit(60)
    assert budget.info()[1:3] == (0, 100)
    monkeypatch.undo()
    reservation.commit(60)
    assert budget.info()[1:3] == (60, 0)
