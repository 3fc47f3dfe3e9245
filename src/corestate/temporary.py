"""Temporary names beside a target, and the removal of those whose makers were killed."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if sys.platform not in ("win32", "emscripten"):
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["left_behind", "name_beside", "replacing"]

_HEX = "[0-9a-f]"


def _stem(target: Path, purpose: str) -> str:
    # Not the name itself, which may already be as long as names can be.
    return f".{purpose}.{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}"


def name_beside(target: Path, purpose: str) -> Path:
    """A name nobody else has, in the same directory."""
    return target.with_name(f"{_stem(target, purpose)}.{secrets.token_hex(8)}")


def left_behind(target: Path, purpose: str) -> list[Path]:
    """Everything in the directory that ``name_beside`` named for this target, in use or not."""
    return list(target.parent.glob(f"{_stem(target, purpose)}.{_HEX * 16}"))


@contextmanager
def replacing(target: Path, purpose: str) -> Iterator[BinaryIO]:
    """A file to write that takes the target's place when the block ends well, whole and durably; else nothing is left.

    It is locked for as long as its maker lives; those in the directory that are not, whatever they were to replace, are
    removed first.

    Raises:
        OSError: as the file system has it.
    """
    for left in target.parent.glob(f".{purpose}.{_HEX * 16}.{_HEX * 16}"):
        with suppress(OSError):
            _remove_unlocked(left)
    path, descriptor = _new(target, purpose)
    try:
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            if os.name == "posix":
                path.replace(target)
        if os.name != "posix":  # where a file must be closed before it can be renamed
            path.replace(target)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    if os.name == "posix":  # elsewhere a directory cannot be opened; the rename is as durable as the system makes it
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _new(target: Path, purpose: str) -> tuple[Path, int]:
    while True:
        path = name_beside(target, purpose)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # somebody who cleans up came between the two lines


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        if _lock(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    if sys.platform in ("win32", "emscripten"):
        return True  # there an open file cannot be removed, or nobody else is
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
