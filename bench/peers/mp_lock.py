"""multiprocessing.Lock."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from bench import roles
from bench.crew import CONTEXT
from bench.peers import Peer
from bench.roles import Statement


class Mutex(roles.Mutex):
    @classmethod
    def create(cls, place: Path) -> Any:  # noqa: ARG003
        return CONTEXT.Lock()

    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def take(self) -> Statement:
        return Statement("with lock: pass", {"lock": self.lock})

    def acquire(self, timeout: float) -> bool:
        return bool(self.lock.acquire(timeout=timeout))

    def release(self) -> None:
        self.lock.release()


PEER = Peer(
    "multiprocessing.Lock",
    "a POSIX semaphore",
    {roles.Mutex: Mutex},
    lambda: f"CPython {platform.python_version()}",
)
