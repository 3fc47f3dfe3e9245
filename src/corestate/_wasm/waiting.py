"""Calls that wait: asleep in a worker; in a page's own thread by handing the wait to its event loop, where it can."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from corestate._wasm.functions import Function
from corestate._wasm.modules import description

if TYPE_CHECKING:
    import asyncio

__all__ = ["WAITS", "WaitingFunction", "finish_at_event"]

WAITS = frozenset({"cs_counter_wait", "cs_gauge_wait", "cs_events_wait", "cs_lock_acquire", "cs_value_lock"})
"""Functions of the core that sleep; their timeout is the last argument but for the value they return."""

_CONSTANTS = description()["constants"]
_BUSY, _INTERRUPTED = _CONSTANTS["CS_E_BUSY"], _CONSTANTS["CS_E_INTERRUPTED"]


class WaitingFunction(Function):
    """One that would sleep where it may not says CS_E_BUSY; then what it would have slept on is awaited instead."""

    def __call__(self, *args: Any) -> Any:
        core = self.core_of(args)
        core.forget()
        code = super().__call__(*args)
        if code != _BUSY:
            return code
        asleep = core.asleep()
        if asleep is None:
            return code
        ffi = importlib.import_module("pyodide.ffi")
        if not ffi.can_run_sync():
            from corestate.errors import UnsupportedError

            raise UnsupportedError.because(
                "waiting",
                expected="a thread that may sleep, or Python run by runPythonAsync in a browser with JSPI",
                found="a page's own thread",
                advice="run Pyodide in a worker, or use async for",
            )
        ffi.run_sync(asleep)
        return _INTERRUPTED  # and so the caller looks how much of its time is left, and calls again


async def _until_event(region: Any, place: Any, future: asyncio.Future[None]) -> None:
    from corestate._binding import lib
    from corestate.errors import ClosedError

    try:
        while not future.done():
            core = lib.cs_events_wait.core_of((region.view, place))
            may = core.may_block(False)
            try:
                code = Function.__call__(lib.cs_events_wait, region.view, place, lib.CS_FOREVER)
                asleep = core.asleep() if code == _BUSY else None
            finally:
                core.may_block(may)
            if asleep is None:
                break
            await asleep
    except ClosedError as problem:
        if not future.done():
            future.set_exception(problem)
        return
    if not future.done():
        future.set_result(None)


def finish_at_event(region: Any, future: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
    """Finish a future when there is an event newer than now, or with ClosedError. There are no threads to wait in."""
    from corestate._binding import ffi, lib

    place = ffi.new("cs_subscription *")
    lib.cs_subscribe(region.view, place, lib.CS_FOREVER)  # before this returns, so that nothing is missed
    task = loop.create_task(_until_event(region, place, future))
    future.add_done_callback(lambda _: task.cancel())
