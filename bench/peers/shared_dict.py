"""shared-memory-dict."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from bench import roles
from bench.crew import CONTEXT
from bench.peers import Peer, of_package
from bench.peers.shared_block import untracked
from bench.roles import Statement

os.environ["SHARED_MEMORY_USE_LOCK"] = "1"  # read when it is imported

from shared_memory_dict import SharedMemoryDict


class Shared:
    """A dict with a name and a size; a lock beside it, since its own is another one in each process not forked."""

    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return cls.make({"c": 0, "r": bytes(roles.RECORD_BYTES)}, 4096)

    @staticmethod
    def make(content: dict[str, Any], size: int) -> Any:
        name = f"bench{uuid.uuid4().hex[:12]}"
        made = SharedMemoryDict(name=name, size=size)
        made.update(content)
        made.cleanup()
        return name, size, CONTEXT.Lock()

    @classmethod
    def destroy(cls, spec: Any) -> None:
        last = SharedMemoryDict(name=spec[0], size=spec[1])
        last.shm.close()
        last.shm.unlink()

    def __init__(self, spec: Any) -> None:
        name, self.size, self.lock = spec
        self.dict = SharedMemoryDict(name=name, size=self.size)
        untracked(self.dict.shm)

    def close(self) -> None:
        self.dict.cleanup()


class Counter(Shared, roles.Counter):
    def read(self) -> Statement:
        return Statement("smd['c']", {"smd": self.dict})

    def add(self) -> Statement:
        return Statement("with lock: smd['c'] += 1", {"smd": self.dict, "lock": self.lock})


class Record(Shared, roles.Record):
    def read(self) -> Statement:
        return Statement("with lock: smd['r']", {"smd": self.dict, "lock": self.lock})

    def write(self) -> Statement:
        return Statement("with lock: smd['r'] = data", {"smd": self.dict, "lock": self.lock})


class Directory(Shared, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:  # noqa: ARG003
        content = {roles.agent_name(n): roles.agent_details(n) for n in range(agents)}
        return cls.make(content, 4096 + 128 * agents)

    def lookup(self, name: str) -> Statement:
        return Statement("smd[name]", {"smd": self.dict, "name": name})

    def register(self) -> Statement:
        names = {"smd": self.dict, "details": roles.agent_details(1)}
        return Statement("smd['newcomer'] = details; del smd['newcomer']", names)

    def listing(self) -> Statement:
        return Statement("list(smd.keys())", {"smd": self.dict})

    def memory(self) -> int:
        return len(bytes(self.dict.shm.buf).rstrip(b"\0"))


PEER = Peer(
    "shared-memory-dict",
    "SHARED_MEMORY_USE_LOCK=1, and a multiprocessing.Lock over what is read while others write",
    {roles.Counter: Counter, roles.Record: Record, roles.Directory: Directory},
    of_package("shared-memory-dict"),
)
