"""Typed ids: a prefix that says what is named, and a lowercase UUID.

A typed id is a str, so it goes wherever an id does; ids of any other form are as good there.
"""

from __future__ import annotations

import enum
import re
import uuid
from typing import TYPE_CHECKING, ClassVar

from corestate._shown import typed
from corestate.errors import InvalidError, WrongTypeError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AgentId",
    "ApiTokenId",
    "BudgetRequestId",
    "ControlId",
    "IdError",
    "IdErrorCode",
    "LeaseId",
    "ProjectId",
    "ProviderId",
    "RequestId",
    "TypedId",
]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_ANY_CASE = re.compile(_UUID.pattern, re.ASCII | re.IGNORECASE)


class IdErrorCode(str, enum.Enum):
    """What is wrong with a text that should be an id."""

    EMPTY_ID = "EMPTY_ID"
    INVALID_PREFIX = "INVALID_PREFIX"
    MISSING_UUID = "MISSING_UUID"
    INVALID_UUID = "INVALID_UUID"


class IdError(InvalidError):
    """A text that is not an id of the type asked for."""

    expected = "an id"
    found = "something else"
    advice = "see suggestion"
    code: IdErrorCode
    """What is wrong."""
    suggestion: str
    """What to write instead."""


class TypedId(str):
    """A prefix and a lowercase UUID: ``agent_0b8b65b6-...``. Hashes and compares as the text it is.

    Raises:
        IdError: (a ValueError, with ``code`` and ``suggestion``) the text is no such id. WrongTypeError: it is no text.
    """

    __slots__ = ()
    prefix: ClassVar[str] = ""
    """With its underscore."""

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says it
        return cls.parse(text)

    @classmethod
    def generate(cls) -> Self:
        """A new random one."""
        return str.__new__(cls, f"{cls.prefix}{uuid.uuid4()}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The id a text is: its prefix, then a lowercase UUID with hyphens.

        Raises:
            IdError, WrongTypeError.
        """
        if not isinstance(text, str):
            raise WrongTypeError.because(cls.__name__, expected="a str", found=typed(text))
        fault = cls._fault(text)
        if fault is not None:
            raise fault
        return str.__new__(cls, text)

    @classmethod
    def parse_flexible(cls, text: str) -> Self:
        """As ``parse``, and also the older form with a hyphen (``agent-UUID``), any case, and blanks around it.

        Raises:
            IdError, WrongTypeError.
        """
        if isinstance(text, str):
            text = text.strip()
            rest = text[len(cls.prefix) :]
            older = text[: len(cls.prefix)].lower() in (cls.prefix, f"{cls.prefix[:-1]}-")
            if older and _ANY_CASE.fullmatch(rest):
                return str.__new__(cls, cls.prefix + rest.lower())
        return cls.parse(text)

    @property
    def uuid(self) -> uuid.UUID:
        """The part after the prefix."""
        return uuid.UUID(self[len(self.prefix) :])

    @classmethod
    def _fault(cls, text: str) -> IdError | None:
        pattern = f"{cls.prefix}<uuid>"
        if not text:
            return cls._wrong(
                IdErrorCode.EMPTY_ID, "an empty text", f"make one with {cls.__name__}.generate(), or pass {pattern}"
            )
        if not text.startswith(cls.prefix):
            return cls._wrong(
                IdErrorCode.INVALID_PREFIX, f"{len(text)} characters that begin otherwise", cls._about_prefix(text)
            )
        rest = text[len(cls.prefix) :]
        if not rest:
            return cls._wrong(
                IdErrorCode.MISSING_UUID,
                f"{cls.prefix!r}, which ends after the prefix",
                f"put a UUID after {cls.prefix!r}",
            )
        if _UUID.fullmatch(rest):
            return None
        if _ANY_CASE.fullmatch(rest):
            return cls._wrong(IdErrorCode.INVALID_UUID, "capital letters", f"write {cls.prefix}{rest.lower()}")
        return cls._wrong(
            IdErrorCode.INVALID_UUID,
            f"{len(rest)} characters after the prefix that are none",
            f"write {pattern}, the UUID as 8-4-4-4-12 lowercase hexadecimal digits",
        )

    @classmethod
    def _about_prefix(cls, text: str) -> str:
        if _ANY_CASE.fullmatch(text):
            return f"write {cls.prefix}{text.lower()}"
        older = f"{cls.prefix[:-1]}-"
        if text.lower().startswith(older) and _ANY_CASE.fullmatch(text[len(older) :]):
            return f"write {cls.prefix}{text[len(older) :].lower()}, or use {cls.__name__}.parse_flexible"
        for kind in TypedId.__subclasses__():
            if kind is not cls and text.startswith(kind.prefix):
                return f"it looks like a {kind.__name__}; {cls.__name__} begins with {cls.prefix!r}"
        return f"begin it with {cls.prefix!r}"

    @classmethod
    def _wrong(cls, code: IdErrorCode, found: str, suggestion: str) -> IdError:
        error = IdError.because(
            f"{cls.__name__} ({code.value})", expected=f"{cls.prefix}<uuid>", found=found, advice=suggestion
        )
        error.code, error.suggestion = code, suggestion
        return error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str.__repr__(self)})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)


class AgentId(TypedId):
    """Of an agent."""

    __slots__ = ()
    prefix = "agent_"


class ProviderId(TypedId):
    """Of an inference provider."""

    __slots__ = ()
    prefix = "ip_"


class ProjectId(TypedId):
    """Of a project."""

    __slots__ = ()
    prefix = "proj_"


class ApiTokenId(TypedId):
    """Of an API token."""

    __slots__ = ()
    prefix = "at_"


class BudgetRequestId(TypedId):
    """Of a request for budget."""

    __slots__ = ()
    prefix = "breq_"


class LeaseId(TypedId):
    """Of a lease."""

    __slots__ = ()
    prefix = "lease_"


class RequestId(TypedId):
    """Of a request."""

    __slots__ = ()
    prefix = "req_"


class ControlId(TypedId):
    """Of a control token."""

    __slots__ = ()
    prefix = "ic_"
