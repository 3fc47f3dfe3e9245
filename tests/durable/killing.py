"""Processes killed inside an operation: at a line of corestate's own code, the n-th it comes to."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import corestate

PACKAGE = str(Path(corestate.__file__).parent)
DONE, FAILED = 0, 3


class _Lines:
    """Counts lines as they are about to be executed; at one of them this process is killed."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def __call__(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        return self._line

    def _line(self, frame, event, _):
        if event == "line":
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def lines_of(operation, first=None) -> int:
    """How many lines of corestate an operation executes in a child of fork, after what comes first; it is done then."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            if first is not None:
                first()
            lines = _Lines(-1)
            sys.settrace(lines)
            operation()
            sys.settrace(None)
            os.write(writing, str(lines.count).encode())
            status = DONE
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        count = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == DONE
    return int(count)


def killed_at(line: int, operation, first=None) -> bool:
    """Run an operation in a child of fork that is killed at a line; whether it was, or had returned before.

    What comes ``first`` is done before lines are counted.
    """
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            if first is not None:
                first()
            sys.settrace(_Lines(line))
            operation()
            sys.settrace(None)
            status = DONE
        finally:
            os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (-signal.SIGKILL, DONE), f"the operation failed in the child: {ended}"
    return ended != DONE
