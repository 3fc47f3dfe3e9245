"""A reader's place in the event log."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from corestate import changes
from corestate._arguments import FOREVER, seconds_to_ns, unsigned
from corestate._binding import check, error, ffi, lib
from corestate._shown import typed
from corestate.errors import BusyError, ClosedError, InvalidError, WrongTypeError
from corestate.payload import Undecodable, unpack
from corestate.records import Record
from corestate.waiting import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    import numpy as np
    from typing_extensions import Self

    from corestate.kinds import Kinds
    from corestate.pump import Pump
    from corestate.region import Region

__all__ = ["Event", "Subscription"]

_HEAD = Record("cs_event", ("sequence", "time_ns", "kind", "source", "format", "length"))
_HEAD_SIZE, _unpack_head = _HEAD.size, _HEAD.unpack
_NONE, _BYTES, _MSGPACK, _CHANGE = lib.CS_FORMAT_NONE, lib.CS_FORMAT_BYTES, lib.CS_FORMAT_MSGPACK, lib.CS_FORMAT_CHANGE
_core_newest, _core_drain, _core_wait = lib.cs_event_newest, lib.cs_events_drain, lib.cs_events_wait
_WAITED_IN_VAIN = (lib.CS_E_TIMEOUT, lib.CS_E_INTERRUPTED)
_SLICE_NS = int(SLICE * 1e9)
_new_event = tuple.__new__  # half the time of Event(...), on the path of every event
_Turn = tuple[Any, Any, Any]  # room for one row, its bytes, and a count
_PATIENCE = 60.0

_subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()


class Event(NamedTuple):
    """Something that happened."""

    sequence: int
    """Its place in the one order that everybody sees, from 1; every event of a region has the next one."""
    time_ns: int
    """When it was published, in ns since the epoch."""
    kind: str
    """A built-in kind such as ``"agent_registered"``, or a user's."""
    source: int
    """The id of the participant that published it (see ``state.participants()``); 0 where unknown."""
    data: Any
    """What was published; for built-in kinds a `corestate.changes.Change`. Tuples come as lists."""


