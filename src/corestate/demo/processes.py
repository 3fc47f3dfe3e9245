"""Starting the roles as processes, hearing from them, and ending them in good order."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, final

from corestate._children import DEVNULL, PIPE, TimeoutExpired, start
from corestate.demo.roles import STOP

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Crew"]

_END_SECONDS = 20.0  # a role that has been told to stop and still runs after this is killed
_Message = tuple[str, "dict[str, Any] | None"]  # who, and what it said; None when it has ended


@final
class Crew:
    """The processes of a run. Used with ``with``: whatever happens inside, none is left outside.

    Their standard input is held open as long as this process lives; when that breaks, they end by themselves.
    In the ``with``, SIGINT, SIGTERM and SIGHUP (unless ignored, as under nohup) set `stopping` and do nothing else.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._inbox: SimpleQueue[_Message] = SimpleQueue()
        self._processes: dict[str, _Process] = {}
        self._handlers: dict[int, Any] = {}
        #: Somebody wants the run to end now.
        self.stopping = False
        #: What went wrong, a sentence each.
        self.problems: list[str] = []
        #: What each process reported, by name.
        self.reports: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Crew:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                continue
            self._handlers[number] = signal.signal(number, self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def launch(self, name: str, role: str, *options: str) -> None:
        """Start a role (see `corestate.demo.roles`) under a name; not when the run is to end already."""
        if not self.stopping:
            self._processes[name] = _Process(name, [role, self._address, *options], self._inbox)

    def hear(self) -> None:
        """Take in what the processes have said since. Never blocks."""
        with contextlib.suppress(Empty):
            while True:
                name, said = self._inbox.get_nowait()
                if said is None:
                    self._ended(name)
                else:
                    self.stopping = self.stopping or said.get("ask") == "stop"
                    self.reports.setdefault(name, {}).update(said)

    def kill(self, name: str) -> int:
        """SIGKILL a process, on purpose; returns its id."""
        process = self._processes[name]
        process.dismissed = True
        process.kill()
        return process.pid

    def end(self, name: str) -> None:
        """Tell a process to stop, and wait until it has and everything it said has arrived."""
        process = self._processes.get(name)
        if process is None or process.dismissed:
            return
        process.dismissed = True
        process.stop()
        code = process.wait()
        if code != 0:
            self.problems.append(f"{name}, told to stop, ended with {_meaning(code)}")
        self.hear()

    def _ended(self, name: str) -> None:
        process = self._processes[name]
        if not process.dismissed:
            process.dismissed = True
            self.problems.append(f"{name} ended by itself, with {_meaning(process.wait())}")
            self.stopping = True

    def _signalled(self, *_: object) -> None:
        self.stopping = True


class _Process:
    def __init__(self, name: str, arguments: list[str], inbox: SimpleQueue[_Message]) -> None:
        #: Whether it was told to end: its end is then no surprise.
        self.dismissed = False
        with _interrupts_held():
            # A role's standard error is what a person sees.
            self._process = start(
                "corestate.demo.roles", "--launched", *arguments, stdin=PIPE, stdout=PIPE, stderr=_screen()
            )
        self.pid = self._process.pid
        self._name = name
        self._listener = threading.Thread(target=self._listen, args=(inbox,), daemon=True)
        self._listener.start()

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(STOP)
            self._process.stdin.close()

    def wait(self) -> int:
        try:
            code = self._process.wait(_END_SECONDS)
        except TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        return code

    def _listen(self, inbox: SimpleQueue[_Message]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            inbox.put((self._name, json.loads(line)))
        inbox.put((self._name, None))


def _screen() -> int:
    """Standard output as a role's standard error, also where a test has put something else in its place."""
    if sys.__stdout__ is None:  # closed: its number may be somebody else's by now
        return DEVNULL
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return sys.__stdout__.fileno()


def _meaning(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a process with SIGINT blocked, so that a Ctrl-C cannot hit it before it can answer one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
