"""The command doctor: what this machine supports, by trying it."""

from __future__ import annotations

import os
import platform
import secrets
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import click
from rich.text import Text

import corestate
from corestate._binding import lib
from corestate._children import SubprocessError, run
from corestate._filesystem import kind_of
from corestate.cli.audit import use_key
from corestate.cli.opening import looking
from corestate.cli.output import BAD, GOOD, WARN, emit, json_option, show, table
from corestate.errors import CorestateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corestate.state import StateManager

__all__ = ["doctor"]

_SMALL = corestate.RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=16, participants=8)

# A participant that dies holding a lock, as `kill -9` would have it.
_VICTIM = """
import os, signal, sys
import corestate
state = corestate.attach(sys.argv[1])
state.locks["doctor"].acquire()
os.write(1, b"held\\n")
os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
"""


@dataclass(frozen=True)
class _Finding:
    what: str
    result: str
    """``ok``, ``limited`` or ``broken``."""
    detail: str


@click.command()
@click.argument("address", required=False)
@click.option("--store", metavar="DIRECTORY", help="Where the region's store is, if not beside it.")
@click.option("--key-file", metavar="FILE", help="A file with the key of its audit trail, if that has one.")
@json_option
def doctor(address: str | None, store: str | None, key_file: str | None, as_json: bool) -> int:
    """Try what corestate needs of this machine, or examine the region at ADDRESS and its store.

    Exits 1 when something is broken.
    """
    if address is None and key_file is not None:
        raise click.UsageError("--key-file is of the region at ADDRESS: name it, too")
    findings = list(_examine() if address is None else _examine_region(address, store, key_file))
    if as_json:
        emit([finding.__dict__ for finding in findings])
    else:
        styles = {"ok": GOOD, "limited": WARN, "broken": BAD}
        rows = [(f.what, Text(f.result, style=styles[f.result]), f.detail) for f in findings]
        show(table("doctor", ("what", "", "detail"), rows))
    return 1 if any(finding.result == "broken" for finding in findings) else 0


def _examine() -> Iterator[_Finding]:
    gil = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", free-threaded"
    yield _Finding("python", "ok", f"{platform.python_implementation()} {platform.python_version()}{gil}")
    yield _Finding(
        "platform", "ok", f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs"
    )
    yield _Finding("core", "ok", f"corestate {corestate.__version__}, layout version {lib.CS_LAYOUT_VERSION}")
    for package in ("numpy", "msgpack", "posix-ipc"):
        yield _package(package)
    yield _try("region in private memory", lambda: _use("heap:"))
    if sys.platform == "emscripten":
        from corestate._wasm.abilities import examine

        yield from (_Finding(*found) for found in examine())
        return
    with tempfile.TemporaryDirectory(prefix="corestate-doctor-") as directory:
        path = os.path.join(directory, "region")  # noqa: PTH118
        descriptor = os.open(directory, os.O_RDONLY) if os.name == "posix" else -1
        kind = kind_of(descriptor) if descriptor >= 0 else ""
        if descriptor >= 0:
            os.close(descriptor)
        yield _try(f"region in a file on {kind or 'the temporary directory'}", lambda: _use(path))
        yield _try("who lives: a killed holder's lock is inherited", lambda: _kill_and_inherit(path))
    yield _try("region in POSIX shared memory", _shared)
    yield _try("store in a file", _new_store)
    yield _Finding(
        "fork",
        "ok" if hasattr(os, "register_at_fork") else "limited",
        "a child gets a participant slot of its own" if hasattr(os, "register_at_fork") else "this platform has none",
    )


def _examine_region(address: str, store: str | None, key_file: str | None) -> Iterator[_Finding]:
    yield _try(f"region {address}", lambda: _region(address))
    yield _try("its store", lambda: _store(address, store))
    yield _try("its audit trail", lambda: _audit(address, store, key_file))


def _region(address: str) -> str:
    with looking(address) as state:
        health = state.health()
        reasons = ", ".join(health.reasons) or "nothing to say"
        return f"{state.region.size} bytes, {health.verdict.name.lower()}: {reasons}"


def _store(address: str, store: str | None) -> str:
    with looking(address, store) as state:
        if not state.durable.there:
            return "none yet; it is made on first use"
        faults = state.durable.store.check()
        if faults:
            raise corestate.StoreCorruptError(f"{len(faults)} faults, the first: {faults[0]}; restore it from a backup")
        if "store_went_back" in state.durable.reasons:
            raise corestate.StoreError.because(
                f"store {state.durable.directory}",
                expected="everything that was committed",
                found="that it went back: it is an older copy, or a loss of power took the last commits",
                advice=f"put the newer one back, or accept it as it is: corestate adopt {address}",
            )
        return f"{state.durable.directory}, sound"


def _audit(address: str, store: str | None, key_file: str | None) -> str:
    with looking(address, store) as state:
        use_key(state, key_file)
        if not state.durable.there:
            return "none yet"
        try:
            state.audit.verify()
        except corestate.AuditKeyError:
            if key_file is not None:
                raise
            raise corestate.UnsupportedError.because(
                "audit trail", expected="its key", found="none given", advice="give it with --key-file FILE"
            ) from None
        return "every row and the end of the chain hold"


def _new_store() -> str:
    with tempfile.TemporaryDirectory(prefix="corestate-doctor-") as directory:
        path = os.path.join(directory, "region")  # noqa: PTH118
        with corestate.create(path, config=_SMALL) as state:
            state.scope("global")["doctor"] = "well"
            if state.scope("global")["doctor"] != "well" or state.durable.store.check():
                raise corestate.CorestateError("expected to read what was stored, found something else; report this")
        return f"SQLite {sqlite3.sqlite_version}: made, written, read and checked"


def _package(name: str) -> _Finding:
    try:
        return _Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return _Finding(name, "limited", "not installed; what needs it raises an ImportError")


def _try(what: str, act: Callable[[], str]) -> _Finding:
    try:
        return _Finding(what, "ok", act())
    except corestate.UnsupportedError as problem:
        return _Finding(what, "limited", str(problem))
    except (CorestateError, OSError, SubprocessError) as problem:
        return _Finding(what, "broken", str(problem))


def _use(address: str) -> str:
    with corestate.create(address, config=_SMALL) as state:
        return _exercise(state)


def _exercise(state: StateManager) -> str:
    with state.events.subscribe() as events:
        state.events.publish("doctor", {"well": True})
        state.counters["doctor"].add(1)
        event = events.get(5)
    if event is None or event.data != {"well": True} or state.counters["doctor"].value != 1:
        raise corestate.CorestateError("expected to read what was written, found something else; report this")
    return f"{state.region.size} bytes made, written and read"


def _kill_and_inherit(address: str) -> str:
    with corestate.attach(address) as state:
        done = run(_VICTIM, address, timeout=60)
        if "held" not in done.stdout:
            raise corestate.CorestateError(f"the other process failed: {done.stderr.strip()[-200:]}")
        lock = state.locks["doctor"]
        if not lock.acquire(timeout=5):
            raise corestate.CorestateError(
                "expected to inherit the lock of a killed process, found that it counts as alive; report this"
            )
        inherited = lock.inherited
        lock.release()
    return "the taker was told" if inherited else "taken over, but the taker was not told"


def _shared() -> str:
    address = f"shm:corestate-doctor-{secrets.token_hex(6)}"
    try:
        return _use(address)
    finally:
        try:
            corestate.unlink(address)
        except CorestateError:
            pass  # it was never made; the error under way says why
