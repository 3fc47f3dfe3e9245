"""What SQLite has open is what lies in the directory that was judged.

SQLite opens by path. Where others may rename in the directory above, the path can lead elsewhere by then. So there the
files this process has open are compared, before and after a connection has opened its own.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from collections import Counter
from contextlib import suppress

from corestate import _trusted
from corestate.errors import UntrustedFileError
from corestate.stores.directory import WAL

if sys.platform.startswith("linux"):
    import fcntl

__all__ = ["Seen"]

_OPEN = "/proc/self/fd"
_SHARED_FIRST, _SHARED_BYTES = 0x40000002, 510
"""Of a database, what each of SQLite's connections has a read lock of; the last one closes it with a write lock."""


class Seen:
    """The files of one store in the directory that was judged.

    Args:
        path: of the database, for messages.
        directory: descriptor of the directory.
        database: device and inode.
        shm: of SQLite's shared index.
    """

    def __init__(self, path: str, directory: int | None, database: tuple[int, int], shm: tuple[int, int]) -> None:
        self._path = path
        self._directory = directory
        self._database = database
        self._shm = shm
        self._log: tuple[int, int] | None = None

    def count(self) -> Counter[tuple[int, int]]:
        """How often each file is open in this process. Asked while nothing else of a store is opened or closed."""
        return Counter(file for _, file in _files())

    def hold_back(self, before: Counter[tuple[int, int]]) -> None:
        """Before a connection is closed that may have files of others open: have SQLite find them locked.

        It would move a log into a database that it does not belong to, and remove the log. The locks go with the files.
        """
        if not sys.platform.startswith("linux"):
            return
        opened = self.count() - before
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_BYTES, 0)
        for number, file in _files():
            if file in opened and file not in _trusted.in_use:
                with suppress(OSError):
                    fcntl.fcntl(number, fcntl.F_OFD_SETLK, lock)

    def insist(self, before: Counter[tuple[int, int]]) -> None:
        """After a connection has read for the first time: see that it reads the store.

        Raises:
            UntrustedFileError: it has opened other files.
        """
        after = self.count()
        directory, self._directory = self._directory, None
        if directory is not None:
            with suppress(FileNotFoundError):
                status = os.stat(WAL, dir_fd=directory, follow_symlinks=False)
                self._log = status.st_dev, status.st_ino
        log = self._log
        good = log is not None and after[log] > before[log] and after[self._shm] > 0
        if after[self._database] <= before[self._database]:
            # a descriptor that SQLite could not close while another connection had locks is used again: no new file
            good = good and before[self._database] > 1 and set(after - before) <= {log, self._shm}
        if not good:
            raise UntrustedFileError.because(
                f"store {self._path}",
                expected="the files in the directory that was looked at",
                found="that SQLite has opened others: the directory was exchanged meanwhile",
                advice="see who may rename in the directory above",
            )


def _files() -> list[tuple[int, tuple[int, int]]]:
    """Descriptors of this process that are regular files, with device and inode."""
    found = []
    with suppress(OSError):
        for number in os.listdir(_OPEN):  # noqa: PTH208
            with suppress(OSError):
                status = os.fstat(int(number))
                if stat.S_ISREG(status.st_mode):
                    found.append((int(number), (status.st_dev, status.st_ino)))
    return found
