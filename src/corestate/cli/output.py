"""What commands print: tables for people, JSON for programs, and nothing a peer could play tricks with."""

from __future__ import annotations

import base64
import json
import math
import time
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from corestate.changes import Change
from corestate.payload import Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ago", "brief", "clean", "console", "emit", "json_option", "number", "plain", "size", "table", "when"]

GOOD, WARN, BAD, DIM = "green", "yellow", "red", "dim"


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(command)


def console() -> Console:
    """Standard output for people; as wide as it takes where that is no terminal."""
    made = Console(highlight=False, emoji=False, markup=False)
    if not made.is_terminal:
        made = Console(highlight=False, emoji=False, markup=False, width=200, soft_wrap=True)
    return made


def plain(value: Any) -> Any:
    """A value as JSON has it: enums as lower-case names, bytes as ``{"base64": ...}``, NaN and infinity as null."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray)):
        word = "undecodable" if isinstance(value, Undecodable) else "base64"
        return {word: base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


def emit(document: Any) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(plain(document), ensure_ascii=False))


def clean(text: str) -> str:
    """Text from a region without control characters: a peer must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def brief(value: Any, most: int = 60) -> str:
    """Data on one line, cut to ``most`` characters."""
    text = str(value) if isinstance(value, Change) else json.dumps(plain(value), ensure_ascii=False)
    text = clean(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def number(value: float) -> str:
    """A number with digits grouped; floats with what matters of them."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def size(count: int) -> str:
    """Bytes for people."""
    amount, unit = float(count), "B"
    for bigger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, bigger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def when(ns: int, *, date: bool = False) -> str:
    """A time as the local clock shows it."""
    if not 0 < ns < 1 << 62:
        return "-"
    moment = datetime.fromtimestamp(ns / 1e9, tz=timezone.utc).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S.%f")


def ago(ns: int, now_ns: int | None = None) -> str:
    """How long ago, for people."""
    if not ns:
        return "-"
    seconds = ((time.time_ns() if now_ns is None else now_ns) - ns) / 1e9
    if seconds < 0.05:
        return "now"
    for most, unit, each in ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600)):
        if seconds < most:
            return f"{seconds / each:.1f} {unit}"
    return f"{seconds / 86400:.1f} d"


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str | Text]], right: Iterable[str] = ()) -> Table:
    """A table; ``right`` names the columns aligned to the right."""
    numbers = set(right)
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return made
