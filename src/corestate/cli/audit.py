"""Commands on the audit trail: audit, audit-prune."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from corestate._whole_files import read_whole
from corestate.audit import Anchor
from corestate.audit.rows import Filter, export, rows_of
from corestate.cli.arguments import Real, Whole, moment
from corestate.cli.opening import looking, writing
from corestate.cli.output import (
    LIMIT,
    brief,
    emit,
    json_option,
    limit_option,
    lines,
    number,
    say,
    say_more,
    show,
    table,
    when,
)
from corestate.errors import CorestateError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from corestate.audit.rows import AuditRow
    from corestate.state import StateManager

__all__ = ["audit", "audit_prune", "use_key"]

_MOST_KEY = 4096  # bytes; what is longer is no key


def _on_trail(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument ADDRESS, where the store is, and the key."""
    for option in (
        click.option("--key-file", metavar="FILE", help="A file with the key, if the trail has one."),
        click.option("--store", metavar="DIRECTORY", help="Where the store is, if not beside the region."),
        click.argument("address"),
    ):
        command = option(command)
    return command


def use_key(state: StateManager, key_file: str | None) -> None:
    """Give the trail the key of a file, if one is named.

    Raises:
        CorestateError: it cannot be read, or has no key, or another than the trail.
    """
    if key_file is None:
        return
    try:
        key = read_whole(key_file, f"key file {key_file}", largest=_MOST_KEY)
    except CorestateError:
        raise
    except OSError as cause:
        raise StorageError.because(
            f"key file {key_file}", expected="one that can be read", found=str(cause), advice="check its path"
        ) from cause
    state.audit.use_key(key)


def _time(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


@click.command()
@_on_trail
@click.option("--agent", metavar="ID", help="Only of this agent.")
@click.option("--type", "event_type", metavar="TYPE", help="Only of this type.")
@click.option("--since", metavar="TIME", help="From this time on, such as 2026-01-31T12:00:00.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--tail", type=Whole(0), metavar="N", help="Only the last N of these.")
@click.option("--verify", is_flag=True, help="Check every row, every link and the end instead; exits 1 on a fault.")
@click.option("--anchor", metavar="SEQ:HASH", help="With --verify: where the trail ended when this was noted down.")
@click.option("--export", "form", type=click.Choice(["jsonl", "csv"]), help="As JSON Lines or CSV instead of a table.")
@limit_option
@json_option
def audit(
    address: str,
    store: str | None,
    key_file: str | None,
    agent: str | None,
    event_type: str | None,
    since: str | None,
    until: str | None,
    tail: int | None,
    verify: bool,
    anchor: str | None,
    form: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """What happened and who did it, oldest first."""
    with looking(address, store) as state:
        use_key(state, key_file)
        if verify:
            state.audit.verify(None if anchor is None else Anchor.parse(anchor))
            count, head = len(state.audit), state.audit.head()
            if as_json:
                emit({"rows": count, "anchor": str(head)})
            else:
                say(f"{number(count)} rows, all as they were written; the trail ends at {head}")
            return
        wanted = Filter(agent, event_type, _time(since), _time(until))
        rows = rows_of(state.durable.store, wanted) if state.durable.there else iter(())
        if tail is not None:
            rows = iter(deque(rows, maxlen=tail))
        if as_json:
            emit(row.to_dict() for row in islice(rows, limit))
        elif form is not None:
            export(islice(rows, limit), lines(as_json=form == "jsonl"), form)
        else:
            _print(rows, limit or LIMIT)


def _print(rows: Iterator[AuditRow], most: int) -> None:
    cells = (
        (str(row.sequence), when(row.time_ns, date=True), str(row.agent_id), str(row.event_type), brief(row.details))
        for row in islice(rows, most)
    )
    show(table("audit trail", ("row", "when", "agent", "event", "details"), cells, right=("row",)))
    say_more(most, most + sum(1 for _ in rows))


@click.command(name="audit-prune")
@_on_trail
@click.option("--age", type=Real(0), metavar="SECONDS", help="Keep rows of the last SECONDS.")
@click.option("--count", type=Whole(0), metavar="N", help="Keep the newest N rows.")
@json_option
def audit_prune(
    address: str, store: str | None, key_file: str | None, age: float | None, count: int | None, as_json: bool
) -> None:
    """Take the oldest rows out of the audit trail, which says so itself and stays verifiable."""
    with writing(address, store) as state:
        use_key(state, key_file)
        taken = state.audit.prune(age=age, count=count)
    if as_json:
        emit({"pruned": taken})
    else:
        say(f"{number(taken)} rows taken out")
