"""The change feed: every committed change in order, resumable from a sequence, and triggers that act on it."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from corestate._shown import shown
from corestate.errors import ClosedError, InvalidError
from corestate.guard import Guard
from corestate.scopes.rows import path_of, stored
from corestate.stores.checked import checking
from corestate.telling import STATE_CHANGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from corestate.events import Events
    from corestate.scopes.paths import ScopePath
    from corestate.scopes.space import Space

__all__ = ["ChangeRow", "Feed", "Trigger"]

_change = checking("changes", "sequence time_ns operation scopes.path key version tag value")

_AT_ONCE = 500
_LOOK_SECONDS = 1.0
"""How long a feed waits for an event before it looks by itself: a writer may die between its commit and its event."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChangeRow:
    """One committed change."""

    sequence: int
    """Its place in the order of all commits; resume with ``state.changes(since=sequence)``."""
    time_ns: int
    operation: str
    scope: ScopePath
    key: str
    version: int
    value: Any
    """What the key became; None for a deletion, and where retention has forgotten it."""


class Feed:
    """Changes after a sequence, for ever: an iterator, and an async iterator. Use it by one thread.

    A slow reader blocks nobody: the changes are in the store. The memory it takes is bounded.
    """

    def __init__(self, space: Space, events: Events, since: int | None) -> None:
        self._space = space
        self._events = events.subscribe([STATE_CHANGED])
        if since is None:
            row = space.store.one("SELECT max(sequence) FROM changes")
            since = int(row[0] or 0) if row else 0
        if type(since) is not int or since < 0:
            raise InvalidError.because(
                "since", expected="the sequence of a change, 0 or more", found=shown(since), advice="see ChangeRow"
            )
        self.last = since
        """The sequence of the last change given out."""
        self._rows: list[ChangeRow] = []
        self._guard = Guard()

    def _look(self, *, sweep: bool = False) -> None:
        """Ask the store for what comes next, unless it is here already. It stays here until it is given out."""
        with self._guard:
            if sweep and self._space.writable:
                self._space.sweep()  # nobody writes, so nobody else does
            if self._rows:
                return
            with self._space.store.read() as rows:
                found = rows.all(
                    "SELECT c.sequence, c.time_ns, c.operation, s.path, c.key, c.version, c.tag, c.value "
                    "FROM changes c JOIN scopes s ON s.id = c.scope "
                    "WHERE c.sequence > ? ORDER BY c.sequence LIMIT ?",
                    self.last,
                    _AT_ONCE,
                )
            self._rows = [
                ChangeRow(
                    n,
                    when,
                    op,
                    path_of(path),
                    key,
                    version,
                    None if raw is None else stored("changes", "value", tag, raw),
                )
                for n, when, op, path, key, version, tag, raw in map(_change, reversed(found))
            ]

    def _next(self) -> ChangeRow | None:
        """The next change of those that were found."""
        with self._guard:
            if not self._rows:
                return None
            change = self._rows.pop()
            self.last = change.sequence
            return change

    def get(
        self, timeout: float | None = None, *, wanted: Callable[[ChangeRow], bool] | None = None
    ) -> ChangeRow | None:
        """The next change, or the next one that is ``wanted``; None when none came in time. Sleeps in the kernel."""
        deadline = None if timeout is None else time.monotonic() + timeout
        sweep = False
        while True:
            self._look(sweep=sweep)
            while (change := self._next()) is not None:
                if wanted is None or wanted(change):
                    return change
                if not self._rows:
                    self._look()
            left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - time.monotonic())
            if left <= 0:
                return None
            sweep = self._events.get(timeout=left) is None

    def drain(self) -> list[ChangeRow]:
        """Every change there is now; does not wait."""
        found: list[ChangeRow] = []
        while (change := self.get(timeout=0)) is not None:
            found.append(change)
        return found

    def __iter__(self) -> Iterator[ChangeRow]:
        while (change := self.get()) is not None:
            yield change

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChangeRow:
        """The next change. Cancelling loses none: a change is given out when nothing is left to wait for."""
        sweep = False
        while True:
            change = self._next()
            if change is None:
                await _beside_the_loop(partial(self._look, sweep=sweep))
                change = self._next()
            if change is not None:
                return change
            sweep = not await self._events.arrives(_LOOK_SECONDS)

    def close(self) -> None:
        """Let go of the subscription."""
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _beside_the_loop(call: Callable[[], None]) -> None:
    """Call what asks the store. When who awaits is cancelled it ends by itself."""
    if sys.platform == "emscripten":  # there are no threads
        call()
    else:
        await asyncio.get_running_loop().run_in_executor(None, call)


class Trigger:
    """Calls a function for each change whose key matches, whoever made it, in a thread of this process."""

    def __init__(self, feed: Feed, call: Callable[[ChangeRow], object], keys: str, scope: ScopePath | None) -> None:
        self._feed = feed
        self._call = call
        self._keys = keys
        self._scope = scope
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="corestate-trigger", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                change = self._feed.get(timeout=_LOOK_SECONDS / 5)
                if change is not None and self._wants(change):
                    self._fire(change)
        except ClosedError:
            return
        finally:
            self._feed.close()

    def _wants(self, change: ChangeRow) -> bool:
        return (self._scope is None or self._scope == change.scope) and fnmatch.fnmatchcase(change.key, self._keys)

    def _fire(self, change: ChangeRow) -> None:
        try:
            self._call(change)
        except Exception:  # noqa: BLE001 - whatever it is, the next change is another matter
            _log.exception("a trigger failed for change %d of key %r", change.sequence, change.key)

    def close(self, timeout: float | None = None) -> None:
        """No more calls; waits for the one in progress."""
        self._ended.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
