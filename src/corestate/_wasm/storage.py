"""Where regions live in Pyodide: in the memory of a core, made here or handed over by JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._wasm.abilities import ISOLATION
from corestate._wasm.core import Core, attach_core, region_core
from corestate._wasm.data import Foreign
from corestate._wasm.layout import named
from corestate._wasm.modules import can_share
from corestate.errors import UnsupportedError

if TYPE_CHECKING:
    from corestate.config import RegionConfig

__all__ = ["Memory", "attached_memory", "private_memory"]


class Memory:
    """The bytes of a region: what ``mmap`` is elsewhere."""

    def __init__(self, core: Core, base: int, size: int, name: str = "") -> None:
        self._core = core
        self._base = base
        self._size = size
        self._name = name

    def address_in_core(self) -> Foreign:
        """Where it is, for calls of the core."""
        return Foreign(self._core, self._base, named("unsigned char"))

    @property
    def handle(self) -> Any:
        """What ``corestate.attach`` takes in another worker, and JavaScript's ``attach``: an object to be posted."""
        if not can_share():
            raise UnsupportedError.because(
                "handle of a region",
                expected="a page that takes cross-origin isolation, so that memory can be shared",
                found="that it does not (crossOriginIsolated is false)",
                advice=ISOLATION,
            )
        return self._core.library.handle(self._base, self._name)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: Any) -> Any:
        return self._core.read(self._base, self._size)[key]

    def __buffer__(self, flags: int) -> memoryview:
        """A copy as of now: Python's memory and the region's are two, so no view over it can be live."""
        return memoryview(self._core.read(self._base, self._size))

    def __del__(self) -> None:
        self._core.library.close()


def private_memory(config: RegionConfig) -> Any:
    """Memory for a new region; other workers can attach to it where memory can be shared."""
    core, base = region_core(config.size, shared=can_share())
    return Memory(core, base, config.size)


def attached_memory(handle: Any) -> Any:
    """The memory of a region that JavaScript has opened.

    Raises:
        UnsupportedError (not shared), NotRegionError, LayoutVersionError, TruncatedError, FormatError (another build).
    """
    return Memory(*attach_core(handle))
