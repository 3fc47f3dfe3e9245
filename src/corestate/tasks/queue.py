"""``state.tasks``: push and pop, with leases, retries, dead letters, parents and children."""

# ruff: noqa: S608 - what is put into the SQL is constant, never input
from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate._shown import shown, typed
from corestate.errors import InvalidError, RangeError, ReadOnlyError, StaleError, WaitTimeoutError, WrongTypeError
from corestate.scopes.encoding import encode
from corestate.scopes.limits import LimitExceededError
from corestate.scopes.rows import stored
from corestate.scopes.workflow import Moment
from corestate.stores.checked import checking, corrupt
from corestate.tasks.task import LeaseLostError, Task, TaskNotFoundError, TaskStateError, TaskStatus
from corestate.telling import TASK_CHANGED, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from corestate.durable import Durable
    from corestate.stores import Row, Rows
    from corestate.telling import Teller

__all__ = ["DEPTH", "Tasks"]

DEPTH = 64
"""How deep children of children may go."""
LOOK_AGAIN = 2.0
"""Seconds until a waiting worker looks by itself: whoever pushed may have been killed before he could wake anybody."""
PAUSE_SECONDS = 1.0
"""After the first failure; doubled after each further one, up to an hour."""

_COLUMNS = (
    "id, type, tag, data, parent, depth, priority, workflow, status, attempts, max_attempts, worker, token, due_ns, "
    "result_tag, result, error, pushed_ns, changed_ns"
)
_ENDED = "('done', 'dead')"
_checked = checking("tasks", _COLUMNS.replace(",", ""))
_attempts = checking("tasks", "id attempts max_attempts")
_due = checking("tasks", "due_ns")
_open = checking("tasks", "open_children")
_token = checking("leases", "token")
_moment = checking("tasks", "id type status attempts error pushed_ns changed_ns")


def _tag(found: int | None) -> int:
    if found is None:
        raise corrupt("tasks", "result_tag", found)
    return found


