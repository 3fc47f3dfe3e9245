"""The books of the demonstration: what balances and what does not."""

import pytest

from corestate.demo.books import Account, Books


def books(*, sense=(10, 10), unsensed=0, burst=(100, 100), observed=None, lost=0, killed=False, disorder=0):
    sent, received = sense
    accounts = [
        Account("sensory_processor", "sense", sent - 4),
        Account("sensory_traffic", "sense", 4 + unsensed, killed=killed),
        Account("burst_engine", "burst", burst[0], {"sense": received}),
        Account("motor", "act", 7, {"burst": burst[1]}),
        Account("observer", received=observed or {"sense": received, "burst": burst[0], "act": 7}, lost=lost),
    ]
    return Books(accounts, disorder)


def test_equal_numbers_balance():
    whole = books()
    assert whole.problems() == []
    assert whole.published == 117


def test_a_missing_event_is_named():
    assert books(burst=(100, 99)).problems() == ["motor received 99 of 100 burst events"]


def test_an_event_too_many_is_named():
    assert books(burst=(100, 101)).problems() == ["motor received 101 of 100 burst events"]


def test_a_loss_that_is_named_balances_and_a_larger_one_does_not():
    seen = {"sense": 10, "burst": 95, "act": 7}
    assert books(observed=seen, lost=5).problems() == []
    assert books(observed=seen, lost=4).problems() == ["observer received 95 of 100 burst events, with 4 lost"]


def test_an_event_that_came_twice_is_named():
    assert books(disorder=2).problems() == ["2 events arrived twice or out of order"]


@pytest.mark.parametrize(("killed", "counted_only", "balances"), [(True, 1, True), (True, 2, False), (False, 1, False)])
def test_a_killed_sender_may_have_counted_one_event_it_never_published(killed, counted_only, balances):
    result = books(unsensed=counted_only, killed=killed)
    assert (result.problems() == []) is balances
    if balances:
        assert result.published == 117
        assert any("killed, 1 never published" in line for line in result.table())


def test_the_event_a_killed_sender_never_published_is_one_for_all_listeners():
    result = books(unsensed=1, killed=True, observed={"sense": 11, "burst": 100, "act": 7})
    assert result.problems() == ["burst_engine received 10 of 11 sense events"]


def test_the_table_has_a_line_for_each_process():
    table = books().table()
    assert [line.split()[0] for line in table] == [
        "process", "sensory_processor", "sensory_traffic", "burst_engine", "motor", "observer"
    ]  # fmt: skip
    assert "100 burst" in table[3]
    assert "10 sense" in table[3]
