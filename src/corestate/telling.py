"""Telling others of what was committed: after the commit, so that nothing of it can fail the call or hold it up.

A call that has committed returns its result, whatever becomes of the announcement. Nothing is lost by that: what was
committed is in the store, listeners look there by themselves after a second or two, and what could not be told is
counted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from corestate._binding import error, ffi, lib
from corestate._reserved import PUSHED
from corestate.errors import StaleError
from corestate.payload import pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.counters import Counter, Counters
    from corestate.events import Events
    from corestate.region import Region

__all__ = ["BUDGET_OVERRUN", "LIMIT_EXCEEDED", "STATE_CHANGED", "TASK_CHANGED", "Teller", "as_text", "tell"]

STATE_CHANGED = "state_changed"
"""The event after a commit that changed a scope: ``{"sequence": of the last change}``."""
TASK_CHANGED = "task_changed"
"""The event of each change of a task: ``{"id", "status"}``."""
LIMIT_EXCEEDED = "limit_exceeded"
"""The event of a write that a limit refused: ``{"refused": the error's words}``, cut to what an event carries."""
BUDGET_OVERRUN = "budget_overrun"
"""The event of more spent than was reserved: ``{"name", "reserved", "amount"}``."""
_KINDS = {
    BUDGET_OVERRUN: lib.CS_KIND_BUDGET_OVERRUN,
    STATE_CHANGED: lib.CS_KIND_STATE_CHANGED,
    TASK_CHANGED: lib.CS_KIND_TASK_CHANGED,
    LIMIT_EXCEEDED: lib.CS_KIND_LIMIT_EXCEEDED,
}
_AT_ONCE = lib.CS_FORMAT_MSGPACK | lib.CS_AT_ONCE
_publish = lib.cs_event_publish
_log = logging.getLogger(__name__)


def tell(region: Region, kind: str, data: Any) -> bool:
    """Publish an event of a durable change; whether that could be done. Never raises, never blocks."""
    try:
        packed = pack(data, "data of event", kind)
        code = _publish(region.view, _KINDS[kind], _AT_ONCE, packed, len(packed), ffi.NULL)
    except Exception:  # noqa: BLE001 - what is committed is done
        _log.debug("a committed change could not be told of", exc_info=True)
        return False
    if code < 0:
        _log.debug("a committed change could not be told of: %s", error(code, f"publishing {kind!r}"))
    return bool(code >= 0)


class Teller:
    """Tells of one region's durable changes. Any thread may use it."""

    def __init__(self, region: Region, events: Events, counters: Counters) -> None:
        self._region = region
        self._events = events
        self._counters = counters
        self._signal: Counter | None = None

    def tell(self, kind: str, data: Any) -> None:
        """Publish an event of a durable change. Never raises, never blocks."""
        if not tell(self._region, kind, data):
            self._events.missed += 1

    def refused(self, refusal: BaseException) -> None:
        """Tell of a write that would have passed a limit. Never raises, never blocks."""
        room = self._region.config.event_bytes - 16
        self.tell(LIMIT_EXCEEDED, {"refused": as_text(refusal).encode()[:room].decode("utf-8", "ignore")})

    def wake(self) -> None:
        """Wake the workers that wait for a task. Never raises, never blocks."""
        self.after(self._wake)

    def _wake(self) -> None:
        try:
            self.signal().add()
        except StaleError:  # somebody removed it
            self._signal = None
            self.signal().add()

    def after(self, call: Callable[[], object]) -> None:
        """Do what follows a commit. Whatever goes wrong with it is counted, and no error of what is committed."""
        try:
            call()
        except Exception:  # noqa: BLE001 - what is committed is done
            self._events.missed += 1
            _log.debug("a committed change could not be told of", exc_info=True)

    def signal(self) -> Counter:
        """What workers sleep on; ask for it before anything is committed that has to wake them.

        Raises:
            FullError: a region made without room for it has no place left in its table of counters. ClosedError.
        """
        signal = self._signal
        if signal is None:
            signal = self._signal = self._counters[PUSHED]
        return signal


def as_text(of: object) -> str:
    """What somebody else's object says of itself, as text that can be stored: what has no UTF-8 is escaped."""
    try:
        text = str(of)
    except Exception:  # noqa: BLE001 - its own
        text = f"a {type(of).__name__} without words"
    return text.encode("utf-8", "backslashreplace").decode()
