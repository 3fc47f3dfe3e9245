"""The core's functions: their arguments brought over to its memory, what it wrote brought back."""

from __future__ import annotations

from typing import Any

from corestate._wasm.core import Core, default_core
from corestate._wasm.data import Block, Foreign, Reference, reference_to
from corestate._wasm.layout import named

__all__ = ["Function"]

_ALIGNED = -16


class Function:
    """One export of the core, on whichever memory its arguments are."""

    def __init__(self, name: str, signature: dict[str, Any]) -> None:
        self.name = name
        types: list[str] = [parameter["type"] for parameter in signature["parameters"]]
        self.count = len(types)
        self.pointers = [(index, not ctype.startswith("const ")) for index, ctype in enumerate(types) if "*" in ctype]
        self.result: str = signature["result"]
        self.plain = self.result == "int" or self.result.startswith("uint")
        self.grows = name in ("cs_wasm_allocate", "cs_wasm_snapshot")

    def __call__(self, *args: Any) -> Any:
        if len(args) != self.count:
            raise TypeError(f"{self.name}: expected {self.count} arguments, found {len(args)}")
        core = self.core_of(args)
        numbers = list(args)
        written: list[Block] = []
        lent = 0
        for index, writes in self.pointers:
            value = numbers[index]
            if isinstance(value, Reference):
                numbers[index] = value.push(core)
                if writes and not value.c_block.resident:
                    written.append(value.c_block)
            elif value is None:
                numbers[index] = 0
            elif isinstance(value, Foreign):
                numbers[index] = value.address
            else:
                numbers[index], lent = self.bring(core, value, lent, written if writes else None)
        result = core.call(self.name)(*numbers)
        if self.grows:
            core.grown()
        for block in written:
            block.pull()
        return result if self.plain else self.convert(core, result)

    def core_of(self, args: Any) -> Core:
        """The core whose memory the arguments are in; the one without a region when they are in none."""
        for index, _ in self.pointers:
            value = args[index]
            if isinstance(value, Reference):
                if value.c_block.resident and value.c_block.core is not None:
                    return value.c_block.core
            elif isinstance(value, Foreign) and value.address and value.core is not None:
                return value.core
        return default_core()

    def bring(self, core: Core, value: Any, lent: int, written: list[Block] | None) -> tuple[int, int]:
        """Bytes for this call alone: their address, and how much of the scratch space is lent by now."""
        if written is None and isinstance(value, bytes):
            address = core.lend(value, lent)
            if address:
                return address, (lent + len(value) + 15) & _ALIGNED
        data = reference_to(value)
        if written is not None:
            written.append(data.c_block)
        return data.push(core), lent

    def convert(self, core: Core, result: Any) -> Any:
        """What the export returned, as its type is in Python."""
        if self.result == "double":
            return float(result)
        if "*" in self.result:
            address = int(result) & 0xFFFFFFFF
            return Foreign(core, address, named(self.result[:-1].strip())) if address else None
        return None if self.result == "void" else int(result)
