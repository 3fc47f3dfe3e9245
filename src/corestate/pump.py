"""The one thread of a manager that waits for events on behalf of all its event loops."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from corestate._binding import ffi, lib
from corestate.errors import ClosedError

if TYPE_CHECKING:
    import asyncio

    from corestate.region import Region

__all__ = ["Pump"]

_SLICE = 0.5  # seconds for which the thread stays although nobody waits

_pumps: weakref.WeakSet[Pump] = weakref.WeakSet()


class Pump:
    """Wakes futures of event loops when there may be an event to take.

    The thread exists only while somebody waits: a program that uses no ``async for`` has none.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self.forget()
        _pumps.add(self)

    def forget(self) -> None:
        """Start afresh; in a child of fork the thread is not there, and its loops are the parent's."""
        self._mutex = threading.Lock()
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self._thread: threading.Thread | None = None
        self._needed = threading.Event()

    def future(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A future that is done when there may be an event, or fails with ClosedError.

        Ask for it, look for events once more, and only then await it; cancel it when it is not needed after all.
        """
        future: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(self._done)
        with self._mutex:
            self._waiting[future] = loop
            if sys.platform == "emscripten":  # there are no threads, and the loop itself can wait
                from corestate._wasm.waiting import finish_at_event

                finish_at_event(self._region, future, loop)
                return future
            self._needed.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="corestate events", daemon=True)
                self._thread.start()
        return future

    def nudge(self) -> None:
        """Let everybody look again, as if there were an event, and the thread whether it is still needed."""
        self._needed.set()
        self._wake(None)

    def _done(self, future: asyncio.Future[None]) -> None:
        with self._mutex:
            self._waiting.pop(future, None)

    def _run(self) -> None:
        region = self._region
        place = ffi.new("cs_subscription *")
        nothing = ffi.new("uint32_t[1]")  # a bitmap in which no kind is wanted: draining only moves on
        count, row = (
            ffi.new("uint32_t *"),
            ffi.new("unsigned char[]", ffi.sizeof("cs_event") + region.config.event_bytes),
        )
        try:
            lib.cs_subscribe(region.view, place, lib.CS_FOREVER)
            place.kinds, place.kind_bits = nothing, 32
            self._wake(None)  # whoever came before the line above may have missed something
            while self._is_needed():
                code = region.wait(lambda view, ns: lib.cs_events_wait(view, place, ns), _SLICE)
                if code == lib.CS_OK:
                    lib.cs_events_drain(region.view, place, row, len(row), 1, count)
                    self._wake(None)
        except ClosedError as problem:
            with self._mutex:
                self._thread = None
            self._wake(problem)

    def _is_needed(self) -> bool:
        """Sleep while nobody waits, so that events nobody waits for cost nothing; False when that has lasted."""
        with self._mutex:
            if self._waiting:
                return True
            self._needed.clear()
        if self._needed.wait(_SLICE):
            return True
        with self._mutex:
            if not self._waiting:
                self._thread = None
            return bool(self._waiting)

    def _wake(self, problem: BaseException | None) -> None:
        with self._mutex:
            waiting, self._waiting = self._waiting, {}
        for future, loop in waiting.items():
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_finish, future, problem)


def _finish(future: asyncio.Future[None], problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(None)
    else:
        future.set_exception(problem)


def _in_child() -> None:
    for pump in list(_pumps):
        pump.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
