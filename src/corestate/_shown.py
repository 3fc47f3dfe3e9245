"""How what somebody gave appears in an error.

Errors end in logs, and values are secrets: a token passed in the wrong place must not be repeated there. So a *value*
appears as its type, a number also as itself; a value *read* from a region or a store appears as its type alone. A
*name* (of an agent, a kind, a key, a file, one of a few words) is shown, because without it nobody finds the mistake:
escaped, and cut.
"""

from __future__ import annotations

import enum
import numbers

__all__ = ["kind_of", "named", "shown", "typed"]

_MOST_BITS = 256
_MOST_CHARACTERS = 100


def kind_of(value: object) -> str:
    """The type of a value, and nothing of the value."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def shown(value: object) -> str:
    """A value somebody gave: a number, None or a member of an enum as it is, anything else as its type."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, int):
        return int.__repr__(value) if value.bit_length() <= _MOST_BITS else f"an int of {value.bit_length()} bits"
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, numbers.Number):  # NumPy's, decimals, fractions
        return f"{str(value)[:_MOST_CHARACTERS]} ({type(value).__name__})"
    return kind_of(value)


def typed(value: object) -> str:
    """The same where the type is what is wrong: a number with its type."""
    text, kind = shown(value), type(value).__name__
    return text if kind in text or value is None else f"{text} ({kind})"


def named(name: object) -> str:
    """A name, in quotes, escaped and cut; what is no text as ``shown``."""
    if not isinstance(name, str):
        return shown(name)
    cut = str.__str__(name)[: _MOST_CHARACTERS + 1]
    return repr(cut) if len(cut) <= _MOST_CHARACTERS else f"{cut[:_MOST_CHARACTERS]!r}…"
