"""Named counters (64-bit integers) and gauges (floats), created on first use by any process."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from corestate._arguments import unsigned
from corestate._binding import HotCounter, HotGauge, error, ffi, lib
from corestate._reserved import COUNTERS
from corestate._shown import typed
from corestate.errors import NotANumberError, WrongTypeError
from corestate.names import NamedTable
from corestate.waiting import wait

if TYPE_CHECKING:
    from typing_extensions import Self

    from corestate.column import Column
    from corestate.region import Region

__all__ = ["Counter", "Counters", "Gauge", "Gauges"]


class Counter(HotCounter):
    """A named counter: 0 to 2**64 - 1, atomic between all threads and processes.

    It stands for what had the name when it was looked up; once that has been removed every use is a StaleError (a
    KeyError). ``value`` costs as much as an attribute of a C type; ``add`` is one atomic addition.
    """

    __slots__ = ("_name", "_region")
    _region: Region
    _name: str

    def __new__(cls, region: Region, handle: int, name: str) -> Self:  # noqa: D102 - made by the mapping
        self = super().__new__(cls, region.anchor, handle)
        self._region = region
        self._name = name
        return self

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def wait(self, changed_from: int, timeout: float | None = None) -> int:
        """Sleep until the value is not ``changed_from``, and return what it is then; at once if it is not already.

        Asleep in the kernel; whoever changes the counter wakes it. A region opened with mode ``"r"`` cannot be woken
        and looks every 10 ms.

        Raises:
            WaitTimeoutError: (a TimeoutError) ``timeout`` seconds passed first.
            StaleError: it was removed. ClosedError: the region was closed meanwhile.
        """
        seen, value = unsigned(changed_from, "changed_from"), ffi.new("uint64_t *")
        handle = self.handle
        code = wait(self._region, lambda view, ns: lib.cs_counter_wait(view, handle, seen, ns, value), timeout)
        if code < 0:
            raise error(code, f"counter {self._name!r}")
        return int(value[0])

    def __repr__(self) -> str:
        return f"<Counter {self._name!r}>" if self._region.closed else f"<Counter {self._name!r} {_shown(self)}>"


class Gauge(HotGauge):
    """A named gauge: a float, atomic between all threads and processes. NaN is refused.

    It stands for what had the name when it was looked up, as a `Counter` does.
    """

    __slots__ = ("_name", "_region")
    _region: Region
    _name: str

    def __new__(cls, region: Region, handle: int, name: str) -> Self:  # noqa: D102 - made by the mapping
        self = super().__new__(cls, region.anchor, handle)
        self._region = region
        self._name = name
        return self

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def wait(self, changed_from: float, timeout: float | None = None) -> float:
        """Sleep until the value is not ``changed_from`` (bit for bit), and return what it is then.

        Raises:
            WaitTimeoutError: (a TimeoutError) ``timeout`` seconds passed first.
            NotANumberError, StaleError, ClosedError: as the name says.
        """
        try:
            seen = float(changed_from)
        except (TypeError, ValueError):
            raise WrongTypeError.because("changed_from", expected="a number", found=typed(changed_from)) from None
        if seen != seen:
            raise NotANumberError.because("changed_from")
        value, handle = ffi.new("double *"), self.handle
        code = wait(self._region, lambda view, ns: lib.cs_gauge_wait(view, handle, seen, ns, value), timeout)
        if code < 0:
            raise error(code, f"gauge {self._name!r}")
        return float(value[0])

    def __repr__(self) -> str:
        return f"<Gauge {self._name!r}>" if self._region.closed else f"<Gauge {self._name!r} {_shown(self)}>"


def _shown(cell: Counter | Gauge) -> str:
    try:
        return str(cell.value)
    except KeyError:
        return "removed"


class Counters(NamedTable[Counter]):
    """``state.counters``: a mapping from names to counters. See `corestate.names.NamedTable`."""

    _table: ClassVar[int] = lib.CS_SECTION_COUNTERS
    _word: ClassVar[str] = "counter"
    _own: ClassVar[tuple[str, ...]] = COUNTERS

    def _make(self, handle: int, name: str) -> Counter:
        return Counter(self._region, handle, name)

    def array(self) -> Column:
        """All counters at once: a live, read-only uint64 array over the region, with ``.names``. O(names)."""
        from corestate.column import column

        return column(self._region, self._table, "u8")


class Gauges(NamedTable[Gauge]):
    """``state.gauges``: a mapping from names to gauges. See `corestate.names.NamedTable`."""

    _table: ClassVar[int] = lib.CS_SECTION_GAUGES
    _word: ClassVar[str] = "gauge"

    def _make(self, handle: int, name: str) -> Gauge:
        return Gauge(self._region, handle, name)

    def array(self) -> Column:
        """All gauges at once: a live, read-only float64 array over the region, with ``.names``. O(names)."""
        from corestate.column import column

        return column(self._region, self._table, "f8")
