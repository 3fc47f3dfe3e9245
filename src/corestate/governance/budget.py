"""One budget: money in integer micro-units that many processes spend and none overspends."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from corestate._arguments import unsigned
from corestate._binding import error, ffi, lib
from corestate._shown import typed
from corestate.errors import (
    ClosedError,
    CorestateError,
    NotANumberError,
    NotFoundError,
    RangeError,
    StaleError,
    TransitionError,
    WrongTypeError,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from corestate.audit.trail import Recorded
    from corestate.governance.budgets import Budgets
    from corestate.stores import Rows

__all__ = ["HOLD_SECONDS", "MOST", "Budget", "BudgetInfo", "Reservation"]

HOLD_SECONDS = 600.0
"""How long a reservation is held that is neither committed nor cancelled."""

MOST = (1 << 63) - 1
"""The largest amount, in micro-units."""

_LIMIT, _FULL, _STALE = lib.CS_E_LIMIT, lib.CS_E_FULL, lib.CS_E_STALE
_blank = object.__new__
_reserve, _commit, _cancel = lib.cs_budget_reserve, lib.cs_budget_commit, lib.cs_budget_cancel
_clock, _wall = time.monotonic, time.time


def _out() -> tuple[Any, memoryview]:
    """Where the core puts a handle, and the quicker way to read it from there."""
    out = ffi.new("cs_handle *")
    return out, memoryview(ffi.buffer(out)).cast("Q")


class BudgetInfo(NamedTuple):
    """One look at a budget, of one instant; amounts in micro-units."""

    limit: int
    spent: int
    reserved: int
    detections: int
    """A tally kept beside the money: for agents, of personal data detected."""
    warned: bool
    """Whether nine tenths of the limit are spent, and the event that says so is out."""

    @property
    def available(self) -> int:
        """What can be reserved."""
        return max(self.limit - self.spent - self.reserved, 0)


class Budget:
    """A budget in the region, and in the store unless it was made to be live only. Made by ``state.budgets``.

    Spent and reserved never exceed the limit, with any number of processes, but by what was really spent beyond a
    reservation. A reservation is its process's: when that dies it lapses, except for what was committed; it also lapses
    when it is dropped, and after ``hold`` seconds. Committed spending is in the store when ``commit`` returns; what a
    crash of the machine loses of a durable budget are reservations, which nobody holds any more.
    """

    __slots__ = ("_handle", "_out", "agent", "durable", "ends", "name", "period", "region", "table", "until")

    def __init__(
        self,
        budgets: Budgets,
        name: str,
        handle: int,
        *,
        durable: bool,
        agent: bool,
        period: str = "",
        ends: float = math.inf,
    ) -> None:
        self.table = budgets
        """``state.budgets``."""
        self.region = budgets.region
        """Where it is spent."""
        self._handle = handle
        self._out = [_out()]
        self.until = budgets.holds.until
        """Until when what this process has reserved is held."""
        self.name = name
        """Its name; a governed agent's budget has its id."""
        self.durable = durable
        """Whether the store has it."""
        self.agent = agent
        """Whether it is a governed agent's, and so spent from only while that runs."""
        self.period = period
        """After which spent begins anew: ``"day"`` or ``"month"``, in UTC; empty: never."""
        self.ends = ends
        """When the period ends that was looked at last, in seconds since the epoch."""

    # -- reading -------------------------------------------------------------------------------

    def info(self) -> BudgetInfo:
        """All of it at one instant; what the dead had reserved is given back first.

        O(1) and lock-free while nothing is reserved, else O(participants + reservations).

        Raises:
            StaleError: it was removed. ClosedError.
        """
        if self.period:
            self._renew()
        found = self._look()
        if found.reserved and self.region.writable:
            self.table.holds.lapse()
            lib.cs_sweep(self.region.view)
            if self.durable:
                self.table.settle()
            found = self._look()
        return found

    def _look(self) -> BudgetInfo:
        info = ffi.new("cs_budget_info *")
        code = lib.cs_budget_get(self.region.view, self._handle, info)
        if code == _STALE:
            self._find_again()
            code = lib.cs_budget_get(self.region.view, self._handle, info)
        if code < 0:
            raise error(code, f"budget {self.name!r}")
        return BudgetInfo(info.limit, info.spent, info.reserved, info.detections, bool(info.warned))

    @property
    def limit(self) -> int:
        """What spent and reserved never exceed together."""
        return self._look().limit

    @property
    def spent(self) -> int:
        """What was committed."""
        return self.info().spent

    @property
    def reserved(self) -> int:
        """What is set aside by reservations."""
        return self.info().reserved

    @property
    def available(self) -> int:
        """What can be reserved."""
        return self.info().available

    @property
    def detections(self) -> int:
        """See ``BudgetInfo``."""
        return self._look().detections

    # -- spending ------------------------------------------------------------------------------

    def reserve(self, amount: int, *, hold: float = HOLD_SECONDS) -> Reservation:
        """Set an amount aside, in micro-units, for this process to commit or cancel.

        One call of the core. As a context manager the reservation is cancelled at the end unless committed. One that is
        dropped comes back when the object is collected, and one that is held for longer than ``hold`` seconds when this
        process next looks at a budget, or is refused money. What such a one did cost is recorded all the same when it
        is committed.

        Raises:
            LimitError: (a ValueError) there is not so much left. FullError: too many reservations are open.
            TransitionError: it is an agent's that is not running. WrongTypeError, RangeError (amount, hold),
            NotANumberError (hold). StaleError, ReadOnlyError, DetachedError, ClosedError.
        """
        if type(amount) is not int or not 0 <= amount <= MOST:
            amount = unsigned(amount, "amount", 63)
        if hold is not HOLD_SECONDS:
            hold = _seconds(hold)
        if self.agent:
            self.table.running(self.name)
        if self.period:
            self._renew()
        try:
            both = self._out.pop()  # atomic, so that no two threads get the same
        except IndexError:
            both = _out()
        out, found = both
        code = _reserve(self.region.view, self._handle, amount, out)
        if code < 0:
            self._reserve_again(code, amount, out)
        reservation = _blank(Reservation)  # a call of its own __init__ would take longer than that of the core
        reservation.budget = self
        reservation.amount = amount
        handle = reservation._handle = found[0]  # noqa: SLF001
        self._out.append(both)
        self.until[handle] = _clock() + hold
        return reservation

    def _reserve_again(self, code: int, amount: int, out: object) -> None:
        if code == _STALE:
            self._find_again()
            code = _reserve(self.region.view, self._handle, amount, out)
        if code in (_LIMIT, _FULL) and self.table.holds.lapse() + (self.table.settle() if self.durable else 0):
            code = _reserve(self.region.view, self._handle, amount, out)
        if code == _LIMIT:
            found = self._look()
            raise error(
                code,
                f"budget {self.name!r}",
                expected=f"at most {found.available} micro-units",
                found=f"{amount} (limit {found.limit}, spent {found.spent}, reserved {found.reserved})",
            )
        if code == _FULL:
            raise error(
                code,
                f"budget {self.name!r}",
                expected="a free place for a reservation",
                found=f"{self.region.config.reservations} open reservations",
                advice="commit or cancel some, or make the region with more RegionConfig(reservations=...)",
            )
        if code < 0:
            raise error(code, f"budget {self.name!r}")

    def spend(self, amount: int) -> None:
        """Reserve and commit an amount in one go.

        Raises:
            As ``reserve`` and ``Reservation.commit``.
        """
        with self.reserve(amount) as reservation:
            reservation.commit()

    def set_limit(self, limit: int) -> None:
        """Change the limit, durably if the budget is.

        Raises:
            LimitError: it is less than what is spent and reserved. WrongTypeError, RangeError, StaleError.
        """
        self.table.limit(self, unsigned(limit, "limit", 63))

    # -- how -----------------------------------------------------------------------------------

    def _renew(self) -> None:
        if _wall() >= self.ends and self.region.writable:
            self.ends = self.table.renew(self)

    @property
    def handle(self) -> int:
        """Names this budget in the region."""
        return self._handle

    def _find_again(self) -> None:
        """The same name may have another place by now: the store's budgets were loaded into the region anew."""
        found = self.table.get(self.name)
        if found is None or found.handle == self._handle:
            raise StaleError.because(f"budget {self.name!r}")
        self._handle, self.durable, self.agent = found.handle, found.durable, found.agent
        self.period, self.ends = found.period, found.ends

    def __repr__(self) -> str:
        if self.region.closed:
            return f"<Budget {self.name!r}>"
        try:
            found = self._look()
        except NotFoundError:
            return f"<Budget {self.name!r} removed>"
        return f"<Budget {self.name!r} {found.spent} spent, {found.reserved} reserved of {found.limit}>"


