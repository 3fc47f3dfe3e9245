"""One process of the demonstration: ``python -m corestate.demo.roles ROLE ADDRESS``.

Started by hand, in a terminal of its own on a region that exists, a role runs until Ctrl-C. Started by
``corestate demo`` (``--launched``) it runs for its launcher: standard input is a line to it that says when to stop and
breaks when the launcher dies, standard output takes what the role has to say to it, one JSON object a line, and what
a person should see goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import corestate
from corestate.cli.output import careful_streams, say
from corestate.demo import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["STOP", "main"]

#: What the launcher writes to a role's standard input to stop it in good order.
STOP = b"stop\n"


class _Line:
    """The line to whoever started this process, and when to stop."""

    def __init__(self, *, launched: bool) -> None:
        self.stop = threading.Event()
        self.orphaned = False
        self.launched = launched
        signal.signal(signal.SIGINT, self._interrupted)
        if hasattr(signal, "pthread_sigmask"):  # blocked by the launcher until this process can answer it
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if launched:
            threading.Thread(target=self._listen, daemon=True).start()

    def say(self, **message: Any) -> None:
        """Tell the launcher; without one, or when it is gone, nobody."""
        if self.launched:
            with contextlib.suppress(OSError):
                os.write(1, json.dumps(message).encode() + b"\n")

    def _interrupted(self, *_: object) -> None:
        if self.launched:
            # Stopping is the launcher's to order: it ends who sends before who receives.
            self.say(ask="stop")
        else:
            # Not set here: the handler may run while this very thread holds the event's own lock.
            threading.Thread(target=self.stop.set).start()

    def _listen(self) -> None:
        self.orphaned = os.read(0, len(STOP)) != STOP
        self.stop.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one role until it is stopped; the exit code is 0, or 1 with a message when the region cannot be used."""
    careful_streams()
    options = _parser().parse_args(arguments)
    line = _Line(launched=options.launched)
    try:
        _play(options, line)
    except corestate.CorestateError as error:
        if not line.orphaned:
            say(f"{options.role}: {error}", err=True)
            return 1
    finally:
        if line.orphaned:  # nobody else is left to clean up; the first to get here does
            with contextlib.suppress(corestate.CorestateError):
                corestate.unlink(options.address)
    return 0


def _play(options: argparse.Namespace, line: _Line) -> None:
    with corestate.attach(options.address, mode="r" if options.role == "observer" else "rw") as state:
        # Each role is imported where it is played: a sensory agent needs no NumPy.
        if options.role == "engine":
            from corestate.demo import engine

            engine.run(state, line.stop, neurons=options.neurons)
        elif options.role == "sensory":
            from corestate.demo import sensory

            sensory.run(state, line.stop, device=options.device, standby=options.standby)
        elif options.role == "motor":
            from corestate.demo import motor

            motor.run(state, line.stop)
        else:
            from corestate.demo import observer

            line.say(books=observer.run(state, line.stop, plain=options.plain))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m corestate.demo.roles", description="One role of the demonstration."
    )
    parser.add_argument("role", choices=["engine", "sensory", "motor", "observer"])
    parser.add_argument("address", help="of a region that exists")
    parser.add_argument("--neurons", type=int, default=4000, help="of the engine (default: %(default)s)")
    parser.add_argument("--device", choices=machine.DEVICES, default="processor", help="what the sensory agent senses")
    parser.add_argument("--standby", choices=machine.DEVICES, help="what it takes over when its agent dies")
    parser.add_argument("--plain", action="store_true", help="the observer prints lines instead of a live view")
    parser.add_argument("--launched", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
