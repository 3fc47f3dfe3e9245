"""multiprocessing.Queue."""

from __future__ import annotations

import platform
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import roles
from bench.crew import CONTEXT
from bench.peers import Peer
from bench.roles import Statement


class Channel(roles.Channel):
    @classmethod
    def create(cls, place: Path, subscribers: int = 1) -> Any:  # noqa: ARG003
        return [CONTEXT.Queue() for _ in range(subscribers)]

    @classmethod
    def destroy(cls, spec: Any) -> None:
        for one in spec:
            one.close()
            one.join_thread()

    def __init__(self, spec: Any) -> None:
        self.queues = spec

    def publisher(self) -> Callable[[bytes], Any]:
        puts = [one.put for one in self.queues]

        def send(data: bytes) -> None:
            for put in puts:
                put(data)

        return send

    def subscriber(self, number: int, *, spinning: bool) -> Callable[[], bytes | None]:
        mine = self.queues[number]

        def try_take() -> bytes | None:
            try:
                found: bytes = mine.get_nowait()
            except queue.Empty:
                return None
            return found

        return try_take if spinning else mine.get


class Tasks(roles.Tasks):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return CONTEXT.Queue()

    @classmethod
    def destroy(cls, spec: Any) -> None:
        spec.close()
        spec.join_thread()

    def __init__(self, spec: Any) -> None:
        self.queue = spec

    def push(self) -> Statement:
        return Statement("q.put(('inspect', {'area': 'v1'}))", {"q": self.queue})

    def pop(self) -> Statement:
        return Statement("q.get()", {"q": self.queue})


PEER = Peer(
    "multiprocessing.Queue",
    "a queue for each subscriber; as a queue of tasks it is oldest first, in memory, and has no leases",
    {roles.Channel: Channel, roles.Tasks: Tasks},
    lambda: f"CPython {platform.python_version()}",
)
