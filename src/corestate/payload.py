"""MessagePack between the user's data and the region, where a peer may have written anything."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped, unused-ignore]

from corestate._shown import kind_of
from corestate.errors import CorestateError, InvalidError, RangeError, WrongTypeError

__all__ = ["Undecodable", "pack", "unpack"]

_packers: list[Any] = []
_MOST_LOOKED = 10_000  # values looked at for the one an error is about
_BROKEN = (ValueError, TypeError, OverflowError, RecursionError, MemoryError, msgpack.exceptions.UnpackException)


class Undecodable(bytes):
    """Bytes from a region that should be MessagePack and are not.

    A peer that writes garbage costs its readers neither the rest of the events nor the rest of the agents: they get
    this in place of the data.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Undecodable({bytes(self)!r})"

    __str__ = __repr__


def pack(data: Any, what: str, of: str) -> bytes:
    """Data as MessagePack. O(size).

    Args:
        data: what to pack.
        what: what it is, for errors, and ``of`` the name of what it belongs to.
        of: see ``what``.

    Raises:
        WrongTypeError: of a type MessagePack does not have.
        RangeError: an int beyond 64 bits.
        InvalidError: nested deeper than some 500 levels, or in itself; str that is no Unicode.
    """
    try:
        packer = _packers.pop()  # a list's pop and append are atomic: no packer is used by two threads at once
    except IndexError:
        packer = msgpack.Packer()
    try:
        packed: bytes = packer.pack(data)
    except (TypeError, OverflowError, ValueError, RecursionError) as problem:  # the last where msgpack is pure Python
        raise _refused(problem, f"{what} {of!r:.100}", data) from None
    _packers.append(packer)
    return packed


def _refused(problem: Exception, what: str, data: Any) -> CorestateError:
    if isinstance(problem, TypeError):
        return WrongTypeError.because(
            what,
            expected="data of the types MessagePack has: None, bool, int, float, str, bytes, list, tuple, dict",
            found=_foreign(data),
            advice="convert it first",
        )
    if isinstance(problem, OverflowError):
        return RangeError.because(what, expected="ints of -2**63 to 2**64 - 1", found="one beyond 64 bits")
    return InvalidError.because(
        what, expected="data MessagePack can carry", found=str(problem), advice="make it flatter, or smaller"
    )


def _foreign(data: Any) -> str:
    """The type in data that MessagePack does not have; never the value, which may be a secret."""
    ahead, looked = [data], 0
    while ahead and looked < _MOST_LOOKED:
        one, looked = ahead.pop(), looked + 1
        if isinstance(one, dict):
            ahead += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple)):
            ahead += one
        elif one is not None and not isinstance(one, (bool, int, float, str, bytes, bytearray, memoryview)):
            return kind_of(one)
    return "one it does not have"


def unpack(packed: Any) -> Any:
    """Data from MessagePack; what cannot be decoded comes back as ``Undecodable``. O(size).

    Lengths that claim more than there is and nesting deeper than some 500 levels cannot be decoded.
    """
    try:
        return msgpack.unpackb(packed, strict_map_key=False)
    except _BROKEN:
        return Undecodable(packed)