class Reservation:
    """An amount set aside. Commit what was really spent, or cancel it; it ends once. Dropping it cancels it."""

    __slots__ = ("_handle", "_prepared", "amount", "budget")
    budget: Budget
    """Where it is from. Made by ``Budget.reserve``."""
    amount: int
    """What was set aside, in micro-units."""
    _handle: int  # 0 once it has ended
    _prepared: bool  # only there once it was

    @property
    def ended(self) -> bool:
        """Whether it was committed or cancelled."""
        return not self._handle

    def commit(self, amount: int | None = None, *, late: bool = False) -> None:
        """Spend; the rest goes back. Durable when this returns, unless the budget is live only.

        More than was reserved is recorded, too, even beyond the limit, since it is spent: everybody gets a
        ``budget_overrun`` event, and of a durable budget it is audited. At nine tenths of the limit everybody gets a
        ``budget_warning`` event, once; a durable budget has it audited. What the store refuses (a full disk) leaves the
        reservation as it was.

        Args:
            amount: micro-units that were really spent; None for what was reserved.
            late: record what an agent spent while it ran, though it does not any more.

        Raises:
            WrongTypeError, RangeError (amount). StaleError: it has ended, or the budget was removed. NotOwnerError:
            another process's. TransitionError: of an agent that is not running. StoreError.
        """
        budget = self.budget
        if amount is None:
            amount = self.amount
        elif type(amount) is not int or not 0 <= amount <= self.amount:
            amount = self._really(amount)
        handle = self._handle
        if not handle:
            raise self._over()
        if budget.until.pop(handle, None) is None and handle in budget.table.holds.lapsed:
            handle = self._take_again(amount)  # else from here on it does not lapse
        if budget.durable or amount > self.amount or _commit(budget.region.view, handle, amount) < 0:
            self._commit(amount, late=late)
        else:
            self._handle = 0

    def _commit(self, amount: int, *, late: bool) -> None:
        budget = self.budget
        try:
            if budget.durable:
                if budget.agent and not late:
                    budget.table.running(budget.name)
                budget.table.commit(self, amount)
            else:
                if amount > self.amount:
                    self.prepare()
                self._end(amount)
                budget.table.tell_overrun(self, amount)
        except BaseException:
            if self._handle and not self._prepared_before:
                budget.until[self._handle] = _clock() + HOLD_SECONDS
            raise

    def cancel(self) -> None:
        """Give the amount back. What a commit that was interrupted has put into the store stays spent.

        Raises:
            StaleError: it has ended. NotOwnerError.
        """
        handle = self._handle
        if not handle:
            raise self._over()
        self.budget.until.pop(handle, None)
        spent = self.budget.table.committed(handle) if self._prepared_before else None
        try:
            self._end(spent or 0)
        except StaleError:
            if handle not in self.budget.table.holds.lapsed:
                raise
            self.budget.table.holds.lapsed.discard(handle)  # it came back before
            self._handle = 0

    def _take_again(self, amount: int) -> int:
        """A place for what was spent of a reservation that was held for too long: its money is others' by now."""
        budget = self.budget
        try:
            budget.table.holds.lapsed.remove(self._handle)
        except KeyError:  # another thread is at it
            raise self._over() from None
        out = ffi.new("cs_handle *")
        aside = amount
        code = _reserve(budget.region.view, budget.handle, amount, out)
        if code == _LIMIT:
            aside, code = 0, _reserve(budget.region.view, budget.handle, 0, out)
        if code < 0:
            budget.table.holds.lapsed.add(self._handle)
            raise error(code, f"reservation of {budget.name!r}")
        self.amount, self._handle = aside, int(out[0])
        return self._handle

    # -- in steps, for who does more in the same transaction ------------------------------------

    def prepare(self) -> None:
        """A commit is about to be written to the store: from here on only that can say what becomes of this."""
        self.budget.until.pop(self._handle, None)
        code = lib.cs_budget_prepare(self.budget.region.view, self._handle)
        if code < 0:
            raise self._over() if code == _STALE else error(code, f"reservation of {self.budget.name!r}")
        self._prepared = True

    def record(self, rows: Rows, amount: int) -> tuple[int, Recorded | None]:
        """In a transaction of the store: spend. Returns what is spent, and the audited warning, if it came to that."""
        return self.budget.table.record(rows, self, amount)

    def finish(self, amount: int) -> None:
        """After that transaction: spend in the region."""
        try:
            self._end(amount, recorded=True)
        except ClosedError:  # closed meanwhile: others settle it, from what the store says
            self._handle = 0

    @property
    def handle(self) -> int:
        """Names this reservation in the region."""
        return self._handle

    def _end(self, amount: int, *, recorded: bool = False) -> None:
        code = _commit(self.budget.region.view, self._handle, amount)
        if code < 0 and not (recorded and code == _STALE):  # settled by others already, from what the store says
            raise self._over() if code == _STALE else error(code, f"reservation of {self.budget.name!r}")
        self._handle = 0

    @property
    def _prepared_before(self) -> bool:
        return getattr(self, "_prepared", False)

    def _really(self, amount: int) -> int:
        """An amount that may be more than was reserved."""
        number = unsigned(amount, "amount", 63)
        spent = self.budget.info().spent if number > self.amount else 0
        if spent + number > MOST:
            raise RangeError.because(
                f"reservation of {self.budget.name!r}",
                expected=f"at most {MOST - spent} micro-units, which is all that can be counted",
                found=str(number),
            )
        return number

    def _over(self) -> StaleError:
        return StaleError.because(
            f"reservation of {self.budget.name!r}",
            expected="one that is open",
            found="that it was committed, cancelled or removed",
            advice="reserve again",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handle:
            try:
                self.cancel()
            except StaleError:
                self._handle = 0

    def __del__(self) -> None:
        handle = getattr(self, "_handle", 0)
        if handle:
            with suppress(CorestateError):  # closed meanwhile: with its process's slot went the reservation
                self.budget.table.holds.dropped(handle, prepared=self._prepared_before)

    def __repr__(self) -> str:
        return f"<Reservation of {self.amount} from {self.budget.name!r}{', ended' if self.ended else ''}>"


def _seconds(hold: object) -> float:
    if isinstance(hold, bool) or not isinstance(hold, (int, float)):
        raise WrongTypeError.because("hold", expected="seconds as a number", found=typed(hold))
    if math.isnan(hold):
        raise NotANumberError.because("hold")
    if hold < 0:
        raise RangeError.because("hold", expected="seconds, 0 or more", found=typed(hold))
    return min(float(hold), 1e9)


def not_running(name: str, status: str) -> TransitionError:
    """Money is spent only while running."""
    return TransitionError.because(
        f"budget of agent {name!r:.100}",
        expected="a running agent",
        found=status,
        advice="set its status to RUNNING first; what it spent while it ran is recorded by commit(late=True)",
    )
