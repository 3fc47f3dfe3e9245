"""One task, as it was when it was read; and what its worker may do with it."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from corestate.errors import CorestateError, NotFoundError, NotOwnerError
from corestate.telling import as_text

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from corestate.tasks.queue import Tasks

__all__ = ["LeaseLostError", "Task", "TaskNotFoundError", "TaskStateError", "TaskStatus"]

_log = logging.getLogger(__name__)


class TaskNotFoundError(NotFoundError):
    """There is no task of this id."""

    expected = "the id of a task"
    found = "none such"
    advice = "see state.tasks.find()"


class LeaseLostError(NotOwnerError):
    """The lease is over, or another worker has the task; nothing has changed."""

    expected = "a lease that still runs"
    found = "one that is over"
    advice = "drop the work: another worker does it; take longer leases, or call heartbeat() in time"


class TaskStateError(CorestateError, ValueError):
    """The task's status does not allow that; nothing has changed."""

    expected = "a task of another status"
    found = "this one"
    advice = "read the task again"


class TaskStatus(str, enum.Enum):
    """Where a task stands."""

    READY = "ready"
    """To be popped; after a failure only once its pause is over."""
    LEASED = "leased"
    """A worker has it, until its lease ends."""
    WAITING = "waiting"
    """For its children; it is ready again when the last of them is done or dead."""
    DONE = "done"
    DEAD = "dead"
    """Failed as often as it may: the dead letter. ``state.tasks.requeue`` gives it another life."""


@dataclass(frozen=True)
class Task:
    """A task. What a worker calls on it holds only while its lease runs and its token is the newest."""

    id: int
    type: str
    data: Any
    parent: int | None
    depth: int
    """0 at the top, one more for each parent above."""
    priority: int
    workflow: str | None
    status: TaskStatus
    attempts: int
    """How often it was popped."""
    max_attempts: int
    worker: str | None
    token: int
    """The fencing token: larger than that of every lease given before, of any task. Hand it to whatever the worker
    writes to, and have that refuse smaller ones."""
    due_ns: int
    """Leased: when the lease ends. Ready: when the pause after a failure ends. Nanoseconds since the epoch."""
    result: Any
    error: str | None
    pushed_ns: int
    changed_ns: int
    _tasks: Tasks = field(repr=False, compare=False)

    def heartbeat(self, lease: float = 30.0) -> None:
        """Let the lease run ``lease`` seconds from now.

        Raises:
            LeaseLostError.
        """
        self._tasks.heartbeat(self, lease)

    def complete(self, result: Any = None) -> None:
        """Done. A parent that waits for this child last is ready again.

        Raises:
            LeaseLostError. TaskStateError: it has open children. WrongTypeError, NotANumberError: of the result.
        """
        self._tasks.complete(self, result)

    def fail(self, error: object, *, retry_in: float | None = None) -> TaskStatus:
        """Not done. It is ready again after a pause that doubles each time, or dead; returns which.

        Args:
            error: kept as text; what has no UTF-8 is escaped.
            retry_in: seconds of pause instead.
        """
        return self._tasks.fail(self, error, retry_in=retry_in)

    def push(self, type: str, data: Any = None, **options: Any) -> Task:  # noqa: A002 - the field's name
        """Push a child of this task; as ``state.tasks.push``."""
        return self._tasks.push(type, data, parent=self, **options)

    def suspend(self) -> None:
        """Give the lease back and wait for the children: popped again when the last one has ended; see ``children``.

        Raises:
            LeaseLostError. TaskStateError: it has no children.
        """
        self._tasks.suspend(self)

    def children(self) -> list[Task]:
        """Its children, in the order they were pushed, with their results."""
        return self._tasks.children(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, value: BaseException | None, traceback: TracebackType | None) -> None:
        """An exception fails the task (and goes on); leaving without having ended it completes it with None."""
        try:
            now = self._tasks.get(self.id)
        except CorestateError:
            if value is None:
                raise
            _log.exception("task %d could not be recorded as failed", self.id)
            return
        if now.status is not TaskStatus.LEASED or now.token != self.token:
            return
        if value is None:
            self.complete()
            return
        try:
            self.fail(f"{type(value).__name__}: {as_text(value)}")
        except CorestateError:  # the worker's own exception is what goes on; the task is ready when its lease is over
            _log.exception("task %d could not be recorded as failed", self.id)
