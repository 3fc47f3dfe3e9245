"""``ffi`` and ``lib`` on the wasm build of the core: the small part of cffi that the package uses, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._wasm.core import default_core
from corestate._wasm.data import Block, Buffer, Foreign, Reference, reference_to
from corestate._wasm.functions import Function
from corestate._wasm.layout import named, parse
from corestate._wasm.modules import description
from corestate._wasm.waiting import WAITS, WaitingFunction

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ffi", "lib"]

_PIECE = 1 << 16


class FFI:
    """What is used of ``cffi.FFI``."""

    NULL = None

    def __init__(self) -> None:
        self.callbacks: dict[str, Callable[..., int]] = {}

    def new(self, ctype: str, init: Any = None) -> Reference:
        """Zeroed data of a pointer or array type; ``init`` is an array's length or content, a pointer's value."""
        type_, count, is_array = parse(ctype)
        if not is_array:
            made = Reference(Block(bytearray(type_.size), resident=type_.name == "cs_region"), type_)
            if init is not None:
                made[0] = init
            return made
        items: Any = ()
        if count is None:
            if isinstance(init, int):
                count = init
            else:
                items = init
                count = len(init) + (1 if type_.code == "c" else 0)
        elif init is not None:
            items = init
        made = Reference(Block(bytearray(type_.size * count)), type_, 0, count)
        if isinstance(items, (bytes, bytearray)):
            made.c_block.data[: len(items)] = items
        else:
            for index, item in enumerate(items):
                made[index] = item
        return made

    def buffer(self, data: Any, size: int = -1) -> Buffer:
        """The bytes data is made of; of what the core owns, a copy."""
        if isinstance(data, Foreign):
            return Buffer(memoryview(bytearray(data.read(data.type.size if size < 0 else size))))
        whole = memoryview(data.c_block.data)
        return Buffer(whole[data.c_offset : data.c_offset + (data.c_size if size < 0 else size)])

    def from_buffer(self, data: Any) -> Any:
        """Data over the bytes of an object; a region's memory gives its address."""
        address = getattr(data, "address_in_core", None)
        return address() if address is not None else reference_to(data)

    def string(self, data: Any) -> bytes:
        """The bytes up to a NUL."""
        if isinstance(data, Foreign):
            return data.string()
        return bytes(self.buffer(data)[:]).split(b"\0", 1)[0]

    def unpack(self, data: Any, count: int) -> Any:
        """So many items: bytes of characters, a list of anything else."""
        if data.c_type.code == "c":
            return self.buffer(data, count)[:]
        return [data[index] for index in range(count)]

    def cast(self, ctype: str, value: Any) -> Any:
        """A pointer of another type to the same data, a pointer of an address, or the address of a pointer."""
        if not ctype.endswith("*"):
            return _address(value)
        type_, _, _ = parse(ctype)
        if isinstance(value, Reference):
            return Reference(value.c_block, type_, value.c_offset)
        if isinstance(value, Foreign):
            return Foreign(value.core, value.address, type_)
        return Foreign(None, int(value or 0), type_)

    def sizeof(self, what: Any) -> int:
        """Bytes of a type or of data."""
        if isinstance(what, str):
            return parse(what)[0].size * (parse(what)[1] or 1) if "[" in what else named(what).size
        return int(what.c_size)

    def memmove(self, to: Any, source: Any, size: int) -> None:
        """Copy bytes between data and Python's own buffers."""
        content = self.buffer(source, size)[:] if isinstance(source, (Reference, Foreign)) else bytes(source)[:size]
        if isinstance(to, Reference):
            self.buffer(to, size)[0:size] = content
        else:
            memoryview(to)[:size] = content

    def def_extern(self) -> Callable[[Callable[..., int]], Callable[..., int]]:
        """Register the function the core's snapshots are written through, under its name."""

        def register(function: Callable[..., int]) -> Callable[..., int]:
            self.callbacks[function.__name__] = function
            return function

        return register


def _address(value: Any) -> int:
    """The number of a pointer."""
    if value is None:
        return 0
    if isinstance(value, Foreign):
        return value.address
    if isinstance(value, Reference):
        if value.c_block.core is None:  # whoever wants to know must be told where it will be
            value.push(default_core())
        return value.c_block.address + value.c_offset
    return int(value)


class Lib:
    """Functions and constants of the core by name."""

    def __init__(self) -> None:
        for name, value in description()["constants"].items():
            setattr(self, name, value)
        for name, signature in description()["functions"].items():
            kind = WaitingFunction if name in WAITS else Function
            setattr(self, name, kind(name, signature))
        self.cs_python_write = "cs_python_write"
        self.cs_snapshot_write = self._snapshot_write

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the core has no {name!r}")

    def _snapshot_write(self, view: Any, write: str, context: Any, info: Any) -> int:
        """The picture is made in the core's memory and handed on in pieces."""
        at, length = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        code = int(self.cs_wasm_snapshot(view, at, length, info))
        if code < 0:
            return code
        core = view.c_block.core
        content = core.read(at[0], length[0])
        core.free(at[0])
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]
            if ffi.callbacks[write](context, reference_to(piece), len(piece)):
                return int(self.CS_E_IO)
        return code


ffi: Any = FFI()
lib: Any = Lib()
