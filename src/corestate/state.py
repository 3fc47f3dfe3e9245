"""What opening a region gives: everything in it, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from corestate import health, snapshot
from corestate.areas import Areas
from corestate.audit import Audit
from corestate.counters import Counters, Gauges
from corestate.durable import Durable
from corestate.engine import Engine
from corestate.events import Events
from corestate.governance import Budgets, GovernedAgents
from corestate.locks import Locks
from corestate.participants import Participant, participants
from corestate.scopes import history as histories
from corestate.scopes.ephemeral import EphemeralScope
from corestate.scopes.feed import ChangeRow, Feed, Trigger
from corestate.scopes.paths import ScopePath
from corestate.scopes.scope import Scope
from corestate.scopes.space import Space, retrying
from corestate.scopes.transaction import Transaction
from corestate.scopes.workflow import Workflow
from corestate.states import States
from corestate.tasks import Tasks
from corestate.telling import Teller

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from corestate.config import RegionConfig
    from corestate.health import Health
    from corestate.region import Mode, Region
    from corestate.scopes.erasing import Erased
    from corestate.scopes.hooks import Hooks
    from corestate.scopes.limits import Limits
    from corestate.snapshot import SnapshotInfo
    from corestate.stores import Durability

__all__ = ["StateManager"]

T = TypeVar("T")


class StateManager:
    """The live state in one region. Made by ``corestate.open``, ``create``, ``attach`` and ``restore``.

    Any thread may use it, and so may a child of fork. It is a context manager; leaving it without ``close()`` is no
    error.
    """

    engine: Engine
    """The burst engine's states, numbers, fatigue and change hashes."""
    counters: Counters
    """Named counters."""
    gauges: Gauges
    """Named gauges."""
    areas: Areas
    """Cortical areas."""
    locks: Locks
    """Named locks."""
    agents: GovernedAgents
    """The agent registry, and what is kept of the agents under governance."""
    budgets: Budgets
    """Money that processes spend from together."""
    events: Events
    """The event log."""
    tasks: Tasks
    """Durable tasks, newest first, each leased to one worker at a time."""
    states: States
    """State by id, of tasks, agents, life cycles, and shared."""
    durable: Durable
    """The store of what outlives the moment, opened on first use."""
    audit: Audit
    """The audit trail."""
    region: Region
    """Where the bytes live, and this process's attachment to them."""

    def __init__(
        self,
        region: Region,
        *,
        store: str | os.PathLike[str] | None = None,
        durability: Durability | str = "normal",
    ) -> None:
        self.region = region
        self.engine = Engine(region)
        self.counters = Counters(region)
        self.gauges = Gauges(region)
        self.areas = Areas(region)
        self.locks = Locks(region)
        self.events = Events(region)
        self.durable = Durable(region, self.locks, store, durability)
        self._teller = teller = Teller(region, self.events, self.counters)
        self.audit = Audit(self.durable)
        self.budgets = Budgets(region, self.durable, self.audit)
        self.agents = GovernedAgents(region, self.durable, self.budgets, self.audit)
        self._space = Space(self.durable, self.events, teller)
        self.tasks = Tasks(self.durable, teller)
        self.states = States(self._space, self.events)
        self._space.timelines.extend((self.tasks.timeline, self.audit.timeline))

    @property
    def address(self) -> str:
        """Where the region lives, in the form ``corestate.open`` takes."""
        return str(self.region.address)

    @property
    def mode(self) -> Mode:
        """``"rw"`` or ``"r"``."""
        return self.region.mode

    @property
    def config(self) -> RegionConfig:
        """How much of everything the region has room for."""
        return self.region.config

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self.region.closed

    def health(self, stale_after: float | None = 30.0) -> Health:
        """How things are: states, numbers, who lives, what is full, lost or held by the dead, and a verdict.

        Works with mode ``"r"`` and changes nothing. O(agents + areas + locks + participants).

        Args:
            stale_after: seconds after which a silent agent counts as stale; None: never.

        Raises:
            RangeError, NotANumberError (stale_after), ClosedError.
        """
        return health.with_reasons(health.read(self.region, stale_after), self.durable.reasons)

    def participants(self) -> list[Participant]:
        """The processes attached for writing, the dead whose slots await the sweep included. O(participants)."""
        return participants(self.region)

    def snapshot(self, path: str | os.PathLike[str]) -> SnapshotInfo:
        """Write a picture of the region to a file, which is then there as a whole and durably, or not at all.

        In the picture every record is whole and the engine's fields are of one version; it says whether anything
        changed while it was taken. Held locks and participants are of the moment and left out. O(what is there).

        Raises:
            RegionPermissionError, RegionNotFoundError (no such directory), StorageError, BusyError, ClosedError.
        """
        return snapshot.write(self.region, path)

    # -- scoped state --------------------------------------------------------------------------

    @overload
    def scope(
        self, kind: str, name: str | None = None, *, ephemeral: Literal[False] = False, limits: Limits | None = None
    ) -> Scope: ...

    @overload
    def scope(self, kind: str, name: str | None = None, *, ephemeral: Literal[True]) -> EphemeralScope: ...

    def scope(
        self, kind: str, name: str | None = None, *, ephemeral: bool = False, limits: Limits | None = None
    ) -> Scope | EphemeralScope:
        """A namespace of keys, a mapping; making one costs nothing until it is used.

        Args:
            kind: ``"global"`` (which has no name), ``"user"``, ``"session"``, ``"agent"``, ``"tool"``, ``"workflow"``,
                ``"task"``, ``"hook"`` or ``"custom"``. A step is ``state.workflow(name).step(name)``.
            name: any text of 1 to 256 bytes of UTF-8; no two scopes collide whatever it contains.
            ephemeral: in the region alone: nothing of it is in the store, and none of it outlives a reboot.
            limits: what the scope may grow to.

        Raises:
            InvalidError, WrongTypeError, UnsupportedError (ephemeral, in a region without room for values).
        """
        path = ScopePath.of(kind, name)
        return EphemeralScope(self._space, path) if ephemeral else Scope(self._space, path, limits)

    def workflow(self, name: str, *, limits: Limits | None = None) -> Workflow:
        """The scope of a workflow, with its steps: ``state.workflow("train").step("load")``."""
        return Workflow(self._space, ScopePath.of("workflow", name), limits)

    def transaction(self) -> Transaction:
        """Read and write many keys of many scopes as one step; see ``Transaction``.

        For example::

            with state.transaction() as tx:
                users = tx(state.scope("user", "ann"))
                users["credit"] = users["credit"] - 5
        """
        return Transaction(self._space)

    def transact(self, call: Callable[[Transaction], T], *, attempts: int = 20) -> T:
        """Run ``call(transaction)`` and commit, again from the start while others interfere; returns what it returns.

        Raises:
            ConflictError: interfered with ``attempts`` times.
        """

        def attempt() -> T:
            with self.transaction() as transaction:
                return call(transaction)

        return cast("T", retrying(attempts, attempt))

    @property
    def hooks(self) -> Hooks:
        """Functions called before and after what this process does to scoped values."""
        return self._space.hooks

    def changes(self, since: int | None = None) -> Feed:
        """Every committed change of scoped values in order, as an iterator and async iterator.

        Args:
            since: after the change of this sequence; 0: from the first; None: from now on.
        """
        return Feed(self._space, self.events, since)

    def trigger(
        self,
        call: Callable[[ChangeRow], object],
        *,
        keys: str = "*",
        scope: Scope | None = None,
        since: int | None = None,
    ) -> Trigger:
        """Call a function, in a thread of this process, for each change whoever makes it.

        Args:
            call: given the change. An exception is logged, and the next change comes.
            keys: a pattern of keys, with ``*`` and ``?``.
            scope: only in this scope; None: in all.
            since: as in ``changes``.
        """
        return Trigger(self.changes(since), call, keys, scope.path if scope is not None else None)

    def update_state(self, id: str, type: str, data: Any, *, if_version: int | None = None) -> int:  # noqa: A002
        """Set the state of an id (type: task, agent, lifecycle or shared) as a whole; returns its version."""
        return self.states.update(id, type, data, if_version=if_version)

    def get_state(self, id: str, type: str, default: Any = None) -> Any:  # noqa: A002
        """The state of an id, or ``default``."""
        return self.states.get(id, type, default)

    def delete_state(self, id: str, type: str) -> bool:  # noqa: A002
        """Delete the state of an id; False when there was none."""
        return self.states.delete(id, type)

    def erase(self, scope: Scope | EphemeralScope, key: str | None = None, *, prefix: str | None = None) -> Erased:
        """Erase a key of a scope, its keys that start with ``prefix``, or all of it; see ``Scope.erase``."""
        return scope.erase(key, prefix=prefix)

    def retain(self, *, age: float | None = None, versions: int | None = None) -> int:
        """Forget versions older than ``age`` seconds, and all but the newest ``versions`` of a key; says how many."""
        return histories.retain(self._space, age=age, versions=versions)

    def sweep_expired(self) -> int:
        """Take expired values out of the store, each with its change; returns how many. Writers do it now and then."""
        return self._space.sweep()

    def close(self) -> None:
        """Let go of the region. Idempotent, does not block, safe while other threads use it.

        Threads waiting in it get ClosedError, and so does every later call; the memory is unmapped at the last
        reference. Locks this process still holds count as a dead holder's. The region itself stays. Audit rows that
        durability ``"batched"`` has held back are committed first; where the store cannot be had within a second they
        are kept in a file beside it, for who opens the trail next. A thread that is in the middle of a durable write
        gets ClosedError, or has it committed; a commit under way is waited for.

        Raises:
            AuditHeldError: such rows could be written nowhere; the error has them. All else is done.
        """
        try:
            self.audit.close()
        finally:
            try:
                self.durable.close()
            finally:
                self.region.close()
                self.events.nudge()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.region.size} bytes"
        return f"<StateManager {self.address} mode={self.mode!r} {state}>"
