"""``state.budgets``: all budgets, between the region, where they are spent, and the store, where what was spent stays.

A durable commit is prepared in the region, committed in the store, and committed in the region, in this order. Whoever
finds a reservation of the dead that was prepared asks the store what became of it. The budgets of a region count only
for the boot and the session of the store they were loaded under: after another, or in a region made anew, they are
loaded from the store first, and what the region has of others that were a store's is forgotten.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate._arguments import name_bytes, unsigned
from corestate._binding import check, error, ffi, lib
from corestate.audit.rows import AuditEvent
from corestate.errors import (
    ClosedError,
    ExistsError,
    FullError,
    InvalidError,
    LimitError,
    NameInvalidError,
    NotFoundError,
    ReadOnlyError,
    StaleError,
    StoreGoneError,
)
from corestate.governance import periods
from corestate.governance import rows as sql
from corestate.governance.budget import Budget, BudgetInfo, Reservation, not_running
from corestate.governance.holds import Holds
from corestate.names import walk
from corestate.telling import BUDGET_OVERRUN, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.audit.trail import Audit, Recorded
    from corestate.durable import Durable
    from corestate.governance.rows import Kept
    from corestate.region import Region
    from corestate.stores import Rows

__all__ = ["Budgets"]

WARN_AT = 10
"""The event comes when less than one part in ten is left."""
_log = logging.getLogger(__name__)
_wall = time.time


class Budgets(Mapping[str, Budget]):
    """A mapping from names to budgets. ``state.budgets[name]`` never makes one; ``create`` does.

    With mode ``"r"`` budgets can be looked at as far as the region has them.
    """

    def __init__(self, region: Region, durable: Durable, audit: Audit) -> None:
        self.region = region
        self._durable = durable
        self._audit = audit
        self._ready: tuple[bytes, int] | None = None
        """The store and session for which the region's budgets are known to be loaded."""
        self.holds = Holds(region, self.committed)
        """What this process has reserved."""
        self.status_of: Callable[[str], str | None] = lambda _: None
        """The status of an agent as text, None while it runs; set by who knows agents."""

    # -- making and finding --------------------------------------------------------------------

    def create(self, name: str, limit: int, *, durable: bool = True, period: str | None = None) -> Budget:
        """Make a budget.

        Args:
            name: 1 to 63 bytes of UTF-8.
            limit: in micro-units.
            durable: False keeps it in the region alone: reserve and commit are calls of the core and nothing else; it
                outlives every process, not the region nor a reboot.
            period: ``"day"`` or ``"month"``, in UTC: what is spent begins anew with each. The store remembers the last
                one, so a clock that goes back gives nothing twice. What was spent in one that is over is audited.

        Raises:
            ExistsError, NameInvalidError, WrongTypeError, RangeError, InvalidError (period), FullError, ReadOnlyError,
            StoreError.
        """
        unsigned(limit, "limit", 63)
        spell = periods.checked(period)
        if spell and not durable:
            raise InvalidError.because(
                f"budget {name!r:.100}", expected="a durable budget, for one with a period", found="durable=False"
            )
        encoded = name_bytes(name, "budget")
        self._writable(name)
        self.ready()
        if not durable:
            there = self._find(encoded, name)
            if there is not None and self._info(there)[:3] != (0, 0, 0):  # its maker may have died before the limit
                raise _exists(name)
            handle = self._open(encoded, name)
            check(lib.cs_budget_set_limit(self.region.view, handle, limit), f"budget {name!r}")
            return Budget(self, name, handle, durable=False, agent=False)
        with self._durable.store.write() as rows:
            if sql.kept(rows, name) is not None:
                raise _exists(name)
            self.insert(rows, name, limit, spell)
            known = sql.kept(rows, name)
        try:
            handle = self.load(name, limit)
        except FullError:  # others took the last place meanwhile
            with self._durable.store.write() as rows:
                rows.run("DELETE FROM budgets WHERE name = ?", name)
            raise
        except ClosedError:  # closed meanwhile: it is made, and loaded by who opens the region next
            handle = 0
        return self._made(name, handle, known)

    def _made(self, name: str, handle: int, known: Kept | None) -> Budget:
        if known is None:
            return Budget(self, name, handle, durable=False, agent=False)
        ends = periods.end_of(known.period, known.number)
        return Budget(self, name, handle, durable=True, agent=known.agent, period=known.period, ends=ends)

    def insert(self, rows: Rows, name: str, limit: int, period: str = "") -> None:
        """In a transaction of the store: a new budget, where the region has room for one and none of this name."""
        self._load_all(rows)
        there = self._find(name_bytes(name, "budget"), name)
        if there is not None and self._info(there)[:3] != (0, 0, 0):
            raise _exists(name)
        count = ffi.new("uint32_t *")
        check(lib.cs_names_count(self.region.view, lib.CS_SECTION_BUDGETS, count), "budgets")
        if there is None and count[0] >= self.region.config.budgets:
            raise self._full(name)
        number = periods.number_of(period, _wall())
        rows.run(
            "INSERT INTO budgets (name, amount_limit, period, period_number) VALUES (?, ?, ?, ?)",
            *(name, limit, period, number),
        )

    def load(self, name: str, limit: int, spent: int = 0, detections: int = 0) -> int:
        """After the commit, or for the store's own: what it has, into a place of the region; returns its handle."""
        handle = self._open(name.encode(), name)
        code = lib.cs_budget_load(self.region.view, handle, limit, spent, detections)
        check(code, "loading a budget")
        return handle

    def __getitem__(self, name: str) -> Budget:
        """The budget of this name.

        Raises:
            NotFoundError: (a KeyError) there is none. NameInvalidError, StoreError.
        """
        encoded = name_bytes(name, "budget")
        try:
            self.ready()
            handle, known = self._find(encoded, name), self._known(name)
        except StoreGoneError:
            handle, known = self._find(encoded, name), None
            if handle is None or self._is_kept(handle):
                raise
        if handle is not None and known is not None and self.region.writable:
            self._repair(handle, known)
        if handle is None and known is not None and self.region.writable:
            handle = self._bring(name)
        if handle is None:
            raise NotFoundError.because(f"budget {name!r:.100}", advice="make it with state.budgets.create()")
        return self._made(name, handle, known)

    def _known(self, name: str) -> Kept | None:
        if not self._durable.there:
            return None
        with self._durable.store.read() as rows:
            return sql.kept(rows, name)

    def get(self, name: str, default: Any = None) -> Any:
        """The budget of this name, or ``default``."""
        try:
            return self[name]
        except NotFoundError:
            return default

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self.get(name) is not None
        except NameInvalidError:
            return False

    def __iter__(self) -> Iterator[str]:
        self.ready()
        names = {name for _, name in walk(self.region, lib.CS_SECTION_BUDGETS)}
        if self._durable.there and self.region.writable:  # else what the region has not cannot be had, either
            with self._durable.store.read() as rows:
                names.update(found.name for found in sql.all_kept(rows))
        return iter(sorted(names))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __delitem__(self, name: str) -> None:
        """Remove a budget, its reservations and what was spent of it.

        Raises:
            NotFoundError; ExistsError: it is a governed agent's (``state.agents.remove``). ReadOnlyError, StoreError.
        """
        found = self[name]
        self._writable(name)
        if found.agent:
            raise ExistsError.because(
                f"budget {name!r:.100}",
                expected="one of no agent",
                found="a governed agent's",
                advice="remove the agent: state.agents.remove(id)",
            )
        if not found.durable:
            check(lib.cs_budget_remove(self.region.view, found.handle), f"budget {name!r:.100}")
            return
        with self._durable.store.write() as rows:
            self.remove(rows, name)

    def remove(self, rows: Rows, name: str) -> None:
        """In a transaction of the store: remove it here and there. One that comes to nothing is loaded anew."""
        handle = self._find(name_bytes(name, "budget"), name)
        if handle is not None:
            check(lib.cs_budget_remove(self.region.view, handle), f"budget {name!r:.100}")
        rows.run("DELETE FROM budgets WHERE name = ?", name)

    # -- the region and the store in step --------------------------------------------------------

    def ready(self) -> None:
        """See that the region's budgets are of this boot and session, loaded from the store if it has any."""
        if not self.region.writable or self._ready == self._durable.joined:
            return
        if self._durable.there:
            store = self._durable.store
            recorded = "SELECT 1 FROM budget_regions WHERE region = ? AND boot = ?"
            if store.one(recorded, self.region.instance, self._durable.session) is None:
                with store.write() as rows:
                    self._load_all(rows)
        # Where there is no store yet, whoever makes the first durable budget records the region and the boot.
        self._ready = self._durable.joined
        self.settle()

    def _load_all(self, rows: Rows) -> None:
        region, stamp = self.region.instance, self._durable.session
        if rows.one("SELECT 1 FROM budget_regions WHERE region = ? AND boot = ?", region, stamp) is not None:
            return  # another process was quicker
        self.forget_durable()
        for found in sql.all_kept(rows):
            encoded = found.name.encode()
            handle = self._find(encoded, found.name)
            if handle is not None:  # of another boot: it may have more or less than the store
                check(lib.cs_budget_remove(self.region.view, handle), f"budget {found.name!r}")
            self.load(found.name, found.limit, found.spent, found.detections)
        rows.run("DELETE FROM commitments")
        rows.run("DELETE FROM budget_regions")
        rows.run("INSERT INTO budget_regions VALUES (?, ?)", region, stamp)

    def forget_durable(self) -> int:
        """Take every budget that a store had out of the region, with its reservations; returns how many.

        What is live only stays. Do this when the region's store was given up for another.
        """
        gone = 0
        for handle, _ in list(walk(self.region, lib.CS_SECTION_BUDGETS)):
            with suppress(StaleError):  # others do the same
                if self._is_kept(handle):
                    check(lib.cs_budget_remove(self.region.view, handle), "forgetting a budget")
                    gone += 1
        self._ready = None
        return gone

    def reload(self) -> None:
        """Take the region's durable budgets anew from the store: limit, spent and detections, nothing reserved.

        Raises:
            StoreError, FullError, ReadOnlyError.
        """
        self._writable("")
        with self._durable.store.write() as rows:
            rows.run("DELETE FROM budget_regions WHERE region = ?", self.region.instance)
            self._load_all(rows)
        self._ready = self._durable.joined

    def _is_kept(self, handle: int) -> bool:
        """Whether a store has, or had, a budget of the region."""
        info = ffi.new("cs_budget_info *")
        check(lib.cs_budget_get(self.region.view, handle, info), "budget")
        return bool(info.kept)

    def _bring(self, name: str) -> int | None:
        """From the store into the region, where it is not: its maker or remover died in between."""
        with self._durable.store.write() as rows:
            found, handle = sql.kept(rows, name), self._find(name.encode(), name)
            if handle is not None or found is None:
                return handle
            return self.load(name, found.limit, found.spent, found.detections)

    def _repair(self, handle: int, known: Kept) -> None:
        """What somebody who died between store and region has left undone, or a program without a store has done."""
        there = self._info(handle)
        if there.warned and not known.warned:
            self._catch_up_warning(handle, known.name)
        over = bool(known.period) and there.spent > known.spent  # a new period the region has not heard of
        if there.limit == known.limit and not over:
            return
        with self._durable.store.write() as rows:
            found = sql.kept(rows, known.name)
            if found is None:
                return
            there = self._info(handle)
            if there[:3] == (0, 0, 0) or (found.period and there.spent > found.spent):
                self.load(known.name, found.limit, found.spent, found.detections)
            elif there.limit != found.limit:
                self._follow(handle, found.limit)
            due = _nearly_spent(found.limit, found.spent)
            recorded = self._warn(rows, known.name, found.limit, found.spent, warned=found.warned, due=due)
        if recorded is not None:
            self._audit.recorded(recorded)

    def _catch_up_warning(self, handle: int, name: str) -> None:
        """Audit a warning that a program without a store has set off. Skipped while others change the limit."""
        hot = self._durable.hot
        with hot.locked_now(_key(name)) as alone:
            if hot.there and not alone:
                return
            with self._durable.store.write() as rows:
                found, there = sql.kept(rows, name), self._info(handle)
                if found is None or found.warned or not there.warned:
                    return
                recorded = self._warn(rows, name, there.limit, there.spent, warned=False, due=True)
        if recorded is not None:
            self._audit.recorded(recorded)

    def _warn(self, rows: Rows, name: str, limit: int, spent: int, *, warned: bool, due: bool) -> Recorded | None:
        """In a transaction: audit that nine tenths are spent, once until less than that is."""
        if due == warned:
            return None
        rows.run("UPDATE budgets SET warned = ? WHERE name = ?", int(due), name)
        if not due:
            return None
        return self._audit.add(rows, name, AuditEvent.BUDGET_WARNING, {"limit": limit, "spent": spent})

    def _follow(self, handle: int, limit: int) -> None:
        """The store's limit, as far as reservations leave room for it yet."""
        code = lib.cs_budget_set_limit(self.region.view, handle, limit)
        if code not in (lib.CS_OK, lib.CS_E_LIMIT):
            raise error(code, "limit of a budget")

    def limit(self, budget: Budget, limit: int) -> None:
        """See ``Budget.set_limit``."""
        self._writable(budget.name)
        if not budget.durable:
            code = lib.cs_budget_set_limit(self.region.view, budget.handle, limit)
            if code == lib.CS_E_LIMIT:
                raise _too_low(budget.name, limit, budget.info())
            check(code, f"limit of {budget.name!r}")
            return
        with self._durable.keyed(_key(budget.name)):
            there = budget.info()
            if limit < there.spent + there.reserved:
                raise _too_low(budget.name, limit, there)
            with self._durable.store.write() as rows:
                found = sql.kept(rows, budget.name)
                if found is None:
                    raise StaleError.because(f"budget {budget.name!r}")
                if limit < found.spent:
                    raise _too_low(budget.name, limit, there)
                self._keep_limit(rows, budget.name, limit)
                spent = max(found.spent, there.spent)
                recorded = self._warn(
                    rows, budget.name, limit, spent, warned=found.warned, due=_nearly_spent(limit, spent)
                )
            if recorded is not None:
                self._audit.recorded(recorded)
            try:
                code = lib.cs_budget_set_limit(self.region.view, budget.handle, limit)
            except ClosedError:  # closed meanwhile: the next one loads it
                return
            if code == lib.CS_E_LIMIT:  # reserved meanwhile
                with self._durable.store.write() as rows:
                    self._keep_limit(rows, budget.name, found.limit)
                raise _too_low(budget.name, limit, budget.info())
            check(code, f"limit of {budget.name!r}")

    @staticmethod
    def _keep_limit(rows: Rows, name: str, limit: int) -> None:
        rows.run("UPDATE budgets SET amount_limit = ?, version = version + 1 WHERE name = ?", limit, name)

    # -- spending ------------------------------------------------------------------------------

    def running(self, name: str) -> None:
        """Raises TransitionError unless the agent runs."""
        status = self.status_of(name)
        if status is not None:
            raise not_running(name, status)

    def commit(self, reservation: Reservation, amount: int) -> None:
        """See ``Reservation.commit``, of a durable budget."""
        reservation.prepare()
        with self._durable.store.write() as rows:
            spent, recorded = self.record(rows, reservation, amount)
        if recorded is not None:
            self._audit.recorded(recorded)
        reservation.finish(spent)
        self.tell_overrun(reservation, spent)

    def record(self, rows: Rows, reservation: Reservation, amount: int) -> tuple[int, Recorded | None]:
        """See ``Reservation.record``: an attempt that was interrupted after its commit has spent what it spent then."""
        budget = reservation.budget
        found = sql.commit(rows, self.region.instance, reservation.handle, budget.name, amount)
        if found is None:
            before = sql.committed(rows, self.region.instance, reservation.handle)
            if sql.kept(rows, budget.name) is None or before is None:
                raise StaleError.because(f"budget {budget.name!r}")
            return before, None
        limit, spent, warned = found
        there = self._info(budget.handle)
        recorded = None
        if amount > reservation.amount:
            details = {"limit": limit, "spent": spent, "reserved": reservation.amount, "amount": amount}
            recorded = self._audit.add(rows, budget.name, AuditEvent.BUDGET_OVERRUN, details)
        due = _nearly_spent(limit, max(spent, there.spent)) or (there.warned and there.limit == limit)
        warning = self._warn(rows, budget.name, limit, spent, warned=warned, due=due)
        if there.limit != limit:
            self._follow(budget.handle, limit)
        return amount, warning or recorded

    def tell_overrun(self, reservation: Reservation, amount: int) -> None:
        """After a commit of more than was reserved: tell everybody. Nothing that is committed fails by this."""
        if amount <= reservation.amount:
            return
        data = {"name": reservation.budget.name, "reserved": reservation.amount, "amount": amount}
        if not tell(self.region, BUDGET_OVERRUN, data):
            _log.warning("an overrun could not be told: %s", data)

    def committed(self, handle: int) -> int | None:
        """What the store has of a reservation that may have been committed."""
        if not self._durable.there:
            return None
        with self._durable.store.read() as rows:
            return sql.committed(rows, self.region.instance, handle)

    def renew(self, budget: Budget) -> float:
        """See that what is spent is of the present period; returns when that ends.

        Raises:
            StaleError: the budget is gone. StoreError.
        """
        recorded = None
        with self._durable.store.write() as rows:
            found = sql.kept(rows, budget.name)
            if found is None:
                raise StaleError.because(f"budget {budget.name!r}")
            number = periods.number_of(found.period, _wall())
            if number > found.number:
                rows.run(
                    "UPDATE budgets SET spent = 0, warned = 0, period_number = ?, version = version + 1 WHERE name = ?",
                    number,
                    budget.name,
                )
                details = {"period": periods.name_of(found.period, found.number), "limit": found.limit}
                recorded = self._audit.add(
                    rows, budget.name, AuditEvent.BUDGET_PERIOD, {**details, "spent": found.spent}
                )
        if recorded is None:
            return periods.end_of(found.period, found.number)
        self._audit.recorded(recorded)
        self.load(budget.name, found.limit, 0, found.detections)
        return periods.end_of(found.period, number)

    def settle(self) -> int:
        """End what the dead were committing as the store says it ended; returns how many. O(reservations)."""
        if not self.region.writable:
            return 0
        cursor, reservation, budget = ffi.new("uint32_t *"), ffi.new("cs_handle *"), ffi.new("cs_handle *")
        amount, found = ffi.new("uint64_t *"), list[int]()
        while lib.cs_budget_next_unsettled(self.region.view, cursor, reservation, budget, amount) == lib.CS_OK:
            found.append(int(reservation[0]))
        if not found:
            return 0
        with self._durable.store.write() as rows:
            spent = {handle: sql.lapse(rows, self.region.instance, handle) for handle in found}
        for handle, total in spent.items():
            code = lib.cs_budget_settle(self.region.view, handle, total)
            if code not in (lib.CS_OK, lib.CS_E_STALE, lib.CS_E_NOT_OWNER):  # others settle, too
                raise error(code, "settling a reservation of the dead")
        return len(found)

    def detected(self, name: str, total: int) -> None:
        """After the commit of a detection, under the agent's lock: bring the region's tally up to the store's."""
        with suppress(ClosedError):
            handle = self._find(name.encode(), name)
            if handle is not None:
                behind = total - self._info(handle).detections
                if behind > 0:
                    check(lib.cs_budget_detect(self.region.view, handle, behind, ffi.NULL), f"budget {name!r}")

    # -- how -----------------------------------------------------------------------------------

    def known(self, name: str) -> bool:
        """Whether the region has a budget of this name, which a store may have: one look, lock-free.

        Raises:
            StoreGoneError: it was a store's, which is gone.
        """
        encoded = name_bytes(name, "budget")
        try:
            self.ready()
        except StoreGoneError:
            handle = self._find(encoded, name)
            if handle is None or not self._is_kept(handle):
                return False
            raise
        return self._find(encoded, name) is not None

    def _info(self, handle: int) -> BudgetInfo:
        info = ffi.new("cs_budget_info *")
        check(lib.cs_budget_get(self.region.view, handle, info), "budget")
        return BudgetInfo(info.limit, info.spent, info.reserved, info.detections, bool(info.warned))

    def _find(self, encoded: bytes, name: str) -> int | None:
        handle = ffi.new("cs_handle *")
        code = lib.cs_budget_find(self.region.view, encoded, len(encoded), handle)
        if code == lib.CS_E_NOT_FOUND:
            return None
        if code < 0:
            raise error(code, f"budget {name!r:.100}")
        return int(handle[0])

    def _open(self, encoded: bytes, name: str) -> int:
        handle = ffi.new("cs_handle *")
        code = lib.cs_budget_open(self.region.view, encoded, len(encoded), handle)
        if code == lib.CS_E_FULL:
            raise self._full(name)
        if code < 0:
            raise error(code, f"budget {name!r:.100}")
        return int(handle[0])

    def _full(self, name: str) -> FullError:
        return FullError.because(
            f"budget {name!r:.100}",
            expected="a free place for a budget",
            found=f"{self.region.config.budgets} budgets, as many as the region has room for",
            advice="remove some, or make the region with more RegionConfig(budgets=...)",
        )

    def _writable(self, name: str) -> None:
        if not self.region.writable:
            raise ReadOnlyError.because(f"budget {name!r:.100}")

    def __repr__(self) -> str:
        return f"<Budgets of {self.region.address}>"

    __hash__ = None  # type: ignore[assignment]


def _key(name: str) -> bytes:
    return b"budget\0" + name.encode()


def _nearly_spent(limit: int, spent: int) -> bool:
    """As the core has it: at most one part in ten is left."""
    return limit > 0 and max(limit - spent, 0) * WARN_AT <= limit


def _exists(name: str) -> ExistsError:
    return ExistsError.because(f"budget {name!r:.100}", expected="a name no budget has", found="that there is one")


def _too_low(name: str, limit: int, there: BudgetInfo) -> LimitError:
    return LimitError.because(
        f"limit of {name!r:.100}",
        expected=f"at least {there.spent + there.reserved} micro-units, which are spent or reserved",
        found=str(limit),
        advice="wait for reservations to end, or choose more",
    )
