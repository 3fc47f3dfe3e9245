"""The one door to the core: the rest of the package imports ``ffi``, ``lib`` and ``check`` from here and nowhere else.

``ffi`` and ``lib`` are cffi's, made from the public headers when the package is built. Because in a browser the same
package runs on the wasm build of the core, only a small part of ``ffi`` may be used: ``new`` (structs, arrays, out
pointers), ``buffer``, ``from_buffer``, ``string``, ``unpack``, ``NULL``, ``cast`` (pointers and integers), ``sizeof``,
``memmove`` and attribute access. There is one callback, ``cs_python_write`` (a ``cs_write_fn``, see
``snapshot.py``), defined by ``ffi.def_extern()``; no ``gc``, no handles, no other callbacks.

Calling the core
    ``code = lib.cs_something(region.view, ...)``, then ``check(code, "what was being done")``, or where the call is hot
    ``if code < 0: raise error(code, ...)``. How ``region.view`` may be used is said in ``region.py``.

Every call through ``lib`` releases the GIL.
"""

from __future__ import annotations

import sys
from typing import Any

from corestate import errors
from corestate._shown import named, shown, typed

if sys.platform == "emscripten":
    from corestate._wasm.hot import Anchor, HotCounter, HotEngine, HotGauge, detach_at_end
    from corestate._wasm.library import ffi, lib
else:
    from corestate._core import ffi, lib
    from corestate._hot import Anchor, HotCounter, HotEngine, HotGauge, detach_at_end

__all__ = [
    "Anchor",
    "HotCounter",
    "HotEngine",
    "HotGauge",
    "address_of",
    "check",
    "detach_at_end",
    "error",
    "ffi",
    "lib",
    "strerror",
    "text",
]


def _classes() -> dict[int, type[errors.CorestateError]]:
    """Result code to error class, from the classes themselves."""
    found: dict[int, type[errors.CorestateError]] = {}
    pending: list[type[errors.CorestateError]] = [errors.CorestateError]
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        name = kind.__dict__.get("result")
        if name is not None:
            found[getattr(lib, name)] = kind
    return found


_CLASS_OF = _classes()


def strerror(code: int) -> str:
    """The core's short name of a result code. O(1)."""
    return text(lib.cs_strerror(code))


def error(
    code: int, what: str = "", *, expected: str | None = None, found: str | None = None, advice: str | None = None
) -> errors.CorestateError:
    """Make (not raise) the error that stands for a negative result code.

    The message reads ``what: expected ..., found ...; advice``; what is not given is the error class's own wording.
    """
    kind = _CLASS_OF.get(code)
    if kind is None:
        return errors.CorestateError.because(what, found=found or f"result {code} ({strerror(code)})")
    return kind.because(what, expected=expected, found=found, advice=advice)


def check(
    code: int, what: str = "", *, expected: str | None = None, found: str | None = None, advice: str | None = None
) -> int:
    """Return a result code that is zero or more; raise the right error for one that is not. See ``error``."""
    if code < 0:
        raise error(code, what, expected=expected, found=found, advice=advice)
    return code


def text(pointer: Any) -> str:
    """A ``const char *`` of the core as str; ``""`` for null. Bytes that are not UTF-8 are replaced, not refused."""
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


_EXPECTED = {
    lib.CS_TYPE_U64: "an int of 0 to 2**64 - 1",
    lib.CS_TYPE_F64: "a number, and not a negative one where that has no meaning",
    lib.CS_TYPE_PERCENT: "a number of 0 to 100",
    lib.CS_TYPE_BOOL: "True or False",
}
_ABOUT_THE_VALUE = (lib.CS_E_RANGE, lib.CS_E_NAN, lib.CS_E_INVALID)


def hot_error(code: int, what: str, kind: int, found: object) -> errors.CorestateError:
    """The error the hot types raise: a negative result code, or 1 for a value of the wrong type."""
    expected, appears = _EXPECTED.get(kind), shown(found)
    if code > 0:
        return errors.WrongTypeError.because(what, expected=expected, found=typed(found))
    if code not in _ABOUT_THE_VALUE:
        return error(code, what)
    if what == "engine.add" and code == lib.CS_E_INVALID:
        expected, appears = "the name of a field that is an unsigned int, such as 'burst_count'", named(found)
    if what.endswith("add") and code == lib.CS_E_RANGE:
        expected, appears = "a sum within 0 to 2**64 - 1, and an n of 64 bits", f"n = {appears}"
    return error(code, what, expected=expected, found=appears)


def address_of(pointer: Any) -> int:
    """The number of a pointer. O(1)."""
    return int(ffi.cast("uintptr_t", pointer))
