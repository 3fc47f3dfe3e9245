"""What a peer can be: the one short interface behind which every peer stands.

A role is made once (``create``), which gives a spec that can be handed to other processes, and played by any number of
processes, each with an object of its own made from that spec. What is timed is a `Statement`, so that no call of this
harness stands between the clock and the peer.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Self

RECORD_BYTES = 200
EVENT_BYTES = 40


class Statement(NamedTuple):
    """A line of Python as a user of the peer would write it, and the names it uses."""

    code: str
    names: dict[str, Any]

    def result(self) -> Any:
        """What the last expression of it gives, to see that the timed code does what it is timed for."""
        tree = ast.parse(self.code)
        body: list[ast.stmt] = tree.body
        while isinstance(body[-1], ast.With):
            body = body[-1].body
        last = body[-1]
        assert isinstance(last, ast.Expr | ast.Assign)
        body[-1] = ast.Assign([ast.Name("result", ast.Store())], last.value)
        names = dict(self.names)
        exec(compile(ast.fix_missing_locations(tree), "<statement>", "exec"), names)
        return names["result"]


class Role(ABC):
    """One process's part in something shared; the first process makes that by ``create``, removes it by ``destroy``."""

    @classmethod
    @abstractmethod
    def create(cls, place: Path) -> Any:
        """Make the shared thing in an empty folder; what comes back is handed to the constructor in each process."""

    @classmethod  # noqa: B027 - most have nothing to remove
    def destroy(cls, spec: Any) -> None:
        """Remove it: shared memory with a name, servers."""

    @abstractmethod
    def __init__(self, spec: Any) -> None: ...

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Leave it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Counter(Role):
    """A number that many processes read and add one to."""

    @abstractmethod
    def read(self) -> Statement: ...

    def add(self) -> Statement | None:
        """None where only one process may write."""
        return None


class Record(Role):
    """``RECORD_BYTES`` bytes that change as a whole."""

    @abstractmethod
    def read(self) -> Statement: ...

    @abstractmethod
    def write(self) -> Statement | None:
        """Writes ``data``, which whoever runs it puts among the names; None where another process is the writer."""


class Directory(Role):
    """A registry of agents: id to a small dict."""

    @classmethod
    @abstractmethod
    def create(cls, place: Path, agents: int = 0) -> Any:
        """With so many agents in it, called as `agent_name` says, each with `agent_details`."""

    @abstractmethod
    def lookup(self, name: str) -> Statement:
        """Gives the agent's details as Python objects."""

    @abstractmethod
    def register(self) -> Statement:
        """Registers the agent ``"newcomer"`` and takes it off again."""

    @abstractmethod
    def listing(self) -> Statement:
        """Gives all ids."""

    @abstractmethod
    def memory(self) -> int:
        """Bytes that the shared thing takes as a whole."""


def agent_name(number: int) -> str:
    """What the n-th agent of a directory is called."""
    return f"agent_{number}"


def agent_details(number: int) -> dict[str, Any]:
    """What is kept about it."""
    return {"capabilities": {"fps": 30}, "transport": {"port": number % 65536}}


class Channel(Role):
    """Events from one publisher to any number of subscribers in other processes."""

    @classmethod
    @abstractmethod
    def create(cls, place: Path, subscribers: int = 1) -> Any: ...

    @abstractmethod
    def publisher(self) -> Callable[[bytes], Any]:
        """What sends ``EVENT_BYTES`` bytes to every subscriber."""

    @abstractmethod
    def subscriber(self, number: int, *, spinning: bool) -> Callable[[], bytes | None]:
        """What takes the next event: spinning it comes back with None where there is none, else it sleeps till then."""

    def lost(self) -> int:
        """How many events this subscriber knows to have missed."""
        return 0


class Mutex(Role):
    """A lock between processes."""

    @abstractmethod
    def take(self) -> Statement:
        """Takes the lock and gives it back."""

    @abstractmethod
    def acquire(self, timeout: float) -> bool: ...

    @abstractmethod
    def release(self) -> None: ...


class Attach(Role):
    """Something that exists, opened, one value read, and closed again."""

    @abstractmethod
    def attach(self) -> Statement: ...


class Store(Role):
    """Keys to small dicts, kept on disk: what was set survives a kill -9 of everybody."""

    @abstractmethod
    def get(self, key: str) -> Any: ...

    @abstractmethod
    def set(self, key: str, value: Any) -> None: ...

    @abstractmethod
    def reading(self, key: str) -> Statement:
        """Reads the key that this expression gives."""

    @abstractmethod
    def writing(self, key: str) -> Statement:
        """Sets the key that this expression gives to ``value``, which whoever runs it puts among the names."""

    @classmethod
    def crash(cls, spec: Any) -> None:
        """Kill -9 the server, where there is one."""

    @classmethod
    def recover(cls, spec: Any) -> Store:
        """Open it as it is found after that, the server started anew where there is one."""
        return cls(spec)


class Log(Role):
    """Rows appended one by one, each kept on disk before the call returns."""

    @abstractmethod
    def append(self) -> Statement: ...

    @abstractmethod
    def count(self) -> int: ...


class Tasks(Role):
    """Tasks pushed by one and popped by another, newest first where the peer can."""

    @abstractmethod
    def push(self) -> Statement: ...

    @abstractmethod
    def pop(self) -> Statement:
        """Takes a task; there is one."""
