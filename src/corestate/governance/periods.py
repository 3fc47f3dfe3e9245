"""Periods after which what is spent of a budget begins anew: days and months, in UTC.

A period has a number that only rises. A budget remembers the number of the period in which it was last spent from, so
that a clock which steps back never gives the same money twice.
"""

from __future__ import annotations

import datetime as dt

from corestate._shown import named
from corestate.errors import InvalidError

__all__ = ["checked", "end_of", "name_of", "number_of"]

_DAY = 86400
_UTC = dt.timezone.utc


def checked(period: object) -> str:
    """A period as the store has it; the empty text for None.

    Raises:
        InvalidError.
    """
    if period is None:
        return ""
    if not isinstance(period, str) or period not in ("day", "month"):
        raise InvalidError.because("period of a budget", expected='"day", "month" or None', found=named(period))
    return period


def number_of(period: str, seconds: float) -> int:
    """The number of the period a time (seconds since the epoch) lies in."""
    if period == "day":
        return int(seconds // _DAY)
    if period == "month":
        day = dt.datetime.fromtimestamp(seconds, _UTC)
        return day.year * 12 + day.month - 1
    return 0


def end_of(period: str, number: int) -> float:
    """When that period ends, in seconds since the epoch; without a period: never."""
    if period == "day":
        return (number + 1) * float(_DAY)
    if period == "month":
        following = number + 1
        return dt.datetime(following // 12, following % 12 + 1, 1, tzinfo=_UTC).timestamp()
    return float("inf")


def name_of(period: str, number: int) -> str:
    """Such as ``2026-05-17`` or ``2026-05``."""
    if period == "day":
        return dt.datetime.fromtimestamp(number * float(_DAY), _UTC).date().isoformat()
    return f"{number // 12:04}-{number % 12 + 1:02}"
