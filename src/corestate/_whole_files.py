"""Whole files: read with a bound, or written beside their target and put in its place, through a trusted place."""

from __future__ import annotations

import itertools
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from corestate._trusted import HAS_OWNERS, SUFFIX, Place, lock_exclusively, set_permissions
from corestate.errors import CorestateError, StorageError, UntrustedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["read_whole", "replacing"]

_MOST_SWEPT = 100
"""Temporary names looked at in one go: others may have put any number there."""


def read_whole(path: str | os.PathLike[str], what: str, *, largest: int) -> bytes:
    """The content of a regular file of at most ``largest`` bytes, whoever owns it.

    Raises:
        OSError: as the system has it. UntrustedFileError: it is no regular file. StorageError: it is larger.
    """
    with Place(path, what) as place:
        descriptor = place.open()
    with os.fdopen(descriptor, "rb") as file:
        content = None if os.fstat(descriptor).st_size > largest else file.read()
    if content is None or len(content) > largest:
        raise StorageError.because(
            what, expected=f"at most {largest} bytes", found="a larger file", advice="check the path"
        )
    return content


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    what: str,
    *,
    purpose: str,
    may_replace: Callable[[bytes], bool],
    mode: int = 0o600,
    owner: int | None = None,
) -> Iterator[BinaryIO]:
    """A file to write that takes its place when the block ends well, whole and durably; else nothing is left.

    It is written beside its target under a temporary name, locked for as long as its maker lives; what killed makers
    left is removed first.

    Args:
        path: where it is to be.
        what: for messages.
        purpose: a word in the temporary name.
        may_replace: asked with the first 64 bytes of what is there; False refuses.
        mode: of the new file, whatever the umask.
        owner: see ``Place``.

    Raises:
        OSError: as the system has it.
        UntrustedFileError: what is there is somebody else's, or not to be replaced. StorageError: no regular file.
    """
    with Place(path, what, owner=owner, wrong_kind=StorageError) as place:
        _refuse_foreign(place, may_replace)
        _sweep_left_behind(place, purpose)
        name, descriptor = _temporary(place, purpose)
        replaced = False
        try:
            with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
                yield file
                file.flush()
                set_permissions(descriptor, mode)
                os.fsync(descriptor)
                if os.name == "posix":
                    _refuse_foreign(place, may_replace)  # again: writing may have taken long
                    place.replace(name)
                    replaced = True
            if os.name != "posix":  # where a file must be closed before it can be renamed
                place.replace(name)
                replaced = True
        finally:
            if not replaced:
                with suppress(OSError):
                    place.remove(name)
        place.sync()


def _refuse_foreign(place: Place, may_replace: Callable[[bytes], bool]) -> None:
    if place.look() is None:
        return
    try:
        descriptor = place.open()
    except FileNotFoundError:
        return
    try:
        place.judge(descriptor, written=True)
        head = os.read(descriptor, 64)
    finally:
        os.close(descriptor)
    if head and not may_replace(head):
        raise UntrustedFileError.because(
            place.what,
            expected="nothing there, or an older one of its kind",
            found="another file",
            advice="choose another path, or remove the file if you mean it",
        )


def _temporary(place: Place, purpose: str) -> tuple[str, int]:
    while True:
        name = f".{purpose}.{secrets.token_hex(8)}{SUFFIX}"
        descriptor = place.make(name=name)
        if lock_exclusively(descriptor) and os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)  # somebody who cleans up came between the two lines


def _sweep_left_behind(place: Place, purpose: str) -> None:
    """Remove what killed makers left in the directory, of this user's own. O(entries of the directory)."""
    left = (name for name in place.listing() if name.startswith(f".{purpose}.") and name.endswith(SUFFIX))
    for name in itertools.islice(left, _MOST_SWEPT):
        with suppress(OSError, CorestateError):
            status = place.status_of(name)
            if status is None or (HAS_OWNERS and status.st_uid != os.geteuid()):
                continue
            descriptor = place.open(os.O_RDWR, name=name, anyones=True)  # only to see whether its maker lives
            try:
                if lock_exclusively(descriptor):
                    place.remove(name, like=descriptor)
            finally:
                os.close(descriptor)
