"""Commands on scoped state: get, set, delete, keys, history, at, changes."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

import corestate
from corestate.cli.output import ago, brief, clean, console, emit, json_option, table, when
from corestate.errors import InvalidError
from corestate.scopes.paths import ScopePath

if TYPE_CHECKING:
    from collections.abc import Callable

    from corestate.scopes.scope import Scope
    from corestate.state import StateManager

__all__ = ["adopt", "at", "changes", "delete", "get", "history", "keys", "set_"]


def _on_scope(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments ADDRESS and SCOPE, and where the store is."""
    command = click.argument("scope", metavar="SCOPE")(command)
    return _on_store(command)


def _on_store(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.argument("address")(command)
    return click.option("--store", metavar="FILE", help="Where the store is, if not beside the region.")(command)


def _scope(state: StateManager, text: str) -> Scope:
    path = ScopePath.parse(text)
    (kind, name), *steps = path.parts
    if steps:
        return state.workflow(name).step(steps[0][1])
    return state.scope(kind, name or None)


def _value(text: str) -> Any:
    """What VALUE means: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError:
        return text


def _refuse(text: str) -> None:
    raise InvalidError.because("VALUE", expected="JSON", found=text, advice="quote it to store the text: '\"NaN\"'")


@click.command()
@_on_scope
@click.argument("key")
@json_option
def get(address: str, store: str | None, scope: str, key: str, as_json: bool) -> None:
    """Print the value of a key as JSON; with --json also its version and times.

    SCOPE is global, KIND:NAME (user:ann), or workflow:NAME/step:NAME; a slash in a name is written %2F.
    """
    with corestate.attach(address, mode="r", store=store) as state:
        found = _scope(state, scope).entry(key)
        if found is None:
            raise corestate.KeyMissingError.because(f"key {key!r:.80} of {scope}")
        emit(vars(found) if as_json else found.value)


@click.command(name="set")
@_on_scope
@click.argument("key")
@click.argument("value")
@click.option("--ttl", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Until it is gone.")
@click.option("--if-version", type=click.IntRange(min=0), metavar="N", help="Only if this is its version; 0: if new.")
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
    with corestate.attach(address, store=store) as state:
        version = _scope(state, scope).set(key, _value(value), ttl=ttl, if_version=if_version)
    if as_json:
        emit({"version": version})
    else:
        click.echo(f"{clean(key)} is at version {version}")


@click.command()
@_on_scope
@click.argument("key")
def delete(address: str, store: str | None, scope: str, key: str) -> None:
    """Delete a key; its history stays."""
    with corestate.attach(address, store=store) as state:
        del _scope(state, scope)[key]


@click.command()
@_on_scope
@click.argument("prefix", default="")
@json_option
def keys(address: str, store: str | None, scope: str, prefix: str, as_json: bool) -> None:
    """The keys of a scope, with values, versions and times."""
    with corestate.attach(address, mode="r", store=store) as state:
        entries = _scope(state, scope).entries(prefix)
    if as_json:
        emit([vars(entry) for entry in entries])
        return
    rows = (
        (
            clean(entry.key),
            brief(entry.value),
            str(entry.version),
            when(entry.time_ns, date=True),
            f"in {(entry.expires_ns - time.time_ns()) / 1e9:.1f} s" if entry.expires_ns else "",
        )
        for entry in entries
    )
    console().print(table(clean(scope), ("key", "value", "version", "set", "expires"), rows, right=("version",)))


@click.command()
@_on_scope
@click.argument("key")
@json_option
def history(address: str, store: str | None, scope: str, key: str, as_json: bool) -> None:
    """Every version of a key that is kept."""
    with corestate.attach(address, mode="r", store=store) as state:
        versions = _scope(state, scope).history(key)
    if as_json:
        emit([vars(version) for version in versions])
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
        for version in versions
    )
    columns = ("version", "operation", "value", "when", "ago", "change")
    console().print(table(f"{clean(scope)} {clean(key)}", columns, rows, right=("version", "change")))


@click.command()
@_on_scope
@click.argument("moment")
@json_option
def at(address: str, store: str | None, scope: str, moment: str, as_json: bool) -> None:
    """A scope as it was. MOMENT is #CHANGE (the sequence of a change), or a time such as 2026-01-31T12:00:00."""
    with corestate.attach(address, mode="r", store=store) as state:
        view = _scope(state, scope).at(**_moment(moment))
    if as_json:
        emit({"change": view.change, "values": dict(view)})
        return
    rows = ((clean(key), brief(value)) for key, value in view.items())
    console().print(table(f"{clean(scope)} as of change {view.change}", ("key", "value"), rows))


def _moment(text: str) -> dict[str, Any]:
    if text.startswith("#") and text[1:].isdigit():
        return {"change": int(text[1:])}
    try:
        return {"time": datetime.fromisoformat(text).astimezone()}
    except ValueError as cause:
        raise InvalidError.because(
            "MOMENT", expected="#CHANGE or a time", found=f"{text!r:.60}", advice="write #17 or 2026-01-31T12:00:00"
        ) from cause


@click.command()
@_on_store
def adopt(address: str, store: str | None) -> None:
    """Use the store that is there now, where the region's own is gone for good; what only that knew is lost."""
    with corestate.attach(address, store=store) as state:
        state.durable.adopt()
        click.echo(f"{state.address} uses {state.durable.store!r}")


@click.command()
@_on_store
@click.option("--since", type=click.IntRange(min=0), metavar="N", help="Start after this change; 0: from the first.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after this many changes.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after this time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def changes(
    address: str, store: str | None, since: int | None, count: int | None, seconds: float | None, as_json: bool
) -> None:
    """Print every committed change of scoped state as it happens, until Ctrl-C."""
    deadline = None if seconds is None else time.monotonic() + seconds
    with corestate.attach(address, mode="r", store=store) as state, state.changes(since) as feed:
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
                click.echo(f"{when(change.time_ns)}  {change.sequence:>8}  {change.operation:<9} {where} = {value}")
