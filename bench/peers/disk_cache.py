"""diskcache."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import diskcache

from bench import roles
from bench.peers import Peer, of_package
from bench.roles import Statement


class Cached:
    """A Cache in a folder."""

    @classmethod
    def create(cls, place: Path) -> Any:
        with diskcache.Cache(place) as cache:
            cache["c"] = 0
            cache["r"] = bytes(roles.RECORD_BYTES)
        return place

    def __init__(self, place: Path) -> None:
        self.place, self.cache = place, diskcache.Cache(place)

    def close(self) -> None:
        self.cache.close()


class Counter(Cached, roles.Counter):
    def read(self) -> Statement:
        return Statement("cache['c']", {"cache": self.cache})

    def add(self) -> Statement:
        return Statement("cache.incr('c', retry=True)", {"cache": self.cache})


class Record(Cached, roles.Record):
    def read(self) -> Statement:
        return Statement("cache['r']", {"cache": self.cache})

    def write(self) -> Statement:
        return Statement("cache['r'] = data", {"cache": self.cache})


class Directory(Cached, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:
        with diskcache.Cache(place, eviction_policy="none") as cache, cache.transact():
            for n in range(agents):
                cache[roles.agent_name(n)] = roles.agent_details(n)
        return place

    def lookup(self, name: str) -> Statement:
        return Statement("cache[name]", {"cache": self.cache, "name": name})

    def register(self) -> Statement:
        names = {"cache": self.cache, "details": roles.agent_details(1)}
        return Statement("cache['newcomer'] = details; del cache['newcomer']", names)

    def listing(self) -> Statement:
        return Statement("list(cache)", {"cache": self.cache})

    def memory(self) -> int:
        return int(self.cache.volume())


class Mutex(Cached, roles.Mutex):
    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.lock = diskcache.Lock(self.cache, "lock")

    def take(self) -> Statement:
        return Statement("with lock: pass", {"lock": self.lock})

    def acquire(self, timeout: float) -> bool:
        end = time.monotonic() + timeout  # its own acquire has no timeout, and looks once a millisecond
        while time.monotonic() < end:
            if self.cache.add("lock", None, retry=True):
                return True
            time.sleep(0.001)
        return False

    def release(self) -> None:
        self.lock.release()


class Attach(Cached, roles.Attach):
    def __init__(self, place: Path) -> None:
        self.place = place

    def close(self) -> None:
        """Nothing stays open."""

    def attach(self) -> Statement:
        return Statement("with Cache(place) as cache: cache['c']", {"Cache": diskcache.Cache, "place": self.place})


class Store(Cached, roles.Store):
    def get(self, key: str) -> Any:
        return self.cache[key]

    def set(self, key: str, value: Any) -> None:
        self.cache[key] = value

    def reading(self, key: str) -> Statement:
        return Statement(f"cache[{key}]", {"cache": self.cache})

    def writing(self, key: str) -> Statement:
        return Statement(f"cache[{key}] = value", {"cache": self.cache})


class Log(roles.Log):
    @classmethod
    def create(cls, place: Path) -> Any:
        return place

    def __init__(self, place: Path) -> None:
        self.deque = diskcache.Deque(directory=place)

    def close(self) -> None:
        self.deque.cache.close()

    def append(self) -> Statement:
        code = "rows.append(('agent', 'PII_DETECTED', {'field': 'email'}, time()))"
        return Statement(code, {"rows": self.deque, "time": time.time_ns})

    def count(self) -> int:
        return len(self.deque)


class Tasks(Log, roles.Tasks):
    def push(self) -> Statement:
        return Statement("tasks.append(('inspect', {'area': 'v1'}))", {"tasks": self.deque})

    def pop(self) -> Statement:
        return Statement("tasks.pop()", {"tasks": self.deque})


PEER = Peer(
    "diskcache",
    "Cache and Deque with their defaults (SQLite in write-ahead mode, synchronous=NORMAL); its tasks have no leases",
    {
        roles.Counter: Counter,
        roles.Record: Record,
        roles.Directory: Directory,
        roles.Mutex: Mutex,
        roles.Attach: Attach,
        roles.Store: Store,
        roles.Log: Log,
        roles.Tasks: Tasks,
    },
    of_package("diskcache"),
)
