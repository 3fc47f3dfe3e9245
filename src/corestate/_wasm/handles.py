"""Handles of regions that JavaScript has opened, and what to say of addresses a browser cannot have.

Imported everywhere, and so free of anything that only Pyodide has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate.errors import UnsupportedError

if TYPE_CHECKING:
    from corestate._storage import Opened
    from corestate.address import Address

__all__ = ["is_handle", "open_handle", "unsupported"]


def is_handle(address: Any) -> bool:
    """Whether this is what JavaScript's ``state.handle`` gave, and not an address."""
    return type(address).__module__.startswith("pyodide") and hasattr(address, "memory") and hasattr(address, "base")


def open_handle(handle: Any, *, writable: bool) -> Opened:
    """The region of a handle.

    Raises:
        UnsupportedError (not shared), NotRegionError, LayoutVersionError, TruncatedError, FormatError (another build).
    """
    from corestate._storage import Opened
    from corestate._wasm.storage import attached_memory
    from corestate.config import RegionConfig

    memory: Any = attached_memory(handle)  # to the rest of the package as good as an mmap
    return Opened(memory, -1, RegionConfig().permissions, writable)


def unsupported(where: Address) -> UnsupportedError:
    """The error for an address that needs what a browser has not."""
    return UnsupportedError.because(
        f"region {where}",
        expected='"heap:", or a handle for corestate.attach',
        found="an address in a file or in POSIX shared memory, which Pyodide has not",
        advice='use "heap:" for memory of this worker, or attach to the region whose handle the page has posted',
    )
