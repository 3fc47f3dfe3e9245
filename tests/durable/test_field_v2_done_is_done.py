"""A durable call that has committed returns its result, whatever becomes of telling others of it.

Every public method that writes durably is run twice: in a region where all is well, and in one where something fails
right after the commit. Result and store must be the same.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import corestate
from corestate import AgentStatus, AgentType, RegionConfig, StateManager, telling
from corestate._binding import ffi, lib
from corestate.audit import Audit
from corestate.audit.anchor import AnchorFile
from corestate.errors import CorestateError
from corestate.governance import Budgets, GovernedAgents
from corestate.governance.budget import Budget, Reservation
from corestate.locks import Lock
from corestate.scopes import space as spaces
from corestate.scopes.hot import Hot
from corestate.scopes.scope import Scope
from corestate.scopes.space import Space
from corestate.scopes.transaction import Transaction, TransactionScope
from corestate.scopes.workflow import Workflow
from corestate.states import States
from corestate.stores import transaction as store_transaction
from corestate.tasks import Task, Tasks

Act = Callable[[], Any]
Verb = Callable[[StateManager], Act]
VERBS: dict[str, Verb] = {}
"""By class and method: sets something up, and gives the call to be judged."""
READS = {
    Scope: "get entry entries keys values items history at diff get_as exists",
    Workflow: "step steps timeline",
    Transaction: "scope read names write delete",  # what they keep back is written by commit
    TransactionScope: "get keys",
    States: "scope get subscribe",
    StateManager: "changes close participants get_state health hooks scope snapshot trigger workflow",
    Tasks: "get find children counts timeline",
    Task: "children",
    Audit: "use_key query tail export timeline verify head pruned close flush add recorded",
    GovernedAgents: "register deregister reap heartbeat get keys values items state_of states filter forget budget "
    "array counts",
    Budgets: "get keys values items insert load remove ready limit running commit record committed settle "
    "detected known reload forget_durable renew tell_overrun",
    Budget: "info reserve",
    Reservation: "cancel prepare record finish",
}
"""What writes nothing durable, or is a step of what does."""
WRITING_MARKS = ("__setitem__", "__delitem__", "__exit__")


def verb(*names: str) -> Callable[[Verb], Verb]:
    def add(make: Verb) -> Verb:
        VERBS.update(dict.fromkeys(names, make))
        return make

    return add


def scope(state: StateManager) -> Scope:
    found = state.scope("user", "u")
    found.update({"n": 1, "gone": 2})
    found.set("n", 5)
    return found


@verb("Scope.set", "Scope.__setitem__")
def _(state):
    found = scope(state)
    return lambda: found.set("n", 6)


@verb("Scope.delete", "Scope.__delitem__", "Scope.pop", "Scope.popitem")
def _(state):
    found = scope(state)
    return lambda: found.pop("gone")


@verb("Scope.increment")
def _(state):
    found = scope(state)
    return lambda: found.increment("n", 3)


@verb("Scope.set_default", "Scope.setdefault")
def _(state):
    found = scope(state)
    return lambda: found.set_default("new", 1)


@verb("Scope.update")
def _(state):
    found = scope(state)
    return lambda: found.update({"a": 1, "b": 2})


@verb("Scope.clear")
def _(state):
    return scope(state).clear


@verb("Scope.erase", "StateManager.erase", "Workflow.erase", "States.erase")
def _(state):
    return scope(state).erase


@verb("Scope.copy_to")
def _(state):
    found = scope(state)
    return lambda: found.copy_to(state.scope("user", "v"))


@verb("Scope.move_to")
def _(state):
    found = scope(state)
    return lambda: found.move_to(state.scope("user", "v"))


@verb("Scope.revert")
def _(state):
    found = scope(state)
    return lambda: found.revert("n", 1)


@verb("Scope.fork")
def _(state):
    found = scope(state)
    return lambda: str(found.fork("w").path)


@verb("StateManager.transaction", "StateManager.transact", "Transaction.commit", "Transaction.__exit__")
@verb("TransactionScope.set", "TransactionScope.__setitem__", "TransactionScope.__delitem__")
@verb("TransactionScope.delete", "TransactionScope.increment")
def _(state):
    found = scope(state)

    def change(tx):
        tx(found)["a"] = 1
        tx(found).delete("gone")
        return tx(found).increment("n")

    return lambda: state.transact(change)


@verb("StateManager.update_state", "States.update")
def _(state):
    return lambda: state.update_state("t", "task", {"a": 1})


@verb("StateManager.delete_state", "States.delete")
def _(state):
    state.update_state("t", "task", 1)
    return lambda: state.delete_state("t", "task")


@verb("StateManager.retain")
def _(state):
    scope(state)
    return lambda: state.retain(versions=1)


@verb("StateManager.sweep_expired")
def _(state):
    scope(state).set("short", 1, ttl=1e-9)
    return state.sweep_expired


@verb("Tasks.push")
def _(state):
    return lambda: state.tasks.push("t", 1)


@verb("Tasks.pop", "Tasks.work")
def _(state):
    state.tasks.push("t", 1)
    return lambda: state.tasks.pop("w")


@verb("Tasks.heartbeat", "Task.heartbeat")
def _(state):
    state.tasks.push("t", 1)
    task = state.tasks.pop("w")
    return lambda: task.heartbeat(60)


@verb("Tasks.complete", "Task.complete", "Task.__exit__")
def _(state):
    task = child(state)
    return lambda: task.complete({"r": 1})


@verb("Tasks.fail", "Task.fail")
def _(state):
    task = child(state)
    return lambda: task.fail("no", retry_in=0)


@verb("Task.push")
def _(state):
    state.tasks.push("parent")
    task = state.tasks.pop("w")
    return lambda: task.push("child")


@verb("Tasks.suspend", "Task.suspend")
def _(state):
    state.tasks.push("parent")
    task = state.tasks.pop("w")
    task.push("child")
    return task.suspend


@verb("Tasks.requeue")
def _(state):
    state.tasks.push("t", max_attempts=1)
    task = state.tasks.pop("w")
    task.fail("no")
    return lambda: state.tasks.requeue(task.id)


@verb("Tasks.forget")
def _(state):
    state.tasks.push("t")
    state.tasks.pop("w").complete()
    return state.tasks.forget


def child(state: StateManager) -> Task:
    state.tasks.push("parent")
    parent = state.tasks.pop("w")
    parent.push("child", max_attempts=1)
    parent.suspend()
    return state.tasks.pop("w")


@verb("Audit.log")
def _(state):
    return lambda: state.audit.log("a", "T", 1)


@verb("Audit.log_many")
def _(state):
    return lambda: state.audit.log_many([("a", "T", 1), ("a", "U", 2)])


@verb("Audit.prune")
def _(state):
    for _ in range(3):
        state.audit.log("a", "T")
    return lambda: state.audit.prune(count=1)


@verb("Audit.anchor")
def _(state):
    state.audit.log("a", "T")
    return lambda: state.audit.anchor().sequence


def agent(state: StateManager) -> None:
    state.agents.register("ag", AgentType.BOTH)
    state.agents.govern("ag", limit=150)


@verb("GovernedAgents.govern")
def _(state):
    state.agents.register("ag", AgentType.BOTH)
    return lambda: state.agents.govern("ag", limit=150)


@verb("GovernedAgents.remove")
def _(state):
    agent(state)
    return lambda: state.agents.remove("ag")


@verb("GovernedAgents.set_status")
def _(state):
    agent(state)
    return lambda: (state.agents.set_status("ag", AgentStatus.RUNNING, "go"), state.agents.state_of("ag"))


@verb("GovernedAgents.update", "GovernedAgents.save")
def _(state):
    agent(state)
    state.agents.set_status("ag", AgentStatus.RUNNING)
    return lambda: state.agents.update(
        "ag",
        lambda now: now.with_(status=AgentStatus.SUSPENDED, budget_spent=140, pii_detections=2, data={"x": 1}),
    )


@verb("GovernedAgents.detect")
def _(state):
    agent(state)
    return lambda: state.agents.detect("ag", 3)


@verb("Budgets.create")
def _(state):
    return lambda: state.budgets.create("b", 100).info()


@verb("Budgets.__delitem__")
def _(state):
    state.budgets.create("b", 100)
    return lambda: state.budgets.__delitem__("b")


@verb("Budget.spend", "Reservation.commit", "Reservation.__exit__")
def _(state):
    budget = state.budgets.create("b", 100)
    return lambda: (budget.spend(95), budget.info()[:3])


@verb("Reservation.commit of more")
def _(state):
    reservation = state.budgets.create("b", 100).reserve(10)
    return lambda: reservation.commit(30)


@verb("Budget.set_limit")
def _(state):
    budget = state.budgets.create("b", 100)
    budget.spend(50)
    return lambda: (budget.set_limit(52), budget.info()[:3])


# -- what fails after the commit -----------------------------------------------------------------


class Committed:
    """Whether a commit has returned since the call was begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = self.done = False
        leave = store_transaction.Transaction.__exit__

        def exit_(transaction, kind, value, traceback):
            leave(transaction, kind, value, traceback)
            self.done |= self.begun and kind is None and transaction._begin != "BEGIN"

        monkeypatch.setattr(store_transaction.Transaction, "__exit__", exit_)

    def failing(self, call: Callable[..., Any], problem: BaseException) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            if self.done:
                raise problem
            return call(*arguments, **named)

        return called


