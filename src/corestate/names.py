"""What tables of named things have in common: a mapping from name to object, read from the region at each use."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from corestate._arguments import name_bytes
from corestate._binding import check, error, ffi, lib
from corestate.errors import NameInvalidError, NotFoundError, StaleError

if TYPE_CHECKING:
    from corestate.region import Region

__all__ = ["Named", "NamedTable", "name_of", "walk"]

T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")

_MOST_MADE = 4096
_NAME_BYTES = lib.CS_NAME_MAX + 1


def walk(region: Region, table: int) -> Iterator[tuple[int, str]]:
    """Handle and name of everything a table (``lib.CS_SECTION_...``) holds.

    What is inserted or removed meanwhile may or may not be seen. O(slots ever used).
    """
    cursor, handle, length = ffi.new("uint32_t *"), ffi.new("cs_handle *"), ffi.new("uint32_t *")
    name = ffi.new("char[]", _NAME_BYTES)
    while lib.cs_names_next(region.view, table, cursor, handle, name, length) == lib.CS_OK:
        yield int(handle[0]), _text(name, length[0])


def name_of(region: Region, table: int, handle: int) -> str:
    """The name a handle stands for. O(1).

    Raises:
        StaleError: it has been removed.
    """
    name, length = ffi.new("char[]", _NAME_BYTES), ffi.new("uint32_t *")
    check(lib.cs_names_get(region.view, table, handle, name, length), "name of a handle")
    return _text(name, length[0])


def _text(name: Any, length: int) -> str:
    # A hostile peer may have written anything here; replaced characters are better than no listing.
    return bytes(ffi.buffer(name, min(length, _NAME_BYTES))).decode("utf-8", "replace")


class Named:
    """Something with a name and a place in a table of a region.

    It stands for what had the name when it was looked up: once that has been removed every use is a StaleError
    (a KeyError), also when something new has the same name.
    """

    __slots__ = ("_handle", "_name", "_region")
    _region: Region
    _handle: int
    _name: str

    def __init__(self, region: Region, handle: int, name: str) -> None:
        self._region = region
        self._handle = handle
        self._name = name

    @property
    def name(self) -> str:
        """Its name."""
        return self._name


class NamedTable(Mapping[str, T_co], Generic[T_co]):
    """A mapping from names to what a region holds under them.

    ``table[name]`` creates it on first use, by whichever process comes first; ``get``, ``in``, iteration and the
    views never create. What the durable parts have there (``corestate:...``) is not listed. Every look-up goes to the
    region: there is nothing cached that could be out of date. Look-up takes no lock and is O(length of the name);
    creating and removing wait for others who do.

    With mode ``"r"`` nothing can be created, and a name that is not there is a NotFoundError (a KeyError).
    """

    _table: ClassVar[int]
    _word: ClassVar[str]
    _own: ClassVar[tuple[str, ...]] = ()
    """Names of the durable parts, which are looked up like any other and not listed."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._made: dict[str, tuple[int, T_co]] = {}  # by name: the handle it was made for, so it cannot be out of date
        self._core_find = getattr(lib, f"cs_{self._word}_find")
        self._core_open = getattr(lib, f"cs_{self._word}_open")
        self._core_remove = getattr(lib, f"cs_{self._word}_remove")

    def _make(self, handle: int, name: str) -> T_co:
        raise NotImplementedError

    def _of(self, handle: int, name: str) -> T_co:
        """What stands for this handle: the same object again where possible."""
        known = self._made.get(name)
        if known is not None and known[0] == handle:
            return known[1]
        made = self._make(handle, name)
        if len(self._made) >= _MOST_MADE:
            self._made.clear()
        self._made[name] = (handle, made)
        return made

    def _found(self, name: str) -> int | None:
        encoded = name_bytes(name, self._word)
        handle = ffi.new("cs_handle *")
        code = self._core_find(self._region.view, encoded, len(encoded), handle)
        if code == lib.CS_E_NOT_FOUND:
            return None
        check(code, f"{self._word} {name!r:.100}")
        return int(handle[0])

    def _missing(self, name: object) -> NotFoundError:
        return NotFoundError.because(f"{self._word} {name!r:.100}", expected="one that exists", found="none such")

    def __getitem__(self, name: str) -> T_co:
        """What has this name, created if need be.

        Raises:
            NameInvalidError, FullError, NotFoundError (read-only and not there), WrongTypeError, ClosedError.
        """
        if self._region.mode == "r":
            known = self._found(name)
            if known is None:
                raise self._missing(name)
            return self._of(known, name)
        encoded = name_bytes(name, self._word)
        handle = ffi.new("cs_handle *")
        code: int = self._core_open(self._region.view, encoded, len(encoded), handle)
        if code < 0:
            raise error(code, f"{self._word} {name!r:.100}")
        return self._of(handle[0], name)

    @overload
    def get(self, name: str) -> T_co | None: ...
    @overload
    def get(self, name: str, default: D) -> T_co | D: ...
    def get(self, name: str, default: Any = None) -> Any:
        """What has this name, or ``default``; never creates. O(length of the name)."""
        handle = self._found(name)
        return default if handle is None else self._of(handle, name)

    def __delitem__(self, name: str) -> None:
        """Remove it, for everybody. Objects that stand for it raise StaleError from now on.

        Raises:
            NotFoundError: there is none such (any more). ReadOnlyError. BusyError: its lock is held by somebody alive.
        """
        handle = self._found(name)
        if handle is None:
            raise self._missing(name)
        try:
            check(self._core_remove(self._region.view, handle), f"removing {self._word} {name!r:.100}")
        except StaleError:
            raise self._missing(name) from None

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self._found(name) is not None
        except NameInvalidError:
            return False

    def __len__(self) -> int:
        count = ffi.new("uint32_t *")
        check(lib.cs_names_count(self._region.view, self._table, count), self._word)
        # A peer may have written any count.
        return max(0, int(count[0]) - sum(self._found(name) is not None for name in self._own)) if count[0] else 0

    def __iter__(self) -> Iterator[str]:
        for _, name in walk(self._region, self._table):
            if name not in self._own:
                yield name

    def _pairs(self) -> Iterator[tuple[str, T_co]]:
        for handle, name in walk(self._region, self._table):
            if name not in self._own:
                yield name, self._make(handle, name)

    def items(self) -> ItemsView[str, T_co]:
        """Names with what they stand for; never creates."""
        return _Items(self)

    def values(self) -> ValuesView[T_co]:
        """Everything in the table; never creates."""
        return _Values(self)

    def __repr__(self) -> str:
        if self._region.closed:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} {len(self)} of {self._region.address}>"

    __hash__ = None  # type: ignore[assignment]


class _Items(ItemsView[str, T_co]):
    """As the standard view, which would look each name up again and so might create it."""

    _mapping: NamedTable[T_co]

    def __iter__(self) -> Iterator[tuple[str, T_co]]:
        return self._mapping._pairs()  # noqa: SLF001


class _Values(ValuesView[T_co]):
    _mapping: NamedTable[T_co]

    def __iter__(self) -> Iterator[T_co]:
        for _, value in self._mapping._pairs():  # noqa: SLF001
            yield value
