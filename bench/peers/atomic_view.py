"""atomics, on a block of shared memory."""

from __future__ import annotations

from typing import Any

import atomics

from bench import roles
from bench.peers import Peer, of_package
from bench.peers.shared_block import Block
from bench.roles import Statement


class Counter(Block, roles.Counter):
    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        buffer = self.memory.buf
        assert buffer is not None  # as it is once closed
        self.part = buffer[:8]
        self.context = atomics.atomicview(buffer=self.part, atype=atomics.INT)
        self.view = self.context.__enter__()

    def close(self) -> None:
        self.context.__exit__(None, None, None)
        del self.view, self.context
        self.part.release()
        super().close()

    def read(self) -> Statement:
        return Statement("view.load()", {"view": self.view})

    def add(self) -> Statement:
        return Statement("view.inc()", {"view": self.view})


PEER = Peer(
    "atomics",
    "an atomicview of 8 bytes of multiprocessing.shared_memory, as in its example for processes",
    {roles.Counter: Counter},
    of_package("atomics"),
)
