"""Two users of one machine, for real: a function runs as one of them in a child of fork. Needs root."""

from __future__ import annotations

import importlib
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import corestate


def _load_all() -> None:
    """Import all that a child may need, which may be unable to read the interpreter's files as somebody else."""
    for name in ("ascii", "idna", "latin_1"):
        importlib.import_module(f"encodings.{name}")
    with corestate.open("heap:") as state:
        state.scope("user", "u")["k"] = 1
        state.audit.log("agent", "EVENT")
        assert state.audit.verify()


_load_all()
OWNER = 20_001
OTHER = 20_002
GROUP = 20_100
"""Of both, besides their own."""

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs the right to become another user: run it as root"
)


def become(uid: int, umask: int = 0o022, groups: tuple[int, ...] = ()) -> None:
    """Go on as this user."""
    os.setgroups(list(groups))
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.umask(umask)


def as_user(uid: int, function: Callable[[], Any], *, umask: int = 0o022, groups: tuple[int, ...] = ()) -> Any:
    """What a function returns as that user, in a process of its own; what it raises is an AssertionError here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            if uid:
                become(uid, umask, groups)
            else:
                os.umask(umask)
            answer = (True, function())
        except BaseException:
            answer = (False, traceback.format_exc())
        with os.fdopen(writer, "wb") as out:
            pickle.dump(answer, out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        content = source.read()
    status = os.waitpid(pid, 0)[1]
    assert content, f"the child ended with status {status}"
    good, answer = pickle.loads(content)
    assert good, answer
    return answer


def refusal(function: Callable[[], Any]) -> str:
    """The name of the error of ours that a function ends in; empty where it ends well."""
    try:
        found = function()
    except corestate.CorestateError as problem:
        return type(problem).__name__
    if hasattr(found, "close"):
        found.close()
    return ""


@contextmanager
def shared_directory(mode: int, owner: int = 0, group: int | None = None, within: str | None = None) -> Iterator[Path]:
    """A directory with a mode and an owner, which others can reach, in one like /tmp or in ``within``."""
    with tempfile.TemporaryDirectory(prefix="corestate-users-", dir=within) as name:
        path = Path(name)
        path.chmod(0o755)
        inner = path / "shared"
        inner.mkdir()
        os.chown(inner, owner, owner if group is None else group)
        inner.chmod(mode)
        yield inner
