"""Rows held back for a moment, to be committed together."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

from corestate.errors import ClosedError, CorestateError
from corestate.stores.base import BATCH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLOSE_SECONDS", "Batch", "Packed"]

Packed = tuple[int, str, str, str]
CLOSE_SECONDS = 1.0
"""How long ``close`` waits for the store before it keeps the rows elsewhere."""
_log = logging.getLogger(__name__)
_batches: weakref.WeakSet[Batch] = weakref.WeakSet()


class _KeptElsewhereError(CorestateError):
    """A commit that comes too late: ``close`` has kept the rows elsewhere."""


class Batch:
    """Holds rows for ``BATCH_SECONDS`` at most. A child of fork starts empty: what its parent held, its parent commits.

    Args:
        commit: given the rows held, in the order in which they came; calls ``decide`` once it has the store.
        keep: keeps rows for who comes later, and says where.
    """

    def __init__(self, commit: Callable[[list[Packed]], object], keep: Callable[[list[Packed]], str]) -> None:
        self._commit = commit
        self._keep = keep
        self.forget()
        _batches.add(self)
        _end_of_child.ask_once()

    def forget(self) -> None:
        """Start empty."""
        self._guard = threading.Lock()
        self._turn = threading.Lock()  # rows are committed in the order in which they came
        self._held: list[Packed] = []
        self._timer: threading.Timer | None = None
        self._flight: list[Packed] | None = None
        self._under_way = False
        self._elsewhere = False

    def add(self, row: Packed) -> None:
        """Hold a row.

        Raises:
            ClosedError: ``close`` was called.
        """
        with self._guard:
            if self._elsewhere:
                raise ClosedError.because("audit trail")
            self._held.append(row)
            self._start()

    def _start(self) -> None:
        if self._timer is None and not self._elsewhere:
            self._timer = threading.Timer(BATCH_SECONDS, self._due)
            self._timer.daemon = True
            self._timer.start()

    def _due(self) -> None:
        try:
            self.flush()
        except _KeptElsewhereError:
            pass
        except CorestateError:
            _log.exception("audit rows are held back until the store takes them")

    def flush(self) -> None:
        """Commit what is held."""
        with self._turn:
            with self._guard:
                held = self._flight = self._held[:]
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if not held:
                return
            try:
                self._commit(held)
                with self._guard:
                    del self._held[: len(held)]
            finally:
                with self._guard:
                    self._flight, self._under_way = None, False
                    if self._held:
                        self._start()

    def decide(self, packed: list[Packed]) -> None:
        """Once the store is had: from here on the rows are its, unless they were kept elsewhere meanwhile."""
        if packed is not self._flight:
            return  # rows that were never held back
        with self._guard:
            if self._elsewhere:
                raise _KeptElsewhereError
            self._under_way = True

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Commit what is held, or keep it elsewhere when the store does not take it in time.

        Raises:
            AuditHeldError: (by ``keep``) neither can be done.
        """
        if not self._held:
            return
        ended = threading.Event()

        def commit() -> None:
            try:
                self.flush()
            except CorestateError as problem:
                _log.debug("held back audit rows were not committed: %s", problem)
            finally:
                ended.set()

        try:
            threading.Thread(target=commit, name="corestate-audit-close", daemon=True).start()
        except RuntimeError:  # at the end of the program there are no new threads
            commit()
        ended.wait(timeout)
        held = self._taken_back()
        if not held:
            return
        try:
            where = self._keep(held)
            _log.warning("%d audit rows wait in %s for who opens the trail for writing next", len(held), where)
        finally:
            with self._guard:
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()

    def _taken_back(self) -> list[Packed]:
        """What is still held, which no commit gets from here on."""
        while True:
            with self._guard:
                if not self._under_way:
                    held, self._held = self._held, []
                    self._elsewhere = bool(held)
                    return held
            time.sleep(0.005)  # the store has been had: what is left is the commit


def _at_end() -> None:
    for batch in list(_batches):
        try:
            batch.close()
        except CorestateError:  # noqa: PERF203 - one does not keep the others
            _log.exception("audit rows were lost at the end")


class _EndOfChild:
    """Has a child of multiprocessing, which ends without the interpreter's own end, commit what it holds."""

    asked = False

    def ask(self) -> None:
        """Ask it, in the child: after what the program itself has it do, and before its slots are given back."""
        self.asked = True
        sys.modules["multiprocessing.util"].Finalize(None, _at_end, exitpriority=-100)

    def ask_once(self) -> None:
        """Ask it if this process is such a child and has not been asked."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None and not self.asked:
            self.ask()


_end_of_child = _EndOfChild()


def _in_child() -> None:
    for batch in list(_batches):
        batch.forget()
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # its child begins by forgetting what was to run at its end
        util.register_after_fork(_end_of_child, _EndOfChild.ask)


atexit.register(_at_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
