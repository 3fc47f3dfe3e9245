"""Redis over a Unix socket."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import roles
from bench.peers import Peer
from bench.peers.redis_server import Served, Server, missing, start, stop, versions
from bench.roles import Statement

BATCH = 10_000
LEASE = 1.0


class Counter(Served, roles.Counter):
    def read(self) -> Statement:
        return Statement("int(r.get('c') or 0)", {"r": self.client})

    def add(self) -> Statement:
        return Statement("r.incr('c')", {"r": self.client})


class Record(Served, roles.Record):
    def read(self) -> Statement:
        return Statement("r.get('r')", {"r": self.client})

    def write(self) -> Statement:
        return Statement("r.set('r', data)", {"r": self.client})


class Directory(Served, roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Any:
        server = super().create(place)
        with server.client() as client:
            before = int(client.info("memory")["used_memory"])
            for first in range(0, agents, BATCH):
                with client.pipeline(transaction=False) as pipe:
                    for n in range(first, min(first + BATCH, agents)):
                        pipe.hset("agents", roles.agent_name(n), json.dumps(roles.agent_details(n)))
                    pipe.execute()
        return server, before

    @classmethod
    def destroy(cls, spec: Any) -> None:
        super().destroy(spec[0])

    def __init__(self, spec: Any) -> None:
        super().__init__(spec[0])
        self.before = spec[1]

    def lookup(self, name: str) -> Statement:
        names = {"r": self.client, "loads": json.loads, "name": name}
        return Statement("loads(r.hget('agents', name))", names)

    def register(self) -> Statement:
        names = {"r": self.client, "dumps": json.dumps, "details": roles.agent_details(1)}
        return Statement("r.hset('agents', 'newcomer', dumps(details)); r.hdel('agents', 'newcomer')", names)

    def listing(self) -> Statement:
        return Statement("[key.decode() for key in r.hkeys('agents')]", {"r": self.client})

    def memory(self) -> int:
        return int(self.client.info("memory")["used_memory"]) - int(self.before)


class Channel(Served, roles.Channel):
    @classmethod
    def create(cls, place: Path, subscribers: int = 1) -> Any:  # noqa: ARG003 - any number may come
        return super().create(place)

    def publisher(self) -> Callable[[bytes], Any]:
        publish = self.client.publish
        return lambda data: publish("tick", data)

    def subscriber(self, number: int, *, spinning: bool) -> Callable[[], bytes | None]:  # noqa: ARG002
        client: Any = self.client  # its pubsub is not annotated
        events = client.pubsub()
        events.subscribe("tick")
        while events.get_message(timeout=10)["type"] != "subscribe":
            pass
        get, timeout = events.get_message, 0 if spinning else None

        def take() -> bytes | None:
            message = get(ignore_subscribe_messages=True, timeout=timeout)
            return None if message is None else message["data"]

        return take


class Mutex(Served, roles.Mutex):
    def __init__(self, spec: Server) -> None:
        super().__init__(spec)
        self.lock = self.client.lock("l", timeout=LEASE, sleep=0.001)

    def take(self) -> Statement:
        return Statement("with lock: pass", {"lock": self.lock})

    def acquire(self, timeout: float) -> bool:
        return bool(self.lock.acquire(blocking_timeout=timeout))

    def release(self) -> None:
        self.lock.release()


class Attach(Served, roles.Attach):
    def attach(self) -> Statement:
        return Statement("with connect() as r: r.get('c')", {"connect": self.server.client})


class Store(Served, roles.Store):
    durable = True

    def get(self, key: str) -> Any:
        return json.loads(self.client.get(key))

    def set(self, key: str, value: Any) -> None:
        self.client.set(key, json.dumps(value))

    def reading(self, key: str) -> Statement:
        return Statement(f"loads(r.get({key}))", {"r": self.client, "loads": json.loads})

    def writing(self, key: str) -> Statement:
        return Statement(f"r.set({key}, dumps(value))", {"r": self.client, "dumps": json.dumps})

    @classmethod
    def crash(cls, spec: Server) -> None:
        stop(spec, signal.SIGKILL)

    @classmethod
    def recover(cls, spec: Server) -> Store:
        start(spec)
        return cls(spec)


class Log(Served, roles.Log):
    durable = True

    def append(self) -> Statement:
        code = (
            "r.xadd('audit', {'agent': 'agent', 'type': 'PII_DETECTED', "
            "'details': dumps({'field': 'email'}), 'time': time()})"
        )
        return Statement(code, {"r": self.client, "dumps": json.dumps, "time": time.time_ns})

    def count(self) -> int:
        return int(self.client.xlen("audit"))


class Tasks(Served, roles.Tasks):
    durable = True

    def push(self) -> Statement:
        return Statement(
            "r.lpush('tasks', dumps(['inspect', {'area': 'v1'}]))", {"r": self.client, "dumps": json.dumps}
        )

    def pop(self) -> Statement:
        code = "loads(r.lmove('tasks', 'tasks:worker', 'LEFT', 'LEFT'))"
        return Statement(code, {"r": self.client, "loads": json.loads})


PEER = Peer(
    "Redis",
    "a Unix socket, the hiredis parser, RESP3; nothing kept on disk where the work is live state, else appendonly with "
    f"appendfsync everysec; the lock is redis-py's with a lease of {LEASE:.0f} s, a popped task moves to the worker's "
    "list (LMOVE)",
    {
        roles.Counter: Counter,
        roles.Record: Record,
        roles.Directory: Directory,
        roles.Channel: Channel,
        roles.Mutex: Mutex,
        roles.Attach: Attach,
        roles.Store: Store,
        roles.Log: Log,
        roles.Tasks: Tasks,
    },
    versions,
    missing,
)
