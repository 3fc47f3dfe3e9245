"""A lock between the threads of this process that no child of fork finds taken by a thread it does not have."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Guard"]


class Guard:
    """A reentrant lock. In a child of fork it is free, unless the thread that forked had it and still has.

    What it guards may be half done there when another thread was about to change it: guard what can be done again.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _guards.add(self)

    @property
    def mine(self) -> bool:
        """Whether this thread has it."""
        return self._lock._is_owned()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001 - as threading.Condition

    def acquire(self, *, blocking: bool = True, seconds: float = -1) -> bool:
        """Take it; False where that would have to wait and must not, or not longer than ``seconds``."""
        return self._lock.acquire(blocking, seconds)

    def release(self) -> None:
        """Give it back, as often as it was taken."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """In a child of fork: see the class."""
        if not self.mine:
            self._lock = threading.RLock()


_guards: weakref.WeakSet[Guard] = weakref.WeakSet()


def _in_child() -> None:
    for guard in list(_guards):
        guard.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
