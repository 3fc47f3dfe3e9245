"""Regions of other threads by the handles JavaScript has of them, and of this interpreter by name.

Imported everywhere, and so free of anything that only Pyodide has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate.errors import ReadOnlyError, RegionExistsError, RegionNotFoundError, UnsupportedError

if TYPE_CHECKING:
    from corestate._storage import Make, Opened
    from corestate.address import Address
    from corestate.config import RegionConfig

__all__ = ["forget_named", "is_handle", "open_handle", "open_named"]

_named: dict[str, tuple[Any, int]] = {}
"""Handle and permissions of the regions ``shm:name`` stands for in this interpreter."""


def is_handle(address: Any) -> bool:
    """Whether this is what JavaScript's ``state.handle`` gave, and not an address."""
    return type(address).__module__.startswith("pyodide") and hasattr(address, "memory") and hasattr(address, "base")


def open_handle(handle: Any, *, writable: bool) -> Opened:
    """The region of a handle.

    Raises:
        UnsupportedError (not shared), NotRegionError, LayoutVersionError, TruncatedError, FormatError (another build).
        ReadOnlyError: the handle is for reading, as a mirror's is.
    """
    from corestate._storage import Opened
    from corestate._wasm.storage import attached_memory
    from corestate.config import RegionConfig

    if writable and getattr(handle, "mode", "rw") == "r":
        raise ReadOnlyError.because(
            "attach",
            found="a handle for reading, as a mirror's is",
            advice='attach with mode="r"; changes are for its source to make',
        )
    return Opened(attached_memory(handle), -1, RegionConfig().permissions, writable)


def open_named(where: Address, making: Make, *, writable: bool, config: RegionConfig | None) -> Opened:
    """The region of this name in this interpreter, made if need be; others get it by ``region.memory.handle``.

    Raises:
        RegionNotFoundError, RegionExistsError, ConfigMismatchError.
        UnsupportedError: a file's address, or memory cannot be shared here.
    """
    from corestate._storage import compare, nothing_there, private, probe
    from corestate.config import RegionConfig

    _insist_on_memory(where)
    known = _named.get(where.name)
    if known is None:
        if making == "never":
            raise nothing_there(where)
        made = private(config or RegionConfig())
        memory: Any = made.memory
        _named[where.name] = memory.handle, made.permissions
        return made
    if making == "always":
        raise RegionExistsError.because(f"region {where}")
    opened = open_handle(known[0], writable=writable)
    opened.permissions = known[1]
    if config is not None:
        _, info = probe(opened.memory)
        compare(where, config, RegionConfig.from_core(info.config, opened.permissions))
    return opened


def forget_named(where: Address) -> None:
    """Remove a name; who is attached stays so.

    Raises:
        RegionNotFoundError: nothing has it. UnsupportedError: a file's address.
    """
    _insist_on_memory(where)
    if _named.pop(where.name, None) is None:
        raise RegionNotFoundError.because(f"region {where}")


def _insist_on_memory(where: Address) -> None:
    if where.kind == "file":
        raise UnsupportedError.because(
            f"region {where}",
            expected='"heap:", "shm:name", or a handle for corestate.attach',
            found="the address of a file, and files cannot be mapped here",
            advice='use "heap:" for memory of this worker, attach to the region whose handle the page has posted, or '
            "restore a snapshot",
        )
