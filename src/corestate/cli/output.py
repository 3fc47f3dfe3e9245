"""The one place where output leaves: text and tables for people, JSON for programs, no tricks of a peer's.

Names, values, addresses and messages are bytes somebody else wrote. Whatever is printed goes through one of two
functions here: ``clean`` for people, ``escaped`` for JSON. Both write control characters (C0, C1), directions of text,
invisible characters, halves of surrogate pairs, and what the stream's encoding does not have as escapes. ``say``,
``show``, ``emit`` and ``lines`` apply them at the end of the way, so that no caller can forget; ``tools/tree_rules.py``
refuses every other way to print in this package.
"""

from __future__ import annotations

import base64
import codecs
import io
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from enum import Enum
from typing import IO, TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from corestate.changes import Change
from corestate.payload import Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import ConsoleOptions, RenderableType

__all__ = [
    "LIMIT",
    "Members",
    "ago",
    "brief",
    "careful_streams",
    "clean",
    "console",
    "emit",
    "escaped",
    "json_option",
    "limit_option",
    "lines",
    "number",
    "say",
    "say_more",
    "short",
    "show",
    "size",
    "table",
    "when",
]

GOOD, WARN, BAD, DIM = "green", "yellow", "red", "dim"
LIMIT = 200
"""Rows of a table for people, unless more are asked for."""
_CHUNK = 1 << 16


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(command)


def limit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--limit``: None where it is not given."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1, max=2**62),
        metavar="N",
        help=f"How many of each at most.  [default: {LIMIT}, with --json all]",
    )(command)


# -- what may leave --------------------------------------------------------------------------------


def clean(text: str, keep: str = "") -> str:
    """Text for people without what steers a terminal or misleads who reads it; ``keep`` may stay."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
    return text


def escaped(text: str) -> str:
    """JSON with the same characters as its own escapes: the document says the same, and is ASCII or UTF-8."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    return text


def _encoding(stream: Any) -> str:
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "ascii").name
    except LookupError:
        return "ascii"


def _fitting(text: str, encoding: str) -> str:
    """What an encoding has of a text; escapes for the rest."""
    return text if encoding == "utf-8" else text.encode(encoding, "backslashreplace").decode(encoding)


def careful_streams() -> None:
    """Have the standard streams write escapes for what their encoding does not have, whoever writes to them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")


# -- text --------------------------------------------------------------------------------------


def say(*text: str, err: bool = False) -> None:
    """Print each text as one line for people."""
    encoding = _encoding(sys.stderr if err else sys.stdout)
    for line in text:
        click.echo(_fitting(clean(line), encoding), err=err)


def say_more(shown: int, total: int) -> None:
    """Say what a list left out."""
    if total > shown:
        say(f"and {number(total - shown)} more; --limit N shows more, --json all")


class _Lines(io.TextIOBase):
    """A text stream onto standard output; what is written to it is cleaned, or escaped as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._encoding = _encoding(sys.stdout)

    def write(self, text: str, /) -> int:
        ends = "\n" * (len(text) - len(text.rstrip("\n")))
        if self._as_json:
            line = escaped(text.rstrip("\n"))
            line = line if self._encoding == "utf-8" else _ascii_json(line)
        else:
            line = _fitting(clean(text.rstrip("\n"), keep="\n"), self._encoding)
        click.echo(line + ends, nl=False)
        return len(text)


def lines(*, as_json: bool) -> IO[str]:
    """Standard output for somebody who writes lines of JSON, or of anything else, to it."""
    return _Lines(as_json=as_json)  # type: ignore[return-value]


class _Careful(Console):
    """A console every text of which is cleaned, whatever was given to it; only its own control codes pass."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(_fitting(clean(segment.text, keep="\n"), _encoding(self.file)), segment.style)


def console(*, err: bool = False, color: bool = True) -> Console:
    """Standard output, or error, for people; as wide as it takes where that is no terminal."""
    options: dict[str, Any] = {"highlight": False, "emoji": False, "markup": False, "stderr": err}
    options["no_color"] = None if color else True
    made = _Careful(**options)
    if not made.is_terminal:
        made = _Careful(**options, width=200, soft_wrap=True)
    return made


def show(*renderables: RenderableType) -> None:
    """Print what rich can draw, such as a ``table``."""
    out = console()
    for one in renderables:
        out.print(one)


# -- JSON --------------------------------------------------------------------------------------


class Members:
    """A JSON object to come: pairs of name and value that are written as they are taken."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _inside(value: Any) -> tuple[bool, Iterator[Any]] | None:
    """What a value holds, and whether as pairs of name and value; None for what holds nothing."""
    if isinstance(value, (bytes, bytearray)):
        word = "undecodable" if isinstance(value, Undecodable) else "base64"
        return True, iter([(word, base64.b64encode(value).decode())])
    if isinstance(value, Members):
        return True, iter(value.pairs)
    if isinstance(value, Mapping):
        return True, iter(value.items())
    if isinstance(value, (list, tuple, Iterator)):
        return False, iter(value)
    return None


def _leaf(value: Any, most: int | None) -> str:
    """A value that holds no others, as JSON has it: enums as lower-case names, NaN and infinity as null."""
    if isinstance(value, Enum):
        value = value.name.lower()
    if isinstance(value, float) and not math.isfinite(value):
        value = None
    if value is not None and not isinstance(value, (bool, int, float, str)):
        value = str(value)
    if isinstance(value, str):
        value = value[:most]
    return json.dumps(value, ensure_ascii=False)


def _pieces(document: Any, most: int | None = None) -> Iterator[str]:
    """A document as JSON, piece by piece; texts cut to ``most`` characters. However deep: nothing here recurses."""
    open_ones: list[tuple[Iterator[Any], bool]] = []
    value, first = document, True
    while True:
        inside = _inside(value)
        if inside is None:
            yield _leaf(value, most)
            first = False
        else:
            yield "{" if inside[0] else "["
            open_ones.append((inside[1], inside[0]))
            first = True
        while open_ones:
            items, pairs = open_ones[-1]
            try:
                value = next(items)
            except StopIteration:
                yield "}" if pairs else "]"
                open_ones.pop()
                first = False
                continue
            lead = "" if first else ", "
            if pairs:
                name, value = value
                yield f"{lead}{json.dumps(str(name), ensure_ascii=False)}: "
            elif lead:
                yield lead
            break
        else:
            return


def _ascii_json(text: str) -> str:
    return "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)


def emit(document: Any) -> None:
    """Print one JSON document on one line. Iterators and ``Members`` in it are written as they are taken."""
    utf8 = _encoding(sys.stdout) == "utf-8"
    held: list[str] = []
    length = 0
    for piece in _pieces(document):
        text = escaped(piece)
        held.append(text if utf8 else _ascii_json(text))
        length += len(text)
        if length >= _CHUNK:
            click.echo("".join(held), nl=False)
            held, length = [], 0
    click.echo("".join(held))


# -- words -------------------------------------------------------------------------------------


def brief(value: Any, most: int = 60) -> str:
    """Data on one line, cut to ``most`` characters; no more of it is looked at than that takes."""
    if isinstance(value, Change):
        text = str(value)
    else:
        text = ""
        for piece in _pieces(value, most + 1):
            text += piece
            if len(text) > most:
                break
    text = clean(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def short(text: str, most: int = 200) -> str:
    """Text on one line, cut to ``most`` characters."""
    text = clean(text[: most + 1])
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
    made = Table(title=clean(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    return made
