"""What SQLite has open is what lies in the directory that was judged.

SQLite opens by path. Where others may rename in the directory above, the path can lead elsewhere by then. So there the
files this process has open are compared, before and after a connection has opened its own.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import suppress

from corestate.errors import UntrustedFileError
from corestate.stores.directory import WAL

__all__ = ["Seen"]

_OPEN = "/proc/self/fd"


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
        found: Counter[tuple[int, int]] = Counter()
        with suppress(OSError):
            for number in os.listdir(_OPEN):  # noqa: PTH208
                with suppress(OSError):
                    status = os.fstat(int(number))
                    if stat.S_ISREG(status.st_mode):
                        found[status.st_dev, status.st_ino] += 1
        return found

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
