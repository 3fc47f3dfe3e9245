"""Builds build/docs: the README and docs/*.md as pages, the C API from its headers, the Python API from its docstrings.

A link to something that does not exist, in a page or in the sources, is an error.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import sys
import warnings
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import docs_header
import pdoc
import pdoc.render
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "docs"
HEADERS = ROOT / "csrc" / "include" / "corestate"
TOP_PAGES = {"README.md": "index.html", "CHANGELOG.md": "changelog.html", "SECURITY.md": "security.html"}
TOP_PAGES["CONTRIBUTING.md"] = "contributing.html"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 0 1rem 4rem; max-width: 64rem; }
nav { border-bottom: 1px solid #8886; display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1rem; padding: 1rem 0; }
pre, code { font: 0.875rem/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; background: #8881; border-radius: 4px; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border: 1px solid #8886; padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; }
.declaration { margin: 1.5rem 0; }
.declaration p { margin-left: 1rem; }
"""


def coloured(code: str, language: str, _attributes: str) -> str:
    """A fenced block in colour, where its language is known; empty leaves it to the renderer."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return highlight(code, lexer, HtmlFormatter(nowrap=True))


def page(target: Path, title: str, body: str) -> None:
    """Write one page with the navigation of the whole."""
    up = "../" * (len(target.relative_to(OUT).parts) - 1)
    entries = [("index.html", "corestate"), ("guide.html", "Guides"), ("python/corestate.html", "Python API")]
    entries += [("c/index.html", "C API"), ("changelog.html", "Changes"), ("security.html", "Security")]
    nav = "".join(f'<a href="{up}{where}">{name}</a>' for where, name in entries)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f'<link rel="stylesheet" href="{up}style.css">\n<nav>{nav}</nav>\n<main>\n{body}\n</main>\n</html>\n',
        encoding="utf-8",
    )


def heading_ids(html: str) -> str:
    """Gives each heading the address that Markdown renderers give it."""

    def with_id(match: re.Match[str]) -> str:
        text = re.sub(r"<[^>]+>", "", match[2])
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        return f'<h{match[1]} id="{slug}">{match[2]}</h{match[1]}>'

    return re.sub(r"<h([1-6])>(.*?)</h\1>", with_id, html, flags=re.DOTALL)


def markdown_pages() -> dict[Path, Path]:
    """Every Markdown source and the page made from it."""
    pages = {ROOT / source: OUT / target for source, target in TOP_PAGES.items() if (ROOT / source).exists()}
    docs = ROOT / "docs"
    pages |= {source: OUT / "guide" / source.relative_to(docs).with_suffix(".html") for source in docs.rglob("*.md")}
    return pages


def relinked(html: str, source: Path, target: Path, pages: dict[Path, Path]) -> str:
    """Links between sources as links between pages; anything else that exists in the tree is named, not linked."""

    def link(match: re.Match[str]) -> str:
        parts = urlsplit(match[1])
        if parts.scheme or parts.netloc or not parts.path:
            return match[0]
        found = (source.parent / unquote(parts.path)).resolve()
        if not found.exists():
            raise ValueError(f"{source.relative_to(ROOT)}: the link to {match[1]} leads nowhere")
        if found not in pages:
            return f'title="{found.relative_to(ROOT)} in the source tree"'
        up = "../" * (len(target.relative_to(OUT).parts) - 1)
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return f'href="{up}{pages[found].relative_to(OUT).as_posix()}{fragment}"'

    def picture(match: re.Match[str]) -> str:
        found = (source.parent / unquote(match[1])).resolve()
        if not found.exists():
            raise ValueError(f"{source.relative_to(ROOT)}: the picture {match[1]} is not there")
        up = "../" * (len(target.relative_to(OUT).parts) - 1)
        return f'src="{up}guide/{found.relative_to(ROOT / "docs").as_posix()}"'

    return re.sub(r'src="([^"]*)"', picture, re.sub(r'href="([^"]*)"', link, html))


def build_pages() -> None:
    """README, changelog and the like, and every page under docs/."""
    renderer = MarkdownIt("commonmark", {"highlight": coloured}).enable(["table", "strikethrough"])
    pages = markdown_pages()
    entries = []
    for source, target in sorted(pages.items()):
        text = source.read_text(encoding="utf-8")
        title = next((line[2:].strip() for line in text.splitlines() if line.startswith("# ")), source.stem)
        page(target, title, relinked(heading_ids(renderer.render(text)), source, target, pages))
        entries.append(f'<li><a href="{target.relative_to(OUT).as_posix()}">{escape(title)}</a></li>')
    for picture in (ROOT / "docs").rglob("*.svg"):
        target = OUT / "guide" / picture.relative_to(ROOT / "docs")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    page(OUT / "guide.html", "Guides", "<h1>Guides</h1>\n<ul>\n" + "\n".join(entries) + "\n</ul>")


def build_c() -> None:
    """The C API in the order in which corestate.h says to read it."""
    first = HEADERS / "corestate.h"
    order = re.findall(r'#include "corestate/(\w+\.h)"', first.read_text(encoding="utf-8"))
    names = [*order, *sorted(path.name for path in HEADERS.glob("*.h") if path.name not in [*order, first.name])]
    headers = [docs_header.read(HEADERS / name) for name in names]
    links = docs_header.links_of(headers)
    for header in headers:
        page(OUT / "c" / links[header.name], header.name, docs_header.body(header, links))
    intro = docs_header.prose(docs_header.read(first).intro.removeprefix("corestate: "), links)
    page(OUT / "c" / "index.html", "C API", f"<h1>C API</h1>\n{intro}")


def public_modules() -> list[str]:
    """The package and every module of it whose name says that it is for users."""
    package = importlib.import_module("corestate")
    found = [module.name for module in pkgutil.walk_packages(package.__path__, "corestate.")]
    return ["corestate", *(name for name in found if "._" not in name and not name.startswith("corestate.cli"))]


def adopt_compiled(module: ModuleType) -> None:
    """Makes what a class has from a compiled base its own, for this run: the base is private and has no page."""
    for cls in vars(module).values():
        if not isinstance(cls, type) or cls.__module__ != module.__name__:
            continue
        for base in cls.__mro__[1:]:
            if base.__module__ == "corestate._hot":
                for name, member in vars(base).items():
                    if not name.startswith("_") and name not in vars(cls):
                        setattr(cls, name, member)


def build_python() -> None:
    """The Python API; a module that cannot be imported or documented is an error."""
    pdoc.render.configure(docformat="google", show_source=False)
    modules = public_modules()
    for name in modules:
        adopt_compiled(importlib.import_module(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What is imported for type checkers alone stays a name in the page.
        warnings.filterwarnings("ignore", message="Error parsing type annotation")
        warnings.filterwarnings("ignore", message=".* has already been added")  # by its package, which says __all__
        pdoc.pdoc(*modules, output_directory=OUT / "python")


class Links(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102
        for name, value in attrs:
            if value and name == "id":
                self.ids.add(value)
            elif value and (tag, name) in (("a", "href"), ("img", "src")):
                self.links.add(value)


def broken_links() -> list[str]:
    """Links between the pages that were built whose page or anchor is missing."""
    parsed = {path.resolve(): Links(path.read_text(encoding="utf-8")) for path in OUT.rglob("*.html")}
    broken = []
    for path, found in parsed.items():
        for link in sorted(found.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if there.suffix == ".svg" and there.exists():
                continue
            if there not in parsed or (parts.fragment and unquote(parts.fragment) not in parsed[there].ids):
                broken.append(f"{path.relative_to(OUT)}: the link to {link} leads nowhere")
    return broken


def main() -> int:
    """Build everything."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    light = HtmlFormatter(style="default").get_style_defs([".code", "pre"])
    dark = HtmlFormatter(style="github-dark").get_style_defs([".code", "pre"])
    dark = "\n".join(line for line in dark.splitlines() if "background" not in line)
    (OUT / "style.css").write_text(f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{STYLE}")
    build_pages()
    build_c()
    build_python()
    broken = broken_links()
    print(*broken, sep="\n", end="\n" if broken else "")
    print(f"build/docs/index.html: {len(list(OUT.rglob('*.html')))} pages")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
