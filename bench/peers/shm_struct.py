"""multiprocessing.shared_memory, read and written by struct."""

from __future__ import annotations

import platform
import struct
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from bench import roles
from bench.peers import Peer
from bench.peers.shared_block import Block
from bench.roles import Statement

NUMBER = struct.Struct("<q")
RECORD = struct.Struct(f"{roles.RECORD_BYTES}s")


class Counter(Block, roles.Counter):
    def read(self) -> Statement:
        return Statement("unpack(buf)[0]", {"unpack": NUMBER.unpack_from, "buf": self.memory.buf})

    def add(self) -> Statement:
        return Statement(
            "with lock: pack(buf, 0, unpack(buf)[0] + 1)",
            {"lock": self.lock, "pack": NUMBER.pack_into, "unpack": NUMBER.unpack_from, "buf": self.memory.buf},
        )


class Record(Block, roles.Record):
    def read(self) -> Statement:
        return Statement(
            "with lock: unpack(buf)[0]", {"lock": self.lock, "unpack": RECORD.unpack_from, "buf": self.memory.buf}
        )

    def write(self) -> Statement:
        return Statement(
            "with lock: pack(buf, 0, data)", {"lock": self.lock, "pack": RECORD.pack_into, "buf": self.memory.buf}
        )


class Attach(Block, roles.Attach):
    def __init__(self, spec: Any) -> None:
        self.name = spec[0]

    def close(self) -> None:
        """Nothing stays open."""

    def attach(self) -> Statement:
        code = "m = SharedMemory(name=name); unpack(m.buf)[0]; m.close()"
        return Statement(code, {"SharedMemory": SharedMemory, "unpack": NUMBER.unpack_from, "name": self.name})


PEER = Peer(
    "shared_memory + struct",
    "one block; a multiprocessing.Lock beside it over everything that is more than one load",
    {roles.Counter: Counter, roles.Record: Record, roles.Attach: Attach},
    lambda: f"CPython {platform.python_version()}",
)
