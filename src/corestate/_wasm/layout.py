"""C types as ``_binding`` names them, with their sizes and places in wasm32."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

from corestate._wasm.modules import description

__all__ = ["POINTER", "Field", "Type", "named", "parse"]

_SCALARS = {
    "char": ("c", 1),
    "unsigned char": ("B", 1),
    "uint8_t": ("B", 1),
    "uint16_t": ("H", 2),
    "int": ("i", 4),
    "int32_t": ("i", 4),
    "uint32_t": ("I", 4),
    "uintptr_t": ("I", 4),
    "size_t": ("I", 4),
    "int64_t": ("q", 8),
    "uint64_t": ("Q", 8),
    "cs_handle": ("Q", 8),
    "double": ("d", 8),
    "void": ("B", 1),
}
_KINDS = {
    "i8": "char",
    "u8": "unsigned char",
    "u16": "uint16_t",
    "i32": "int",
    "u32": "uint32_t",
    "i64": "int64_t",
    "u64": "uint64_t",
    "f64": "double",
}
_ARRAY = re.compile(r"^(.*?)\s*\[(\d*)\]$")


@dataclass(frozen=True)
class Field:
    """A member of a struct."""

    offset: int
    type: Type
    count: int | None
    """How many, for an array; None for a single one."""


class Type:
    """A scalar, a pointer, or a struct. There is one object for each type."""

    __slots__ = ("_fields", "code", "format", "is_pointer", "name", "size")

    def __init__(self, name: str, size: int, code: str = "") -> None:
        self.name = name
        self.size = size
        self.code = code
        """For `struct`; empty for a struct."""
        self.is_pointer = code == "P"
        """Whether its value is an address."""
        self.format: Any = struct.Struct("<" + ("I" if self.is_pointer else code)) if code else None
        """Reads and writes one; None for a struct."""
        self._fields: dict[str, Field] | None = None

    @property
    def fields(self) -> dict[str, Field]:
        """Of a struct, by name."""
        if self._fields is None:
            self._fields = {} if self.code else _fields(self.name)
        return self._fields


POINTER = Type("void *", 4, "P")


@cache
def named(name: str) -> Type:
    """The type of a name without ``*`` or ``[]``, such as ``"uint32_t"`` or ``"cs_event"``."""
    name = name.removeprefix("const ").strip()
    if "*" in name or name.endswith("_fn"):
        return POINTER
    if name in _SCALARS:
        code, size = _SCALARS[name]
        return Type(name, size, code)
    found = description()["structs"].get(name)
    if found is None:
        raise TypeError(f"expected a C type of the core, found {name!r}")
    return Type(name, found["size"])


def _fields(name: str) -> dict[str, Field]:
    found = description()["structs"][name]["fields"]
    return {
        field["name"]: Field(
            field["offset"],
            POINTER if field["kind"] == "pointer" else named(_KINDS.get(field["kind"], field["kind"])),
            field["count"] if field["count"] > 1 else None,
        )
        for field in found
    }


@cache
def parse(ctype: str) -> tuple[Type, int | None, bool]:
    """``"T *"`` as (T, None, False); ``"T[n]"`` as (T, n, True); ``"T[]"`` as (T, None, True)."""
    array = _ARRAY.match(ctype)
    if array:
        return named(array[1]), int(array[2]) if array[2] else None, True
    if not ctype.endswith("*"):
        raise TypeError(f"expected a pointer or an array type, found {ctype!r}")
    return named(ctype[:-1].strip()), None, False
