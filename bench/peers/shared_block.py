"""What the peers on multiprocessing.shared_memory have in common: a block with a name, and a lock beside it."""

from __future__ import annotations

from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from bench.crew import CONTEXT


def untracked(memory: SharedMemory) -> SharedMemory:
    """Attached to, not owned: before Python 3.13 each process that attaches would remove the block at its end."""
    resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]
    return memory


class Block:
    """A block of shared memory, which has no lock of its own; whoever writes more than one byte needs one."""

    size = 256

    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003 - it has a name of its own
        made = SharedMemory(create=True, size=cls.size)
        name = made.name
        made.close()
        return name, CONTEXT.Lock()

    @classmethod
    def destroy(cls, spec: Any) -> None:
        memory = SharedMemory(name=spec[0])
        memory.close()
        memory.unlink()

    def __init__(self, spec: Any) -> None:
        name, self.lock = spec
        self.memory = untracked(SharedMemory(name=name))

    def close(self) -> None:
        self.memory.close()
