"""Values of a type one expects, from any mapping of keys to values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from corestate._shown import kind_of
from corestate.errors import WrongTypeError

__all__ = ["Typed"]

T = TypeVar("T")
D = TypeVar("D")
_NONE_GIVEN: Any = object()


class Typed:
    """What scopes of every kind add to a mapping."""

    if TYPE_CHECKING:

        def __getitem__(self, key: str) -> Any: ...
        def __contains__(self, key: object) -> bool: ...

    @overload
    def get_as(self, key: str, kind: type[T]) -> T: ...
    @overload
    def get_as(self, key: str, kind: type[T], default: D) -> T | D: ...
    def get_as(self, key: str, kind: type[T], default: Any = _NONE_GIVEN) -> Any:
        """The value of a key, if it is of this type: exactly, but that an int is as good where a float is expected.

        Args:
            key: whose value.
            kind: ``bool``, ``int``, ``float``, ``str``, ``bytes``, ``list``, ``dict``.
            default: for a key without a value; without one that is an error.

        Raises:
            WrongTypeError: it is of another type. KeyMissingError: there is none, and no default.
        """
        try:
            value = self[key]
        except KeyError:
            if default is _NONE_GIVEN:
                raise
            return default
        found = type(value)
        if found is kind:
            return value
        if kind is float and found is int:
            return float(value)
        raise WrongTypeError.because(
            f"key {key!r:.80}", expected=f"a value of type {kind.__name__}", found=kind_of(value)
        )

    def exists(self, key: str) -> bool:
        """Whether the key has a value; the same as ``key in scope``."""
        return key in self
