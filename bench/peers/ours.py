"""corestate itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corestate
from bench import roles
from bench.peers import Peer, of_package
from bench.roles import Statement
from corestate import AgentType, RegionConfig

DETAILS_BYTES = 64
EVENTS = 16_384


class Shared:
    """A region in a file."""

    config = RegionConfig()

    @classmethod
    def create(cls, place: Path) -> Path:
        path = place / "bench.state"
        corestate.create(path, config=cls.config).close()
        return path

    def __init__(self, path: Path) -> None:
        self.state = corestate.attach(path)

    def close(self) -> None:
        self.state.close()


class Counter(Shared, roles.Counter):
    def read(self) -> Statement:
        return Statement("counter.value", {"counter": self.state.counters["c"]})

    def add(self) -> Statement:
        return Statement("counter.add()", {"counter": self.state.counters["c"]})


class Record(Shared, roles.Record):
    @classmethod
    def create(cls, place: Path) -> Path:
        path = super().create(place)
        with corestate.attach(path) as state:
            state.agents.register("camera", AgentType.SENSORY, metadata=bytes(roles.RECORD_BYTES))
        return path

    def read(self) -> Statement:
        return Statement("agents['camera'].metadata", {"agents": self.state.agents})

    def write(self) -> Statement:
        return Statement("agents.update('camera', metadata=data)", {"agents": self.state.agents})


class Directory(roles.Directory):
    @classmethod
    def create(cls, place: Path, agents: int = 0) -> Path:
        path = place / "bench.state"
        with corestate.create(path, config=RegionConfig(agents=agents + 1, agent_details_bytes=DETAILS_BYTES)) as state:
            for number in range(agents):
                state.agents.register(roles.agent_name(number), AgentType.SENSORY, **roles.agent_details(number))
        return path

    def __init__(self, path: Path) -> None:
        self.path, self.state = path, corestate.attach(path)

    def close(self) -> None:
        self.state.close()

    def lookup(self, name: str) -> Statement:
        return Statement("a = agents[name]; a.capabilities; a.transport", {"agents": self.state.agents, "name": name})

    def register(self) -> Statement:
        return Statement(
            "agents.register('newcomer', kind, **details); agents.deregister('newcomer')",
            {"agents": self.state.agents, "kind": AgentType.SENSORY, "details": roles.agent_details(1)},
        )

    def listing(self) -> Statement:
        return Statement("list(agents)", {"agents": self.state.agents})

    def memory(self) -> int:
        """Less what a region for one agent takes, the same way as a server's memory is less what it took empty."""
        config = dataclasses.replace(self.state.config, agents=1)
        return self.path.stat().st_blocks * 512 - config.size


class Channel(Shared, roles.Channel):
    config = RegionConfig(events=EVENTS)

    @classmethod
    def create(cls, place: Path, subscribers: int = 1) -> Path:  # noqa: ARG003 - any number may come
        return super().create(place)

    def publisher(self) -> Callable[[bytes], Any]:
        publish = self.state.events.publish
        return lambda data: publish("tick", data)

    def subscriber(self, number: int, *, spinning: bool) -> Callable[[], bytes | None]:  # noqa: ARG002
        self.events = self.state.events.subscribe("tick")
        get, timeout = self.events.get, 0 if spinning else None

        def take() -> bytes | None:
            event = get(timeout)
            return None if event is None else event.data

        return take

    def lost(self) -> int:
        return self.events.lost


class Mutex(Shared, roles.Mutex):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lock = self.state.locks["l"]

    def take(self) -> Statement:
        return Statement("with lock: pass", {"lock": self.lock})

    def acquire(self, timeout: float) -> bool:
        return self.lock.acquire(timeout=timeout)

    def release(self) -> None:
        self.lock.release()


class Attach(Shared, roles.Attach):
    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        """Nothing stays open."""

    def attach(self) -> Statement:
        code = "with corestate.attach(path) as state: state.engine.neuron_count"
        return Statement(code, {"corestate": corestate, "path": self.path})


class Store(Shared, roles.Store):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.scope = self.state.scope("user", "ann")

    def get(self, key: str) -> Any:
        return self.scope[key]

    def set(self, key: str, value: Any) -> None:
        self.scope[key] = value

    def reading(self, key: str) -> Statement:
        return Statement(f"scope[{key}]", {"scope": self.scope})

    def writing(self, key: str) -> Statement:
        return Statement(f"scope[{key}] = value", {"scope": self.scope})


class Log(Shared, roles.Log):
    def append(self) -> Statement:
        return Statement("audit.log('agent', 'PII_DETECTED', {'field': 'email'})", {"audit": self.state.audit})

    def count(self) -> int:
        return len(self.state.audit)


class Tasks(Shared, roles.Tasks):
    def push(self) -> Statement:
        return Statement("tasks.push('inspect', {'area': 'v1'})", {"tasks": self.state.tasks})

    def pop(self) -> Statement:
        return Statement("tasks.pop('worker')", {"tasks": self.state.tasks})


PEER = Peer(
    "corestate",
    f"a region in a file; agents with {DETAILS_BYTES} bytes for details; {EVENTS} events for the channel; the durable "
    "parts in the SQLite file beside it, normal durability",
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
    of_package("corestate"),
)
