"""Half a million of everything: what is read, kept and printed is what is shown."""

import json
import sys
import tracemalloc

import pytest

import corestate
from corestate import AgentType, RegionConfig
from corestate._binding import lib
from corestate.cli import describe, output

MANY = 20_000
"""Enough that work for each of them could not be missed: what is counted does not depend on the machine."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A region with many of everything."""
    path = str(tmp_path_factory.mktemp("crowded") / "r.state")
    config = RegionConfig(agents=MANY, areas=MANY, counters=MANY, gauges=MANY, locks=MANY)
    with corestate.create(path, config=config) as state:
        for i in range(MANY):
            state.counters[f"c{i}"]
            state.gauges[f"g{i}"]
            state.areas[f"a{i}"]
            state.locks[f"l{i}"].acquire()
            state.agents.register(f"w{i}", AgentType.MOTOR)
        yield state


@pytest.fixture
def work(monkeypatch):
    """Counts what commands do, by kind."""
    counts = {"rows": 0, "cells": 0, "agents": 0, "names": 0}

    def counted(kind, original):
        def call(*arguments, **options):
            counts[kind] += 1
            return original(*arguments, **options)

        return call

    monkeypatch.setattr(output.Table, "add_row", counted("rows", output.Table.add_row))
    monkeypatch.setattr(corestate.Agents, "get", counted("agents", corestate.Agents.get))
    monkeypatch.setattr(output, "clean", counted("cells", output.clean))
    original = describe.walk

    def walk(region, table):
        for found in original(region, table):
            counts["names"] += 1
            yield found

    monkeypatch.setattr(describe, "walk", walk)
    monkeypatch.setattr("corestate.names.walk", walk)
    return counts


@pytest.mark.parametrize("command", ["show", "agents", "locks", "inspect", "top"])
def test_field_x13_a_list_reads_and_shows_a_screenful(run, crowded, work, command):
    result = run(command, crowded.address)
    assert result.code == 0
    most = 12 if command == "top" else output.LIMIT
    assert work["rows"] <= 5 * most + 60
    assert work["agents"] <= most + 1
    assert work["cells"] <= 60 * 5 * most + 10_000
    # locks are counted, one look each, because the number is said; nothing is made of them
    assert work["names"] <= (MANY if command == "locks" else 0) + 12 * most + 60
    assert len(result.out.encode()) < 300_000
    if command == "locks":
        assert f"and {MANY - most:,} more" in result.out
    if command != "top":
        assert f"{most} of {MANY:,}" in result.out


def test_field_x13_the_limit_is_the_users(run, crowded):
    assert f"and {MANY - 5:,} more" in run("agents", crowded.address, "--limit", 5).out
    assert len(run("agents", crowded.address, "--limit", 5, "--json").json) == 5
    assert len(run("show", crowded.address, "--limit", 7, "--json").json["counters"]) == 7
    assert run("agents", crowded.address, "--limit", 0).code == 2


@pytest.mark.parametrize("command", ["show", "agents", "locks"])
def test_field_x13_json_is_written_as_it_is_read(monkeypatch, crowded, command):
    longest = written = 0

    def echo(text="", **_):
        nonlocal longest, written
        longest, written = max(longest, len(text)), written + len(text)

    monkeypatch.setattr(output.click, "echo", echo)
    tracemalloc.start()
    try:
        output.emit(
            {
                "show": lambda: describe.state_data(crowded),
                "agents": lambda: describe.agent_rows(crowded),
                "locks": lambda: describe.lock_rows(crowded),
            }[command]()
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written > MANY * 20
    assert longest < 100_000
    assert peak < 30 << 20, "of handles remembered, not of rows"


def test_field_x13_json_has_all_of_them(run, crowded):
    assert len(run("locks", crowded.address, "--json").json) == MANY
    found = run("show", crowded.address, "--json").json
    assert {len(found[word]) for word in ("counters", "gauges", "areas")} == {MANY}


def test_a_small_table_is_sorted_whole(run, path):
    with corestate.create(path) as state:
        for name in ("c", "a", "b"):
            state.counters[name].set(1)
        assert list(run("show", path, "--json").json["counters"]) == ["a", "b", "c"]
        text = run("show", path, "--limit", 2).out
        assert "2 of 3" in text
        assert "and 1 more counters" in text


def test_field_x13_lists_of_the_durable_parts(run, path):
    with corestate.create(path) as state:
        scope = state.scope("user", "x")
        scope.update({f"k{i:03}": i for i in range(300)})
        state.audit.log_many([("a", "t", {"i": i}) for i in range(300)])
        for command in (["keys", path, "user:x"], ["at", path, "user:x", "#300"], ["audit", path]):
            text = run(*command).out
            assert "and 100 more" in text
            assert len(text.splitlines()) < 210
            assert "more" not in run(*command, "--limit", 300).out.splitlines()[-1]
        assert len(run("keys", path, "user:x", "--json").json) == 300
        assert len(run("keys", path, "user:x", "--json", "--limit", 10).json) == 10
        assert [row["details"] for row in run("audit", path, "--tail", 2, "--json").json] == [{"i": 298}, {"i": 299}]
        assert len(run("audit", path, "--export", "jsonl").lines) == 300
        assert json.loads(run("audit", path, "--export", "jsonl", "--limit", 1).out)["details"] == {"i": 0}


def test_the_core_counts_locks_as_the_list_does(live):
    assert describe.locks_total(live, free=False) == sum(1 for _ in describe.lock_rows(live, free=False))
    assert describe.locks_total(live) == sum(1 for _ in describe.lock_rows(live))
    assert describe.locks_total(live, free_areas=True) == sum(1 for _ in describe.lock_rows(live, free_areas=True))
    assert lib.CS_SECTION_LOCKS != lib.CS_SECTION_AREAS
    assert sys.getsizeof(describe.agent_rows(live)) < 1000, "rows to come, not a list"