class Subscription:
    """A place in the event log, and the events from there on: each once, in order, or counted as lost.

    It is an iterator (``for``, ``async for``) that waits for ever and ends when the subscription is closed. Who waits
    sleeps in the kernel and is woken by the publisher; in a region opened with mode ``"r"``, which cannot be woken,
    the wait looks every 10 ms. Waiting ends with ClosedError when the region is closed.

    Any thread may use it; each event goes to one of them.
    """

    def __init__(
        self, region: Region, kinds: Kinds, pump: Pump, wanted: Iterable[str] | str | None, since: int | None
    ) -> None:
        self._region = region
        self._kinds = kinds
        self._pump = pump
        self._closed = False
        self._core = ffi.new("cs_subscription *")
        self._row_bytes: int = _HEAD.size + region.config.event_bytes
        self.after_fork()
        after = lib.CS_FOREVER if since is None else unsigned(since, "since")
        self._wanted: frozenset[str] | None = None if wanted is None else _names(wanted)
        self._bitmap: Any = ffi.NULL
        numbers = self._numbers()
        check(lib.cs_subscribe(region.view, self._core, after), "subscribing")
        if numbers is not None:
            self._filter(numbers)
        _subscriptions.add(self)

    def _numbers(self) -> set[int] | None:
        """The numbers of the kinds wanted, None for all or when they cannot all be known yet.

        That is when nobody has used one of them, and this region is read-only. Then all events are taken, and those of
        other kinds are left out here.
        """
        if self._wanted is None:
            return None
        found = {self._kinds.find(name, intern=self._region.writable) for name in self._wanted}
        return None if None in found else {number for number in found if number is not None}

    def _filter(self, numbers: set[int]) -> None:
        bits = max(numbers, default=0) + 1
        bitmap = ffi.new("uint32_t[]", (bits + 31) // 32)
        for number in numbers:
            bitmap[number // 32] |= 1 << (number % 32)
        self._bitmap = bitmap  # the core has only its address
        self._core.kinds, self._core.kind_bits = bitmap, bits
        self._wanted = None

    # -- taking events -----------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event, waiting for it up to ``timeout`` seconds (None: for ever); None when the time has passed.

        With ``timeout=0`` it never waits.

        Raises:
            ClosedError: the subscription or the region is closed, or was while this waited.
        """
        event = self._take()
        if event is not None or timeout == 0:
            return event
        deadline = FOREVER if timeout is None else time.monotonic_ns() + seconds_to_ns(timeout)
        try:
            place = self._places.pop()
        except IndexError:
            # The wait has a place of its own, so that others may take events, and close this, meanwhile.
            place = ffi.new("cs_subscription *")
        left = _SLICE_NS
        while True:
            if deadline < FOREVER:
                left = min(_SLICE_NS, deadline - time.monotonic_ns())
                if left <= 0:
                    break
            place.next, place.stalled_ns = self._core.next, 0
            code = _core_wait(self._region.view, place, left)  # a short slice, so no signal goes unheard for long
            event = self._take(came=code >= 0)
            if event is not None:
                break
            if code < 0 and code not in _WAITED_IN_VAIN:
                raise error(code, "waiting for an event")
        self._places.append(place)
        return event

    def drain(self, limit: int | None = None) -> list[Event]:
        """Every event there is now, at most ``limit``; never waits. O(events).

        Raises:
            ClosedError: the subscription or the region is closed.
        """
        most = FOREVER if limit is None else unsigned(limit, "limit")
        found: list[Event] = []
        turn = self._begin()
        try:
            self._open()
            end = lib.cs_event_newest(self._region.view)
            rows = ffi.new("unsigned char[]", max(1, min(self._ready(end), most, 256)) * self._row_bytes)
            image = ffi.buffer(rows)
            left = self._region.config.events  # rows, whatever the newest is said to be: there are no more up to it
            while left and self._core.next <= end and len(found) < most:
                room = min(len(rows) // self._row_bytes, most - len(found), left)
                count = self._drain(rows, room)
                for at in range(0, count * self._row_bytes, self._row_bytes):
                    event = self._event(image, at)
                    if event is not None:
                        found.append(event)
                if count < room:
                    break  # that was all, or the next one is being written this moment
                left -= count
        finally:
            self._turns.append(turn)
        return found

    def drain_array(self, limit: int | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        """Every event there is now as a NumPy structured array, at most ``limit``; never waits. O(events).

        Fields: ``sequence``, ``time_ns`` (u8), ``kind`` (u4; ``state.events.kinds()`` names them), ``source``,
        ``format`` (0 none, 1 bytes, 2 MessagePack, 3 the core's own), ``length`` (u4), ``data`` (bytes as published,
        padded with zeros: ``config.event_bytes`` of u1).

        Raises:
            ClosedError: the subscription or the region is closed.
        """
        import numpy as np

        room = self._region.config.event_bytes
        dtype = _HEAD.dtype(data=(f"({room},)u1", room))
        most = FOREVER if limit is None else unsigned(limit, "limit")
        turn = self._begin()
        try:
            self._open()
            rows = np.empty(min(self._ready(lib.cs_event_newest(self._region.view)), most), dtype)
            taken = rows[: self._drain(ffi.from_buffer(rows), rows.size)] if rows.size else rows
        finally:
            self._turns.append(turn)
        if self._wanted is not None:
            taken = taken[[self._kinds.name(int(kind)) in self._wanted for kind in taken["kind"]]]
        return taken

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._closed:
            raise StopIteration
        try:
            event = self.get()
        except ClosedError:
            if self._closed:
                raise StopIteration from None
            raise
        assert event is not None
        return event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        loop = asyncio.get_running_loop()
        while not self._closed:
            event = self._take()
            if event is None:
                future = self._pump.future(loop)
                event = self._take()
                if event is None:
                    await future
                    continue
                future.cancel()
            return event
        raise StopAsyncIteration

    async def arrives(self, timeout: float) -> bool:
        """Whether an event came within ``timeout`` seconds, for who looks elsewhere for what it says; takes them all.

        Raises:
            ClosedError: the subscription or the region is closed, or was while this waited.
        """
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + timeout
        while True:
            future = self._pump.future(loop)
            try:
                if self.drain():
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                await asyncio.wait((future,), timeout=left)
                if future.done():
                    future.result()
            finally:
                future.cancel()

    # -- what was missed ---------------------------------------------------------------------

    @property
    def lost(self) -> int:
        """How many events, of any kind, were overwritten before this subscription came to them."""
        return int(self._core.lost)

    @property
    def last_loss(self) -> tuple[int, int] | None:
        """First and last sequence of the most recent loss; None when nothing was lost."""
        return (int(self._core.lost_from), int(self._core.lost_to)) if self._core.lost else None

    @property
    def holes(self) -> int:
        """How many positions had no event, because their producer was killed or stood still before it was done."""
        return int(self._core.holes)

    @property
    def position(self) -> int:
        """The sequence this subscription has come to: give it as ``since`` to carry on from here. 0 at the start."""
        return int(self._core.next) - 1

    # -- the end -----------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closed

    def close(self) -> None:
        """End it: iteration stops, a waiting ``get`` raises ClosedError within a fifth of a second. Idempotent."""
        self._closed = True
        self._pump.nudge()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"at {self.position}"
        return f"<Subscription {state}, {self.lost} lost, {self.holes} holes>"

    # -- how ---------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._closed:
            raise ClosedError.because(
                "subscription", expected="an open one", found="that it was closed", advice="subscribe again"
            )

    def _begin(self) -> _Turn:
        """The right to take events, given back by appending it to ``_turns``; whoever has none waits a moment.

        A list whose pop and append are atomic costs a third of what a lock does, on the path of every event.
        """
        patience = time.monotonic() + _PATIENCE
        while True:
            with suppress(IndexError):
                return self._turns.pop()
            if time.monotonic() > patience:  # a signal handler that interrupted another call on this thread
                raise BusyError.because(
                    "subscription",
                    expected="one call at a time to take events",
                    found="that another has not ended",
                    advice="give a signal handler a subscription of its own",
                )
            time.sleep(0)

    def _ready(self, newest: int) -> int:
        """Events there may be up to ``newest``."""
        return min(int(newest - self._core.next) + 1, self._region.config.events) if newest >= self._core.next else 0

    def _drain(self, rows: Any, capacity: int) -> int:
        count = ffi.new("uint32_t *")
        code = lib.cs_events_drain(self._region.view, self._core, rows, self._row_bytes, capacity, count)
        if code < 0:
            raise error(code, "taking events")
        return int(count[0])

    def _take(self, *, came: bool = False) -> Event | None:
        """The next event if there is one now; ``came``: the core said so, whatever the newest is said to be."""
        if self._closed:
            self._open()
        view = self._region.view
        if _core_newest(view) < self._core.next and not came:
            return None
        try:
            turn = self._turns.pop()
        except IndexError:
            turn = self._begin()
        row, image, count = turn
        event, unwanted = None, 0
        try:
            while True:
                code = _core_drain(view, self._core, row, self._row_bytes, 1, count)
                if code < 0:
                    raise error(code, "taking an event")
                if not count[0]:
                    break
                event = self._event(image, 0)
                if event is not None:
                    break
                unwanted += 1
                if unwanted > self._region.config.events:  # a flood: get() has its deadline
                    break
        finally:
            self._turns.append(turn)
        return event

    def _event(self, image: Any, at: int) -> Event | None:
        """Decode a row; None when its kind is not wanted."""
        sequence, time_ns, number, source, form, length = _unpack_head(image, at)
        kind = self._kinds.names.get(number) or self._kinds.name(number)
        if self._wanted is not None and kind not in self._wanted:
            return None
        data: Any = None
        if form != _NONE:
            raw = image[at + _HEAD_SIZE : at + _HEAD_SIZE + length]
            if form == _MSGPACK:
                data = unpack(raw)
            elif form == _BYTES:
                data = raw
            else:
                data = changes.decode(number, raw) if form == _CHANGE else Undecodable(raw)
        return _new_event(Event, (sequence, time_ns, kind, source, data))

    def after_fork(self) -> None:
        """In a child of fork: a thread that is not here may have had the turn."""
        row = ffi.new("unsigned char[]", self._row_bytes)
        self._places: list[Any] = []
        self._turns: list[_Turn] = [(row, ffi.buffer(row), ffi.new("uint32_t *"))]


def _names(wanted: Iterable[str] | str) -> frozenset[str]:
    if isinstance(wanted, str):
        return frozenset((wanted,))
    try:
        names = frozenset(wanted)
    except TypeError:
        raise WrongTypeError.because("kinds", expected="strings, or None for all", found=typed(wanted)) from None
    if not names:
        raise InvalidError.because(
            "kinds", expected="at least one kind, or None for all", found="none", advice="name what you listen for"
        )
    return names


def _in_child() -> None:
    for subscription in list(_subscriptions):
        subscription.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
