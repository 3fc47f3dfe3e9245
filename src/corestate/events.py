"""The event log: many producers, any number of readers, one order."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from corestate._binding import error, ffi, lib
from corestate._shown import named, shown
from corestate.errors import ClosedError, WrongTypeError
from corestate.kinds import Kinds
from corestate.names import walk
from corestate.payload import pack
from corestate.pump import Pump
from corestate.subscription import Event, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from corestate.region import Region

__all__ = ["Event", "Events", "Listener", "Subscription"]

_NONE, _BYTES, _MSGPACK = lib.CS_FORMAT_NONE, lib.CS_FORMAT_BYTES, lib.CS_FORMAT_MSGPACK
_publish = lib.cs_event_publish
_log = logging.getLogger(__name__)


class Events:
    """``state.events``: publish, and subscribe to what others publish."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._kinds = Kinds(region)
        self._numbers = self._kinds.published
        self._pump = Pump(region)
        self._sequences: list[Any] = []
        self.missed = 0
        """How many announcements of durable changes this process could not put into the log. Nothing is lost by that:
        whoever listens finds the changes in the store, a second or two later."""

    def publish(self, kind: str, data: Any = None) -> int:
        """Publish an event; returns its sequence. When this returns, everybody can read the event.

        Args:
            kind: a name of your own, interned at its first use.
            data: None, bytes (which stay bytes), or what MessagePack can carry; up to ``config.event_bytes``.

        Lock-free; never blocks; no system call when nobody sleeps. O(size of the data).

        Raises:
            TooBigError, WrongTypeError, RangeError, InvalidError (also: a built-in kind), NameInvalidError, FullError
            (too many kinds), ReadOnlyError, DetachedError, ClosedError.
        """
        number = self._numbers.get(kind)
        if number is None:
            number = self._kinds.open(kind)
        if data is None:
            raw, form = b"", _NONE
        elif isinstance(data, (bytes, bytearray, memoryview)):
            raw, form = bytes(data), _BYTES
        else:
            raw, form = pack(data, "data of event", kind), _MSGPACK
        try:
            sequence = self._sequences.pop()  # atomic, so that no two threads get the same
        except IndexError:
            sequence = ffi.new("uint64_t *")
        code = _publish(self._region.view, number, form, raw, len(raw), sequence)
        if code < 0:
            raise self._refused(code, kind, len(raw))
        place: int = sequence[0]
        self._sequences.append(sequence)
        return place

    def _refused(self, code: int, kind: str, size: int) -> Exception:
        if code != lib.CS_E_TOO_BIG:
            return error(code, f"publishing {named(kind)}")
        return error(
            code,
            f"publishing {named(kind)}",
            expected=f"at most {self._region.config.event_bytes} bytes of data",
            found=f"{size} bytes, as MessagePack unless bytes were given",
            advice="publish less, or make the region with more RegionConfig(event_bytes=...)",
        )

    def subscribe(self, kinds: Iterable[str] | str | None = None, since: int | None = None) -> Subscription:
        """A place in the log from which to take events.

        Args:
            kinds: the kinds wanted; None for all.
            since: start after this sequence; 0 starts with the oldest event still there; None with what comes from now.

        Raises:
            NameInvalidError, FullError (a new kind, and too many kinds), WrongTypeError, RangeError, ClosedError.
        """
        return Subscription(self._region, self._kinds, self._pump, kinds, since)

    def on(
        self, kinds: Iterable[str] | str | None, call: Callable[[Event], object], since: int | None = None
    ) -> Listener:
        """Call a function with each event, in order, from a thread of its own, until the listener is closed.

        An exception the function raises is logged (logger ``corestate.events``), and the next event follows. The
        thread ends when the region is closed.

        Raises:
            As ``subscribe``; WrongTypeError: ``call`` cannot be called.
        """
        if not callable(call):
            raise WrongTypeError.because("events.on()", expected="a function of one event", found=shown(call))
        return Listener(self.subscribe(kinds, since), call)

    def nudge(self) -> None:
        """Let who awaits an event look again: at the region's end that is how they notice it."""
        self._pump.nudge()

    @property
    def newest(self) -> int:
        """The sequence of the newest event, 0 before the first; one load."""
        return int(lib.cs_event_newest(self._region.view))

    def kinds(self) -> dict[int, str]:
        """The name of each kind users have published or asked for, and of the built-in ones, by its number."""
        found = {number: self._kinds.name(number) for number in range(1, lib.CS_KIND_USER)}
        known = {number: name for number, name in found.items() if not name.startswith("kind-")}
        for _, name in walk(self._region, lib.CS_SECTION_KINDS):
            number = self._kinds.find(name, intern=False)
            if number is not None:
                known[number] = name
        return known

    def __repr__(self) -> str:
        return "<Events closed>" if self._region.closed else f"<Events up to {self.newest} of {self._region.address}>"


class Listener:
    """A function that is called with each event from a thread of its own. Made by ``state.events.on``."""

    def __init__(self, subscription: Subscription, call: Callable[[Event], object]) -> None:
        self.subscription = subscription
        """Where it takes its events; ``lost`` and ``holes`` are here."""
        self._call = call
        self._thread = threading.Thread(target=self._run, name="corestate listener", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(ClosedError):  # the region was closed: there is nothing more to hear
            for event in self.subscription:
                self._hear(event)

    def _hear(self, event: Event) -> None:
        try:
            self._call(event)
        except Exception:  # noqa: BLE001 - whatever the user's function raises, the next event is to be heard
            _log.exception("a listener failed on %s", event)

    def close(self, timeout: float | None = None) -> bool:
        """Stop; returns whether its thread has ended within ``timeout`` seconds (None: as long as it takes).

        Called by the function itself it returns False at once, and the thread ends after this event.
        """
        self.subscription.close()
        if threading.current_thread() is self._thread:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Listener {self.subscription!r}>"
