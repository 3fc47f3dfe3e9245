"""Rows held back for a moment, to be committed together."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

from corestate.errors import CorestateError
from corestate.stores.base import BATCH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Batch"]

Packed = tuple[int, str, str, str]
_log = logging.getLogger(__name__)
_batches: weakref.WeakSet[Batch] = weakref.WeakSet()


class Batch:
    """Holds rows for ``BATCH_SECONDS`` at most. A child of fork starts empty: what its parent held, its parent commits.

    Args:
        commit: given the rows held, in the order in which they came.
    """

    def __init__(self, commit: Callable[[list[Packed]], None]) -> None:
        self._commit = commit
        self.forget()
        _batches.add(self)

    def forget(self) -> None:
        """Start empty."""
        self._guard = threading.Lock()
        self._turn = threading.Lock()  # rows are committed in the order in which they came
        self._held: list[Packed] = []
        self._timer: threading.Timer | None = None

    def add(self, row: Packed) -> None:
        """Hold a row."""
        with self._guard:
            self._held.append(row)
            if self._timer is None:
                self._start()

    def _start(self) -> None:
        self._timer = threading.Timer(BATCH_SECONDS, self._due)
        self._timer.daemon = True
        self._timer.start()

    def _due(self) -> None:
        try:
            self.flush()
        except CorestateError:
            _log.exception("audit rows are held back until the store takes them")

    def flush(self) -> None:
        """Commit what is held."""
        with self._turn:
            with self._guard:
                held, self._held = self._held, []
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if not held:
                return
            try:
                self._commit(held)
            except BaseException:
                with self._guard:
                    self._held[:0] = held
                    if self._timer is None:
                        self._start()
                raise

    def close(self) -> None:
        """Commit what is held; what the store refuses then is lost, and said to be."""
        try:
            self.flush()
        except CorestateError:
            _log.exception("%d audit rows were lost at the end", len(self._held))
            self._drop()

    def _drop(self) -> None:
        with self._guard:
            self._held.clear()
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _at_end() -> None:
    for batch in list(_batches):
        batch.close()


def _in_child() -> None:
    for batch in list(_batches):
        batch.forget()


atexit.register(_at_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
