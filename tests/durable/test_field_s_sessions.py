"""A store belongs to one region, and a region believes nothing that its store does not have."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import corestate
from corestate.enums import AgentType, Verdict

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="locks of open file descriptions")
SMALL = corestate.RegionConfig(values=0, counters=16)


def _command(*arguments):
    command = [sys.executable, "-m", "corestate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def _fill(path, *, n=1, config=None):
    with corestate.open(path, config=config) as state:
        for _ in range(n):
            state.scope("global").increment("n")
        state.audit.log("ann", "T")


# -- S4: one place, whatever the working directory ---------------------------------------------------


@pytest.mark.parametrize("store", [None, "kept"])
def test_field_s4_a_relative_address_is_meant_where_it_was_opened(tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    with corestate.open("q.state", store=store) as state:
        monkeypatch.chdir("sub")
        state.scope("global")["a"] = 1
        state.audit.log("ann", "T")
        monkeypatch.chdir("/")
        assert state.audit.verify()
        assert state.durable.directory == tmp_path / (store or "q.state.d")
    assert sorted(entry.name for entry in (tmp_path / (store or "q.state.d")).iterdir()) == [
        "anchor",
        "lock",
        "store.db",
    ]
    assert list((tmp_path / "sub").iterdir()) == []


def test_field_s4_two_names_of_a_region_find_one_store(tmp_path):
    _fill(tmp_path / "real.state")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.state"
    link.symlink_to(tmp_path / "real.state")
    with corestate.attach(link) as state:
        assert state.scope("global").increment("n") == 2
        assert state.durable.directory.resolve() == tmp_path / "real.state.d"
    assert [entry.name for entry in (tmp_path / "elsewhere").iterdir()] == ["link.state"]


# -- S5: one region a store --------------------------------------------------------------------------


def test_field_s5_a_second_region_is_refused_while_the_first_has_the_store(tmp_path):
    shared = tmp_path / "shared"
    with (
        corestate.open(tmp_path / "a.state", store=shared) as a,
        corestate.open(tmp_path / "b.state", store=shared) as b,
    ):
        a.scope("global")["k"] = 1
        a.budgets.create("money", 100)
        for attempt in (
            lambda: b.scope("global")["k"],
            lambda: b.scope("global").set("k", 2),
            lambda: b.budgets.get("money"),
            lambda: b.audit.log("b", "T"),
        ):
            with pytest.raises(corestate.StoreInUseError, match=r"a\.state"):
                attempt()
        a.close()
        b.scope("global")["k"] = 2
        b.budgets["money"].spend(60)
    with corestate.open(tmp_path / "a.state", store=shared) as a:
        assert a.scope("global")["k"] == 2, "what was hot in a's earlier session is not believed"
        assert a.budgets["money"].spent == 60
        with pytest.raises(corestate.LimitError):
            a.budgets["money"].spend(60)


def test_field_s5_the_region_of_a_killed_process_gives_the_store_free(tmp_path, child):
    shared = tmp_path / "shared"
    other = child(
        """
        import sys, corestate
        state = corestate.open(sys.argv[1], store=sys.argv[2])
        state.scope("global")["k"] = 1
        print("there", flush=True)
        sys.stdin.read()
        """,
        str(tmp_path / "a.state"),
        str(shared),
    )
    assert other.line() == "there"
    with corestate.open(tmp_path / "b.state", store=shared) as b:
        with pytest.raises(corestate.StoreInUseError):
            b.scope("global")["k"]
        other.kill()
        assert b.scope("global")["k"] == 1


def test_field_s5_a_child_of_fork_keeps_the_session_its_parent_left(tmp_path):
    """And does not keep it for its parent: each has it open for itself."""
    region, shared = tmp_path / "a.state", tmp_path / "shared"
    ready, go = os.pipe(), os.pipe()
    state = corestate.open(region, store=shared)
    state.scope("global")["k"] = 1
    session = state.durable.store.session
    child = os.fork()
    if not child:
        code = 1
        try:
            state.scope("global")["k"] = 2
            code = 2 if state.durable.store.session != session else 0
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            state.scope("global")["k"] = 3
        finally:
            os._exit(code)
    assert os.read(ready[0], 1) == b"x"
    state.close()
    with corestate.open(tmp_path / "b.state", store=shared) as b, pytest.raises(corestate.StoreInUseError):
        b.scope("global")["k"]
    os.write(go[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    with corestate.open(tmp_path / "b.state", store=shared) as b:
        assert b.scope("global")["k"] == 3


def test_field_s5_a_child_that_slept_through_its_session_believes_nothing_of_it(tmp_path):
    region = tmp_path / "a.state"
    go = os.pipe()
    state = corestate.open(region)
    state.scope("global")["k"] = "hot"
    state.budgets.create("money", 100).spend(10)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.read(go[0], 1)
            code = 0 if (state.scope("global")["k"], state.budgets["money"].spent) == ("restored", 20) else 2
        finally:
            os._exit(code)
    state.close()
    hand = sqlite3.connect(tmp_path / "a.state.d" / "store.db")
    hand.execute("UPDATE entries SET value = ?", (b"\xa8restored",))
    hand.execute("UPDATE budgets SET spent = 20")
    hand.commit()
    hand.close()
    os.write(go[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- S6: a store that went back ------------------------------------------------------------------------


@pytest.fixture
def gone_back(tmp_path):
    """A region whose store was put back from an older copy."""
    region, directory = tmp_path / "a.state", tmp_path / "a.state.d"
    with corestate.open(region) as state:
        state.scope("global")["k"] = "old"
        state.budgets.create("money", 100).spend(10)
    shutil.copytree(directory, tmp_path / "backup")
    with corestate.open(region) as state:
        state.scope("global")["k"] = "new"
        state.scope("global")["k2"] = "lost"
        state.budgets["money"].spend(50)
        assert state.scope("global")["k"] == "new"
    shutil.rmtree(directory)
    (tmp_path / "backup").rename(directory)
    return region


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_field_s6_nothing_is_believed_that_the_store_does_not_have(gone_back, mode):
    with corestate.attach(gone_back, mode=mode) as state:
        scope = state.scope("global")
        assert scope["k"] == scope.entry("k").value == "old"
        assert scope.get("k2") is None
        assert "k2" not in scope
        if mode == "rw":
            assert state.budgets["money"].spent == 10
            state.budgets["money"].spend(5)
            assert state.budgets["money"].spent == 15


def test_field_s6_it_is_noticed_and_said_until_it_is_adopted(gone_back):
    with corestate.attach(gone_back) as state:
        state.scope("global").get("k")
        assert state.health().reasons == ("store_went_back",)
        assert state.health().verdict == Verdict.DEGRADED
        for n in range(10):  # also when it has as many changes again
            state.scope("global")["k"] = n
    with corestate.attach(gone_back) as state, corestate.attach(gone_back, mode="r") as reader:
        state.scope("global").get("k")
        assert state.health().reasons == reader.health().reasons == ("store_went_back",)
        assert "went back" in _command("doctor", gone_back).stdout.replace("_", " ")
        state.durable.adopt()
        assert state.health().reasons == reader.health().reasons == ()
        assert state.scope("global")["k"] == 9
    with corestate.attach(gone_back) as state:
        assert state.scope("global")["k"] == 9
        assert state.health().verdict == Verdict.OK


def test_field_s6_a_reader_does_not_believe_a_session_that_is_over(tmp_path):
    region = tmp_path / "a.state"
    with corestate.open(region) as state:
        state.scope("global")["k"] = "hot"
    with corestate.attach(region, mode="r") as reader:
        hand = sqlite3.connect(tmp_path / "a.state.d" / "store.db")
        hand.execute("UPDATE entries SET value = ?", (b"\xa8restored",))
        hand.commit()
        hand.close()
        assert reader.scope("global")["k"] == "restored"
        with corestate.attach(region) as state:
            state.scope("global")["k"] = "again"
            until = reader.scope("global")["k"]
            assert until == "again"


# -- S7: gone or replaced while open ---------------------------------------------------------------------


def _durable_calls(state):
    scope = state.scope("global")
    return {
        "set": lambda: scope.set("a", 1),
        "entry": lambda: scope.entry("a"),
        "items": lambda: dict(scope),
        "history": lambda: scope.history("a"),
        "transact": lambda: state.transact(lambda tx: tx(scope).set("b", 1)),
        "push": lambda: state.tasks.push("t"),
        "log": lambda: state.audit.log("ann", "T"),
        "verify": state.audit.verify,
        "query": state.audit.query,
        "govern": lambda: state.agents.govern("agent"),
        "state_of": lambda: state.agents.state_of("agent"),
        "budget": lambda: state.budgets["money"],
        "create": lambda: state.budgets.create("more", 1),
        "changes": lambda: state.changes(0).drain(),
    }


def _filled(path, config=None):
    state = corestate.open(path, config=config)
    state.scope("global")["a"] = 1
    state.agents.register("agent", AgentType.MOTOR)
    state.agents.govern("agent", limit=50)
    state.budgets.create("money", 100).spend(7)
    state.audit.log("ann", "T")
    return state


@pytest.mark.parametrize("how", ["deleted", "replaced", "file deleted", "file replaced"])
def test_field_s7_a_store_that_is_gone_while_open_is_an_error_at_the_next_call(tmp_path, how):
    directory = tmp_path / "a.state.d"
    state = _filled(tmp_path / "a.state")
    with corestate.open(tmp_path / "b.state") as other:
        other.scope("global")["a"] = "other"
    if how.startswith("file"):
        for entry in directory.glob("store.db*"):
            entry.unlink()
        if how == "file replaced":
            shutil.copy(tmp_path / "b.state.d" / "store.db", directory)
    else:
        shutil.rmtree(directory)
        if how == "replaced":
            shutil.copytree(tmp_path / "b.state.d", directory)
    import time

    time.sleep(0.002)  # it is looked at once a millisecond
    for call in _durable_calls(state).values():
        with pytest.raises(corestate.StoreGoneError):
            call()
    with pytest.raises(corestate.StoreGoneError):
        state.scope("global")["a"]
    assert "store_gone" in state.health().reasons
    assert state.health().verdict == Verdict.FAILED
    state.counters["live"].add()
    state.durable.adopt()
    assert state.health().reasons == ()
    assert state.scope("global").get("a") == ("other" if "replaced" in how else None)
    state.scope("global")["a"] = 2
    state.close()
    with corestate.attach(tmp_path / "a.state") as again:
        assert again.scope("global")["a"] == 2


def test_field_s7_another_process_that_has_adopted_is_noticed(tmp_path):
    state = _filled(tmp_path / "a.state")
    shutil.rmtree(tmp_path / "a.state.d")
    with corestate.attach(tmp_path / "a.state") as other:
        other.durable.adopt()
        other.scope("global")["a"] = "anew"
        import time

        time.sleep(0.002)
        with pytest.raises(corestate.StoreGoneError):
            state.scope("global")["a"]
        state.durable.adopt()
        assert state.scope("global")["a"] == "anew"
        state.scope("global")["a"] = "both"
        assert other.scope("global")["a"] == "both"
    state.close()


# -- V1: a store that is gone before it is opened ----------------------------------------------------------


@pytest.mark.parametrize("config", [None, SMALL], ids=["values", "no values"])
@pytest.mark.parametrize("how", ["deleted", "another"])
def test_field_v1_every_part_says_that_its_store_is_gone(tmp_path, how, config):
    region, directory = tmp_path / "a.state", tmp_path / "a.state.d"
    _filled(region, config).close()
    shutil.rmtree(directory)
    if how == "another":
        _fill(tmp_path / "b.state")
        shutil.copytree(tmp_path / "b.state.d", directory)
    for mode in ("rw", "r"):
        for name in _durable_calls(corestate.open("heap:")):
            if mode == "r" and name in ("set", "transact", "push", "log", "govern", "create"):
                continue
            with corestate.attach(region, mode=mode) as state, pytest.raises(corestate.StoreGoneError):
                _durable_calls(state)[name]()
    for arguments in (("audit", region, "--verify"), ("get", region, "global", "a"), ("tasks", region)):
        done = _command(*arguments)
        assert done.returncode == 1, (arguments, done.stdout)
    assert _command("doctor", region).returncode == 1
    with corestate.attach(region) as state:
        assert state.health().verdict == Verdict.FAILED or how == "another"
        assert state.counters["live"].value == 0


def _without_room(path, config):
    """A region as C makes one, with all its counters taken."""
    from corestate._binding import ffi, lib
    from corestate.stores.note import NAMES

    state = corestate.open(path, config=config)
    handle = ffi.new("cs_handle *")
    for name in NAMES:
        assert lib.cs_counter_find(state.region.view, name.encode(), len(name), handle) == lib.CS_OK
        assert lib.cs_counter_remove(state.region.view, handle[0]) == lib.CS_OK
    for n in range(len(NAMES) + config.counters):
        state.counters[f"mine{n}"].add()
    return state


def test_field_v1_the_note_finds_room_or_no_store_is_made(tmp_path):
    with _without_room(tmp_path / "none.state", corestate.RegionConfig(counters=0, values=0)) as state:
        with pytest.raises(corestate.StoreError, match="counters"):
            state.scope("global")["a"] = 1
        assert not (tmp_path / "none.state.d").exists()
    with _without_room(tmp_path / "values.state", corestate.RegionConfig(counters=0)) as state:
        state.scope("global")["a"] = 1
    shutil.rmtree(tmp_path / "values.state.d")
    with corestate.open(tmp_path / "values.state") as state, pytest.raises(corestate.StoreGoneError):
        state.scope("global")["a"]


def test_field_v1_a_snapshot_does_not_carry_the_note(tmp_path):
    with _filled(tmp_path / "a.state") as state:
        state.snapshot(tmp_path / "a.snap")
    with corestate.restore(tmp_path / "a.snap", tmp_path / "b.state") as state:
        assert state.scope("global").get("a") is None
        state.scope("global")["a"] = 5
    with corestate.attach(tmp_path / "b.state") as state:
        assert state.scope("global")["a"] == 5


# -- V7: adopting ------------------------------------------------------------------------------------------


def test_field_v7_adopting_shows_nothing_of_the_old_store(tmp_path):
    region = tmp_path / "a.state"
    with _filled(region) as state:
        state.budgets.create("live", 9, durable=False).spend(1)
    shutil.rmtree(tmp_path / "a.state.d")
    with corestate.attach(region) as state:
        state.durable.adopt()
        assert list(state.budgets) == ["live"]
        assert state.budgets["live"].spent == 1
        assert state.scope("global").get("a") is None
        assert [row.event_type for row in state.audit] == []
        with pytest.raises(corestate.NotFoundError):
            state.agents.state_of("agent")
        state.budgets.create("money", 5)
        state.agents.govern("agent", limit=10)
        assert state.agents.state_of("agent").budget_limit == 10


def test_field_v7_a_reader_adopts_nothing(tmp_path):
    _fill(tmp_path / "a.state")
    with corestate.attach(tmp_path / "a.state", mode="r") as state, pytest.raises(corestate.ReadOnlyError):
        state.durable.adopt()


def test_an_older_corestates_store_is_not_passed_over(tmp_path):
    region, directory = tmp_path / "a.state", tmp_path / "a.state.d"
    _fill(region)
    (directory / "store.db").rename(tmp_path / "a.state.db")
    shutil.rmtree(directory)
    Path(region).unlink()
    with corestate.open(region) as state:
        for attempt in (lambda: state.scope("global")["n"], lambda: len(state.audit)):
            with pytest.raises(corestate.StoreVersionError, match="mkdir"):
                attempt()
        directory.mkdir(mode=0o700)
        (tmp_path / "a.state.db").rename(directory / "store.db")
        assert state.scope("global")["n"] == 1


# -- S6: a byte copy of a region is another region -----------------------------------------------------------


def test_field_s6_a_copy_of_a_region_does_not_share_its_store(tmp_path):
    path, copy = tmp_path / "x.state", tmp_path / "copy.state"
    with corestate.open(path) as state:
        budget = state.budgets.create("b", 100)
        budget.spend(10)
        state.scope("global")["k"] = 1
        assert state.scope("global")["k"] == 1  # hot
        shutil.copy(path, copy)
        state.scope("global")["k"] = 2
        budget.spend(80)
        with corestate.attach(copy, store=tmp_path / "x.state.d") as other:
            with pytest.raises(corestate.StoreInUseError, match="copy"):
                other.scope("global")["k"]
            with pytest.raises(corestate.StoreInUseError):
                other.budgets["b"]
        with corestate.attach(copy, store=tmp_path / "x.state.d", mode="r") as other:
            assert other.scope("global")["k"] == 2  # never what was hot in the copy
    with corestate.attach(copy, store=tmp_path / "x.state.d") as other:  # nobody has it open: a new session
        assert other.scope("global")["k"] == 2
        assert other.budgets["b"].available == 10
        with corestate.attach(path) as state, pytest.raises(corestate.StoreInUseError):
            state.scope("global")["k"]


def test_field_s6_an_older_copy_put_in_the_regions_place_is_another_region(tmp_path):
    path = tmp_path / "x.state"
    with corestate.open(path) as state:
        state.scope("global")["k"] = 1
        assert state.scope("global")["k"] == 1
        shutil.copy(path, tmp_path / "older")
        state.scope("global")["k"] = 2
        (tmp_path / "older").rename(path)
        with corestate.attach(path) as other, pytest.raises(corestate.StoreInUseError, match="in another file"):
            other.scope("global")["k"]
    with corestate.attach(path) as other:
        assert other.scope("global")["k"] == 2


@pytest.mark.parametrize("name", ["lock", "store.db-shm"])
def test_field_s6_what_others_know_the_store_by_is_missed_when_it_is_removed(tmp_path, name):
    """Else another region, or another SQLite, would begin beside this one."""
    import time

    with corestate.open(tmp_path / "x.state") as state:
        state.scope("global")["k"] = 1
        (tmp_path / "x.state.d" / name).unlink()
        with pytest.raises(corestate.StoreGoneError):
            for _ in range(2000):
                state.scope("global")["k"] = 2
                time.sleep(0.001)
