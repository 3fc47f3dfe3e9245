"""How figures are taken: in turns, slow subjects fewer times, failures named and survived."""

import dataclasses
import time

import pytest

from bench.forms import TINY
from bench.roles import Statement
from bench.session import Session
from bench.works.directory import expected, too_slow


@pytest.fixture
def session():
    with Session(dataclasses.replace(TINY, rounds=6, subject_seconds=1000), names=["corestate"]) as made:
        yield made


def test_each_round_is_begun_by_another_subject(session):
    order = []

    def turn(name):
        return lambda: order.append(name) or 1.0

    found = session.rounds({name: turn(name) for name in "abc"})
    assert found == {name: [1.0] * 6 for name in "abc"}
    assert "".join(order) == "abcbcacababcbcacab"


def test_a_slow_subject_sits_out_after_three_rounds(session, monkeypatch):
    now = 0.0
    session.form = dataclasses.replace(session.form, subject_seconds=0.05)
    monkeypatch.setattr("bench.session.time.perf_counter", lambda: now)

    def slow():
        nonlocal now
        now += 0.06
        return 0.06

    found = session.rounds({"slow": slow, "quick": lambda: 1.0})
    assert len(found["slow"]) == 3
    assert len(found["quick"]) == 6


def test_what_takes_longer_than_all_its_rounds_may_is_done_once(session):
    session.form = dataclasses.replace(session.form, subject_seconds=0.05)
    found = session.turns({"slow": Statement("sleep(0.2)", {"sleep": time.sleep})})
    assert len(found["slow"]) == 1
    assert found["slow"][0] >= 0.2


def test_a_failure_is_named_and_ends_that_subject_alone(session):
    def bad():
        raise OSError("no such luck")

    found = session.rounds({"bad": bad, "good": lambda: 1.0})
    assert found == {"good": [1.0] * 6}
    assert session.failed() == [("bad", "OSError: no such luck")]


def test_the_time_to_fill_goes_by_what_more_agents_took():
    assert expected([(10, 0.5)], 1_000_000) == 0  # starting a server says nothing about filling it
    assert expected([(10, 0.5), (1000, 0.6)], 100_000) == pytest.approx(0.1 / 990 * 100_000)
    assert expected([(10, 0.5), (1000, 0.4)], 100_000) == 0


def test_a_peer_that_was_too_slow_at_a_size_is_not_tried_at_a_larger_one(session):
    session.form = dataclasses.replace(session.form, subject_seconds=0.5)
    for samples, slow in ([0.2], False), ([0.7], True):
        session.keep("register", "register", "us", {"corestate": samples}, agents=100_000)
        assert bool(too_slow(session, "corestate", 1_000_000, {})) == slow


def test_a_statement_gives_what_is_timed():
    assert Statement("a = 1; a + 1", {}).result() == 2
    assert Statement("with open(path) as file: text = file.read(0)", {"path": __file__}).result() == ""
