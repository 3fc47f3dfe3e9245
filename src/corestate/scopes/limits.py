"""What a scope may grow to. Over a limit a write is an error and nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass

from corestate._shown import named, shown, typed
from corestate.errors import CorestateError, InvalidError, WrongTypeError

__all__ = ["KEY_BYTES", "LimitExceededError", "Limits", "checked_key"]

KEY_BYTES = 256
"""Longest key, in bytes of UTF-8."""


@dataclass(frozen=True)
class Limits:
    """The limits of a scope. Every process that writes a scope should give it the same; each enforces its own."""

    value_bytes: int = 1 << 20
    """Bytes one value may take, encoded."""
    keys: int = 1_000_000
    """Keys the scope may have."""
    bytes: int = 1 << 30
    """Bytes all its current values may take together, encoded."""

    def __post_init__(self) -> None:
        for name in ("value_bytes", "keys", "bytes"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise InvalidError.because(
                    f"Limits({name}=...)", expected="an int, 0 or more", found=shown(value), advice="pass one"
                )


class LimitExceededError(CorestateError, ValueError):
    """A write would pass a limit of its scope; nothing has changed."""

    expected = "a write within the scope's limits"
    found = "one beyond them"
    advice = "delete what is no longer needed, or give the scope larger Limits"


def checked_key(key: object) -> str:
    """The key, if it can be one.

    Raises:
        WrongTypeError: no str. LimitExceededError: longer than 256 bytes. InvalidError: empty, or no UTF-8.
    """
    if type(key) is not str:
        raise WrongTypeError.because("key", expected="a str", found=typed(key))
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError as cause:
        raise InvalidError.because("key", expected="UTF-8", found=named(key), advice="choose another key") from cause
    if not key:
        raise InvalidError.because("key", expected=f"1 to {KEY_BYTES} bytes", found="none", advice="choose another key")
    if size > KEY_BYTES:
        raise LimitExceededError.because(
            "key", expected=f"at most {KEY_BYTES} bytes of UTF-8", found=str(size), advice="choose a shorter key"
        )
    return key