class Tasks:
    """Every task of a region's store. Any thread and process may push and pop; one task is leased to one worker."""

    def __init__(self, durable: Durable, teller: Teller) -> None:
        self._durable = durable
        self._teller = teller

    # -- pushing -------------------------------------------------------------------------------

    def push(
        self,
        type: str,  # noqa: A002 - the field's name
        data: Any = None,
        *,
        parent: Task | int | None = None,
        priority: int = 0,
        max_attempts: int = 3,
        workflow: str | None = None,
        delay: float = 0,
    ) -> Task:
        """Push a task; it is durable when this returns, and a waiting worker is woken.

        Args:
            type: what it is, for workers that take only some.
            data: None, bool, int, float, str, bytes, lists and dicts of these.
            parent: whose child it is; the parent may wait for it (``Task.suspend``).
            priority: counts only for workers that pop by priority.
            max_attempts: how often it may be popped before it is dead.
            workflow: the name of a workflow, whose timeline then shows it; None: the parent's.
            delay: seconds until it is ready.

        Raises:
            TaskNotFoundError, TaskStateError (the parent has ended), LimitExceededError (64 levels), WrongTypeError,
            NotANumberError, InvalidError, RangeError, StoreError.
        """
        if _type(type) is not str or not type:
            raise WrongTypeError.because(
                "type of a task",
                expected="a str that is not empty",
                found=typed(type) if type != "" else "an empty one",
            )
        if _type(priority) is not int or _type(max_attempts) is not int or max_attempts < 1:
            raise InvalidError.because(
                "task",
                expected="priority an int, max_attempts an int above 0",
                found=f"{shown(priority)}, {shown(max_attempts)}",
            )
        due_ns = time.time_ns() + _nanoseconds("delay", delay) if delay else 0
        tag, packed = encode(data)
        now = time.time_ns()
        with self._writing() as rows:
            above, depth = None, 0
            if parent is not None:
                above = self._row(rows, parent.id if isinstance(parent, Task) else parent)
                depth = above.depth + 1
                if above.status in (TaskStatus.DONE, TaskStatus.DEAD):
                    raise TaskStateError.because(
                        f"parent {above.id}", expected="a task that has not ended", found=above.status.value
                    )
                if depth >= DEPTH:
                    raise LimitExceededError.because("depth of tasks", expected=f"at most {DEPTH}", found="one more")
                rows.run("UPDATE tasks SET open_children = open_children + 1 WHERE id = ?", above.id)
            workflow = workflow if workflow is not None or above is None else above.workflow
            row = rows.one(
                "INSERT INTO tasks (type, tag, data, parent, depth, priority, workflow, status, max_attempts, due_ns, "
                f"pushed_ns, changed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, 'ready', ?, ?, ?, ?) RETURNING {_COLUMNS}",
                type, tag, packed, above.id if above else None, depth, priority, workflow, max_attempts, due_ns,
                now, now,
            )  # fmt: skip
            pushed = self._task(row)
        return self._announced(pushed)

    def _writing(self) -> AbstractContextManager[Rows]:
        """A transaction; what is to wake the workers afterwards is there before it begins."""
        if not self._durable.writable:
            raise ReadOnlyError.because("tasks")
        self._teller.signal()
        return self._durable.store.write()

    def _announced(self, task: Task) -> Task:
        """After the commit. Never raises."""
        if task.status is TaskStatus.READY:
            self._teller.wake()
        self._teller.tell(TASK_CHANGED, {"id": task.id, "status": task.status.value})
        return task

    # -- popping -------------------------------------------------------------------------------

    def pop(
        self,
        worker: str | None = None,
        *,
        lease: float = 30.0,
        types: Iterable[str] | None = None,
        timeout: float | None = 0,
        by_priority: bool = False,
    ) -> Task | None:
        """Take the task pushed last that is ready, under a lease; None when there is none in time.

        Args:
            worker: a name for people; None: host, process and thread.
            lease: seconds; when they are over and the task has not ended, it is ready for others.
            types: only tasks of these.
            timeout: seconds to wait for one, asleep in the kernel; 0: do not wait; None: without bound.
            by_priority: the highest priority first, and the newest among equals.

        Raises:
            RangeError, WrongTypeError (of the arguments), StoreError, ClosedError, FullError (a region that C or
            JavaScript made has no room left for the counter that wakes workers).
        """
        span = _nanoseconds("lease", lease)
        if timeout is not None:
            _nanoseconds("timeout", timeout, least=0)
        deadline = None if timeout is None else time.monotonic() + timeout
        name = as_text(worker or f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}")
        wanted = None if types is None else list(types)
        if not self._durable.writable:
            raise ReadOnlyError.because("tasks")
        while True:
            signal = self._teller.signal()
            seen = signal.value
            task, next_ns = self._take(name, span, wanted, by_priority=by_priority)
            if task is not None:
                return task
            left = math.inf if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            until = math.inf if next_ns is None else max(0.0, (next_ns - time.time_ns()) / 1e9) + 0.001
            wait = min(left, until, LOOK_AGAIN)
            with suppress(WaitTimeoutError, StaleError):  # somebody removed it: the next look makes it anew
                signal.wait(seen, timeout=wait)

    def _take(
        self, worker: str, span: int, types: list[str] | None, *, by_priority: bool
    ) -> tuple[Task | None, int | None]:
        """One attempt; and when there may be one (a lease or a pause ends), where there is none now."""
        among = "" if types is None else f"AND type IN ({', '.join('?' * len(types))})"
        order = "priority DESC, id DESC" if by_priority else "id DESC"
        select = f"SELECT id FROM tasks WHERE status = 'ready' AND due_ns <= ? {among} ORDER BY {order} LIMIT 1"
        store, now = self._durable.store, time.time_ns()
        if store.one(select, now, *(types or ())) is None and not self._overdue(now):
            row = store.one(
                "SELECT min(due_ns) FROM tasks WHERE status = 'leased' OR (status = 'ready' AND due_ns > ?)", now
            )
            return None, _due(row)[0] if row and row[0] is not None else None
        ended: list[Task] = []
        with self._writing() as rows:
            now = time.time_ns()
            ended = self._end_leases(rows, now)
            row = rows.one(select, now, *(types or ()))
            if row is not None:
                token = rows.one("UPDATE leases SET token = token + 1 RETURNING token")
                row = rows.one(
                    "UPDATE tasks SET status = 'leased', worker = ?, token = ?, due_ns = ?, attempts = attempts + 1, "
                    f"changed_ns = ? WHERE id = ? RETURNING {_COLUMNS}",
                    worker, _token(token)[0] if token else 0, now + span, now, row[0],
                )  # fmt: skip
            popped = self._task(row) if row else None  # what cannot be read is not leased
        for task in ended:
            self._announced(task)
        return (self._announced(popped) if popped else None), None

    def _overdue(self, now: int) -> bool:
        return (
            self._durable.store.one("SELECT 1 FROM tasks WHERE status = 'leased' AND due_ns <= ? LIMIT 1", now)
            is not None
        )

    def _end_leases(self, rows: Rows, now: int) -> list[Task]:
        """Tasks whose worker let the lease run out are ready again, or dead when that was their last attempt."""
        overdue = rows.all("SELECT id, attempts, max_attempts FROM tasks WHERE status = 'leased' AND due_ns <= ?", now)
        ended = []
        for number, attempts, most in map(_attempts, overdue):
            dead = attempts >= most
            row = rows.one(
                "UPDATE tasks SET status = ?, worker = NULL, due_ns = 0, error = 'the lease ran out', changed_ns = ? "
                f"WHERE id = ? RETURNING {_COLUMNS}",
                "dead" if dead else "ready", now, number,
            )  # fmt: skip
            ended.append(self._task(row))
            if dead:
                ended.extend(self._resume_parent(rows, ended[-1].parent, now))
        return ended

    # -- what a worker does --------------------------------------------------------------------

    def _held(self, rows: Rows, task: Task, now: int) -> Task:
        found = self._row(rows, task.id)
        if found.status is not TaskStatus.LEASED or found.token != task.token or found.due_ns <= now:
            what = "one that is over" if found.token == task.token else f"that worker {found.worker!r:.60} has the task"
            raise LeaseLostError.because(f"task {task.id}", found=what)
        return found

    def heartbeat(self, task: Task, lease: float = 30.0) -> None:
        """See ``Task.heartbeat``."""
        span = _nanoseconds("lease", lease)
        with self._writing() as rows:
            now = time.time_ns()
            self._held(rows, task, now)
            rows.run("UPDATE tasks SET due_ns = ? WHERE id = ?", now + span, task.id)

    def complete(self, task: Task, result: Any = None) -> None:
        """See ``Task.complete``."""
        tag, packed = encode(result)
        with self._writing() as rows:
            now = time.time_ns()
            self._held(rows, task, now)
            self._no_open_children(rows, task)
            row = rows.one(
                "UPDATE tasks SET status = 'done', result_tag = ?, result = ?, error = NULL, worker = NULL, "
                f"due_ns = 0, changed_ns = ? WHERE id = ? RETURNING {_COLUMNS}",
                tag, packed, now, task.id,
            )  # fmt: skip
            ended = (self._task(row), *self._resume_parent(rows, task.parent, now))
        for changed in ended:
            self._announced(changed)

    @staticmethod
    def _no_open_children(rows: Rows, task: Task) -> None:
        row = rows.one("SELECT open_children FROM tasks WHERE id = ?", task.id)
        if row and _open(row)[0]:
            raise TaskStateError.because(
                f"task {task.id}", expected="no open children", found=str(row[0]), advice="suspend() it until they end"
            )

    def fail(self, task: Task, error: object, *, retry_in: float | None = None) -> TaskStatus:
        """See ``Task.fail``."""
        pause = min(PAUSE_SECONDS * 2.0 ** min(task.attempts - 1, 30), 3600.0) if retry_in is None else retry_in
        span = _nanoseconds("retry_in", pause, least=0)
        with self._writing() as rows:
            now = time.time_ns()
            found = self._held(rows, task, now)
            dead = found.attempts >= found.max_attempts
            row = rows.one(
                "UPDATE tasks SET status = ?, error = ?, worker = NULL, due_ns = ?, changed_ns = ? "
                f"WHERE id = ? RETURNING {_COLUMNS}",
                "dead" if dead else "ready", as_text(error), 0 if dead else now + span, now, task.id,
            )  # fmt: skip
            ended = (self._task(row), *(self._resume_parent(rows, task.parent, now) if dead else ()))
        for changed in ended:
            self._announced(changed)
        return TaskStatus.DEAD if dead else TaskStatus.READY

    def suspend(self, task: Task) -> None:
        """See ``Task.suspend``."""
        with self._writing() as rows:
            now = time.time_ns()
            self._held(rows, task, now)
            counts = rows.one(
                f"SELECT count(*), coalesce(sum(status NOT IN {_ENDED}), 0) FROM tasks WHERE parent = ?",
                task.id,
            )
            if not counts or not counts[0]:
                raise TaskStateError.because(
                    f"task {task.id}", expected="a task with children", found="none", advice="push them first"
                )
            row = rows.one(
                "UPDATE tasks SET status = ?, worker = NULL, due_ns = 0, attempts = attempts - 1, changed_ns = ? "
                f"WHERE id = ? RETURNING {_COLUMNS}",
                "waiting" if counts[1] else "ready", now, task.id,
            )  # fmt: skip
            suspended = self._task(row)
        self._announced(suspended)

    def _resume_parent(self, rows: Rows, parent: int | None, now: int) -> list[Task]:
        """A child has ended for good: one open child less; the last one makes a waiting parent ready."""
        if parent is None:
            return []
        rows.run("UPDATE tasks SET open_children = max(open_children - 1, 0) WHERE id = ?", parent)
        row = rows.one(
            "UPDATE tasks SET status = 'ready', due_ns = 0, changed_ns = ? WHERE id = ? AND status = 'waiting' "
            f"AND open_children = 0 RETURNING {_COLUMNS}",
            now, parent,
        )  # fmt: skip
        return [self._task(row)] if row else []

    # -- looking -------------------------------------------------------------------------------

    def _row(self, rows: Rows, number: int) -> Task:
        row = rows.one(f"SELECT {_COLUMNS} FROM tasks WHERE id = ?", number)
        if row is None:
            raise TaskNotFoundError.because(f"task {shown(number)}")
        return self._task(row)

    def _task(self, row: Row | None) -> Task:
        if row is None:
            raise TaskNotFoundError.because("task")
        number, kind, tag, data, parent, depth, priority, workflow, status, *rest = _checked(row)
        attempts, most, worker, token, due_ns, result_tag, result, error, pushed_ns, changed_ns = rest
        given = stored("tasks", "data", tag, data)
        made = None if result is None else stored("tasks", "result", _tag(result_tag), result)
        return Task(
            number, kind, given, parent, depth, priority, workflow, TaskStatus(status), attempts, most,
            worker, token, due_ns, made, error, pushed_ns,
            changed_ns, self,
        )  # fmt: skip

    def get(self, number: int) -> Task:
        """A task by id.

        Raises:
            TaskNotFoundError (a KeyError).
        """
        with self._durable.store.read() as rows:
            return self._row(rows, number)

    def find(
        self,
        status: TaskStatus | str | None = None,
        *,
        type: str | None = None,  # noqa: A002 - the field's name
        limit: int = 100,
    ) -> list[Task]:
        """Tasks, newest first, of one status and type or of all."""
        wanted = None if status is None else TaskStatus(status).value
        with self._durable.store.read() as rows:
            found = rows.all(
                f"SELECT {_COLUMNS} FROM tasks WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR type = ?2) "
                "ORDER BY id DESC LIMIT ?3",
                wanted,
                type,
                limit,
            )
        return [self._task(row) for row in found]

    def children(self, number: int) -> list[Task]:
        """The children of a task, in the order they were pushed."""
        with self._durable.store.read() as rows:
            found = rows.all(f"SELECT {_COLUMNS} FROM tasks WHERE parent = ? ORDER BY id", number)
        return [self._task(row) for row in found]

    def counts(self) -> dict[str, int]:
        """How many tasks there are of each status."""
        with self._durable.store.read() as rows:
            found = {status: int(n) for status, n in rows.all("SELECT status, count(*) FROM tasks GROUP BY status")}
        return {status.value: found.get(status.value, 0) for status in TaskStatus}

    def requeue(self, number: int) -> Task:
        """Give a dead task all its attempts again.

        Raises:
            TaskNotFoundError. TaskStateError: it is not dead, or its parent has ended without it.
        """
        with self._writing() as rows:
            task = self._row(rows, number)
            if task.status is not TaskStatus.DEAD:
                raise TaskStateError.because(f"task {number}", expected="a dead task", found=task.status.value)
            if task.parent is not None:
                parent = self._row(rows, task.parent)
                if parent.status in (TaskStatus.DONE, TaskStatus.DEAD):
                    raise TaskStateError.because(
                        f"parent {parent.id}", expected="a task that has not ended", found=parent.status.value
                    )
                rows.run("UPDATE tasks SET open_children = open_children + 1 WHERE id = ?", parent.id)
            row = rows.one(
                "UPDATE tasks SET status = 'ready', attempts = 0, due_ns = 0, changed_ns = ? "
                f"WHERE id = ? RETURNING {_COLUMNS}",
                time.time_ns(), number,
            )  # fmt: skip
            requeued = self._task(row)
        return self._announced(requeued)

    def forget(self, *, older_than: float = 0) -> int:
        """Delete tasks that ended more than ``older_than`` seconds ago, with no child left; returns how many."""
        before = time.time_ns() - _nanoseconds("older_than", older_than, least=0)
        removed = 0
        with self._writing() as rows:
            while True:  # children first
                now = rows.run(
                    f"DELETE FROM tasks WHERE status IN {_ENDED} AND changed_ns <= ? AND "
                    "NOT EXISTS (SELECT 1 FROM tasks c WHERE c.parent = tasks.id)",
                    before,
                )
                removed += now
                if not now:
                    return removed

    def timeline(self, workflow: str) -> list[Moment]:
        """What a workflow's timeline shows of its tasks."""
        with self._durable.store.read() as rows:
            found = rows.all(
                "SELECT id, type, status, attempts, error, pushed_ns, changed_ns FROM tasks WHERE workflow = ?",
                workflow,
            )
        moments = []
        for number, kind, status, attempts, error, pushed_ns, changed_ns in map(_moment, found):
            where, details = f"task:{number}", {"type": kind, "attempts": attempts, "error": error}
            moments.append(Moment(pushed_ns, "task", "pushed", where, {"type": kind}))
            if changed_ns > pushed_ns:
                moments.append(Moment(changed_ns, "task", status, where, details))
        return moments

    def __len__(self) -> int:
        row = self._durable.store.one("SELECT count(*) FROM tasks WHERE status = 'ready'")
        return int(row[0]) if row else 0

    def __bool__(self) -> bool:
        return True  # also with nothing ready

    def work(
        self, worker: str | None = None, *, lease: float = 30.0, types: Iterable[str] | None = None
    ) -> Iterator[Task]:
        """Pop for ever, one task after the other; use each in a ``with`` block, which completes or fails it.

        For example::

            for task in state.tasks.work():
                with task:
                    task.complete(do(task.data))
        """
        names = None if types is None else list(types)
        while (task := self.pop(worker, lease=lease, types=names, timeout=None)) is not None:
            yield task


_type = type


def _nanoseconds(what: str, seconds: float, least: float = 1e-6) -> int:
    if _type(seconds) not in (int, float):
        raise WrongTypeError.because(what, expected="seconds as a number", found=typed(seconds))
    if not math.isfinite(seconds) or not least <= seconds < 1e9:
        raise RangeError.because(what, expected=f"seconds of {least:g} to 1e9", found=shown(seconds))
    return int(seconds * 1e9)
