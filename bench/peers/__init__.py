"""The peers, one a file: what each is called, how it was set up, and which roles it plays."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

FILES = {
    "corestate": "ours",
    "multiprocessing.Value": "mp_value",
    "multiprocessing.Lock": "mp_lock",
    "shared_memory + struct": "shm_struct",
    "shared_memory + NumPy": "shm_numpy",
    "multiprocessing.Manager": "mp_manager",
    "multiprocessing.Pipe": "mp_pipe",
    "multiprocessing.Queue": "mp_queue",
    "iceoryx2": "iceoryx",
    "UltraDict": "ultra_dict",
    "shared-memory-dict": "shared_dict",
    "atomics": "atomic_view",
    "lmdb": "lmdb_env",
    "diskcache": "disk_cache",
    "Redis": "redis_socket",
    "SQLite": "sqlite_plain",
}
"""Names as the tables show them, corestate first, and the modules of this package."""


@dataclass(frozen=True)
class Peer:
    """One of them. ``versions`` is asked only when it can be used."""

    name: str
    setup: str
    roles: dict[Any, Any]
    """Each role of bench/roles.py that it plays, and the class that plays it."""
    versions: Callable[[], str]
    missing: Callable[[], str | None] = field(default=lambda: None)


def of_package(name: str) -> Callable[[], str]:
    """The version of an installed distribution."""
    return lambda: version(name)


def load(name: str) -> Peer | str:
    """A peer, or why it cannot be used here."""
    try:
        peer: Peer = importlib.import_module(f"bench.peers.{FILES[name]}").PEER
    except ImportError as error:
        return f"{error}; `make venv-bench` installs it"
    return peer.missing() or peer
