"""The command demo: the main job."""

from __future__ import annotations

import click

from corestate.cli.arguments import Real

__all__ = ["demo"]


@click.command()
@click.option("--seconds", type=Real(0, min_open=True), default=20.0, show_default=True, help="How long it runs.")
@click.option("--neurons", type=click.IntRange(min=1), default=4000, show_default=True, help="How many neurons it has.")
@click.option("--address", help="Of the region to make, which must not exist yet. [default: in shared memory]")
@click.option("--plain", is_flag=True, help="Lines instead of the live view.")
def demo(seconds: float, neurons: int, address: str | None, plain: bool) -> int:
    """A burst engine, agents and an observer, each its own process, live on one region; one is killed on purpose."""
    from corestate.demo.run import main

    try:
        return main(seconds=seconds, neurons=neurons, address=address, plain=plain)
    except ValueError as problem:
        if isinstance(problem, _errors()):
            raise
        raise click.UsageError(str(problem)) from None


def _errors() -> type[Exception]:
    from corestate.errors import CorestateError

    return CorestateError
