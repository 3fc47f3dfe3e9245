"""What callers pass, turned into what the core takes."""

from __future__ import annotations

import math
import operator

from corestate._binding import lib
from corestate._shown import shown, typed
from corestate.errors import NameInvalidError, NotANumberError, RangeError, WrongTypeError

__all__ = ["FOREVER", "name_bytes", "seconds_to_ns", "unsigned"]

FOREVER: int = lib.CS_FOREVER
"""The core's timeout for waiting without bound."""

_LONGEST_SECONDS = 1e9  # some thirty years: the same as for ever, and far from overflow


def name_bytes(name: str, what: str = "name") -> bytes:
    """A name as UTF-8; whether it is too long for its table the core says.

    Raises:
        WrongTypeError: not a str.
        NameInvalidError: empty, or with code points UTF-8 cannot have.
    """
    if not isinstance(name, str):
        raise WrongTypeError.because(what, expected="a str", found=typed(name))
    try:
        encoded = name.encode()
    except UnicodeEncodeError as problem:
        raise NameInvalidError.because(
            f"{what} {name!r:.100}", found=f"code points that have no UTF-8 ({problem.reason})"
        ) from None
    if not encoded:
        raise NameInvalidError.because(what, found="an empty one")
    return encoded


def seconds_to_ns(timeout: float | None, what: str = "timeout") -> int:
    """A timeout in seconds (None: without bound) as the core's nanoseconds.

    Raises:
        WrongTypeError: not a number.
        NotANumberError: NaN.
        RangeError: negative.
    """
    if timeout is None:
        return FOREVER
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        raise WrongTypeError.because(what, expected="seconds as a number, or None", found=typed(timeout)) from None
    if math.isnan(seconds):
        raise NotANumberError.because(what)
    if seconds < 0:
        raise RangeError.because(
            what, expected="seconds, 0 or more, or None to wait without bound", found=shown(seconds)
        )
    return FOREVER if seconds >= _LONGEST_SECONDS else int(seconds * 1e9)


def unsigned(value: int, what: str, bits: int = 64) -> int:
    """An int of 0 to 2**bits - 1; NumPy integers are as good.

    Raises:
        WrongTypeError: not an integer.
        RangeError: negative, or beyond the bits.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise WrongTypeError.because(what, expected="an int", found=typed(value)) from None
    if not 0 <= number < 1 << bits:
        raise RangeError.because(what, expected=f"0 to 2**{bits} - 1", found=str(number))
    return number
