"""What a database must be to be a store: ours by its header, every table as this version makes it, a meta of our types.

A database is a program: views, triggers and generated columns run when rows are read or written. So a store whose
schema is not exactly this version's is not read at all.
"""

from __future__ import annotations

import functools
import hashlib
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, Any

from corestate.errors import StoreCorruptError, StoreError, StoreVersionError
from corestate.stores.base import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["APPLICATION", "check_meta", "check_tables", "faults", "make_tables", "refuse_foreign", "schema_scripts"]

APPLICATION = 0x636F7265
"""``application_id`` of a store: "core"."""
_ROWS = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 400"
_STATISTICS = {
    ("table", "sqlite_stat1", "sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("table", "sqlite_stat4", "sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
}
"""What ``ANALYZE`` leaves; it changes no answer."""

# What rows must keep to, whoever wrote them: SQL that finds none in a sound store.
_BOUNDS = {
    "entries": "version < 1 OR version >= 1 << 62 OR change < 1 OR expires_ns < 0 OR typeof(expires_ns) <> 'integer' "
    "OR time_ns < 0 OR typeof(tag) <> 'integer' OR tag < 0 OR typeof(value) <> 'blob' OR typeof(key) <> 'text'",
    "deleted": "version < 1 OR change < 1 OR typeof(key) <> 'text'",
    "changes": "sequence < 1 OR version < 1 OR time_ns < 0 OR typeof(key) <> 'text' "
    "OR typeof(value) NOT IN ('blob', 'null')",
    "scopes": "keys < 0 OR bytes < 0 OR typeof(path) <> 'blob'",
    "tasks": "id < 1 OR attempts < 0 OR max_attempts < 1 OR depth < 0 OR typeof(data) <> 'blob'",
    "budgets": "amount_limit < 0 OR spent < 0 OR detections < 0 OR version < 0",
}


def schema_scripts() -> list[str]:
    """The parts of the schema, each a script of statements."""
    folder = resources.files("corestate.stores").joinpath("schema")
    try:
        return [entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")]
    except OSError as cause:  # no descriptor left, for one
        raise StoreError.because(
            "store",
            expected=f"the schema in {folder}",
            found=str(cause),
            advice="close files, or install corestate anew",
        ) from cause


def make_tables(connection: sqlite3.Connection) -> None:
    """Make every table, in a transaction of the caller's."""
    for script in sorted(schema_scripts()):
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))


_DIGEST = "7c110b9997238ede3849294e031007dc"
"""Of what ``sqlite_master`` has in a store: spares each process reading the scripts. Stale, it only costs that."""


def digest(rows: Iterable[tuple[object, ...]]) -> str:
    """Of rows of ``sqlite_master``."""
    return hashlib.blake2b(repr(sorted(rows, key=repr)).encode(), digest_size=16).hexdigest()


@functools.lru_cache(maxsize=1)
def expected() -> frozenset[tuple[object, ...]]:
    """What ``sqlite_master`` has in a store of this version."""
    with sqlite3.connect(":memory:") as connection:
        make_tables(connection)
        rows = frozenset(connection.execute(_ROWS))
    connection.close()
    return rows


def refuse_foreign(what: str, application: int) -> None:
    """Look at a database's ``application_id`` before anything else.

    Raises:
        StoreCorruptError: it is another program's.
    """
    if application not in (0, APPLICATION):  # 0: not made whole yet; its tables will say
        raise StoreCorruptError.because(
            what,
            found=f"a database of another program (application id {application & 0xFFFFFFFF:#x})",
            advice="name a directory without one",
        )


def check_tables(what: str, rows: Iterable[tuple[Any, ...]], meta: Callable[[], Iterable[tuple[Any, ...]]]) -> bool:
    """Compare what ``sqlite_master`` has with this version's; False when there is nothing at all.

    Args:
        what: for messages.
        rows: of ``sqlite_master``.
        meta: asks ``META``; called only where that is a plain table.

    Raises:
        StoreCorruptError: it has something else, or not everything. StoreVersionError: it is of another version.
    """
    found = frozenset(rows) - _STATISTICS
    if not found:
        return False
    if digest(found) != _DIGEST and found != expected():
        if any(row in found for row in expected() if row[:2] == ("table", "meta")):
            check_meta(what, meta())
        raise StoreCorruptError.because(what, found=_difference(found))
    return True


def _difference(found: frozenset[tuple[object, ...]]) -> str:
    wanted = expected()
    named = {row[:2] for row in wanted}
    for row in sorted(found - wanted, key=repr):
        other = "another" if row[:2] in named else "a foreign"
        return f"{other} {row[0]!r:.20} {row[1]!r:.60}"
    missing = min(wanted - found, key=repr)
    return f"no {missing[0]} {missing[1]!r:.60}"


def check_meta(what: str, found: Iterable[tuple[Any, ...]]) -> bytes:
    """The store's id, from the rows of ``META``.

    Raises:
        StoreVersionError: of another version. StoreCorruptError: not what a store has there.
    """
    rows: dict[Any, tuple[Any, ...]] = {name: tuple(rest) for name, *rest in found}
    kind, _, version = rows.get("schema_version", ("", 0, None))
    if kind != "integer" or not isinstance(version, int):
        raise StoreCorruptError.because(what, found="a database without a schema version")
    if version != SCHEMA_VERSION:
        raise StoreVersionError.because(
            what,
            expected=f"schema version {SCHEMA_VERSION}",
            found=f"version {version}",
            advice="open it with a corestate that knows this version"
            if version > SCHEMA_VERSION
            else "bring it up with `corestate migrate`",
        )
    kind, length, ident = rows.get("store_id", ("", 0, None))
    if kind != "blob" or length != 16 or not isinstance(ident, bytes):
        raise StoreCorruptError.because(what, found="no store id of 16 bytes")
    return ident


META = (
    "SELECT name, typeof(value), length(value), CASE WHEN length(value) <= 64 THEN value END FROM meta "
    "WHERE name IN ('schema_version', 'store_id')"
)
MASTER = _ROWS


def faults(connection: sqlite3.Connection, what: str) -> list[str]:
    """What is wrong with the database of a connection, in words. Reads all of it."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        return found  # to count the rows of such tables may have no end
    found = []
    try:
        check_tables(what, connection.execute(_ROWS), lambda: connection.execute(META))
    except (StoreCorruptError, StoreVersionError) as fault:
        return [*found, str(fault)]
    for table, wrong in _BOUNDS.items():
        row = connection.execute(f"SELECT count(*) FROM {table} WHERE {wrong}").fetchone()  # noqa: S608 - constants
        if row[0]:
            found.append(f"{row[0]} rows of {table} with values no store has")
    return found
