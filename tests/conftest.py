"""What tests of every kind share: addresses, regions, and other processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corestate.errors import RegionNotFoundError
from corestate.region import Region, open_region, unlink


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a region's file could be; nothing is there yet."""
    return str(tmp_path / "test.state")


@pytest.fixture
def shm() -> Iterator[str]:
    """A name of shared memory nobody uses yet; removed afterwards."""
    address = f"shm:corestate-test-{os.getpid()}-{secrets.token_hex(6)}"
    yield address
    with contextlib.suppress(RegionNotFoundError):
        unlink(address)


@pytest.fixture
def posix_shm(shm: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, made as where shared memory is no directory of files."""
    monkeypatch.setattr("corestate.region.SHM_IN_FILES", False)
    return shm


@pytest.fixture(params=["file", "shm"])
def address(request: pytest.FixtureRequest) -> str:
    """An address others can open, of each kind in turn."""
    return str(request.getfixturevalue("path" if request.param == "file" else "shm"))


@pytest.fixture(params=["file", "shm", "heap"])
def any_address(request: pytest.FixtureRequest) -> str:
    """An address of each kind in turn."""
    kinds = {"file": "path", "shm": "shm"}
    return "heap:" if request.param == "heap" else str(request.getfixturevalue(kinds[request.param]))


@pytest.fixture
def region(path: str) -> Iterator[Region]:
    """A region in a file, open for writing."""
    with open_region(path) as opened:
        yield opened


class Child:
    """Another Python process: talks by lines, and is gone when the test is."""

    def __init__(self, source: str, *arguments: str, env: dict[str, str] | None = None, options: tuple[str, ...] = ()):
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by gone()
        self.process = subprocess.Popen(
            [sys.executable, *options, "-c", textwrap.dedent(source), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
            env={**os.environ, **(env or {})},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line it prints; fails with what it complained of when it prints none."""
        text = self.process.stdout.readline()
        assert text, self.said_wrong()
        return text.rstrip("\n")

    def said_wrong(self) -> str:
        """What it complained of, once it has ended."""
        self.process.wait(timeout=60)
        self.complaints.seek(0)
        return self.complaints.read()

    def tell(self, text: str = "") -> None:
        """Send it a line."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def finish(self, status: int = 0) -> tuple[str, str]:
        """Let it end by itself, with this exit status; the rest of what it printed and complained of."""
        self.process.stdin.close()
        out = self.process.stdout.read()
        err = self.said_wrong()
        assert self.process.returncode == status, err
        return out, err

    def gone(self) -> None:
        """End it if it has not, and let go of its pipes."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            stream.close()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts other Python processes: ``child(source, *arguments)``."""
    children: list[Child] = []

    def start(source: str, *arguments: str, **options: Any) -> Child:
        children.append(Child(source, *arguments, **options))
        return children[-1]

    yield start
    for started in children:
        started.gone()
