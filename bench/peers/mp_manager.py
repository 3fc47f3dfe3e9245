"""multiprocessing.Manager: a server process and proxies."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from bench import roles
from bench.crew import CONTEXT
from bench.machine import resident_bytes
from bench.peers import Peer
from bench.roles import Statement

BATCH = 10_000


class Managed:
    """A manager of its own for each role made."""

    managers: ClassVar[dict[str, Any]] = {}

    @classmethod
    def start(cls, make: Callable[[Any], Any]) -> Any:
        manager = CONTEXT.Manager()
        spec = make(manager)
        cls.managers[repr(spec._token)] = manager
        return spec

    @classmethod
    def destroy(cls, spec: Any) -> None:
        proxy = spec[0] if isinstance(spec, tuple) else spec
        cls.managers.pop(repr(proxy._token)).shutdown()


class Counter(Managed, roles.Counter):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        lock: Any = None

        def make(manager: Any) -> Any:
            nonlocal lock
            lock = manager.Lock()
            return manager.dict(c=0)

        return cls.start(make), lock

    def __init__(self, spec: Any) -> None:
        self.data, self.lock = spec

    def read(self) -> Statement:
        return Statement("d['c']", {"d": self.data})

    def add(self) -> Statement:
        return Statement("with lock: d['c'] += 1", {"d": self.data, "lock": self.lock})


class Record(Managed, roles.Record):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return cls.start(lambda manager: manager.dict(r=bytes(roles.RECORD_BYTES)))

    def __init__(self, spec: Any) -> None:
        self.data = spec

    def read(self) -> Statement:
        return Statement("d['r']", {"d": self.data})

    def write(self) -> Statement:
        return Statement("d['r'] = data", {"d": self.data})


class Directory(Managed, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:  # noqa: ARG003
        spec = cls.start(lambda manager: manager.dict())
        empty = cls._taken(spec)
        for start in range(0, agents, BATCH):
            some = range(start, min(start + BATCH, agents))
            spec.update({roles.agent_name(n): roles.agent_details(n) for n in some})
        return spec, empty

    @classmethod
    def _taken(cls, spec: Any) -> int:
        return resident_bytes(cls.managers[repr(spec._token)]._process.pid)

    def __init__(self, spec: Any) -> None:
        self.data, self.empty = spec

    def lookup(self, name: str) -> Statement:
        return Statement("d[name]", {"d": self.data, "name": name})

    def register(self) -> Statement:
        names = {"d": self.data, "details": roles.agent_details(1)}
        return Statement("d['newcomer'] = details; del d['newcomer']", names)

    def listing(self) -> Statement:
        return Statement("d.keys()", {"d": self.data})

    def memory(self) -> int:
        return self._taken(self.data) - int(self.empty)


PEER = Peer(
    "multiprocessing.Manager",
    "Manager().dict(), and the manager's Lock where a value is read and written back",
    {roles.Counter: Counter, roles.Record: Record, roles.Directory: Directory},
    lambda: f"CPython {platform.python_version()}",
)
