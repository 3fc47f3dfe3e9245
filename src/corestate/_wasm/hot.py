"""The hot types of ``_hot.c`` over the wasm exports: what they take, return and raise is the same.

A cell is read by a JavaScript function of no arguments, which is what a call from Python costs least. It gives NaN once
the region is closed.
"""

from __future__ import annotations

import operator
from struct import pack, unpack
from typing import TYPE_CHECKING, Any

from corestate._wasm.library import lib
from corestate._wasm.modules import description

if TYPE_CHECKING:
    from corestate._wasm.core import Core

__all__ = ["Anchor", "HotCounter", "HotEngine", "HotGauge", "detach_at_end"]

_C = description()["constants"]
_EXACT = 1 << 53
_INEXACT = _EXACT + 1
"""What a number that JavaScript cannot hold reads as; the exact one is where calls leave their results."""
_WRONG_TYPE = 1
_NONE, _U64, _F64, _BOOL = _C["CS_TYPE_NONE"], _C["CS_TYPE_U64"], _C["CS_TYPE_F64"], _C["CS_TYPE_BOOL"]
_CLOSED, _RANGE, _INVALID, _MISMATCH = _C["CS_E_CLOSED"], _C["CS_E_RANGE"], _C["CS_E_INVALID"], _C["CS_E_MISMATCH"]


class Anchor:
    """What hot cells share: where the region's view is, that it stays attached, and whether it was closed."""

    __slots__ = ("__weakref__", "alive", "call", "closed", "core", "keep", "out", "reader", "view")

    def __init__(self, view: int, keep: Any, alive: Any) -> None:
        self.view = view
        self.keep = keep
        self.alive = alive
        self.closed = False
        self.core: Core = keep[0].c_block.core
        self.call = self.core.call
        self.reader = self.core.library.reader
        self.out = self.core.allocate(8)
        """Where calls leave their results."""

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'corestate._hot.Anchor' is not an acceptable base type")

    def close(self) -> None:
        """Make every hot cell of this anchor raise ClosedError from now on. Idempotent."""
        self.closed = True
        self.alive = None
        self.core.library.shutReaders()

    def result(self) -> bytes:
        """The eight bytes the last call left."""
        return self.core.read(self.out, 8)

    def give(self, value: bytes) -> None:
        """Eight bytes for the next call, where it leaves its result."""
        self.core.window(self.out, 8).assign(value)


def _fail(code: int, what: str, kind: int = _NONE, found: object = None) -> Exception:
    from corestate._binding import hot_error

    return hot_error(code, what, kind, found)


