"""Data that the core is given and gives back.

The core sees only its own memory, so what ``ffi.new`` makes lives twice: as bytes here, and, from its first use in a
call, as a block in the memory of that call's core. Around each call the bytes are copied over and back. A ``cs_region``
is the exception: it lives in the core's memory alone, since the core keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corestate._wasm.layout import Field, Type, named

if TYPE_CHECKING:
    from corestate._wasm.core import Core

__all__ = ["Block", "Buffer", "Foreign", "Reference", "reference_to"]


class Block:
    """Bytes, and where a core has them."""

    __slots__ = ("__weakref__", "address", "core", "data", "generation", "pointers", "resident", "view")

    def __init__(self, data: bytearray, *, resident: bool = False) -> None:
        self.data = data
        self.resident = resident
        self.core: Core | None = None
        self.address = 0
        self.view: Any = None
        self.generation = 0
        self.pointers: dict[int, Reference] | None = None
        """What the pointers in it point to, by their offset."""

    def push(self, core: Core) -> int:
        """Bring the core's copy up to date; its address."""
        if self.core is not core:
            self.leave()
            self.address = core.allocate(len(self.data) or 1)
            self.core = core
            self.view = None
        if self.resident:
            return self.address
        if self.pointers:
            for offset, target in self.pointers.items():
                self.data[offset : offset + 4] = target.push(core).to_bytes(4, "little")
        if self.view is None or self.generation != core.generation:
            self.view = core.window(self.address, len(self.data))
            self.generation = core.generation
        self.view.assign(self.data)
        return self.address

    def pull(self) -> None:
        """Take over what the core has written; after ``push`` and the call."""
        if self.resident or self.core is None:
            return
        if self.generation != self.core.generation:
            self.view = self.core.window(self.address, len(self.data))
            self.generation = self.core.generation
        self.view.assign_to(self.data)

    def leave(self) -> None:
        """Give the place in the core's memory back."""
        if self.address and self.core is not None:
            self.core.free(self.address)
            self.address = 0

    def __del__(self) -> None:
        self.leave()


class Foreign:
    """An address in a core's memory that nothing here owns."""

    __slots__ = ("address", "core", "type")

    def __init__(self, core: Core | None, address: int, type: Type) -> None:  # noqa: A002
        self.core = core
        self.address = address
        self.type = type

    def read(self, size: int) -> bytes:
        """A copy of bytes from there."""
        if self.core is None:
            raise TypeError("an address that is in no core's memory cannot be read")
        return self.core.read(self.address, size)

    def string(self) -> bytes:
        """The NUL-terminated bytes there."""
        return b"" if self.core is None else str(self.core.string(self.address)).encode()

    def __bool__(self) -> bool:
        return self.address != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Foreign) and (self.core is other.core and self.address == other.address)

    def __hash__(self) -> int:
        return hash(self.address)

    def __getitem__(self, index: int) -> Any:
        raw = self.read((index + 1) * self.type.size)
        return self.type.format.unpack_from(raw, index * self.type.size)[0]


class Reference:
    """A pointer into a block: to one thing, or to an array."""

    __slots__ = ("__weakref__", "_block", "_count", "_offset", "_type")
    _block: Block
    _type: Type
    _offset: int
    _count: int | None

    def __init__(self, block: Block, type: Type, offset: int = 0, count: int | None = None) -> None:  # noqa: A002
        put = object.__setattr__
        put(self, "_block", block)
        put(self, "_type", type)
        put(self, "_offset", offset)
        put(self, "_count", count)

    # -- for the rest of this package; no field of a struct has such a name ------------------

    @property
    def c_block(self) -> Block:
        """What it points into."""
        return self._block

    @property
    def c_offset(self) -> int:
        """Where, in bytes from the block's start."""
        return self._offset

    @property
    def c_type(self) -> Type:
        """Of what it points to."""
        return self._type

    @property
    def c_size(self) -> int:
        """Bytes it covers."""
        return self._type.size * (1 if self._count is None else self._count)

    def push(self, core: Core) -> int:
        """Bring the core's copy up to date; the address of what this points to."""
        return self._block.push(core) + self._offset

    # -- as cffi has it ----------------------------------------------------------------------

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        if self._count is None:
            raise TypeError(f"a {self._type.name} * has no length")
        return self._count

    def __add__(self, count: int) -> Reference:
        return Reference(self._block, self._type, self._offset + count * self._type.size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and (self._block is other._block and self._offset == other._offset)

    def __hash__(self) -> int:
        return hash((id(self._block), self._offset))

    def __getattr__(self, name: str) -> Any:
        field = self._field(name)
        if field.count is not None:
            return Reference(self._block, field.type, self._offset + field.offset, field.count)
        return self._load(field.type, self._offset + field.offset)

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        at = self._offset + field.offset
        if field.count is None:
            self._store(field.type, at, value)
        elif isinstance(value, bytes) and field.type.code == "c" and len(value) <= field.count:
            self._block.data[at : at + len(value)] = value
        else:
            for index, item in enumerate(value):
                self._store(field.type, at + index * field.type.size, item)

    def _field(self, name: str) -> Field:
        found = self._type.fields.get(name)
        if found is None:
            raise AttributeError(f"{self._type.name} has no field {name!r}")
        return found

    def _at(self, index: int) -> int:
        if self._count is not None and not 0 <= index < self._count:
            raise IndexError(f"index {index} of {self._count} {self._type.name}")
        return self._offset + index * self._type.size

    def __getitem__(self, index: int) -> Any:
        return self._load(self._type, self._at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._store(self._type, self._at(index), value)

    def _load(self, type: Type, at: int) -> Any:  # noqa: A002
        if type.format is None:
            return Reference(self._block, type, at)
        (value,) = type.format.unpack_from(self._block.data, at)
        return Foreign(self._block.core, value, named("char")) if type.is_pointer else value

    def _store(self, type: Type, at: int, value: Any) -> None:  # noqa: A002
        if type.is_pointer:
            self._point(at, value)
            return
        try:
            type.format.pack_into(self._block.data, at, value)
        except Exception as problem:
            if isinstance(value, int):
                raise OverflowError(f"{value} does not fit a {type.name}") from None
            raise TypeError(f"a {type.name} cannot be {value!r}") from problem

    def _point(self, at: int, value: Any) -> None:
        pointers = self._block.pointers
        if pointers is None:
            pointers = self._block.pointers = {}
        pointers.pop(at, None)
        if isinstance(value, Foreign) or value is None:
            address = 0 if value is None else value.address
            self._block.data[at : at + 4] = address.to_bytes(4, "little")
            return
        pointers[at] = reference_to(value)


class Buffer:
    """The bytes of a reference, as cffi's buffers are: slices are bytes, writing writes through."""

    __slots__ = ("_view",)

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def __buffer__(self, flags: int) -> memoryview:
        return self._view

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, key: Any) -> Any:
        return bytes(self._view[key]) if isinstance(key, slice) else bytes((self._view[key],))

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            self._view[key] = value
        else:
            self._view[key] = value[0]


def reference_to(value: Any) -> Reference:
    """A reference to bytes or another buffer, or the reference it is."""
    if isinstance(value, Reference):
        return value
    data = value if isinstance(value, bytearray) else bytearray(value)
    return Reference(Block(data), named("unsigned char"), 0, len(data))
