"""What may be changed of a governed agent, and what is said where it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate._arguments import unsigned
from corestate.audit.rows import AuditEvent
from corestate.enums import AgentStatus
from corestate.errors import InvalidError, MismatchError, TransitionError
from corestate.governance.agent_state import Stored

if TYPE_CHECKING:
    from corestate.governance.agent_state import AgentState

__all__ = ["allowed", "event", "final", "key_of", "outdated"]


def event(old: AgentStatus, new: AgentStatus) -> AuditEvent:
    """The audit event of a change of status."""
    if new == AgentStatus.COMPLETED:
        return AuditEvent.AGENT_COMPLETED
    if new == AgentStatus.RUNNING and old in (AgentStatus.STARTING, AgentStatus.STOPPED, AgentStatus.COMPLETED):
        return AuditEvent.AGENT_STARTED
    return AuditEvent.AGENT_STATUS


def allowed(current: AgentState, wanted: AgentState) -> None:
    """Whether this is the state that was changed, and in what may be changed."""
    if current.version != wanted.version:
        raise outdated(current.id, wanted.version, current)
    for name in ("type", "budget_limit", "updated_ns"):
        if getattr(current, name) != getattr(wanted, name):
            raise InvalidError.because(
                f"agent {current.id!r:.100}",
                expected="changes of status, reason, budget_spent, pii_detections and data",
                found=f"another {name}",
                advice="change a limit with state.agents.budget(id).set_limit()",
            )
    for name in ("budget_spent", "pii_detections"):
        step = getattr(wanted, name)
        unsigned(step, name, 63)
        if step < getattr(current, name):
            raise InvalidError.because(
                f"{name} of agent {current.id!r:.100}",
                expected=f"{getattr(current, name)} or more",
                found=str(step),
                advice="what is spent or detected stays so",
            )


def outdated(name: str, version: int, found: AgentState | Stored | None) -> MismatchError:
    """The error for a state that was made from another version."""
    state = found.state if isinstance(found, Stored) else found
    return MismatchError.because(
        f"agent {name!r:.100}",
        expected=f"version {version}",
        found="that it was removed" if state is None else f"version {state.version}",
        advice="read it again and decide anew; state.agents.update(id, fn) does",
    )


def final(state: AgentState) -> TransitionError:
    """The error for an agent that does not run again."""
    why = f" ({state.reason})" if state.reason else ""
    return TransitionError.because(
        f"agent {state.id!r:.100}",
        expected="an agent that may run again",
        found=f"one that is {state.status.name}{why}, which is final",
        advice="register another id; state.agents.remove(id) forgets this one",
    )


def key_of(name: str) -> bytes:
    """What stands for a governed agent among the keys that are locked."""
    return b"governed\0" + name.encode()