def _whole(value: Any, what: str, kind: int, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise _fail(_WRONG_TYPE, what, kind, value) from None
    if not low <= number <= high:
        raise _fail(_RANGE, what, kind, value)
    return number


def _u64(value: Any, what: str, kind: int = _U64) -> int:
    return _whole(value, what, kind, 0, (1 << 64) - 1)


def _i64(value: Any, what: str) -> int:
    return _whole(value, what, _U64, -(1 << 63), (1 << 63) - 1)


def _has_utf8(name: Any) -> bool:
    try:
        str.encode(name)
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _f64(value: Any, what: str, kind: int = _F64) -> float:
    if not hasattr(type(value), "__float__") and not hasattr(type(value), "__index__"):
        raise _fail(_WRONG_TYPE, what, kind, value)
    try:
        return float(value)
    except OverflowError:
        raise _fail(_RANGE, what, kind, value) from None
    except TypeError:
        raise _fail(_WRONG_TYPE, what, kind, value) from None


def _anchored(anchor: Any) -> Anchor:
    if not isinstance(anchor, Anchor):
        raise TypeError("expected an Anchor, the one of the region; pass region.anchor")
    if anchor.closed:
        raise _fail(_CLOSED, "")
    return anchor


class HotEngine:
    """The engine's states and numbers as properties, under the names the core gives them."""

    __slots__ = ("_anchor", "_readers", "_state_readers", "_states")
    _anchor: Anchor
    _readers: dict[int, Any]
    _state_readers: list[Any]
    _states: Any

    def __new__(cls, anchor: Any, states: Any) -> Any:
        """Check what ``_hot`` checks."""
        _anchored(anchor)
        if not isinstance(states, tuple) or len(states) != _C["CS_STATES"]:
            raise TypeError("expected a tuple with a tuple of members for each state")
        for state, members in enumerate(states):
            most = lib.cs_engine_state_max(state) + 1
            if not isinstance(members, tuple) or len(members) != most:
                name = lib.cs_engine_state_name(state).string().decode()
                raise TypeError(f"expected a tuple of {most} members for {name}")
        self = super().__new__(cls)
        self._anchor = anchor
        self._states = states
        self._readers = {field: anchor.reader(_READER[kind], anchor.view, field) for field, kind in _KINDS.items()}
        self._state_readers = [anchor.reader("cs_engine_state", anchor.view, state) for state in range(len(states))]
        return self

    def _exactly(self, field: int, name: str) -> bytes:
        """The bits of a cell, where its reader cannot say."""
        anchor = self._open(f"engine.{name}")
        return int(anchor.call("cs_engine_get")(anchor.view, field)).to_bytes(8, "little")

    def _open(self, what: str) -> Anchor:
        if self._anchor.closed:
            raise _fail(_CLOSED, what)
        return self._anchor

    def _set(self, field: int, name: str, value: Any) -> None:
        what = f"engine.{name}"
        anchor = self._open(what)
        kind = _KINDS[field]
        if kind in (_U64, _BOOL):
            code = anchor.call("cs_engine_set")(anchor.view, field, _u64(value, what, kind))
        else:
            code = anchor.call("cs_engine_set_f64")(anchor.view, field, _f64(value, what, kind))
        if code < 0:
            raise _fail(code, what, kind, value)

    def set_state(self, state: int, value: Any, /) -> None:
        """What a subclass provides."""
        raise NotImplementedError

    def add(self, name: str, n: int = 1) -> int:
        """Add n (which may be negative) to an unsigned field by name; the new value. Atomic."""
        what = "engine.add"
        anchor = self._open(what)
        if not _has_utf8(name):
            raise _fail(_WRONG_TYPE, what, _NONE, name)
        field = _FIELDS.get(name)
        if field is None:
            raise _fail(_INVALID, what, _NONE, name)
        amount = _i64(n, what)
        if -_EXACT <= amount <= _EXACT:
            value = anchor.call("cs_wasm_engine_add")(anchor.view, field, amount, anchor.out)
        else:
            value = anchor.call("cs_engine_add")(anchor.view, field, amount, anchor.out) or _INEXACT
        if value < 0:
            raise _fail(int(value), what, _U64, name if value == _INVALID else n)
        return int(value) if value <= _EXACT else int.from_bytes(anchor.result(), "little")


_FIELDS: dict[str, int] = {}
_KINDS: dict[int, int] = {}
_READER = {
    _U64: "cs_wasm_engine_number",
    _BOOL: "cs_wasm_engine_number",
    _F64: "cs_engine_get_f64",
    _C["CS_TYPE_PERCENT"]: "cs_engine_get_f64",
}


def _number_property(field: int, name: str, kind: int) -> Any:
    def get(self: HotEngine) -> int:
        value: int = self._readers[field]()
        return value if 0 <= value <= _EXACT else int.from_bytes(self._exactly(field, name), "little")

    def get_bool(self: HotEngine) -> bool:
        return bool(get(self))

    def get_real(self: HotEngine) -> float:
        value = float(self._readers[field]())
        return value if value >= 0 else float(unpack("<d", self._exactly(field, name))[0])

    def put(self: HotEngine, value: Any) -> None:
        self._set(field, name, value)

    getter = get if kind == _U64 else get_bool if kind == _BOOL else get_real
    return property(getter, put, _cannot_delete(name)) if field < _C["CS_ENGINE_CELLS"] else property(getter)


def _state_property(state: int, name: str) -> Any:
    def get(self: HotEngine) -> Any:
        value = self._state_readers[state]()
        if value != value:
            raise _fail(_CLOSED, f"engine.{name}")
        return self._states[state][value]

    def put(self: HotEngine, value: Any) -> None:
        self.set_state(state, value)

    return property(get, put, _cannot_delete(name))


def _cannot_delete(name: str) -> Any:
    def delete(_: Any) -> None:
        raise AttributeError(f"engine.{name}: expected a value, found del; a field can be set, not deleted")

    return delete


def _fill() -> None:
    """One property a field and state, under the names the core gives them."""
    for field in range(_C["CS_ENGINE_FIELDS"]):
        kind = lib.cs_engine_field_type(field)
        if kind == _NONE:
            continue
        name = lib.cs_engine_field_name(field).string().decode()
        _FIELDS[name], _KINDS[field] = field, kind
        setattr(HotEngine, name, _number_property(field, name, kind))
    for state in range(_C["CS_STATES"]):
        name = lib.cs_engine_state_name(state).string().decode()
        setattr(HotEngine, name, _state_property(state, name))


_fill()


class _Named:
    __slots__ = ("_anchor", "_halves", "_handle", "_read")
    _anchor: Anchor
    _halves: tuple[int, int]
    _handle: int
    _read: Any
    _table: int
    _word: str

    def __new__(cls, anchor: Any, handle: int) -> Any:
        _anchored(anchor)
        code = anchor.call("cs_hot_cell_of")(anchor.view, cls._table, handle, anchor.out)
        if code < 0:
            raise _fail(code, cls._word)
        self = super().__new__(cls)
        self._anchor = anchor
        self._handle = handle
        self._halves = handle & 0xFFFFFFFF, handle >> 32
        self._read = anchor.reader(f"cs_wasm_{cls._word}_number", anchor.view, *self._halves)
        return self

    @property
    def handle(self) -> int:
        """The core's handle."""
        return self._handle

    def _open(self, what: str) -> Anchor:
        if self._anchor.closed:
            raise _fail(_CLOSED, what)
        return self._anchor

    def _call(self, name: str, what: str, kind: int, found: object, *args: Any) -> int:
        """A call that gives a result code, which is raised if it is an error other than a mismatch."""
        anchor = self._open(what)
        code = int(anchor.call(name)(anchor.view, self._handle, *args))
        if code < 0 and code != _MISMATCH:
            raise _fail(code, what, kind, found)
        return code


class HotCounter(_Named):
    """A named counter: 64 bits, unsigned, atomic."""

    __slots__ = ("_quick",)
    _quick: Any
    _table, _word = _C["CS_SECTION_COUNTERS"], "counter"

    def __new__(cls, anchor: Any, handle: int) -> Any:
        """As ``_hot`` does."""
        self = super().__new__(cls, anchor, handle)
        self._quick = anchor.call("cs_wasm_counter_add")
        return self

    @property
    def value(self) -> int:
        """What it stands at. Two loads."""
        value: int = self._read()
        if 0 <= value <= _EXACT:
            return value
        anchor = self._open("counter.value")
        self._call("cs_counter_get", "counter.value", _NONE, None, anchor.out)
        return int.from_bytes(anchor.result(), "little")

    def add(self, n: int = 1) -> int:
        """Add n, which may be negative; the new value. One atomic addition."""
        what = "counter.add"
        anchor = self._open(what)
        amount = _i64(n, what)
        if -_EXACT <= amount <= _EXACT:
            value = self._quick(anchor.view, *self._halves, amount, anchor.out)
        else:
            value = anchor.call("cs_counter_add")(anchor.view, self._handle, amount, anchor.out) or _INEXACT
        if value < 0:
            raise _fail(int(value), what, _U64, n)
        return int(value) if value <= _EXACT else int.from_bytes(anchor.result(), "little")

    def set(self, value: int, /) -> None:
        """Set it, and wake who waits."""
        what = "counter.set"
        self._open(what)
        self._call("cs_counter_set", what, _U64, value, _u64(value, what))

    def compare_exchange(self, expected: int, desired: int) -> bool:
        """Set to desired if it is expected; whether it was. Atomic."""
        what = "counter.compare_exchange"
        anchor = self._open(what)
        seen, wanted = _u64(expected, what), _u64(desired, what)
        anchor.give(seen.to_bytes(8, "little"))
        return self._call("cs_counter_compare_exchange", what, _U64, desired, anchor.out, wanted) == 0


class HotGauge(_Named):
    """A named gauge: a float, atomic."""

    __slots__ = ()
    _table, _word = _C["CS_SECTION_GAUGES"], "gauge"

    @property
    def value(self) -> float:
        """What it stands at. Two loads."""
        value = float(self._read())
        if value == value:
            return value
        anchor = self._open("gauge.value")
        self._call("cs_gauge_get", "gauge.value", _NONE, None, anchor.out)
        return _real(anchor.result())

    def add(self, n: float = 1.0) -> float:
        """Add n; the new value."""
        what = "gauge.add"
        anchor = self._open(what)
        self._call("cs_gauge_add", what, _F64, n, _f64(n, what), anchor.out)
        return _real(anchor.result())

    def set(self, value: float, /) -> None:
        """Set it, and wake who waits."""
        what = "gauge.set"
        self._open(what)
        self._call("cs_gauge_set", what, _F64, value, _f64(value, what))

    def compare_exchange(self, expected: float, desired: float) -> bool:
        """Set to desired if it is expected, bit for bit; whether it was. Atomic."""
        what = "gauge.compare_exchange"
        anchor = self._open(what)
        seen, wanted = _f64(expected, what), _f64(desired, what)
        anchor.give(pack("<d", seen))
        return self._call("cs_gauge_compare_exchange", what, _F64, desired, anchor.out, wanted) == 0


def _real(raw: bytes) -> float:
    return float(unpack("<d", raw)[0])


_kept: list[Any] = []


def detach_at_end(view: int, keep: Any) -> None:
    """Keep what a view needs for as long as this worker lives; its end is seen by others."""
    _kept.append((view, keep))
