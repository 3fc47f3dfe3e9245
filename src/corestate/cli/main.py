"""The group of all commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from corestate import __version__
from corestate.cli.audit import audit, audit_prune
from corestate.cli.demo import demo
from corestate.cli.doctor import doctor
from corestate.cli.inspect import inspect
from corestate.cli.lists import agents, health, locks, show
from corestate.cli.mirror import mirror
from corestate.cli.output import careful_streams, say
from corestate.cli.regions import create, restore, snapshot, unlink
from corestate.cli.scopes import adopt, at, changes, delete, erase, get, history, keys, set_
from corestate.cli.tasks import tasks
from corestate.cli.top import top
from corestate.cli.watch import watch
from corestate.errors import CorestateError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="corestate")
@click.option("--owner", metavar="USER", help="Write also to a region of this user (name or number).")
def cli(owner: str | None) -> None:
    """One block of memory, live in every process.

    ADDRESS is a path (a mapped file) or shm:NAME (POSIX shared memory). Commands that only look attach read-only; what
    another user made is written only with --owner.
    """


_DURABLE = (get, set_, delete, erase, keys, history, at, changes, tasks, audit, audit_prune, adopt)
for _command in (
    *_DURABLE,
    create,
    show,
    top,
    watch,
    agents,
    locks,
    health,
    snapshot,
    restore,
    mirror,
    inspect,
    doctor,
    unlink,
    demo,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code; bad input never gives a traceback."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    careful_streams()
    try:
        code = cli.main(None if arguments is None else list(arguments), prog_name="corestate", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        _wrong_usage(problem)
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        # Who read our output has gone, as `| head` does; nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CorestateError as problem:
        say(f"corestate: {problem}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _wrong_usage(problem: click.ClickException) -> None:
    """As click says it, a line for each of its parts whatever the arguments contain."""
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if context is not None:
        say(*context.get_usage().splitlines(), f"Try '{context.command_path} --help' for help.", "", err=True)
    say(f"Error: {' '.join(problem.format_message().split())}", err=True)
