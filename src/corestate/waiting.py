"""Waiting in the core without being deaf to Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._binding import lib

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.region import Region

__all__ = ["SLICE", "wait"]

SLICE = 0.2
"""Seconds after which a wait looks around in Python and goes on."""

_SLICE_NS = int(SLICE * 1e9)


def wait(region: Region, call: Callable[[Any, int], int], timeout: float | None) -> int:
    """As ``region.wait``, in slices.

    A signal that arrives just before the thread falls asleep interrupts nothing: only its mark is left in Python, and
    its handler would have to wait until something else ends the sleep.
    """

    def slice_(view: Any, left: int) -> int:
        if left <= _SLICE_NS:
            return call(view, left)
        code = call(view, _SLICE_NS)
        return lib.CS_E_INTERRUPTED if code == lib.CS_E_TIMEOUT else code

    return region.wait(slice_, timeout)
