"""Functions called before and after what happens to scoped values. One that runs before may change it, or refuse."""

from __future__ import annotations

import asyncio
import fnmatch
import inspect
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from corestate._shown import named
from corestate.errors import CorestateError, InvalidError
from corestate.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.scopes.paths import ScopePath

__all__ = ["Hook", "Hooks", "Operation", "RefusedError", "Subject"]

Operation = Literal["read", "write", "delete", "conflict"]
OPERATIONS = ("read", "write", "delete", "conflict")


class RefusedError(CorestateError, PermissionError):
    """A hook refused the operation; nothing has changed, unless it is one that runs after."""

    expected = "an operation every hook allows"
    found = "that one refused"
    advice = "see the hook's reason"


@dataclass
class Subject:
    """What a hook is called with. One that runs before a write or after a read may replace ``value``."""

    operation: Operation
    scope: ScopePath
    key: str
    value: Any = None
    """Of a write: what is to be written, or was. After a read: what was read. Else None."""
    after: bool = False
    """Whether it has been done already."""

    def refuse(self, reason: str) -> None:
        """Refuse the operation.

        Raises:
            RefusedError: always; it reaches the caller of the operation.
        """
        raise RefusedError.because(
            f"{self.operation} of {self.key!r:.80} in {self.scope}",
            found=f"that a hook refused{', after it was done' if self.after else ''}: {reason}",
            advice=reason,
        )


@dataclass(frozen=True)
class Hook:
    """One registered hook; ``remove()`` ends it."""

    call: Callable[[Subject], Any]
    keys: str
    scope: ScopePath | None
    operation: Operation
    after: bool
    owner: Hooks = field(repr=False, compare=False)

    def remove(self) -> None:
        """Never call it again. Idempotent."""
        self.owner.remove(self)


class Hooks:
    """The hooks of one process: of a manager, for its own operations. What must happen in any process is a trigger."""

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, bool], tuple[Hook, ...]] = {}
        self._guard = Guard()
        self.reading = False
        """Whether any hook wants reads; asked on every read, so it is one attribute."""

    def before(
        self, operation: Operation, call: Callable[[Subject], Any], *, keys: str = "*", scope: ScopePath | None = None
    ) -> Hook:
        """Call before each operation; ``call`` may change ``subject.value`` of a write, or ``subject.refuse(reason)``.

        Args:
            operation: ``"read"``, ``"write"``, ``"delete"``, or ``"conflict"`` (a compare-and-swap or transaction that
                found another version, before the error).
            call: a function or coroutine function. It must not write scoped values itself.
            keys: a pattern of keys, with ``*`` and ``?``.
            scope: only in this scope; None: in all.
        """
        return self._add(operation, call, keys, scope, after=False)

    def after(
        self, operation: Operation, call: Callable[[Subject], Any], *, keys: str = "*", scope: ScopePath | None = None
    ) -> Hook:
        """Call after each operation, when it is committed; an exception reaches the caller, but undoes nothing.

        After a read ``call`` may change ``subject.value``, which the reader gets. A conflict's come before its error.
        """
        return self._add(operation, call, keys, scope, after=True)

    def _add(
        self, operation: Operation, call: Callable[[Subject], Any], keys: str, scope: ScopePath | None, *, after: bool
    ) -> Hook:
        if operation not in OPERATIONS:
            raise InvalidError.because(
                "hook", expected=", ".join(OPERATIONS), found=named(operation), advice="choose one of them"
            )
        hook = Hook(call, keys, scope, operation, after, self)
        with self._guard:
            self._hooks[operation, after] = (*self._hooks.get((operation, after), ()), hook)
            self._look()
        return hook

    def remove(self, hook: Hook) -> None:
        """Never call it again. Idempotent."""
        with self._guard:
            key = (hook.operation, hook.after)
            self._hooks[key] = tuple(other for other in self._hooks.get(key, ()) if other is not hook)
            self._look()

    def _look(self) -> None:
        self.reading = bool(self._hooks.get(("read", False)) or self._hooks.get(("read", True)))

    def conflict(self, scope: ScopePath, key: str) -> None:
        """Run those of a conflict, whose error comes next."""
        self.run("conflict", scope, key)
        self.run("conflict", scope, key, after=True)

    def run(self, operation: Operation, scope: ScopePath, key: str, value: Any = None, *, after: bool = False) -> Any:
        """Run the hooks of an operation; returns the value they leave."""
        hooks = self._hooks.get((operation, after))
        if not hooks:
            return value
        subject = Subject(operation, scope, key, value, after)
        for hook in hooks:
            if (hook.scope is None or hook.scope == scope) and fnmatch.fnmatchcase(key, hook.keys):
                result = hook.call(subject)
                if inspect.isawaitable(result):
                    _wait_for(result)
        return subject.value


def _wait_for(awaitable: Any) -> None:
    """Run a coroutine to its end from synchronous code, also under a running event loop: in a thread of its own."""
    failure: list[BaseException] = []

    async def finish() -> None:
        await awaitable

    def run() -> None:
        try:
            asyncio.run(finish())
        except BaseException as cause:  # noqa: BLE001 - handed to the caller below
            failure.append(cause)

    thread = threading.Thread(target=run, name="corestate-hook")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
