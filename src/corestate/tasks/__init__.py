"""Tasks: durable, newest first, each leased to one worker at a time under a fencing token."""

from __future__ import annotations

from corestate.tasks.queue import Tasks
from corestate.tasks.task import LeaseLostError, Task, TaskNotFoundError, TaskStateError, TaskStatus

__all__ = ["LeaseLostError", "Task", "TaskNotFoundError", "TaskStateError", "TaskStatus", "Tasks"]
