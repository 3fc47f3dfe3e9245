"""multiprocessing.shared_memory, seen as a NumPy array."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import roles
from bench.peers import Peer, of_package
from bench.peers.shared_block import Block
from bench.roles import Statement


class Counter(Block, roles.Counter):
    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.array = np.ndarray(1, np.int64, buffer=self.memory.buf)

    def close(self) -> None:
        del self.array
        super().close()

    def read(self) -> Statement:
        return Statement("array[0]", {"array": self.array})

    def add(self) -> Statement:
        return Statement("with lock: array[0] += 1", {"lock": self.lock, "array": self.array})


class Record(Block, roles.Record):
    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.array = np.ndarray(roles.RECORD_BYTES, np.uint8, buffer=self.memory.buf)

    def close(self) -> None:
        del self.array
        super().close()

    def read(self) -> Statement:
        return Statement("with lock: array.tobytes()", {"lock": self.lock, "array": self.array})

    def write(self) -> Statement:
        return Statement(
            "with lock: array[:] = frombuffer(data, 'u1')",
            {"lock": self.lock, "array": self.array, "frombuffer": np.frombuffer},
        )


PEER = Peer(
    "shared_memory + NumPy",
    "an ndarray over one block; a multiprocessing.Lock beside it over everything that is more than one load",
    {roles.Counter: Counter, roles.Record: Record},
    of_package("numpy"),
)
