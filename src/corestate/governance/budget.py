"""One budget: money in integer micro-units that many processes spend and none overspends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from corestate._arguments import unsigned
from corestate._binding import error, ffi, lib
from corestate.errors import NotFoundError, RangeError, StaleError, TransitionError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from corestate.audit.trail import Recorded
    from corestate.governance.budgets import Budgets
    from corestate.stores import Rows

__all__ = ["MOST", "Budget", "BudgetInfo", "Reservation"]

MOST = (1 << 63) - 1
"""The largest amount, in micro-units."""

_LIMIT, _FULL, _STALE = lib.CS_E_LIMIT, lib.CS_E_FULL, lib.CS_E_STALE
_blank = object.__new__
_reserve, _commit = lib.cs_budget_reserve, lib.cs_budget_commit


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

    Spent and reserved never exceed the limit, with any number of processes. A reservation is its process's: when that
    dies it lapses, except for what was committed. Committed spending is in the store when ``commit`` returns; what a
    crash of the machine loses of a durable budget are reservations, which nobody holds any more.
    """

    __slots__ = ("_handle", "_out", "agent", "durable", "name", "region", "table")

    def __init__(self, budgets: Budgets, name: str, handle: int, *, durable: bool, agent: bool) -> None:
        self.table = budgets
        """``state.budgets``."""
        self.region = budgets.region
        """Where it is spent."""
        self._handle = handle
        self._out = [_out()]
        self.name = name
        """Its name; a governed agent's budget has its id."""
        self.durable = durable
        """Whether the store has it."""
        self.agent = agent
        """Whether it is a governed agent's, and so spent from only while that runs."""

    # -- reading -------------------------------------------------------------------------------

    def info(self) -> BudgetInfo:
        """All of it at one instant; what the dead had reserved is given back first.

        O(1) and lock-free while nothing is reserved, else O(participants + reservations).

        Raises:
            StaleError: it was removed. ClosedError.
        """
        found = self._look()
        if found.reserved and self.region.writable:
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

    def reserve(self, amount: int) -> Reservation:
        """Set an amount aside, in micro-units, for this process to commit or cancel.

        One call of the core. As a context manager the reservation is cancelled at the end unless committed.

        Raises:
            LimitError: (a ValueError) there is not so much left. FullError: too many reservations are open.
            TransitionError: it is an agent's that is not running. WrongTypeError, RangeError (amount). StaleError,
            ReadOnlyError, DetachedError, ClosedError.
        """
        if type(amount) is not int or not 0 <= amount <= MOST:
            amount = unsigned(amount, "amount", 63)
        if self.agent:
            self.table.running(self.name)
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
        reservation._handle = found[0]  # noqa: SLF001
        self._out.append(both)
        return reservation

    def _reserve_again(self, code: int, amount: int, out: object) -> None:
        if code == _STALE:
            self._find_again()
            code = _reserve(self.region.view, self._handle, amount, out)
        if code in (_LIMIT, _FULL) and self.durable and self.table.settle():
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

    def __repr__(self) -> str:
        if self.region.closed:
            return f"<Budget {self.name!r}>"
        try:
            found = self._look()
        except NotFoundError:
            return f"<Budget {self.name!r} removed>"
        return f"<Budget {self.name!r} {found.spent} spent, {found.reserved} reserved of {found.limit}>"


class Reservation:
    """An amount set aside. Commit what was really spent of it, or cancel it; it ends once."""

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

        At nine tenths of the limit everybody gets a ``budget_warning`` event, once; a durable budget has it audited.
        What the store refuses (a full disk) leaves the reservation as it was.

        Args:
            amount: micro-units, at most what was reserved; None for all of it.
            late: record what an agent spent while it ran, though it does not any more.

        Raises:
            RangeError: more than was reserved. StaleError: it has ended, or the budget was removed. NotOwnerError:
            another process's. TransitionError: of an agent that is not running. StoreError.
        """
        budget = self.budget
        if amount is None:
            amount = self.amount
        elif type(amount) is not int or not 0 <= amount <= self.amount:
            amount = self._within(amount)
        handle = self._handle
        if not handle:
            raise self._over()
        if budget.durable:
            if budget.agent and not late:
                budget.table.running(budget.name)
            budget.table.commit(self, amount)
        elif _commit(budget.region.view, handle, amount) < 0:
            self._end(amount)
        else:
            self._handle = 0

    def cancel(self) -> None:
        """Give the amount back. What a commit that was interrupted has put into the store stays spent.

        Raises:
            StaleError: it has ended. NotOwnerError.
        """
        if not self._handle:
            raise self._over()
        spent = self.budget.table.committed(self) if getattr(self, "_prepared", False) else None
        self._end(spent or 0)

    # -- in steps, for who does more in the same transaction ------------------------------------

    def prepare(self) -> None:
        """A commit is about to be written to the store: from here on only that can say what becomes of this."""
        code = lib.cs_budget_prepare(self.budget.region.view, self._handle)
        if code < 0:
            raise self._over() if code == _STALE else error(code, f"reservation of {self.budget.name!r}")
        self._prepared = True

    def record(self, rows: Rows, amount: int) -> tuple[int, Recorded | None]:
        """In a transaction of the store: spend. Returns what is spent, and the audited warning, if it came to that."""
        return self.budget.table.record(rows, self, amount)

    def finish(self, amount: int) -> None:
        """After that transaction: spend in the region."""
        self._end(amount, recorded=True)

    @property
    def handle(self) -> int:
        """Names this reservation in the region."""
        return self._handle

    def _end(self, amount: int, *, recorded: bool = False) -> None:
        code = _commit(self.budget.region.view, self._handle, amount)
        if code < 0 and not (recorded and code == _STALE):  # settled by others already, from what the store says
            raise self._over() if code == _STALE else error(code, f"reservation of {self.budget.name!r}")
        self._handle = 0

    def _within(self, amount: int) -> int:
        number = unsigned(amount, "amount", 63)
        if number > self.amount:
            raise RangeError.because(
                f"reservation of {self.budget.name!r}",
                expected=f"at most the {self.amount} micro-units that were reserved",
                found=str(number),
                advice="reserve the rest first",
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

    def __repr__(self) -> str:
        return f"<Reservation of {self.amount} from {self.budget.name!r}{', ended' if self.ended else ''}>"


def not_running(name: str, status: str) -> TransitionError:
    """Money is spent only while running."""
    return TransitionError.because(
        f"budget of agent {name!r:.100}",
        expected="a running agent",
        found=status,
        advice="set its status to RUNNING first; what it spent while it ran is recorded by commit(late=True)",
    )
