"""One block of memory, live in every process, on the board and in the browser.

``open`` an address and use what the ``StateManager`` it returns has::

    import corestate

    with corestate.open("brain.state") as state:
        state.engine.burst_state = corestate.BurstEngineState.RUNNING
        state.counters["spikes"].add(5)

An address is a path (a mapped file), ``shm:name`` (POSIX shared memory) or ``heap:`` (this process only). What goes
wrong is a ``CorestateError`` that is also of the builtin kind one would expect, such as ``KeyError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate import _safe_path, errors, snapshot  # noqa: F401 - _safe_path first: what lies outside comes after it
from corestate.address import Address
from corestate.agents import AgentInfo, Agents
from corestate.areas import Area, Areas
from corestate.audit import (
    Anchor,
    Audit,
    AuditAnchorError,
    AuditBrokenError,
    AuditError,
    AuditEvent,
    AuditHeldError,
    AuditKeyError,
    AuditRow,
)
from corestate.changes import Change
from corestate.config import RegionConfig
from corestate.counters import Counter, Counters, Gauge, Gauges
from corestate.engine import Engine
from corestate.enums import (
    AgentStatus,
    AgentType,
    BurstEngineState,
    ConnectomeState,
    DeregisterReason,
    GenomeState,
    ServiceState,
    Verdict,
)
from corestate.errors import *  # noqa: F403 - the whole tree, by errors.__all__
from corestate.events import Event, Events, Listener, Subscription
from corestate.governance import AgentState, Budget, BudgetInfo, Budgets, GovernedAgents, Reservation
from corestate.health import Health
from corestate.ids import (
    AgentId,
    ApiTokenId,
    BudgetRequestId,
    ControlId,
    IdError,
    IdErrorCode,
    LeaseId,
    ProjectId,
    ProviderId,
    RequestId,
    TypedId,
)
from corestate.locks import Lock, LockInfo, Locks
from corestate.participants import Participant
from corestate.payload import Undecodable
from corestate.region import Region, attach_region, create_region, open_region, unlink
from corestate.scopes.ephemeral import EphemeralScope
from corestate.scopes.erasing import Erased
from corestate.scopes.feed import ChangeRow, Feed, Trigger
from corestate.scopes.history import Difference, ScopeView, Version
from corestate.scopes.hooks import Hook, Hooks, RefusedError, Subject
from corestate.scopes.limits import LimitExceededError, Limits
from corestate.scopes.paths import ScopePath
from corestate.scopes.rows import ConflictError
from corestate.scopes.scope import Entry, Scope
from corestate.scopes.space import KeyMissingError
from corestate.scopes.transaction import Transaction
from corestate.scopes.workflow import Workflow
from corestate.snapshot import SnapshotInfo
from corestate.state import StateManager
from corestate.stores import Durability
from corestate.tasks import LeaseLostError, Task, TaskNotFoundError, Tasks, TaskStateError, TaskStatus

if TYPE_CHECKING:
    import os

    from corestate.region import Mode

__version__ = "0.1.0"

__all__ = [
    "Address",
    "AgentId",
    "AgentInfo",
    "AgentState",
    "AgentStatus",
    "AgentType",
    "Agents",
    "Anchor",
    "ApiTokenId",
    "Area",
    "Areas",
    "Audit",
    "AuditAnchorError",
    "AuditBrokenError",
    "AuditError",
    "AuditEvent",
    "AuditHeldError",
    "AuditKeyError",
    "AuditRow",
    "Budget",
    "BudgetInfo",
    "BudgetRequestId",
    "Budgets",
    "BurstEngineState",
    "Change",
    "ChangeRow",
    "ConflictError",
    "ConnectomeState",
    "ControlId",
    "Counter",
    "Counters",
    "DeregisterReason",
    "Difference",
    "Durability",
    "Engine",
    "Entry",
    "EphemeralScope",
    "Erased",
    "Event",
    "Events",
    "Feed",
    "Gauge",
    "Gauges",
    "GenomeState",
    "GovernedAgents",
    "Health",
    "Hook",
    "Hooks",
    "IdError",
    "IdErrorCode",
    "KeyMissingError",
    "LeaseId",
    "LeaseLostError",
    "LimitExceededError",
    "Limits",
    "Listener",
    "Lock",
    "LockInfo",
    "Locks",
    "Participant",
    "ProjectId",
    "ProviderId",
    "RefusedError",
    "Region",
    "RegionConfig",
    "RequestId",
    "Reservation",
    "Scope",
    "ScopePath",
    "ScopeView",
    "ServiceState",
    "SnapshotInfo",
    "StateManager",
    "Subject",
    "Subscription",
    "Task",
    "TaskNotFoundError",
    "TaskStateError",
    "TaskStatus",
    "Tasks",
    "Transaction",
    "Trigger",
    "TypedId",
    "Undecodable",
    "Verdict",
    "Version",
    "Workflow",
    "attach",
    "create",
    "open",
    "restore",
    "unlink",
]
__all__ += errors.__all__


def open(  # noqa: A001 - corestate.open reads as what it is
    address: str | os.PathLike[str] | Address,
    *,
    create: bool = True,
    mode: Mode = "rw",
    config: RegionConfig | None = None,
    store: str | os.PathLike[str] | None = None,
    durability: Durability | str = "normal",
    owner: int | str | None = None,
) -> StateManager:
    """Attach to the region at an address, making it if there is none.

    However many processes open a new address at once, and whichever of them are killed meanwhile, all end on one
    region, and none ever sees a half-made one.

    Args:
        address: a path, ``shm:name`` or ``heap:``.
        create: make the region if there is none; with mode ``"r"`` nothing is ever made.
        mode: ``"rw"``, or ``"r"``: mapped read-only, takes no participant slot; can read, subscribe and watch.
        config: sizes for a new region; an existing one must have the same. None: the defaults, or what is there.
        store: directory of the durable part, which it has to itself; None: beside the region's file (``PATH.d``), in
            memory for ``heap:``. It is opened on first use, and belongs to one region at a time.
        durability: what a commit survives: ``"full"``, ``"normal"`` or ``"batched"``; see ``Durability``.
        owner: a user (name or number) whose region may be written besides one's own, root's, and that of the
            directory's owner (where nobody else can have put that directory there). With mode ``"r"`` anybody's.

    Raises:
        AddressError, RegionNotFoundError, RegionPermissionError, UntrustedFileError (somebody else's, or reached by
        somebody else's link), NetworkFileSystemError, StorageError (no space),
        ConfigMismatchError, FormatError (its subclasses say what is wrong with the bytes), ParticipantsFullError,
        BusyError (its maker, alive, has been at it for a minute), UnsupportedError.
    """
    region = open_region(address, create=create, mode=mode, config=config, owner=owner)
    return StateManager(region, store=store, durability=durability)


def create(
    address: str | os.PathLike[str] | Address,
    config: RegionConfig | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    durability: Durability | str = "normal",
) -> StateManager:
    """Make a region where there is none. See ``open`` for the arguments.

    Raises:
        RegionExistsError: something is there already. Else as ``open``.
    """
    return StateManager(create_region(address, config), store=store, durability=durability)


def attach(
    address: str | os.PathLike[str] | Address,
    mode: Mode = "rw",
    config: RegionConfig | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    durability: Durability | str = "normal",
    owner: int | str | None = None,
) -> StateManager:
    """Attach to a region that exists. See ``open`` for the arguments.

    Raises:
        RegionNotFoundError: nothing is there. Else as ``open``.
    """
    return StateManager(attach_region(address, mode, config, owner=owner), store=store, durability=durability)


def restore(
    path: str | os.PathLike[str],
    address: str | os.PathLike[str] | Address,
    config: RegionConfig | None = None,
    *,
    largest: int = snapshot.LARGEST,
) -> StateManager:
    """Make a region at an address that is free, and put a snapshot into it; all or nothing.

    Args:
        path: of the snapshot, as ``StateManager.snapshot`` wrote it.
        address: of the new region.
        config: its sizes; None: those of the region the snapshot was taken from.
        largest: most bytes of a region whose sizes the snapshot says.

    Raises:
        RegionExistsError: the address is taken.
        TooBigError: the snapshot asks for more than ``largest``.
        NotRegionError, LayoutVersionError, TruncatedError, CorruptError: of the snapshot.
        FullError, TooBigError, NameInvalidError: the region is too small for it. Else as ``open``.
    """
    return StateManager(snapshot.restore_region(path, address, config, largest=largest))
