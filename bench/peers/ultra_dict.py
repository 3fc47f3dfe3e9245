"""UltraDict."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import Any

from UltraDict import UltraDict
from UltraDict.Exceptions import CannotAcquireLockTimeout

from bench import roles
from bench.peers import Peer, of_package
from bench.roles import Statement


class Shared:
    """A dict with a name; whoever made it keeps it until `destroy`."""

    content: Any = None

    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return cls.make({"c": 0, "r": bytes(roles.RECORD_BYTES)})

    @staticmethod
    def make(content: dict[str, Any]) -> Any:
        name = f"bench{uuid.uuid4().hex[:12]}"
        size = max(100_000, 150 * len(content))
        made = UltraDict(content, name=name, create=True, shared_lock=True, buffer_size=size, auto_unlink=False)
        made.close()
        return name

    @classmethod
    def destroy(cls, spec: Any) -> None:
        last = UltraDict(name=spec, create=False, shared_lock=True, auto_unlink=True)
        last.close(unlink=True)

    def __init__(self, spec: Any) -> None:
        self.dict = UltraDict(name=spec, create=False, shared_lock=True, auto_unlink=False)

    def close(self) -> None:
        with contextlib.suppress(BufferError):
            self.dict.close()


class Counter(Shared, roles.Counter):
    def read(self) -> Statement:
        return Statement("ultra['c']", {"ultra": self.dict})

    def add(self) -> Statement:
        return Statement("with ultra.lock: ultra['c'] += 1", {"ultra": self.dict})


class Record(Shared, roles.Record):
    def read(self) -> Statement:
        return Statement("ultra['r']", {"ultra": self.dict})

    def write(self) -> Statement:
        return Statement("ultra['r'] = data", {"ultra": self.dict})


class Directory(Shared, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:  # noqa: ARG003
        return cls.make({roles.agent_name(n): roles.agent_details(n) for n in range(agents)})

    def lookup(self, name: str) -> Statement:
        return Statement("ultra[name]", {"ultra": self.dict, "name": name})

    def register(self) -> Statement:
        names = {"ultra": self.dict, "details": roles.agent_details(1)}
        return Statement("ultra['newcomer'] = details; del ultra['newcomer']", names)

    def listing(self) -> Statement:
        return Statement("list(ultra.keys())", {"ultra": self.dict})

    def memory(self) -> int:
        status = self.dict.status()
        return sum(int(status[part].size) for part in ("control", "buffer", "full_dump_memory") if status[part])


class Mutex(Shared, roles.Mutex):
    def take(self) -> Statement:
        return Statement("with ultra.lock: pass", {"ultra": self.dict})

    def acquire(self, timeout: float) -> bool:
        try:
            return bool(self.dict.lock.acquire(timeout=timeout, steal_after_timeout=True))
        except CannotAcquireLockTimeout:
            return False

    def release(self) -> None:
        self.dict.lock.release()


PEER = Peer(
    "UltraDict",
    "shared_lock=True, as it asks for where processes are not forked from one that has it; each process also keeps a "
    "copy",
    {roles.Counter: Counter, roles.Record: Record, roles.Directory: Directory, roles.Mutex: Mutex},
    of_package("ultradict"),
)
