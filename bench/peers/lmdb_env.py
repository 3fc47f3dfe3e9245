"""lmdb."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import lmdb

from bench import roles
from bench.peers import Peer, of_package
from bench.roles import Statement

MAP_SIZE = 1 << 31


class Environment:
    """An environment in a folder, opened once in each process."""

    @classmethod
    def create(cls, place: Path) -> Any:
        with cls.open(place) as env, env.begin(write=True) as txn:
            txn.put(b"c", (0).to_bytes(8, "little"))
            txn.put(b"r", bytes(roles.RECORD_BYTES))
        return place

    @staticmethod
    def open(place: Path) -> Any:
        return lmdb.open(str(place), map_size=MAP_SIZE, sync=False)

    def __init__(self, place: Path) -> None:
        self.place, self.env = place, self.open(place)

    def close(self) -> None:
        self.env.close()


class Counter(Environment, roles.Counter):
    def read(self) -> Statement:
        code = "with env.begin() as txn: n = number(txn.get(b'c'), 'little')"
        return Statement(code, {"env": self.env, "number": int.from_bytes})

    def add(self) -> Statement:
        code = (
            "with env.begin(write=True) as txn: "
            "txn.put(b'c', (number(txn.get(b'c'), 'little') + 1).to_bytes(8, 'little'))"
        )
        return Statement(code, {"env": self.env, "number": int.from_bytes})


class Record(Environment, roles.Record):
    def read(self) -> Statement:
        return Statement("with env.begin() as txn: value = txn.get(b'r')", {"env": self.env})

    def write(self) -> Statement:
        return Statement("with env.begin(write=True) as txn: txn.put(b'r', data)", {"env": self.env})


class Directory(Environment, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:
        with cls.open(place) as env, env.begin(write=True) as txn:
            for n in range(agents):
                txn.put(roles.agent_name(n).encode(), json.dumps(roles.agent_details(n)).encode())
        return place

    def lookup(self, name: str) -> Statement:
        code = "with env.begin() as txn: found = loads(txn.get(name.encode()))"
        return Statement(code, {"env": self.env, "loads": json.loads, "name": name})

    def register(self) -> Statement:
        code = (
            "with env.begin(write=True) as txn: txn.put(b'newcomer', dumps(details).encode())\n"
            "with env.begin(write=True) as txn: txn.delete(b'newcomer')"
        )
        return Statement(code, {"env": self.env, "dumps": json.dumps, "details": roles.agent_details(1)})

    def listing(self) -> Statement:
        code = "with env.begin() as txn: found = [key.decode() for key in txn.cursor().iternext(values=False)]"
        return Statement(code, {"env": self.env})

    def memory(self) -> int:
        info, stat = self.env.info(), self.env.stat()
        return int(info["last_pgno"] + 1) * int(stat["psize"])


class Attach(Environment, roles.Attach):
    def __init__(self, place: Path) -> None:
        self.place = place

    def close(self) -> None:
        """Nothing stays open."""

    def attach(self) -> Statement:
        code = "with open(place) as env, env.begin() as txn: txn.get(b'c')"
        return Statement(code, {"open": self.open, "place": self.place})


class Store(Environment, roles.Store):
    def get(self, key: str) -> Any:
        with self.env.begin() as txn:
            return json.loads(txn.get(key.encode()))

    def set(self, key: str, value: Any) -> None:
        with self.env.begin(write=True) as txn:
            txn.put(key.encode(), json.dumps(value).encode())

    def reading(self, key: str) -> Statement:
        code = f"with env.begin() as txn: found = loads(txn.get({key}.encode()))"
        return Statement(code, {"env": self.env, "loads": json.loads})

    def writing(self, key: str) -> Statement:
        code = f"with env.begin(write=True) as txn: txn.put({key}.encode(), dumps(value).encode())"
        return Statement(code, {"env": self.env, "dumps": json.dumps})


class Log(Environment, roles.Log):
    @classmethod
    def create(cls, place: Path) -> Any:
        return place

    def append(self) -> Statement:
        code = (
            "with env.begin(write=True) as txn: txn.put(next(n).to_bytes(8, 'big'), "
            "dumps(['agent', 'PII_DETECTED', {'field': 'email'}, time()]).encode(), append=True)"
        )
        return Statement(
            code,
            {"env": self.env, "n": itertools.count(self.count()), "dumps": json.dumps, "time": time.time_ns},
        )

    def count(self) -> int:
        return int(self.env.stat()["entries"])


PEER = Peer(
    "lmdb",
    "sync=False: a commit survives kill -9, like normal durability, not a power cut; values as JSON",
    {
        roles.Counter: Counter,
        roles.Record: Record,
        roles.Directory: Directory,
        roles.Attach: Attach,
        roles.Store: Store,
        roles.Log: Log,
    },
    of_package("lmdb"),
)