def nothing(state, committed, monkeypatch):
    pass


def kinds_full(state, committed, monkeypatch):
    with suppress(corestate.FullError):
        for i in range(100):
            state.events.publish(f"kind {i}")


def counters_full(state, committed, monkeypatch):
    with suppress(corestate.FullError):
        for i in range(1000):
            state.counters[f"c{i}"].add()
    with suppress(corestate.FullError):
        for i in range(1000):
            state.locks[f"l{i}"]


def ring_busy(state, committed, monkeypatch):
    """Producers that live hold every slot of the ring, as stopped ones do."""
    memory, view = state.region.memory, state.region.view
    offset, _, count, stride = struct.unpack_from("<4I", memory, 96 + 16 * lib.CS_SECTION_EVENTS)
    head = lib.cs_event_newest(view)
    owner = lib.cs_participant_self(view) & 0x3FFFFF
    for place in range(head, head + count):
        at = offset * 64 + 64 + place % count * stride
        struct.pack_into("<Q", memory, at, (place // count) << 24 | owner << 2 | 1)


def no_memory(state, committed, monkeypatch):
    monkeypatch.setattr(telling, "pack", committed.failing(telling.pack, MemoryError()))
    monkeypatch.setattr(telling, "_publish", committed.failing(telling._publish, MemoryError()))


def closed_meanwhile(state, committed, monkeypatch):
    """Another thread closes the region: what follows finds it closed."""
    monkeypatch.setattr(telling, "_publish", lambda *_: lib.CS_E_CLOSED if committed.done else lib.CS_OK)
    monkeypatch.setattr(telling.Teller, "signal", committed.failing(telling.Teller.signal, corestate.ClosedError()))


def hot_lost(state, committed, monkeypatch):
    monkeypatch.setattr(Hot, "publish", committed.failing(Hot.publish, MemoryError()))
    monkeypatch.setattr(Hot, "drop", committed.failing(Hot.drop, corestate.DetachedError()))


def locks_lost(state, committed, monkeypatch):
    monkeypatch.setattr(Hot, "_unlock", committed.failing(Hot._unlock, corestate.ClosedError()))


def turn_lost(state, committed, monkeypatch):
    release = Lock.release

    def released(lock):
        release(lock)
        if committed.begun:
            raise corestate.ClosedError

    monkeypatch.setattr(Lock, "release", released)


def anchor_fails(state, committed, monkeypatch):
    monkeypatch.setattr(AnchorFile, "_put", committed.failing(AnchorFile._put, corestate.StorageError()))


def sweep_fails(state, committed, monkeypatch):
    monkeypatch.setattr(spaces, "WRITES_PER_SWEEP", 1)
    monkeypatch.setattr(Space, "_expired", committed.failing(Space._expired, corestate.StoreBusyError()))


FAULTS = [kinds_full, counters_full, ring_busy, no_memory, closed_meanwhile, hot_lost, locks_lost, turn_lost]
FAULTS += [anchor_fails, sweep_fails]


def test_field_v2_every_durable_verb_is_known():
    for kind, reads in READS.items():
        methods = {
            name
            for name, found in inspect.getmembers(kind)
            if callable(found) and (not name.startswith("_") or name in WRITING_MARKS)
        }
        owners = [base.__name__ for base in kind.__mro__]
        known = {name.split(".")[1] for name in VERBS if name.split(".")[0] in owners} | set(reads.split())
        if kind is Workflow:
            known |= set(READS[Scope].split())
        if kind is StateManager:
            known |= {"__exit__"}
        missing = {name for name in methods - known if not isinstance(getattr(kind, name), type)}
        assert not missing, f"{kind.__name__}: {sorted(missing)} write durably, or do not?"


def dump(state: StateManager) -> dict[str, list[Any]]:
    """All that is in the store, but for times and what is random."""
    left_out = ("time_ns", "_ns", "hash", "registration", "boot", "region", "generation", "place")
    found: dict[str, list[Any]] = {}
    with state.durable.store.read() as rows:
        for (table,) in rows.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
            if table in ("meta", "sqlite_sequence", "budget_regions"):
                continue
            names = [name for _, name, *_ in rows.all(f"PRAGMA table_info({table})")]
            kept = [name for name in names if not name.endswith(left_out)]
            there = rows.all(f"SELECT {', '.join(kept)} FROM {table}")
            found[table] = sorted(re.sub("[0-9a-f]{64}", "a hash", repr(row)) for row in there)
    return found


def plain(value: Any) -> Any:
    if isinstance(value, Task):
        return [value.id, value.type, value.status, value.attempts, value.result, value.error, value.token]
    if isinstance(value, corestate.AgentState):
        return {name: found for name, found in value.to_dict().items() if not name.endswith("_ns")}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


@contextmanager
def opened(tmp_path, number: Iterator[int] = itertools.count()) -> Iterator[StateManager]:  # noqa: B008 - counts on
    config = RegionConfig(events=2, event_kinds=2, counters=1, locks=1, agents=4, areas=4, gauges=4, participants=4)
    with corestate.open(tmp_path / f"{next(number)}.state", config=config) as state:
        yield state


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize(
    "make", dict.fromkeys(VERBS.values()), ids=lambda make: next(n for n in VERBS if VERBS[n] is make)
)
def test_field_v2_what_is_done_does_not_raise(tmp_path, monkeypatch, make, fault):
    found = []
    for trouble in (nothing, fault):
        with opened(tmp_path) as state, monkeypatch.context() as patched:
            act = make(state)
            committed = Committed(patched)
            trouble(state, committed, patched)
            before = dump(state)
            committed.begun = True
            try:
                result = act()
            except CorestateError:
                committed.done = False
                assert trouble is not nothing
                assert dump(state) == before
                return
            committed.done = False
            found.append((plain(result), dump(state)))
    assert found[0] == found[1]


@pytest.mark.parametrize("fault", [*FAULTS[:5]], ids=lambda fault: fault.__name__)
def test_field_v2_a_refusal_is_the_refusal(tmp_path, monkeypatch, fault):
    with opened(tmp_path) as state:
        small = state.scope("user", "u", limits=corestate.Limits(keys=1))
        small["a"] = 1
        committed = Committed(monkeypatch)
        committed.done = True
        fault(state, committed, monkeypatch)
        with pytest.raises(corestate.LimitExceededError):
            small["b"] = 2
        with pytest.raises(corestate.LimitExceededError):
            small.update({"b": 2})
        assert dict(small) == {"a": 1}


def test_field_v2_a_crowded_ring_counts_what_was_missed(tmp_path):
    with opened(tmp_path) as state:
        found = state.scope("user", "u")
        found["a"] = 1
        assert state.events.missed == 0
        ring_busy(state, None, None)
        found["a"] = 2
        assert state.events.missed == 1
        with state.changes(since=1) as feed:
            assert feed.get(timeout=30).value == 2  # it looks by itself


def test_field_v2_the_tables_are_the_users(tmp_path):
    config = RegionConfig(event_kinds=3, counters=3, locks=3)
    with corestate.open(tmp_path / "a.state", config=config) as state:
        state.scope("user", "u")["a"] = 1
        state.tasks.push("t")
        for i in range(3):
            state.events.publish(f"k{i}")
            state.counters[f"c{i}"].add()
            state.locks[f"l{i}"].acquire()
        assert sorted(state.counters) == ["c0", "c1", "c2"]
        assert len(state.counters) == 3
        assert sorted(state.locks) == ["l0", "l1", "l2"]
        assert len(state.locks) == 3
        assert state.config == config
        with pytest.raises(corestate.FullError):
            state.counters["c3"].add()
        with pytest.raises(corestate.FullError):
            state.locks["l3"].acquire()
        with pytest.raises(corestate.FullError):
            state.events.publish("k3")
        health = state.health()
        assert [(use.used, use.capacity) for use in (health.counters, health.locks)] == [(3, 3), (3, 3)]
    with corestate.open(tmp_path / "a.state", config=config) as state:
        assert state.config == config
    with pytest.raises(corestate.ConfigMismatchError) as caught:
        corestate.open(tmp_path / "a.state", config=RegionConfig(event_kinds=3, counters=4, locks=3))
    assert caught.value.differences == {"counters": (4, 3)}
    with corestate.open(tmp_path / "none.state", config=RegionConfig(event_kinds=0, counters=0, locks=0)) as state:
        assert state.scope("user", "u").increment("a") == 1
        state.tasks.push("t")
        assert state.tasks.pop().type == "t"


def test_field_v2_a_region_without_room_says_so_before_anything_is_done(tmp_path):
    """As C and JavaScript make them: with no more room than was asked for."""
    config = RegionConfig(counters=1, locks=2)
    with (tmp_path / "c.state").open("wb+") as file:
        core = config._plain()
        memory = ffi.new("unsigned char[]", lib.cs_region_size(core) + 64)
        start = -int(ffi.cast("uintptr_t", memory)) % 64
        assert lib.cs_region_format(memory + start, len(memory) - start, core, 0) == 0
        file.write(ffi.buffer(memory + start, lib.cs_region_size(core)))
        os.fchmod(file.fileno(), 0o600)
    with corestate.open(tmp_path / "c.state", config=config) as state:
        assert not state.region.reserved
        state.counters["mine"].add()
        with pytest.raises(corestate.FullError, match="corestate:tasks"):
            state.tasks.push("t")
        with pytest.raises(corestate.FullError):
            state.tasks.pop()
        assert state.tasks.find() == []
        assert state.scope("user", "u").set("a", 1) == 1
        for i in range(2):
            with suppress(corestate.FullError):
                state.locks[f"mine {i}"].acquire()
    with corestate.open(tmp_path / "c.state") as state:
        assert sorted(state.locks) == ["mine 0"]  # the other place was needed for the writers' queue
