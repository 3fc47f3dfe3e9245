"""Where the fields of the core's structs are, asked of the structs themselves, for reading many at once."""

from __future__ import annotations

from struct import Struct
from typing import Any

from corestate._binding import ffi

__all__ = ["Record"]

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Record:
    """The layout of one struct of the core whose fields are unsigned numbers and char arrays.

    Each field is filled with ones in a struct of zeros, and where the ones appear is where the field is: so there is no
    second description of the bytes, and none to keep in step.

    Args:
        ctype: the struct's name, such as ``"cs_event"``.
        fields: the names of the fields wanted, in the order in which ``unpack`` gives them; that must be their order in
            the struct, too.
    """

    __slots__ = ("_places", "ctype", "fields", "size", "unpack", "unpack_all")

    def __init__(self, ctype: str, fields: tuple[str, ...]) -> None:
        self.ctype = ctype
        self.fields = fields
        self.size: int = ffi.sizeof(ctype)
        self._places = {name: self._place(name) for name in fields}
        struct = Struct(self._format())
        self.unpack = struct.unpack_from
        """``unpack(buffer, offset=0)``: the fields of the struct at an offset as a tuple, char arrays as bytes."""
        self.unpack_all = struct.iter_unpack
        """``unpack_all(bytes)``: the same of each struct of an array, one after the other."""

    def _place(self, name: str) -> tuple[int, int, bool]:
        struct = ffi.new(f"{self.ctype} *")
        is_array = not isinstance(getattr(struct, name), int)
        if is_array:
            setattr(struct, name, b"\xff" * ffi.sizeof(getattr(struct, name)))
        else:
            for bits in (64, 32, 16, 8):
                try:
                    setattr(struct, name, (1 << bits) - 1)
                except OverflowError:
                    continue
                break
        image = bytes(ffi.buffer(struct))
        return image.index(0xFF), image.count(0xFF), is_array

    def _format(self) -> str:
        parts, at = ["="], 0
        for offset, size, is_array in self._places.values():
            parts.append(f"{offset - at}x" + (f"{size}s" if is_array else _CODES[size]))
            at = offset + size
        return "".join([*parts, f"{self.size - at}x"])

    def dtype(self, **more: tuple[Any, int]) -> Any:
        """The same as a NumPy dtype; ``more`` adds fields after the struct as name=(format, bytes)."""
        import numpy as np

        names, formats, offsets, size = list(self.fields), [], [], self.size
        for offset, width, is_array in self._places.values():
            formats.append(f"S{width}" if is_array else f"u{width}")
            offsets.append(offset)
        for name, (what, width) in more.items():
            names.append(name)
            formats.append(what)
            offsets.append(size)
            size += width
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})
