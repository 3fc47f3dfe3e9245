"""What is kept of a governed agent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from corestate._shown import kind_of
from corestate.enums import AgentStatus, AgentType
from corestate.errors import InvalidError, TooBigError, WrongTypeError
from corestate.stores.checked import checking, corrupt

if TYPE_CHECKING:
    from corestate.stores import Row

__all__ = ["DATA_BYTES", "AgentState", "Stored", "packed"]

DATA_BYTES = 1 << 16
"""How much an agent's own data may take as JSON; more belongs into its scope: ``state.scope("agent", id)``."""


@dataclass(frozen=True)
class AgentState:
    """A governed agent as the store has it, all of one version. Change a copy (``with_``) and save that."""

    id: str
    type: AgentType
    status: AgentStatus
    reason: str
    """Why it has that status, if anybody said."""
    budget_limit: int
    """In micro-units, and so the others."""
    budget_spent: int
    pii_detections: int
    version: int
    """Rises with every change of any of it, whoever makes it; also of the live status, by a program without a store."""
    updated_ns: int
    """When its status or data last changed, since the epoch."""
    data: dict[str, Any] = field(default_factory=dict)
    """Anything else, as JSON has it."""

    def with_(self, **changes: Any) -> AgentState:
        """A copy with other ``status``, ``reason``, ``budget_spent``, ``pii_detections`` or ``data``."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict, with names for type and status."""
        return {**vars(self), "type": self.type.name.lower(), "status": self.status.name.lower()}


@dataclass(frozen=True)
class Stored:
    """The row it comes from, and which status of the live registry that stands for."""

    state: AgentState
    registration: str
    """Region and handle under which the agent was registered when the row was written."""
    changes: int
    """How often its status had changed in that registration."""

    SELECT = (
        "SELECT g.id, g.type, g.status, g.reason, b.amount_limit, b.spent, b.detections, g.version + b.version, "
        "g.updated_ns, g.data, g.registration, g.changes FROM governed g JOIN budgets b ON b.name = g.id"
    )

    @classmethod
    def of(cls, row: Row) -> Stored:
        """From a row of ``SELECT``."""
        ident, kind, status, reason, limit, spent, detections, version, updated, data, registration, changes = _row(row)
        state = AgentState(
            ident,
            _member(AgentType, kind, "type"),
            _member(AgentStatus, status, "status"),
            reason,
            limit,
            spent,
            detections,
            version,
            updated,
            _unpacked(data),
        )
        return cls(state, registration, changes)


_row = checking(
    "governed",
    "id type status reason budgets.amount_limit budgets.spent budgets.detections version updated_ns data registration "
    "changes",
)


_Enum = TypeVar("_Enum", AgentType, AgentStatus)


def _member(kind: type[_Enum], number: int, column: str) -> _Enum:
    try:
        return kind(number)
    except ValueError:
        raise corrupt("governed", column, number) from None


def _no_number(text: str) -> None:
    raise ValueError(text)


def _unpacked(text: str) -> dict[str, Any]:
    """What ``packed`` has packed."""
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as cause:
        raise corrupt("governed", "data", text) from cause
    if not isinstance(found, dict):
        raise corrupt("governed", "data", text)
    return found


def packed(data: object, of: str) -> str:
    """An agent's data as JSON text.

    Raises:
        WrongTypeError, InvalidError, TooBigError.
    """
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise WrongTypeError.because(f"data of agent {of!r:.100}", expected="a dict with str keys", found=kind_of(data))
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except TypeError as cause:
        raise WrongTypeError.because(
            f"data of agent {of!r:.100}", expected="what JSON can carry", found=str(cause), advice="convert it first"
        ) from None
    except (ValueError, RecursionError) as cause:
        raise InvalidError.because(
            f"data of agent {of!r:.100}", expected="what JSON can carry", found=str(cause), advice="leave it out"
        ) from None
    if json.loads(text) != data:
        raise InvalidError.because(
            f"data of agent {of!r:.100}",
            expected="what JSON gives back as it was",
            found="a tuple, or keys that are no text",
            advice="use lists, and text for keys",
        )
    if size > DATA_BYTES:
        raise TooBigError.because(
            f"data of agent {of!r:.100}",
            expected=f"at most {DATA_BYTES} bytes of JSON",
            found=str(size),
            advice='keep the rest in state.scope("agent", id)',
        )
    return text
