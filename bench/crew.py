"""Worker processes that do as they are asked, one request at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

CONTEXT: Any = multiprocessing.get_context("forkserver")
PATIENCE = 120.0
_AHEAD_NS = 3_000_000


def prepare(modules: list[str]) -> None:
    """What the processes that workers are forked from import, once for all of them."""
    CONTEXT.set_forkserver_preload([*modules, __name__])


class Worker:
    """A process with an object in it, made there by ``make(*args)``, whose methods are called from here."""

    def __init__(self, make: Callable[..., Any], *args: Any) -> None:
        self._here, there = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_serve, args=(there, make, args), daemon=True)
        self.process.start()
        there.close()
        self._asked = True

    def ask(self, name: str, *args: Any) -> None:
        """Begin a call; `answer` waits for it."""
        self.ready()
        self._here.send((name, args))
        self._asked = True

    def answer(self, patience: float = PATIENCE) -> Any:
        """What the call came to.

        Raises:
            RuntimeError: it raised, or did not end in time, or the process is gone.
        """
        if not self._here.poll(patience):
            raise RuntimeError(f"worker {self.process.pid}: expected an answer within {patience} s, found none")
        self._asked = False
        try:
            fine, value = self._here.recv()
        except EOFError:
            raise RuntimeError(f"worker {self.process.pid} ended, exit code {self.process.exitcode}") from None
        if not fine:
            raise RuntimeError(f"in worker {self.process.pid}:\n{value}")
        return value

    def ready(self) -> None:
        """Wait until its object is made."""
        if self._asked:
            self.answer()

    def kill(self) -> None:
        """Kill -9; nothing in it runs any more when this returns."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(PATIENCE)

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._here.send(None)
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(PATIENCE)
        self._here.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _serve(there: Any, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        made = make(*args)
        there.send((True, None))
        while (asked := there.recv()) is not None:
            name, given = asked
            there.send((True, getattr(made, name)(*given)))
        close = getattr(made, "close", None)
        if close is not None:
            close()
    except (EOFError, KeyboardInterrupt):
        pass
    except Exception:  # noqa: BLE001 - told to whoever asked
        with suppress(OSError):
            there.send((False, traceback.format_exc()))


def soon() -> int:
    """A moment for several workers to begin at, on the clock they share."""
    return time.monotonic_ns() + _AHEAD_NS


def wait_until(moment: int) -> None:
    """Sleep, then spin, until that moment."""
    while (left := moment - time.monotonic_ns()) > 0:
        if left > 500_000:
            time.sleep((left - 400_000) / 1e9)
