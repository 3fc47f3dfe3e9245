"""The command tasks: what there is to do, what is being done, what has failed for good."""

from __future__ import annotations

import click

from corestate.cli.arguments import Whole
from corestate.cli.opening import looking, writing
from corestate.cli.output import ago, brief, emit, json_option, say, short, show, table
from corestate.tasks import TaskStatus

__all__ = ["tasks"]


@click.command()
@click.argument("address")
@click.option("--store", metavar="DIRECTORY", help="Where the store is, if not beside the region.")
@click.option("--status", type=click.Choice([status.value for status in TaskStatus]), help="Only of this status.")
@click.option("--type", "kind", help="Only of this type.")
@click.option("--limit", type=Whole(1), default=50, show_default=True, help="How many at most.")
@click.option("--requeue", type=Whole(1), metavar="ID", help="Give a dead task all its attempts again.")
@json_option
def tasks(
    address: str,
    store: str | None,
    status: str | None,
    kind: str | None,
    limit: int,
    requeue: int | None,
    as_json: bool,
) -> None:
    """The tasks of a region's store, newest first."""
    with (looking if requeue is None else writing)(address, store) as state:
        if requeue is not None:
            state.tasks.requeue(requeue)
        found, counts = state.tasks.find(status, type=kind, limit=limit), state.tasks.counts()
    if as_json:
        hidden = "_tasks"
        emit({"counts": counts, "tasks": ({k: v for k, v in vars(t).items() if k != hidden} for t in found)})
        return
    say(", ".join(f"{count} {name}" for name, count in counts.items()))
    rows = (
        (
            str(task.id),
            task.type,
            task.status.value,
            f"{task.attempts}/{task.max_attempts}",
            task.worker or "",
            "" if task.parent is None else str(task.parent),
            ago(task.changed_ns),
            short(task.error) if task.error else brief(task.data),
        )
        for task in found
    )
    columns = ("id", "type", "status", "attempts", "worker", "parent", "changed", "error or data")
    show(table("tasks", columns, rows, right=("id", "parent")))
