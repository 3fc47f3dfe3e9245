"""Values as bytes, and back exactly as they were: JSON's types, bytes, and integers of any size.

What MessagePack can carry is MessagePack (``PLAIN``); a value with an integer beyond 64 bits somewhere is JSON
(``JSON``), which has no bytes, so that such integers and bytes in one value are refused.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgpack  # type: ignore[import-untyped]

from corestate._shown import kind_of, shown
from corestate.errors import CorruptError, InvalidError, NotANumberError, WrongTypeError

__all__ = ["JSON", "PLAIN", "decode", "encode"]

PLAIN = 0
JSON = 1
DEPTH = 100
"""How deep lists and dicts may be nested."""

_pack = msgpack.Packer(use_bin_type=True, strict_types=True, unicode_errors="surrogatepass").pack
_unpack = msgpack.unpackb
_SCALARS = (str, bool, bytes, type(None))


def _fault(where: str, found: str) -> WrongTypeError:
    return WrongTypeError.because(
        f"value{where}",
        expected="None, bool, int, float, str, bytes, or lists and dicts (with str keys) of these",
        found=found,
        advice="convert it first (a tuple to a list, an enum to its value, a date to a str)",
    )


def _walk(value: object, where: str, depth: int) -> tuple[bool, bool]:
    """Check a value; returns whether it holds an integer beyond 64 bits, and whether it holds bytes."""
    kind = type(value)
    if kind in _SCALARS:
        return False, kind is bytes
    if kind is int:
        return not -(2**63) <= value < 2**64, False  # type: ignore[operator]
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise NotANumberError.because(f"value{where}", expected="a finite number", found=shown(value))
        return False, False
    if depth >= DEPTH:
        raise InvalidError.because(
            f"value{where}", expected=f"nesting of at most {DEPTH}", found="more", advice="flatten it"
        )
    large = raw = False
    if kind is list:
        for index, item in enumerate(value):  # type: ignore[arg-type, var-annotated]
            found = _walk(item, f"{where}[{index}]", depth + 1)
            large, raw = large or found[0], raw or found[1]
        return large, raw
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                raise _fault(where, f"a dict with {shown(key)} as key")
            found = _walk(item, f"{where}[{key!r:.40}]", depth + 1)
            large, raw = large or found[0], raw or found[1]
        return large, raw
    raise _fault(where, kind_of(value))


def encode(value: object) -> tuple[int, bytes]:
    """The tag and bytes of a value.

    Raises:
        WrongTypeError: a type that would not come back as it went in. NotANumberError: NaN or an infinity.
        InvalidError: nested too deeply, or bytes beside an integer beyond 64 bits.
    """
    large, raw = _walk(value, "", 0)
    if not large:
        return PLAIN, _pack(value)
    if raw:
        raise InvalidError.because(
            "value",
            expected="integers of 64 bits where there are bytes too",
            found="a larger integer beside bytes",
            advice="store them under two keys, or the integer as a str",
        )
    try:
        return JSON, json.dumps(value, separators=(",", ":")).encode("ascii")
    except ValueError as cause:
        raise InvalidError.because(
            "value", expected="an integer Python writes in digits", found=str(cause), advice="store it as bytes"
        ) from cause


def decode(tag: int, packed: Any) -> Any:
    """The value of a tag and its bytes.

    Raises:
        CorruptError: the bytes are nothing ``encode`` wrote.
    """
    try:
        if tag == PLAIN:
            return _unpack(packed, raw=False, unicode_errors="surrogatepass")
        if tag == JSON:
            return json.loads(bytes(packed))
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError, msgpack.UnpackException) as cause:
        raise CorruptError.because("a stored value", expected="bytes that were encoded", found=str(cause)) from cause
    raise CorruptError.because("a stored value", expected="a known encoding", found=f"tag {tag}")
