"""The core in Pyodide: its JavaScript and the two wasm modules, which lie beside this file in the wheel."""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["can_share", "description", "javascript", "new_library", "region_library", "to_python"]

_HERE = Path(__file__).parent
_NAMES = {False: "corestate.wasm", True: "corestate-threads.wasm"}


@cache
def javascript() -> Any:
    """What the embedded JavaScript exports (``wasm/src/embedded.js``)."""
    source = (_HERE / "embedded.js").read_text(encoding="utf-8")
    return importlib.import_module("pyodide.code").run_js(f"(() => {{ {source}; return corestate; }})()")


@cache
def description() -> dict[str, Any]:
    """The constants, structs and functions of the core, as the compiler laid them out for wasm32."""
    found: dict[str, Any] = json.loads(javascript().description)
    found["constants"] = {name: int(value) for name, value in found["constants"].items()}
    return found


@cache
def _module(name: str) -> Any:
    to_js = importlib.import_module("pyodide.ffi").to_js
    return javascript().compile(to_js((_HERE / name).read_bytes()))


def can_share() -> bool:
    """Whether memory can be shared between threads here: in a page that takes cross-origin isolation."""
    return bool(javascript().canShare())


def new_library(*, shared: bool) -> Any:
    """The core on a memory of its own."""
    return javascript().privateLibrary(_module(_NAMES[shared]), shared)


def region_library(size: int, *, shared: bool) -> Any:
    """The same with zeroed room for a region of this size, at its ``base``."""
    return javascript().regionLibrary(_module(_NAMES[shared]), shared, size)


def attached_library(handle: Any) -> Any:
    """The core on the memory of a region that JavaScript has opened: an object with library, base, size, name."""
    return javascript().attachedLibrary(_module(_NAMES[True]), handle)


def to_python(problem: Exception) -> Exception:
    """An error of the JavaScript side as the class of the same name here, with the same words; others as they are."""
    if type(problem).__name__ != "JsException":
        return problem
    from corestate import errors

    name = str(getattr(problem, "name", ""))
    names = {"OutOfRangeError": "RangeError", "NotSharedError": "UnsupportedError", "BuildMismatchError": "FormatError"}
    kind: type[Exception] = getattr(errors, names.get(name, name), errors.CorestateError)
    return kind(str(getattr(problem, "message", problem)))
