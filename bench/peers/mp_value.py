"""multiprocessing.Value."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from bench import roles
from bench.crew import CONTEXT
from bench.peers import Peer
from bench.roles import Statement


class Counter(roles.Counter):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return CONTEXT.Value("q", 0)

    def __init__(self, value: Any) -> None:
        self.value = value

    def read(self) -> Statement:
        return Statement("counter.value", {"counter": self.value})

    def add(self) -> Statement:
        return Statement("with counter.get_lock(): counter.value += 1", {"counter": self.value})


class Record(roles.Record):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return CONTEXT.Array("c", roles.RECORD_BYTES)

    def __init__(self, array: Any) -> None:
        self.array = array

    def read(self) -> Statement:
        return Statement("record.raw", {"record": self.array})

    def write(self) -> Statement:
        return Statement("record.raw = data", {"record": self.array})


PEER = Peer(
    "multiprocessing.Value",
    "Value('q') with its own lock held over `+= 1`, as its documentation says; the record is an Array('c')",
    {roles.Counter: Counter, roles.Record: Record},
    lambda: f"CPython {platform.python_version()}",
)
