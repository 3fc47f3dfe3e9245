"""P5: one word of the ring, its head, may be anything: whoever reads events is done after a few counted steps.

A step is a call of the core; what one call does is bounded there (csrc/tests/case_events.c).
"""

import asyncio
import contextlib
import struct

import pytest

import corestate
from corestate import subscription
from corestate._binding import ffi, lib
from corestate.subscription import Subscription

SLOTS, PUBLISHED = 64, 100
FAR = (5000, 1 << 32, 1 << 62, (1 << 63) - 1)


class Ring:
    """A region with a ring that has been overrun, and its bytes."""

    def __init__(self, path):
        self.state = corestate.create(path, config=corestate.RegionConfig(events=SLOTS))
        for number in range(PUBLISHED):
            self.state.events.publish("x", number)
        assert self.state.events.newest == PUBLISHED
        section = ffi.new("cs_section_info *")
        lib.cs_region_section(self.state.region.view, lib.CS_SECTION_EVENTS, section)
        self._offset, self._stride = int(section.offset), int(section.stride)

    @property
    def head(self):
        return self.state.events.newest

    @head.setter
    def head(self, value):
        struct.pack_into("<Q", self.state.region.memory, self._offset, value)
        assert self.head == value

    def put_words(self, lap):
        """Every slot says that a producer has committed an event of this lap."""
        for slot in range(SLOTS):
            struct.pack_into("<Q", self.state.region.memory, self._offset + 64 + slot * self._stride, lap << 24 | 2)


@pytest.fixture
def ring(path):
    made = Ring(path)
    yield made
    made.state.close()


@pytest.fixture(params=["rw", "r"])
def reader(ring, path, request):
    with corestate.attach(path, mode=request.param) as state:
        yield state


@pytest.fixture
def steps(monkeypatch):
    """How often the core was asked, by drain() and by get(); too often is an error and not a hang."""
    counted = {"drain": 0, "take": 0, "wait": 0}

    def counting(name, call):
        def counted_call(*arguments):
            counted[name] += 1
            assert counted[name] < 500, "a walk to the head"
            return call(*arguments)

        return counted_call

    monkeypatch.setattr(Subscription, "_drain", counting("drain", Subscription._drain))
    monkeypatch.setattr(subscription, "_core_drain", counting("take", subscription._core_drain))
    monkeypatch.setattr(subscription, "_core_wait", counting("wait", subscription._core_wait))
    return counted


def accounted(events, received):
    assert events.position == PUBLISHED - SLOTS + received + events.lost + events.holes


@pytest.mark.parametrize("bit", range(64))
def test_field_p5_a_head_far_ahead_whichever_bit_is_set(ring, reader, steps, bit):
    with reader.events.subscribe(since=0) as events:
        ring.head = head = PUBLISHED ^ 1 << bit
        received = sum(len(events.drain()) for _ in range(40))  # one look in 16 that find nothing looks at the head
        assert steps["drain"] <= 80
        assert received <= 2 * SLOTS
        accounted(events, received)
        if PUBLISHED + SLOTS < head < 1 << 63:
            first, last = events.last_loss
            assert (events.position, last, events.lost) == (head, head - SLOTS, last - first + 1)
        assert events.drain() == []


@pytest.mark.parametrize("head", FAR)
def test_field_p5_a_head_far_ahead_after_all_was_read(ring, reader, steps, head):
    with reader.events.subscribe(since=0) as events, reader.events.subscribe(["never", "x"]) as others:
        assert len(events.drain()) == SLOTS
        ring.head = head
        for _ in range(40):
            events.drain()
            others.drain_array()
            events.get(timeout=0)
            others.get(timeout=0.001)
        assert events.position == others.position == head
        accounted(events, SLOTS)


@pytest.mark.parametrize("head", FAR)
def test_field_p5_a_head_far_ahead_that_goes_back_between_two_looks(ring, reader, steps, monkeypatch, head):
    """What drain() has seen at its beginning is not there any more, and then again."""
    drain, heads = Subscription._drain, 0

    def moving(self, rows, capacity):
        nonlocal heads
        heads += 1
        ring.head = head + heads if heads % 2 else PUBLISHED
        return drain(self, rows, capacity)

    monkeypatch.setattr(Subscription, "_drain", moving)
    with reader.events.subscribe(since=0) as events:
        ring.head = head
        received = sum(len(events.drain()) for _ in range(40))
        accounted(events, received)
        ring.head = PUBLISHED
        assert events.drain() == []  # the end lies before where this has come to
        assert events.get(timeout=0) is None


def test_field_p5_a_head_that_went_back_keeps_nobody(ring, reader, steps):
    with reader.events.subscribe(since=0) as events:
        assert len(events.drain()) == SLOTS
        for head in (0, 1, PUBLISHED - 1):
            ring.head = head
            assert events.drain() == []
            assert events.drain_array().size == 0
            assert events.get(timeout=0.001) is None
        ring.head = PUBLISHED
        ring.state.events.publish("x", "after")
        assert [event.data for event in events.drain()] == ["after"]


@pytest.mark.parametrize("lap", [1 << 20, 1 << 38, (1 << 39) + 1])
def test_field_p5_words_of_laps_to_come_do_not_keep_who_waits_awake(ring, reader, steps, lap):
    """Nothing is lost by them, and a wait sleeps."""
    with reader.events.subscribe() as events:
        ring.put_words(lap)
        assert events.get(timeout=0.02) is None
        assert steps["wait"] <= 20
        assert (events.position, events.lost, events.holes) == (PUBLISHED, 0, 0)


@pytest.mark.parametrize("head", FAR)
def test_field_p5_a_head_far_ahead_of_who_awaits(ring, reader, steps, head):
    async def awaiting():
        events = reader.events.subscribe(since=0)
        ring.head = head

        async def taking():
            async for _ in events:
                pass

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(taking(), 0.3)
        await events.arrives(0.01)
        events.close()

    asyncio.run(awaiting())


def test_field_p5_a_head_far_ahead_of_who_is_told_of_unwanted_kinds(ring, path, steps):
    """A kind nobody has used yet, for who may not write: all are taken and left out in Python."""
    with corestate.attach(path, mode="r") as state, state.events.subscribe("unheard", since=0) as events:
        for head in FAR:
            ring.head = head
            for _ in range(20):
                assert events.drain(1) == []
                assert events.get(timeout=0) is None
            assert events.position == head


def test_field_p5_a_head_far_ahead_is_no_end_of_what_is_published(ring, reader, steps):
    """Writers go on from there, and so do readers."""
    with reader.events.subscribe() as events:
        ring.head = 1 << 40
        for _ in range(40):
            events.drain()
        assert events.position == 1 << 40
        assert ring.state.events.publish("x", "there") == (1 << 40) + 1
        assert [event.data for event in events.drain()] == ["there"]
