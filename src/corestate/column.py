"""All counters or all gauges of a region as one NumPy array over the region itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from corestate._binding import check, ffi, lib
from corestate._reserved import COUNTERS
from corestate.names import walk

if TYPE_CHECKING:
    from corestate.region import Region

__all__ = ["Column", "column"]


class Column(np.ndarray[Any, np.dtype[Any]]):
    """A live, read-only array: element ``i`` is what the ``i``-th slot of the table, of the user's, holds now.

    Each element is whole (one atomic word); two elements may be of different moments. The array is as long as slots
    had ever been used when it was made; what is created later is found by asking for a new one. It holds the mapping,
    so it stays readable after ``close()``.

    An array computed from it, or a part of it, is an ordinary array and has no names.
    """

    names: tuple[str | None, ...]
    """The name of each element when the array was made; None for a slot that was free."""
    generations: np.ndarray[Any, np.dtype[np.uint32]]
    """Also live: the generation of each slot, odd while it is in use. A name's slot that now has another generation
    than it had has been removed since, and its element means nothing (or belongs to another name)."""
    _made: np.ndarray[Any, np.dtype[np.uint32]]

    def __array_finalize__(self, _: object) -> None:
        self.names = ()

    def current(self) -> dict[str, Any]:
        """Name to value now, as int or float, leaving out what has been removed since. O(names)."""
        pairs = zip(self.names, self._made, self.generations, self.tolist(), strict=True)
        return {name: value for name, made, now, value in pairs if name is not None and made == now}


def column(region: Region, table: int, dtype: str) -> Column:
    """The column of a table (``lib.CS_SECTION_COUNTERS`` or ``_GAUGES``). O(names)."""
    found = ffi.new("cs_column *")
    check(lib.cs_names_column(region.view, table, found), "the values of a table")
    used = min(int(found.used), int(found.capacity))  # a peer may have written anything where the first is kept
    names: list[str | None] = [None] * used
    made = np.zeros(used, "u4")
    for handle, name in walk(region, table):
        index = handle & 0xFFFFFFFF
        if index < used:
            names[index], made[index] = name, handle >> 32
    first = 0
    while first < used and names[first] in COUNTERS:  # of the durable parts, made with the region
        first += 1
    values = _over(region, found.value, first, used, found.stride, dtype).view(Column)
    values.names = tuple(names[first:])
    values.generations = _over(region, found.generation, first, used, found.stride, "u4")
    values._made = made[first:]  # noqa: SLF001
    return values


def _over(
    region: Region, pointer: Any, first: int, used: int, stride: int, dtype: str
) -> np.ndarray[Any, np.dtype[Any]]:
    if first == used:
        return np.empty(0, dtype)
    offset = region.offset(pointer) + first * stride
    array: np.ndarray[Any, np.dtype[Any]] = np.ndarray(
        (used - first,), dtype, buffer=region.memory, offset=offset, strides=(stride,)
    )
    array.flags.writeable = False
    return array
