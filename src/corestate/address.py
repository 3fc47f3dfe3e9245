"""Where a region lives: a path (a mapped file), ``shm:name`` (POSIX shared memory) or ``heap:`` (this process only)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal

from corestate._shown import named, shown
from corestate.errors import AddressError

__all__ = ["Address", "parse", "path_of"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LONGEST_SHM_NAME = 250


@dataclass(frozen=True)
class Address:
    """A parsed address; ``str()`` gives the form ``parse`` takes.

    Raises:
        AddressError: by ``parse`` and the constructor's callers, when nothing could live there.
    """

    kind: Literal["file", "shm", "heap"]
    name: str
    """The path; the name of the shared memory without ``shm:``; empty for ``heap:``."""

    def __str__(self) -> str:
        return self.name if self.kind == "file" else f"{self.kind}:{self.name}"


def parse(address: str | os.PathLike[str] | Address) -> Address:
    """Parse an address. O(1).

    A ``PathLike`` is always a path; a str that is a path but looks like another form needs ``./`` before it.

    Raises:
        AddressError: Empty, a URL, a name POSIX shared memory cannot have, or ``heap:`` with a name.
    """
    if isinstance(address, Address):
        return address
    if isinstance(address, os.PathLike):
        return _path(os.fspath(address))
    if not isinstance(address, str):
        raise AddressError.because("corestate address", found=shown(address))
    if address.startswith("shm:"):
        return _shm(address)
    if address.startswith("heap:"):
        if address != "heap:":
            raise AddressError.because(
                f"address {named(address)}",
                expected='"heap:" alone, since such a region has no name others could use',
                found=named(address[5:]) + " after it",
                advice='use "heap:", or "shm:name" to share',
            )
        return Address("heap", "")
    if match := _URL.match(address):
        raise AddressError.because("corestate address", found=f"a URL ({match[0][:40]}...)")
    return _path(address)


def _length(name: str) -> int | None:
    """Bytes of a name as the file system takes it; None when it cannot be encoded."""
    try:
        return len(os.fsencode(name))
    except UnicodeEncodeError:
        return None


def _path(path: object) -> Address:
    if not isinstance(path, str) or not path or "\0" in path or _length(path) is None:
        raise AddressError.because("corestate address", expected="a path as str", found=named(path))
    return Address("file", path)


def _shm(address: str) -> Address:
    name = address[4:].removeprefix("/")
    length = _length(name)
    if not length or length > _LONGEST_SHM_NAME or name in (".", "..") or "/" in name or "\0" in name:
        raise AddressError.because(
            f"address {named(address)}",
            expected=f'"shm:" and a name of 1 to {_LONGEST_SHM_NAME} bytes without "/"',
            found=named(name),
            advice="choose another name",
        )
    return Address("shm", name)


def path_of(address: Address) -> str:
    """The absolute path at which the file behind an address is found; empty for ``heap:``. O(1)."""
    if address.kind == "file":
        return os.path.abspath(address.name)  # noqa: PTH100
    return f"/dev/shm/{address.name}" if address.kind == "shm" else ""  # noqa: S108
