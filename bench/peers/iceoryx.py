"""iceoryx2: publish-subscribe, events to sleep on, and its blackboard for what is read far more often than written."""

from __future__ import annotations

import ctypes
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import iceoryx2 as iox2

from bench import roles
from bench.peers import Peer, of_package
from bench.roles import Statement

BUFFER = 16_384
iox2.set_log_level(iox2.LogLevel.Fatal)


class Event(ctypes.Structure):
    _fields_ = (("data", ctypes.c_uint8 * roles.EVENT_BYTES),)

    @staticmethod
    def type_name() -> str:
        return "Event"


class Data(ctypes.Structure):
    _fields_ = (("data", ctypes.c_uint8 * roles.RECORD_BYTES),)

    @staticmethod
    def type_name() -> str:
        return "Data"


class Node:
    """A node in each process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)

    def service(self, part: str) -> Any:
        return self.node.service_builder(iox2.ServiceName.new(f"corestate-bench/{self.name}/{part}"))


def fresh() -> str:
    """A name nobody had before."""
    return f"{os.getpid()}-{uuid.uuid4().hex}"


class Channel(Node, roles.Channel):
    @classmethod
    def create(cls, place: Path, subscribers: int = 1) -> Any:  # noqa: ARG003
        return fresh(), subscribers

    def __init__(self, spec: Any) -> None:
        name, self.subscribers = spec
        super().__init__(name)
        self.samples = (
            self.service("samples")
            .publish_subscribe(Event)
            .max_subscribers(self.subscribers)
            .max_nodes(self.subscribers + 2)
            .subscriber_max_buffer_size(BUFFER)
            .open_or_create()
        )
        self.bells = (
            self.service("bells")
            .event()
            .max_listeners(self.subscribers)
            .max_nodes(self.subscribers + 2)
            .open_or_create()
        )

    def publisher(self) -> Callable[[bytes], Any]:
        send = self.samples.publisher_builder().create().send_copy
        notify = self.bells.notifier_builder().create().notify
        make = Event.from_buffer_copy

        def publish(data: bytes) -> None:
            send(make(data))
            notify()

        return publish

    def subscriber(self, number: int, *, spinning: bool) -> Callable[[], bytes | None]:  # noqa: ARG002
        receive = self.samples.subscriber_builder().buffer_size(BUFFER).create().receive

        def try_take() -> bytes | None:
            sample = receive()
            return None if sample is None else ctypes.string_at(sample.payload_ptr, roles.EVENT_BYTES)

        if spinning:
            return try_take
        wait = self.bells.listener_builder().create().blocking_wait

        def take() -> bytes | None:
            while (found := try_take()) is None:
                wait()
            return found

        return take


class Counter(Node, roles.Counter):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return fresh()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        key = ctypes.c_uint64(0)
        self.board = self.service("number").blackboard_creator(ctypes.c_uint64).add(key, ctypes.c_uint64(0)).create()
        self.entry = self.board.reader_builder().create().entry(key, ctypes.c_uint64)

    def read(self) -> Statement:
        code = "entry.get().decode_as(c_uint64).value"
        return Statement(code, {"entry": self.entry, "c_uint64": ctypes.c_uint64})


class Record(Node, roles.Record):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return fresh()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.key = ctypes.c_uint64(0)
        self.writer: Any = None
        try:
            self.board = self.service("data").blackboard_creator(ctypes.c_uint64).add(self.key, Data()).create()
        except iox2.BlackboardCreateError:
            self.board = self.service("data").blackboard_opener(ctypes.c_uint64).open()

    def read(self) -> Statement:
        return Statement("entry.get().data", {"entry": self.board.reader_builder().create().entry(self.key, Data)})

    def write(self) -> Statement | None:
        """A blackboard has one writer; where another process is it there is none to be had."""
        try:
            self.writer = self.board.writer_builder().create().entry(self.key, Data)
        except iox2.WriterCreateError:
            return None
        code = "entry.update_with_copy(make(data))"
        return Statement(code, {"entry": self.writer, "make": Data.from_buffer_copy})


class Attach(Node, roles.Attach):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return fresh()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.board = (
            self.service("number")
            .blackboard_creator(ctypes.c_uint64)
            .add(ctypes.c_uint64(0), ctypes.c_uint64(0))
            .create()
        )

    def attach(self) -> Statement:
        def attach() -> int:
            reader = (
                Node(self.name).service("number").blackboard_opener(ctypes.c_uint64).open().reader_builder().create()
            )
            found: int = reader.entry(ctypes.c_uint64(0), ctypes.c_uint64).get().decode_as(ctypes.c_uint64).value
            return found

        return Statement("attach()", {"attach": attach})


PEER = Peer(
    "iceoryx2",
    f"publish-subscribe with room for {BUFFER} samples and an event service to sleep on, which the publisher rings "
    "after each sample; the counter and the record are blackboards, which have one writer",
    {roles.Counter: Counter, roles.Record: Record, roles.Channel: Channel, roles.Attach: Attach},
    of_package("iceoryx2"),
)
