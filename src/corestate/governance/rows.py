"""The SQL of budgets. Every function works inside a transaction the caller holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from corestate.stores.checked import checking, corrupt

if TYPE_CHECKING:
    from corestate.stores import Row, Rows

__all__ = ["Kept", "all_kept", "commit", "committed", "kept", "lapse"]

_kept = checking("budgets", "name amount_limit spent detections warned period period_number")
_spent = checking("budgets", "amount_limit spent warned")
_amount = checking("commitments", "amount")
_FIRST_MONTH, _LAST_MONTH = 12, 9998 * 12
PLACE = (1 << 32) - 1
"""The lower half of a reservation's handle: its place; the upper half is its generation there."""


class Kept(NamedTuple):
    """A budget as the store has it."""

    name: str
    limit: int
    spent: int
    detections: int
    agent: bool
    """Whether it is a governed agent's."""
    warned: bool
    """Whether the warning at nine tenths is in the audit trail."""
    period: str
    """After which spent begins anew: ``"day"``, ``"month"``, or none."""
    number: int
    """Of the period in which this was spent."""

    @classmethod
    def of(cls, row: Row) -> Kept:
        """From a row of the query."""
        name, limit, spent, detections, agent, warned, period, number = row
        _kept((name, limit, spent, detections, warned, period, number))
        if period == "month" and not _FIRST_MONTH <= number < _LAST_MONTH:
            raise corrupt("budgets", "period_number", number)
        return cls(name, limit, spent, detections, bool(agent), bool(warned), period, number)


_KEPT = (
    "SELECT b.name, b.amount_limit, b.spent, b.detections, g.id IS NOT NULL, b.warned, b.period, b.period_number "
    "FROM budgets b LEFT JOIN governed g ON g.id = b.name"
)


def kept(rows: Rows, name: str) -> Kept | None:
    """A budget, if the store has it."""
    row = rows.one(f"{_KEPT} WHERE b.name = ?", name)
    return None if row is None else Kept.of(row)


def all_kept(rows: Rows) -> list[Kept]:
    """Every budget."""
    return [Kept.of(row) for row in rows.all(f"{_KEPT} ORDER BY b.name")]


def commit(rows: Rows, region: str, reservation: int, name: str, amount: int) -> tuple[int, int, bool] | None:
    """Spend from a reservation: the limit, what is spent then, and whether that was warned of; None: it had ended."""
    fresh = rows.run(
        "INSERT INTO commitments (region, place, generation, budget, amount) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (region, place) DO UPDATE SET generation = excluded.generation, budget = excluded.budget, "
        "amount = excluded.amount WHERE commitments.generation < excluded.generation",
        region,
        reservation & PLACE,
        reservation >> 32,
        name,
        amount,
    )
    if not fresh:
        return None
    row = rows.one(
        "UPDATE budgets SET spent = spent + ?, version = version + 1 WHERE name = ? "
        "RETURNING amount_limit, spent, warned",
        amount,
        name,
    )
    return None if row is None else (*_spent(row)[:2], bool(row[2]))


def committed(rows: Rows, region: str, reservation: int) -> int | None:
    """What was committed from a reservation; None: nothing so far."""
    row = rows.one(
        "SELECT amount FROM commitments WHERE region = ? AND place = ? AND generation = ?",
        region,
        reservation & PLACE,
        reservation >> 32,
    )
    return None if row is None else int(_amount(row)[0])


def lapse(rows: Rows, region: str, reservation: int) -> int:
    """What was committed from a reservation of the dead; nothing can be from now on."""
    amount = committed(rows, region, reservation)
    if amount is None:
        commit(rows, region, reservation, "", 0)
    return amount or 0
