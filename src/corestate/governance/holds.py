"""Reservations of this process: until when they are held, and what becomes of those that nobody ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from corestate._binding import lib

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.region import Region

__all__ = ["Holds"]

_clock = time.monotonic


class Holds:
    """What this process has reserved in a region. Any thread may use it; each step is one of a dict, and so atomic.

    Args:
        region: where.
        committed: what the store has of a reservation.
    """

    def __init__(self, region: Region, committed: Callable[[int], int | None]) -> None:
        self.until: dict[int, float] = {}
        """Until when each is held. Whoever takes one out of here is the one to end it."""
        self.lapsed: set[int] = set()
        """Those that were held for too long, and whose owner has not heard of it."""
        self._unclear: list[int] = []
        self._region = region
        self._committed = committed

    def lapse(self) -> int:
        """Give back what was held for too long, or dropped; returns how many. O(reservations of this process)."""
        now, count = _clock(), 0
        for handle in [handle for handle, until in list(self.until.items()) if until <= now]:
            if self.until.pop(handle, None) is None:
                continue  # it ends at this moment
            self.lapsed.add(handle)
            if lib.cs_budget_cancel(self._region.view, handle) < 0:
                self.lapsed.discard(handle)  # gone with its budget, or a parent's
            else:
                count += 1
        while self._unclear:
            handle = self._unclear.pop()
            count += lib.cs_budget_commit(self._region.view, handle, self._committed(handle) or 0) >= 0
        return count

    def dropped(self, handle: int, *, prepared: bool) -> None:
        """A reservation was collected that had not ended. Comes at any moment, so it is one call of the core."""
        self.lapsed.discard(handle)
        if prepared:
            self._unclear.append(handle)  # what became of it the store knows
        elif self.until.pop(handle, None) is not None:
            lib.cs_budget_cancel(self._region.view, handle)
