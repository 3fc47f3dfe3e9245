"""A Redis server of our own on a socket in a folder, stopped by whoever started it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar, NamedTuple

import redis

PATIENCE = 30.0


class Server(NamedTuple):
    """Where it listens, and whether it keeps an append-only file."""

    folder: str
    durable: bool

    @property
    def socket(self) -> str:
        return f"{self.folder}/r.sock"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=self.socket, protocol=3)


_running: dict[str, subprocess.Popen[bytes]] = {}


class Served:
    """A role played by such a server."""

    durable: ClassVar[bool] = False

    @classmethod
    def create(cls, place: Path) -> Server:
        server = Server(str(place), cls.durable)
        start(server)
        return server

    @classmethod
    def destroy(cls, spec: Server) -> None:
        stop(spec, signal.SIGTERM)

    def __init__(self, spec: Server) -> None:
        self.server, self.client = spec, spec.client()

    def close(self) -> None:
        self.client.close()


def program() -> str | None:
    """Where the server is."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def missing() -> str | None:
    """Why there can be none."""
    return None if program() else "no redis-server; apt-get install redis-server"


def versions() -> str:
    """The server's and the client's."""
    said = subprocess.run([str(program()), "--version"], capture_output=True, text=True, check=True).stdout
    found = next((word[2:] for word in said.split() if word.startswith("v=")), said.strip())
    return f"server {found}, redis-py {redis.__version__}"


def start(server: Server) -> None:
    """Start it and wait until it answers.

    Raises:
        RuntimeError: it does not.
    """
    given = ["--port", "0", "--unixsocket", server.socket, "--dir", server.folder, "--save", "", "--daemonize", "no"]
    if server.durable:
        given += ["--appendonly", "yes", "--appendfsync", "everysec"]
    with Path(server.folder, "log").open("ab") as log:
        process = subprocess.Popen([str(program()), *given], stdout=log, stderr=log, cwd=server.folder)
    _running[server.folder] = process
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if _answers(server):
            return
        time.sleep(0.0005)
    raise RuntimeError(f"expected redis-server to answer within {PATIENCE:.0f} s; see {server.folder}/log")


def _answers(server: Server) -> bool:
    try:
        with server.client() as client:
            client.ping()
    except (redis.ConnectionError, redis.BusyLoadingError):
        return False
    return True


def stop(server: Server, how: signal.Signals) -> None:
    """End it; it is gone when this returns."""
    process = _running.pop(server.folder)
    process.send_signal(how)
    process.wait(PATIENCE)
    Path(server.socket).unlink(missing_ok=True)
