"""Cortical areas, by name or index."""

from __future__ import annotations

import operator
from typing import Any, ClassVar, TypeVar, overload

from corestate._arguments import unsigned
from corestate._binding import check, error, ffi, lib, text
from corestate._shown import named, typed
from corestate.errors import InvalidError, RangeError, WrongTypeError
from corestate.locks import Lock
from corestate.names import Named, NamedTable, name_of

__all__ = ["FIELDS", "Area", "Areas"]

D = TypeVar("D")

FIELDS: tuple[str, ...] = tuple(text(lib.cs_area_field_name(i)) for i in range(lib.CS_AREA_FIELDS))
"""The names of an area's numbers, by the core's number of them."""

_NUMBER = {name: i for i, name in enumerate(FIELDS)}


class Area(Named):
    """A cortical area. Its numbers are properties that read and write the region; changes are ``area_changed`` events.

    It stands for what had the name when it was looked up; once that has been removed every use is a StaleError (a
    KeyError).

    Raises:
        RangeError (below zero, or beyond 64 bits; 32 for ``fcl_window``), WrongTypeError, StaleError, ReadOnlyError,
        DetachedError, ClosedError.
    """

    __slots__ = ()

    @property
    def neuron_count(self) -> int:
        """Neurons."""
        return self._get(lib.CS_AREA_NEURON_COUNT)

    @neuron_count.setter
    def neuron_count(self, value: int) -> None:
        self._set(lib.CS_AREA_NEURON_COUNT, value)

    @property
    def incoming_synapse_count(self) -> int:
        """Incoming synapses."""
        return self._get(lib.CS_AREA_INCOMING_SYNAPSE_COUNT)

    @incoming_synapse_count.setter
    def incoming_synapse_count(self, value: int) -> None:
        self._set(lib.CS_AREA_INCOMING_SYNAPSE_COUNT, value)

    @property
    def outgoing_synapse_count(self) -> int:
        """Outgoing synapses."""
        return self._get(lib.CS_AREA_OUTGOING_SYNAPSE_COUNT)

    @outgoing_synapse_count.setter
    def outgoing_synapse_count(self, value: int) -> None:
        self._set(lib.CS_AREA_OUTGOING_SYNAPSE_COUNT, value)

    @property
    def fcl_window(self) -> int:
        """FCL window size; a new area starts with the region's default, 20 unless configured."""
        return self._get(lib.CS_AREA_FCL_WINDOW)

    @fcl_window.setter
    def fcl_window(self, value: int) -> None:
        self._set(lib.CS_AREA_FCL_WINDOW, value)

    @property
    def index(self) -> int:
        """Its index: ``state.areas[index]`` finds it, too, as long as it exists."""
        return self._handle & 0xFFFFFFFF

    @property
    def lock(self) -> Lock:
        """The area's own lock."""
        return Lock(self._region, self._handle, self._name, lib.CS_SECTION_AREAS)

    def add(self, field: str, n: int = 1) -> int:
        """Add n, which may be negative, to a number by name; atomic; returns the new value.

        Raises:
            RangeError: the result is below zero or beyond 64 bits; nothing has changed.
            InvalidError: there is no such field.
        """
        number = _NUMBER.get(field)
        if number is None:
            raise InvalidError.because("area.add()", expected=f"one of {', '.join(FIELDS)}", found=named(field))
        try:
            amount = operator.index(n)
        except TypeError:
            raise WrongTypeError.because("area.add()", expected="an int", found=typed(n)) from None
        if not -(1 << 63) <= amount < 1 << 63:
            raise RangeError.because("area.add()", expected="-2**63 to 2**63 - 1", found=str(amount))
        value = ffi.new("uint64_t *")
        code = lib.cs_area_add(self._region.view, self._handle, number, amount, value)
        if code < 0:
            raise error(code, f"adding {amount} to {field} of area {self._name!r}")
        return int(value[0])

    def snapshot(self) -> dict[str, int]:
        """All its numbers by name; each is true by itself."""
        return {name: self._get(number) for name, number in _NUMBER.items()}

    def _get(self, field: int) -> int:
        value = ffi.new("uint64_t *")
        code = lib.cs_area_get(self._region.view, self._handle, field, value)
        if code < 0:
            raise error(code, f"area {self._name!r}")
        return int(value[0])

    def _set(self, field: int, value: int) -> None:
        what = f"{FIELDS[field]} of area {self._name!r}"
        check(lib.cs_area_set(self._region.view, self._handle, field, unsigned(value, what)), what)

    def __repr__(self) -> str:
        if self._region.closed:
            return f"<Area {self._name!r}>"
        try:
            return f"<Area {self._name!r} {self.snapshot()}>"
        except KeyError:
            return f"<Area {self._name!r} removed>"


class Areas(NamedTable[Area]):
    """``state.areas``: a mapping from names to areas. See `corestate.names.NamedTable`.

    An int as the key is an index, which finds an existing area and never creates one. ``del state.areas[name]`` is a
    BusyError while somebody alive holds the area's lock.
    """

    _table: ClassVar[int] = lib.CS_SECTION_AREAS
    _word: ClassVar[str] = "area"

    def _make(self, handle: int, name: str) -> Area:
        return Area(self._region, handle, name)

    def __getitem__(self, name: str | int) -> Area:
        """The area of a name, created if need be, or the one at an index.

        Raises:
            NotFoundError: (a KeyError) nothing is at this index, or read-only and not there. Else as `NamedTable`.
        """
        if isinstance(name, str):
            return super().__getitem__(name)
        found = self._at(name)
        if found is None:
            raise self._missing(name)
        return found

    @overload
    def get(self, name: str | int) -> Area | None: ...
    @overload
    def get(self, name: str | int, default: D) -> Area | D: ...
    def get(self, name: str | int, default: Any = None) -> Any:
        """The area of a name or at an index, or ``default``; never creates."""
        if isinstance(name, str):
            return super().get(name, default)
        found = self._at(name)
        return default if found is None else found

    def __contains__(self, name: object) -> bool:
        if isinstance(name, int) and not isinstance(name, bool):
            return self._at(name) is not None
        return super().__contains__(name)

    def _at(self, index: int) -> Area | None:
        try:
            number = operator.index(index)
        except TypeError:
            raise WrongTypeError.because(
                "area", expected="a name (str) or an index (int)", found=typed(index)
            ) from None
        handle = ffi.new("cs_handle *")
        if not 0 <= number < 1 << 32:
            return None
        code = lib.cs_names_at(self._region.view, self._table, number, handle)
        if code == lib.CS_E_NOT_FOUND or code == lib.CS_E_STALE:
            return None
        check(code, f"area {number}")
        try:
            return self._make(int(handle[0]), name_of(self._region, self._table, handle[0]))
        except KeyError:
            return None  # removed in between
