"""Turns a public C header into the body of a page: its comments as prose, its declarations as they stand.

A header is read as chunks: a comment that starts in the first column, and the code up to the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers.c_cpp import CLexer

COMMENT = re.compile(r"^/\*(.*?)\*/[ \t]*$", re.MULTILINE | re.DOTALL)
PLUMBING = re.compile(
    r'^#ifdef __cplusplus\n(?:extern "C" \{|\})\n#endif\n'
    r"|^#if defined\(_WIN32\).*?^#endif\n(?:^#(?:elif|else).*?^#endif\n)?"
    r"|^#ifndef CORESTATE_\w*H\n#define CORESTATE_\w*H\n"
    r"|^#include [^\n]*\n|^#endif\s*\Z",
    re.MULTILINE | re.DOTALL,
)
HEADING = re.compile(r"-- (.+?) -*")
DECLARED = re.compile(
    r"^#define (\w+)|\b(cs_\w+)\(|^(?:typedef )?(?:struct|enum) (\w+) \{|^(?:typedef [^{};]*?|\} )(\w+)(?:\[\w*\])?;"
    r"|^    (CS_\w+) = ",
    re.MULTILINE,
)
MENTIONED = re.compile(r"\b(?:cs_\w+|CS_\w+|[a-z]\w*\.h)\b")


@dataclass
class Chunk:
    """A comment and the declarations it is about."""

    text: str
    code: str
    names: list[str] = field(default_factory=list)


@dataclass
class Header:
    """One header: its name, what it says of itself, and its chunks."""

    name: str
    intro: str
    chunks: list[Chunk]


def read(path: Path) -> Header:
    """Split a header into chunks."""
    source = PLUMBING.sub("", path.read_text(encoding="utf-8"))
    comments = list(COMMENT.finditer(source))
    chunks = []
    for at, comment in enumerate(comments):
        end = comments[at + 1].start() if at + 1 < len(comments) else len(source)
        code = re.sub(r"\n{3,}", "\n\n", source[comment.end() : end].strip("\n"))
        names = [next(name for name in match.groups() if name) for match in DECLARED.finditer(code)]
        chunks.append(Chunk(undecorated(comment[1]), code, [name for name in names if not name.endswith("_")]))
    if not chunks:
        raise ValueError(f"{path}: expected comments in the first column, found none")
    return Header(path.name, chunks[0].text, [*([Chunk("", chunks[0].code)] if chunks[0].code else []), *chunks[1:]])


def undecorated(comment: str) -> str:
    """A comment's text without its stars."""
    lines = [re.sub(r"^ ?\*(?: |$)", "", line).rstrip() for line in comment.split("\n")]
    return "\n".join([lines[0].strip(), *lines[1:]]).strip("\n")


def prose(text: str, links: dict[str, str]) -> str:
    """Paragraphs and indented blocks as HTML, with names linked to where they are declared."""
    parts = []
    for block in re.split(r"\n{2,}", text):
        lines = block.split("\n")
        if all(line.startswith("  ") for line in lines):
            parts.append(f"<pre>{linked(escape(block, quote=False), links)}</pre>")
        else:
            parts.append(f"<p>{linked(escape(' '.join(line.strip() for line in lines), quote=False), links)}</p>")
    return "\n".join(parts)


def linked(html: str, links: dict[str, str]) -> str:
    """The same with each known name a link."""

    def link(match: re.Match[str]) -> str:
        name = match[0]
        where = links.get(name)
        return f'<a href="{where}"><code>{name}</code></a>' if where else name

    return MENTIONED.sub(link, html)


def links_of(headers: list[Header]) -> dict[str, str]:
    """Where each name is declared, as a relative address among the pages of the headers."""
    links: dict[str, str] = {}
    for header in headers:
        page = f"{header.name.removesuffix('.h')}.html"
        links[header.name] = page
        for chunk in header.chunks:
            for name in chunk.names:
                links.setdefault(name, f"{page}#{name}")
    return links


def body(header: Header, links: dict[str, str]) -> str:
    """The page of one header."""
    page = f"{header.name.removesuffix('.h')}.html"
    parts = [f"<h1>{header.name}</h1>", prose(header.intro.removeprefix(f"{header.name}: "), links)]
    for chunk in header.chunks:
        heading = HEADING.fullmatch(chunk.text)
        if heading:
            parts.append(f"<h2>{escape(heading[1])}</h2>")
        anchors = "".join(
            f'<a id="{name}"></a>' for name in dict.fromkeys(chunk.names) if links[name] == f"{page}#{name}"
        )
        parts.append(f'<section class="declaration">{anchors}')
        if chunk.code:
            parts.append(highlight(chunk.code, CLexer(), HtmlFormatter(cssclass="code")))
        if chunk.text and not heading:
            parts.append(prose(chunk.text, links))
        parts.append("</section>")
    return "\n".join(parts)
