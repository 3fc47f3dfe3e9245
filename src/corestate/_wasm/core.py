"""One core in JavaScript, on one memory. What is asked of it often is kept: a look-up there costs a microsecond."""

from __future__ import annotations

import gc
import importlib
from functools import cache
from typing import Any

from corestate._wasm.modules import attached_library, javascript, new_library, region_library, to_python
from corestate.errors import UnsupportedError

__all__ = ["Core", "attach_core", "default_core", "region_core"]

_SCRATCH = 4096


class Core:
    """A core and the memory it is on."""

    __slots__ = (
        "__weakref__",
        "_allocate",
        "_calls",
        "_free",
        "_scratch",
        "_view",
        "_windows",
        "asleep",
        "forget",
        "generation",
        "library",
        "may_block",
        "string",
    )

    def __init__(self, library: Any) -> None:
        self.library = library
        self.generation = 0
        """Moves when views of the memory made before are void."""
        self._allocate, self._free, self._view = library.allocate, library.free, library.view
        self.asleep, self.forget, self.may_block = library.asleep, library.forget, library.mayBlock
        self.string = library.string
        self._calls: dict[str, Any] = {}
        self._windows: dict[tuple[int, int], Any] = {}
        self._scratch = self.allocate(_SCRATCH)

    def call(self, name: str) -> Any:
        """An export, as a function of plain numbers."""
        found = self._calls.get(name)
        if found is None:
            found = self.library.call(name)
            if found is None:
                raise UnsupportedError.because(f"{name}()", found="the wasm build, which has no such call")
            self._calls[name] = found
        return found

    def grown(self) -> None:
        """After whatever may have made the memory grow: views of one that is not shared are void then."""
        generation = int(self.library.generation())
        if generation != self.generation:
            self.generation = generation
            self._windows.clear()

    def allocate(self, size: int) -> int:
        """Zeroed bytes of this core's memory; their address.

        Raises:
            TooBigError: the memory cannot grow.
        """
        try:
            address = int(self._allocate(size))
        except Exception as problem:
            raise to_python(problem) from problem
        self.grown()
        return address

    def free(self, address: int) -> None:
        """Give them back."""
        self._free(address)

    def window(self, address: int, size: int) -> Any:
        """A JavaScript view of bytes; keep it while ``generation`` stands."""
        return self._view(address, size)

    def read(self, address: int, size: int) -> bytes:
        """A copy of bytes."""
        return bytes(self._view(address, size).to_bytes())

    def lend(self, content: bytes, at: int) -> int:
        """Put bytes into the scratch space, ``at`` bytes from its start, for one call; 0 when there is no room."""
        size = len(content)
        if at + size > _SCRATCH:
            return 0
        if size:
            window = self._windows.get((at, size))
            if window is None:
                window = self._windows[at, size] = self._view(self._scratch + at, size)
            window.assign(content)
        return int(self._scratch + at)


@cache
def default_core() -> Core:
    """The core without a region, for calls that need none."""
    return Core(new_library(shared=False))


def _be_seen() -> None:
    """Have this worker's sign of life in place before others come to depend on it, where Python can wait for that."""
    ffi = importlib.import_module("pyodide.ffi")
    if ffi.can_run_sync():
        ffi.run_sync(javascript().ready)


def region_core(size: int, *, shared: bool) -> tuple[Core, int]:
    """The core on a memory of its own with room for a region, and where that is.

    Raises:
        TooBigError: no memory for it.
    """
    if shared:
        _be_seen()
    try:
        library = region_library(size, shared=shared)
    except Exception:  # noqa: BLE001 - whatever JavaScript says of a memory that cannot be had
        gc.collect()  # regions forgotten in a cycle hold memories, too
        try:
            library = region_library(size, shared=shared)
        except Exception as problem:
            raise to_python(problem) from problem
    return Core(library), int(library.base)


def attach_core(handle: Any) -> tuple[Core, int, int, str]:
    """The core on the memory of a region that JavaScript has opened; where the region starts, its size, its name."""
    _be_seen()
    try:
        found = attached_library(handle)
    except Exception as problem:
        raise to_python(problem) from problem
    return Core(found.library), int(found.base), int(found.size), str(found.name)
