"""Commands on scoped state: get, set, delete, erase, keys, history, at, changes."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

import corestate
from corestate.cli.arguments import NegativeValues, Real, Whole, change_or_moment, json_value
from corestate.cli.opening import looking, writing
from corestate.cli.output import (
    LIMIT,
    Members,
    ago,
    brief,
    clean,
    emit,
    json_option,
    limit_option,
    say,
    say_more,
    show,
    table,
    when,
)
from corestate.scopes.paths import ScopePath

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.scopes.scope import Scope
    from corestate.state import StateManager

__all__ = ["adopt", "at", "changes", "delete", "erase", "get", "history", "keys", "set_"]


def _on_scope(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments ADDRESS and SCOPE, and where the store is."""
    command = click.argument("scope", metavar="SCOPE")(command)
    return _on_store(command)


def _on_store(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.argument("address")(command)
    return click.option("--store", metavar="DIRECTORY", help="Where the store is, if not beside the region.")(command)


def _scope(state: StateManager, text: str) -> Scope:
    path = ScopePath.parse(text)
    (kind, name), *steps = path.parts
    if steps:
        return state.workflow(name).step(steps[0][1])
    return state.scope(kind, name or None)


@click.command()
@_on_scope
@click.argument("key")
@json_option
def get(address: str, store: str | None, scope: str, key: str, as_json: bool) -> None:
    """Print the value of a key as JSON; with --json also its version and times.

    SCOPE is global, KIND:NAME (user:ann), or workflow:NAME/step:NAME; a slash in a name is written %2F.
    """
    with looking(address, store) as state:
        found = _scope(state, scope).entry(key)
        if found is None:
            raise corestate.KeyMissingError.because(f"key {key!r:.80} of {scope}")
        emit(vars(found) if as_json else found.value)


@click.command(name="set", cls=NegativeValues)
@_on_scope
@click.argument("key")
@click.argument("value")
@click.option("--ttl", type=Real(0, min_open=True), metavar="SECONDS", help="Until it is gone.")
@click.option("--if-version", type=Whole(0), metavar="N", help="Only if this is its version; 0: if new.")
@json_option
def set_(
    address: str,
    store: str | None,
    scope: str,
    key: str,
    value: str,
    ttl: float | None,
    if_version: int | None,
    as_json: bool,
) -> None:
    """Set a key. VALUE is JSON; what is no JSON is stored as text."""
    with writing(address, store) as state:
        version = _scope(state, scope).set(key, json_value(value), ttl=ttl, if_version=if_version)
    if as_json:
        emit({"version": version})
    else:
        say(f"{clean(key)} is at version {version}")


@click.command()
@_on_scope
@click.argument("key")
def delete(address: str, store: str | None, scope: str, key: str) -> None:
    """Delete a key; its history stays."""
    with writing(address, store) as state:
        del _scope(state, scope)[key]


@click.command()
@_on_scope
@click.argument("key", required=False)
@click.option("--prefix", metavar="TEXT", help="Instead of KEY: every key that starts so.")
@click.option(
    "--all", "everything", is_flag=True, help="Instead of KEY: the whole scope, of a workflow with its steps."
)
@json_option
def erase(
    address: str, store: str | None, scope: str, key: str | None, prefix: str | None, everything: bool, as_json: bool
) -> None:
    """Erase a key: its value, its history, and what is left of them in the files of region and store.

    That it was erased is kept, with its name. Exits with 1 where somebody who still reads an older state of the store
    keeps the files from being rid of it: do it again then.
    """
    if (key is not None) + (prefix is not None) + everything != 1:
        raise click.UsageError("give a KEY, --prefix, or --all")
    with writing(address, store) as state:
        done = _scope(state, scope).erase(key, prefix=prefix)
    if as_json:
        emit(done._asdict())
    else:
        left = "" if done.complete else "; still in the store's files, erase again"
        say(f"erased {done.keys} keys with {done.versions} versions{left}")
    if not done.complete:
        raise SystemExit(1)


@click.command()
@_on_scope
@click.argument("prefix", default="")
@limit_option
@json_option
def keys(address: str, store: str | None, scope: str, prefix: str, limit: int | None, as_json: bool) -> None:
    """The keys of a scope, with values, versions and times."""
    with looking(address, store) as state:
        entries = _scope(state, scope).entries(prefix)
    if as_json:
        emit(vars(entry) for entry in entries[:limit])
        return
    rows = (
        (
            entry.key,
            brief(entry.value),
            str(entry.version),
            when(entry.time_ns, date=True),
            f"in {(entry.expires_ns - time.time_ns()) / 1e9:.1f} s" if entry.expires_ns else "",
        )
        for entry in entries[: limit or LIMIT]
    )
    show(table(scope, ("key", "value", "version", "set", "expires"), rows, right=("version",)))
    say_more(limit or LIMIT, len(entries))


@click.command()
@_on_scope
@click.argument("key")
@limit_option
@json_option
def history(address: str, store: str | None, scope: str, key: str, limit: int | None, as_json: bool) -> None:
    """Every version of a key that is kept; with a limit the newest of them."""
    with looking(address, store) as state:
        versions = _scope(state, scope).history(key)
    if as_json:
        emit(vars(version) for version in versions[-(limit or len(versions)) :])
        return
    rows = (
        (
            str(version.version),
            version.operation,
            "" if version.deleted else brief(version.value),
            when(version.time_ns, date=True),
            ago(version.time_ns),
            str(version.change),
        )
        for version in versions[-(limit or LIMIT) :]
    )
    columns = ("version", "operation", "value", "when", "ago", "change")
    show(table(f"{scope} {key}", columns, rows, right=("version", "change")))
    say_more(limit or LIMIT, len(versions))


@click.command()
@_on_scope
@click.argument("moment")
@limit_option
@json_option
def at(address: str, store: str | None, scope: str, moment: str, limit: int | None, as_json: bool) -> None:
    """A scope as it was. MOMENT is #CHANGE (the sequence of a change), or a time such as 2026-01-31T12:00:00."""
    with looking(address, store) as state:
        view = _scope(state, scope).at(**change_or_moment(moment))
    if as_json:
        emit({"change": view.change, "values": Members(islice(view.items(), limit))})
        return
    rows = ((key, brief(value)) for key, value in islice(view.items(), limit or LIMIT))
    show(table(f"{scope} as of change {view.change}", ("key", "value"), rows))
    say_more(limit or LIMIT, len(view))


@click.command()
@_on_store
def adopt(address: str, store: str | None) -> None:
    """Use the store that is there now, where the region's own is gone for good; what only that knew is lost."""
    with writing(address, store) as state:
        state.durable.adopt()
        say(f"{state.address} uses {state.durable.store!r}")


@click.command()
@_on_store
@click.option("--since", type=Whole(0), metavar="N", help="Start after this change; 0: from the first.")
@click.option("--count", type=Whole(1), metavar="N", help="End after this many changes.")
@click.option("--seconds", type=Real(0), help="End after this time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def changes(
    address: str, store: str | None, since: int | None, count: int | None, seconds: float | None, as_json: bool
) -> None:
    """Print every committed change of scoped state as it happens, until Ctrl-C."""
    deadline = None if seconds is None else time.monotonic() + seconds
    with looking(address, store) as state, state.changes(since) as feed:
        shown = 0
        while count is None or shown < count:
            change = feed.get(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if change is None:
                return
            shown += 1
            if as_json:
                emit({**vars(change), "scope": str(change.scope)})
            else:
                value = "" if change.value is None else brief(change.value, 100)
                where = f"{clean(str(change.scope))} {clean(change.key)}"
                say(f"{when(change.time_ns)}  {change.sequence:>8}  {change.operation:<9} {where} = {value}")
