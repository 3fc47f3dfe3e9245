"""``state.agents`` with governance: agents whose status, budget and detections outlive everything.

The live status is in the region; the store has what was last committed. Each row says which registration it is about
and how often the status had changed in that, so that the two can always be told apart: a row that is ahead was written
by one who died before he could tell the region; a region that is ahead was changed by a program without a store.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, overload

from corestate._arguments import name_bytes, unsigned
from corestate._binding import ffi, lib
from corestate._shown import kind_of, shown
from corestate.agents import _ROW, _UNSET, AgentInfo, Agents, _number, _unknown
from corestate.audit.rows import AuditEvent
from corestate.enums import AgentStatus
from corestate.errors import (
    ClosedError,
    CorestateError,
    FullError,
    InvalidError,
    MismatchError,
    NotFoundError,
    ReadOnlyError,
    TransitionError,
    WrongTypeError,
)
from corestate.governance.agent_state import AgentState, Stored, packed
from corestate.governance.periods import checked
from corestate.governance.rules import allowed, event, final, key_of, outdated
from corestate.telling import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corestate.audit.trail import Audit, Recorded
    from corestate.durable import Durable
    from corestate.enums import AgentType
    from corestate.governance.budget import Budget, Reservation
    from corestate.governance.budgets import Budgets
    from corestate.region import Region
    from corestate.stores import Rows

__all__ = ["GovernedAgents"]

_log = logging.getLogger(__name__)
_FINAL = (AgentStatus.FAILED, AgentStatus.CANCELLED)
_ONE = f"{Stored.SELECT} WHERE g.id = ?"


class GovernedAgents(Agents):
    """``state.agents``: the registry of live agents, and what is kept of those under governance.

    ``govern`` puts an agent under governance. From then on ``set_status`` is durable and audited, its budget is
    ``budget(id)``, and ``state_of``, ``update`` and ``save`` read and change what is kept. Agents that are not governed
    are live only, and no store is made for them.
    """

    def __init__(self, region: Region, durable: Durable, budgets: Budgets, audit: Audit) -> None:
        super().__init__(region)
        self._durable = durable
        self._budgets = budgets
        self._audit = audit
        budgets.status_of = self._not_running

    # -- coming and going ----------------------------------------------------------------------

    def register(
        self,
        id: str,  # noqa: A002
        type: AgentType,  # noqa: A002
        *,
        capabilities: Any = None,
        transport: Any = None,
        metadata: Any = None,
    ) -> AgentInfo:
        """See ``Agents.register``. A governed agent that failed or was cancelled does not come back.

        Raises:
            TransitionError: see above. Else as ``Agents.register``.
        """
        kept = self._kept(id) if self._governed(_id(id)) else None
        if kept is not None and kept.state.status in _FINAL:
            raise final(kept.state)
        return super().register(id, type, capabilities=capabilities, transport=transport, metadata=metadata)

    def govern(
        self,
        agent: str | AgentInfo,
        *,
        limit: int | None = None,
        data: dict[str, Any] | None = None,
        period: str | None = None,
    ) -> AgentState:
        """Put a registered agent under governance, or take up what is kept of it.

        Args:
            agent: who is registered.
            limit: of its budget, in micro-units; None: as it was, 0 for a new one.
            data: anything else to keep, as JSON has it; None: as it was.
            period: of a new one's budget, ``"day"`` or ``"month"``; see ``Budgets.create``.

        Raises:
            NotFoundError: it is not registered. TransitionError: it failed or was cancelled. ExistsError: a budget that
            is no agent's has its id. LimitError, WrongTypeError, RangeError, TooBigError, FullError (budgets),
            ReadOnlyError, StoreError.
        """
        name = _id(agent)
        if limit is not None:
            unsigned(limit, "limit", 63)
        spell = checked(period)
        text = packed(data if data is not None else {}, name)
        self._writable(name)
        store = self._durable.store
        self._budgets.ready()
        with self._durable.keyed(key_of(name)):
            info = self._info(agent)
            made = False
            with store.write() as rows:
                kept = _row(rows, name)
                if kept is None:
                    made = True
                    self._budgets.insert(rows, name, limit or 0, spell)
                    rows.run(
                        "INSERT INTO governed (id, type, status, data, updated_ns, registration, changes) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        *(name, int(info.type), int(info.status), text, time.time_ns()),
                        *(self._registration(info), info.status_changes),
                    )
                else:
                    if kept.state.status in _FINAL:
                        raise final(kept.state)
                    self._take_up(
                        rows,
                        info,
                        text if data is not None else None,
                        self._registration(info),
                        self._ahead(kept, info),
                    )
                written = _row(rows, name)
            if made:
                with suppress(ClosedError):  # closed meanwhile: who opens the region next loads it
                    self._load(name, limit or 0)
        if not made:
            budget = self.budget(name)  # brings it into the region, if who made it died before he could
            if limit is not None:
                budget.set_limit(limit)
        try:
            return self.state_of(name)
        except ClosedError:
            if written is None:
                raise
            return written.state

    def _load(self, name: str, limit: int) -> None:
        try:
            self._budgets.load(name, limit)
        except FullError:  # others took the last place meanwhile
            with self._durable.store.write() as rows:
                for table, column in (("governed", "id"), ("budgets", "name")):
                    rows.run(f"DELETE FROM {table} WHERE {column} = ?", name)  # noqa: S608 - no input in it
            raise

    @staticmethod
    def _take_up(rows: Rows, info: AgentInfo, text: str | None, registration: str, ahead: int) -> None:
        rows.run(
            "UPDATE governed SET type = ?, status = ?, data = coalesce(?, data), registration = ?, changes = ?, "
            "updated_ns = ?, version = version + 1 + ? WHERE id = ?",
            *(int(info.type), int(info.status), text, registration, info.status_changes),
            *(time.time_ns(), ahead, info.id),
        )

    def remove(self, agent: str | AgentInfo) -> None:
        """Take an agent off the registry and forget what is kept of it, its budget too; the audit trail stays.

        Raises:
            NotFoundError: it is neither registered nor governed. ReadOnlyError, StoreError.
        """
        name = _id(agent)
        self._writable(name)
        governed = self._durable.there and self._kept(name) is not None
        if governed:
            self._budgets.ready()
            with self._durable.keyed(key_of(name)):
                with self._durable.store.write() as rows:
                    self._budgets.remove(rows, name)
                    rows.run("DELETE FROM governed WHERE id = ?", name)
                    recorded = self._audit.add(rows, name, "AGENT_REMOVED")
                    with suppress(NotFoundError):  # what follows the commit must not fail, and this may
                        self.deregister(agent)
                self._audit.recorded(recorded)
        else:
            self.deregister(agent)

    def forget(self) -> int:
        """Take the budgets of the governed agents of a store that was given up out of the region; returns how many.

        What else was kept of them only that store knew. Whoever is registered stays so, live only.
        """
        return self._budgets.forget_durable()

    # -- reading -------------------------------------------------------------------------------

    def state_of(self, id: str) -> AgentState:  # noqa: A002
        """What is kept of a governed agent, registered or not. One query; some 10 us.

        Raises:
            NotFoundError: (a KeyError) it is not governed. StoreError.
        """
        name = _id(id)
        kept = self._kept(name) if self._durable.there else None
        if kept is None:
            raise NotFoundError.because(
                f"agent {name!r:.100}",
                expected="a governed agent",
                found="none of this id",
                advice="register it, then state.agents.govern(id)",
            )
        return self._as_it_is(kept)

    def states(self) -> Iterator[AgentState]:
        """What is kept of every governed agent, by id. O(governed agents)."""
        yield from self.filter()

    def filter(
        self,
        *,
        status: AgentStatus | None = None,
        spent_over: int | None = None,
        detections_over: int | None = None,
        where: Callable[[AgentState], bool] | None = None,
    ) -> list[AgentState]:
        """The governed agents that fit all that is given, by id. O(governed agents).

        For example those running that have spent more than 40: ``filter(status=AgentStatus.RUNNING, spent_over=40)``.

        Args:
            status: has this status.
            spent_over: has spent more than so many micro-units.
            detections_over: has more than so many detections.
            where: anything else.
        """
        if status is not None:
            status = AgentStatus(_number(status, AgentStatus, "agent status"))
        for name, least in (("spent_over", spent_over), ("detections_over", detections_over)):
            if least is not None:
                unsigned(least, name, 63)
        if not self._durable.there:
            return []
        with self._durable.store.read() as rows:
            found = rows.all(
                f"{Stored.SELECT} WHERE b.spent > ? AND b.detections > ? ORDER BY g.id",
                -1 if spent_over is None else spent_over,
                -1 if detections_over is None else detections_over,
            )
        states = [self._as_it_is(Stored.of(row)) for row in found]
        return [
            state for state in states if (status is None or state.status == status) and (where is None or where(state))
        ]

    def counts(self, *, governed: bool = False) -> dict[AgentStatus, int]:
        """How many agents have each status: of those registered, or of those governed. O(agents)."""
        counts = dict.fromkeys(AgentStatus, 0)
        if governed:
            for state in self.states():
                counts[state.status] += 1
            return counts
        rows, count = self._export()
        image, known = ffi.buffer(rows), len(counts)
        for at in range(0, count * _ROW.size, _ROW.size):
            status = _ROW.unpack(image, at)[_ROW.fields.index("status")]
            counts[AgentStatus(status if status < known else 0)] += 1
        return counts

    def budget(self, agent: str | AgentInfo) -> Budget:
        """The budget of a governed agent. Spending from it takes a running agent.

        Raises:
            NotFoundError: it is not governed.
        """
        name = _id(agent)
        found = self._budgets.get(name)
        if found is None or not found.agent:
            raise NotFoundError.because(
                f"budget of agent {name!r:.100}",
                expected="a governed agent",
                advice="state.agents.govern(id, limit=...)",
            )
        budget: Budget = found
        return budget

    # -- changing ------------------------------------------------------------------------------

    def set_status(self, agent: str | AgentInfo, status: AgentStatus, reason: str = "") -> bool:
        """Move an agent along its lifecycle; False when it had that status already, and so nothing happened.

        Everybody gets an ``agent_status_changed`` event. Of a governed agent the status is durable when this returns,
        and audited.

        Args:
            agent: who.
            status: where to.
            reason: why, of a governed agent.

        Raises:
            TransitionError: the lifecycle has no such transition. NotFoundError. InvalidError. ReadOnlyError,
            DetachedError, BusyError, ClosedError, StoreError.
        """
        name = _id(agent)
        if self._governed(name) and self._kept(name) is not None:
            return self._change(
                agent, None, status=AgentStatus(_number(status, AgentStatus, "agent status")), reason=reason
            )
        if reason:
            raise InvalidError.because(
                f"reason of agent {name!r:.100}",
                expected="a governed agent",
                found="one that is live only",
                advice="state.agents.govern(id) first, or leave the reason out",
            )
        return super().set_status(agent, status)

    @overload
    def update(self, agent: str, fn: Callable[[AgentState], AgentState]) -> AgentState: ...
    @overload
    def update(
        self, agent: str | AgentInfo, *, capabilities: Any = ..., transport: Any = ..., metadata: Any = ...
    ) -> AgentInfo: ...
    def update(
        self,
        agent: str | AgentInfo,
        fn: Callable[[AgentState], AgentState] | None = None,
        *,
        capabilities: Any = _UNSET,
        transport: Any = _UNSET,
        metadata: Any = _UNSET,
    ) -> AgentInfo | AgentState:
        """Change a governed agent with a function, losing nobody's change; or replace details of the registry.

        ``update(id, fn)`` calls ``fn(state)``, which returns the state wanted (``state.with_(...)``), and saves that;
        if somebody else was quicker it starts again from what he left, so ``fn`` may be called several times.

        With ``capabilities``, ``transport`` or ``metadata`` instead of ``fn``: see ``Agents.update``.

        Raises:
            As ``save`` and ``state_of``, but MismatchError; as ``Agents.update``.
        """
        if fn is None:
            return super().update(agent, capabilities=capabilities, transport=transport, metadata=metadata)
        if not (capabilities is _UNSET and transport is _UNSET and metadata is _UNSET):
            raise InvalidError.because(
                "agents.update()", expected="a function, or details", found="both", advice="make two calls"
            )
        if not callable(fn):
            raise WrongTypeError.because("agents.update()", expected="a function", found=kind_of(fn))
        while True:
            wanted = fn(self.state_of(_id(agent)))
            try:
                return self.save(wanted)
            except MismatchError:
                continue

    def save(self, state: AgentState) -> AgentState:
        """Compare-and-swap: make the kept state this one, if it still has the version this one was made from.

        Status follows the lifecycle; what ``budget_spent`` has grown by is spent from the budget, while running and
        within the limit; ``pii_detections`` only grow. All of it is durable and audited when this returns, or none is.

        Returns:
            The state as it is then.

        Raises:
            MismatchError: (a ValueError) somebody else has changed it since. TransitionError, LimitError, RangeError
            (spent or detections went down), InvalidError (what cannot be changed so), NotFoundError, TooBigError,
            ReadOnlyError, StoreError.
        """
        if not isinstance(state, AgentState):
            raise WrongTypeError.because(
                "agent state", expected="an AgentState", found=shown(state), advice="return state.with_(...)"
            )
        self._change(state.id, state)
        try:
            return self.state_of(state.id)
        except ClosedError:  # closed meanwhile: this is what was committed
            return dataclasses.replace(state, version=state.version + 1)

    def detect(self, agent: str | AgentInfo, n: int = 1, details: Any = None) -> int:
        """Count detections of personal data, audited as PII_DETECTED; returns the new total. Durable when it returns.

        Raises:
            NotFoundError: it is not governed. WrongTypeError, RangeError, ReadOnlyError, StoreError.
        """
        name = _id(agent)
        unsigned(n, "n", 32)
        self._writable(name)
        self.state_of(name)
        self._budgets.ready()
        with self._durable.keyed(key_of(name)):
            with self._durable.store.write() as rows:
                total = self._count(rows, name, n)
                recorded = self._audit.add(rows, name, AuditEvent.PII_DETECTED, {"count": n, "details": details})
            self._audit.recorded(recorded)
            self._budgets.detected(name, total)
        return total

    @staticmethod
    def _count(rows: Rows, name: str, n: int) -> int:
        row = rows.one(
            "UPDATE budgets SET detections = detections + ?, version = version + 1 WHERE name = ? RETURNING detections",
            n,
            name,
        )
        if row is None:
            raise _unknown(name)
        return int(row[0])

    # -- how -----------------------------------------------------------------------------------

    def _change(
        self, agent: str | AgentInfo, wanted: AgentState | None, *, status: AgentStatus | None = None, reason: str = ""
    ) -> bool:
        """One durable step; whether it changed anything.

        Args:
            agent: whose.
            wanted: all of its state, made from a version that must be the present one; None: only a status.
            status: the status wanted, where that is all.
            reason: why.
        """
        name = _id(agent)
        self._writable(name)
        self._budgets.ready()
        with self._durable.keyed(key_of(name)), ExitStack() as undo:
            info = self._live(agent)
            before = self._kept(name)
            if before is None:
                raise _unknown(name)
            exact = wanted is not None
            if info is not None:
                info = self._catch_up(before, info)
            current = self._as_it_is(before)
            if wanted is None:
                wanted = current.with_(status=status, reason=reason)
                if wanted.status == current.status and wanted.status == before.state.status:
                    return False
            else:
                allowed(current, wanted)
            wanted = wanted.with_(reason=as_text(wanted.reason))  # which may be an exception's words
            reservation = self._set_aside(current, wanted, undo)
            records: list[Recorded | None] = []
            with self._durable.store.write() as rows:
                kept = _row(rows, name)
                if kept is None or (exact and kept.state.version != before.state.version):
                    raise outdated(name, wanted.version, kept)
                moved = self._write(rows, kept, current, wanted, info, records)
                if exact and info is not None and self._read(info.handle, name).status_changes != info.status_changes:
                    raise outdated(name, wanted.version, current.with_(version=current.version + 1))
                spent = 0
                if reservation is not None:
                    spent, warning = reservation.record(rows, reservation.amount)
                    records.append(warning)
                total = self._count(rows, name, wanted.pii_detections - current.pii_detections)
            for recorded in records:
                if recorded is not None:
                    self._audit.recorded(recorded)
            if reservation is not None:
                reservation.finish(spent)
            self._budgets.detected(name, total)
            if moved and info is not None:
                with suppress(ClosedError):
                    self._publish(info, wanted)
        return True

    def _set_aside(self, current: AgentState, wanted: AgentState, undo: ExitStack) -> Reservation | None:
        """What is to be spent, reserved; given back if it comes to nothing."""
        amount = wanted.budget_spent - current.budget_spent
        if not amount:
            return None
        reservation = undo.enter_context(self.budget(current.id).reserve(amount))
        reservation.prepare()
        return reservation

    def _write(
        self,
        rows: Rows,
        kept: Stored,
        current: AgentState,
        wanted: AgentState,
        info: AgentInfo | None,
        records: list[Recorded | None],
    ) -> bool:
        """Write status, reason and data; whether the status moved."""
        moved = wanted.status != current.status
        if moved:
            if info is None:
                raise NotFoundError.because(
                    f"agent {current.id!r:.100}",
                    expected="a registered agent, to change its status",
                    found="that it is not registered",
                    advice="register it again",
                )
            if not lib.cs_agent_may(int(current.status), int(wanted.status)):
                raise TransitionError.because(
                    f"agent {current.id!r:.100}",
                    expected=f"a status that may follow {current.status.name}",
                    found=wanted.status.name,
                )
            details = {"old": current.status.name, "new": wanted.status.name}
            if wanted.reason:
                details["reason"] = wanted.reason
            records.append(self._audit.add(rows, current.id, event(current.status, wanted.status), details))
        registration, changes, ahead = kept.registration, kept.changes, 0
        if info is not None:
            registration, changes = self._registration(info), info.status_changes + moved
            ahead = self._ahead(kept, info)
        rows.run(
            "UPDATE governed SET status = ?, reason = ?, data = ?, updated_ns = ?, registration = ?, changes = ?, "
            "version = version + 1 + ? WHERE id = ?",
            *(int(wanted.status), wanted.reason, packed(wanted.data, current.id), time.time_ns()),
            *(registration, changes, ahead, current.id),
        )
        return moved

    def _publish(self, info: AgentInfo, wanted: AgentState) -> None:
        """After the commit: tell the region. Where a program without a store moved it meanwhile, that stands."""
        try:
            super().set_status(info, wanted.status)
        except TransitionError:
            now = self._read(info.handle, info.id)
            with self._durable.store.write() as rows:
                self._take_up(rows, now, None, self._registration(now), 0)
            raise
        except CorestateError:  # the row is ahead, and whoever changes the agent next tells the region
            _log.debug("the region could not be told of the status of agent %r", info.id, exc_info=True)

    def _catch_up(self, kept: Stored, info: AgentInfo) -> AgentInfo:
        """Tell the region what one who died had committed and could not tell it any more."""
        if kept.registration == self._registration(info) and kept.changes > info.status_changes:
            super().set_status(info, kept.state.status)
            return self._read(info.handle, info.id)
        return info

    def _as_it_is(self, kept: Stored) -> AgentState:
        """The state with the live status, where that has moved on since it was stored."""
        try:
            info = self._live(kept.state.id)
        except InvalidError:
            info = None
        ahead = 0 if info is None else self._ahead(kept, info)
        if info is None or not ahead:
            return kept.state
        state = kept.state.with_(version=kept.state.version + ahead)
        return state if info.status == state.status else state.with_(status=info.status, reason="")

    def _ahead(self, kept: Stored, info: AgentInfo) -> int:
        """How many changes of the live agent the row does not know: of its status, and that it registered anew."""
        if kept.registration != self._registration(info):
            return 1 + info.status_changes
        return max(info.status_changes - kept.changes, 0)

    def _live(self, agent: str | AgentInfo) -> AgentInfo | None:
        return self._info(agent) if isinstance(agent, AgentInfo) else self.get(agent)

    def _kept(self, name: str) -> Stored | None:
        row = self._durable.store.one(_ONE, name)
        return None if row is None else Stored.of(row)

    def _governed(self, name: str) -> bool:
        """Whether it may be governed: governed agents have a budget in the region. Makes no store."""
        return self._budgets.known(name) and self._durable.there

    def _not_running(self, name: str) -> str | None:
        info = self.get(name)
        if info is None:
            return "one that is not registered"
        return None if info.status == AgentStatus.RUNNING else f"one that is {info.status.name}"

    def _registration(self, info: AgentInfo) -> str:
        return f"{self._region.instance}:{info.handle:x}"

    def _writable(self, name: str) -> None:
        if not self._region.writable:
            raise ReadOnlyError.because(f"agent {name!r:.100}")


def _id(agent: str | AgentInfo) -> str:
    if isinstance(agent, AgentInfo):
        return agent.id
    name_bytes(agent, "agent id")
    return agent


def _row(rows: Rows, name: str) -> Stored | None:
    row = rows.one(_ONE, name)
    return None if row is None else Stored.of(row)
