"""Finds every place in the package that opens, makes, replaces or removes a file by itself, and fails on each.

All of that goes through ``corestate._trusted``, where the owner, kind, links and mode of a file are judged by its
descriptor. ``ALLOWED`` lists the functions that may do it themselves, each with the reason; one that is not needed any
more is a breach too.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "corestate"
OWNER = "_trusted.py"

ALLOWED = {
    ("_attachment.py", "_reopen"): "opens anew what a descriptor of this process already shows, and compares the two",
    ("_build/core_build.py", "headers"): "runs when the package is built",
    ("_filesystem.py", "_mount_id"): "reads /proc",
    ("_filesystem.py", "kind_of"): "reads /proc",
    ("_mirror_place.py", "_again"): "opens anew what a descriptor of this process already shows",
    ("_mirror_place.py", "put"): "calls a method of its own",
    ("cli/doctor.py", "_examine"): "tries things out in a new directory of its own",
    ("cli/doctor.py", "_new_store"): "tries things out in a new directory of its own",
    ("cli/main.py", "_run"): "opens the null device",
    ("demo/machine.py", "_lines"): "reads /proc",
    ("demo/run.py", "_own_address"): "asks where temporary files are",
    ("stores/copied.py", "_folder"): "makes a new directory of its own for a private copy",
    ("stores/tables.py", "schema_scripts"): "reads the package's own data",
}

OF_OS = {
    "chmod", "chown", "lchown", "link", "makedirs", "mkdir", "mkfifo", "mknod", "open", "remove", "removedirs",
    "rename", "renames", "replace", "rmdir", "symlink", "truncate", "unlink", "utime",
}  # fmt: skip
OF_PATHS = {
    "chmod", "hardlink_to", "lchmod", "mkdir", "read_bytes", "read_text", "rmdir", "symlink_to", "touch", "write_bytes",
    "write_text",
}  # fmt: skip
MODULES = {"shutil", "tempfile"}


class _Finder(ast.NodeVisitor):
    """Collects the calls that touch files, each with the function it stands in."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, str]] = []
        self._within: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._within.append(node.name)
        self.generic_visit(node)
        self._within.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as ast calls it

    def visit_Call(self, node: ast.Call) -> None:
        name = _forbidden(node)
        if name:
            self.found.append((node.lineno, name, self._within[0] if self._within else "the module"))
        self.generic_visit(node)


def _forbidden(node: ast.Call) -> str:
    """What a call does to a file by itself; empty where it does not."""
    called = node.func
    if isinstance(called, ast.Name):
        return "open" if called.id == "open" else ""
    if not isinstance(called, ast.Attribute):
        return ""
    base = called.value.id if isinstance(called.value, ast.Name) else ""
    if base in ("os", "io"):
        return f"{base}.{called.attr}" if called.attr in OF_OS else ""
    if base in MODULES:
        return f"{base}.{called.attr}"
    if called.attr in OF_PATHS:
        return f".{called.attr}"
    if called.attr == "open" and node.args and _is_mode(node.args[0]):
        return ".open"
    if called.attr in ("unlink", "rename", "replace") and base not in ("corestate", "regions", "place", "dataclasses"):
        few = len(node.args) == (0 if called.attr == "unlink" else 1)
        return f".{called.attr}" if few and not node.keywords else ""
    return ""


def _is_mode(argument: ast.expr) -> bool:
    return (
        isinstance(argument, ast.Constant) and isinstance(argument.value, str) and set(argument.value) <= set("rwxabt+")
    )


def breaches() -> list[str]:
    """Each as ``file:line: what``."""
    found, used = [], set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name == OWNER or name.startswith("_wasm/"):
            continue
        finder = _Finder()
        finder.visit(ast.parse(path.read_text(encoding="utf-8")))
        for line, what, function in finder.found:
            used.add((name, function))
            if (name, function) not in ALLOWED:
                found.append(
                    f"src/corestate/{name}:{line}: {what} in {function}: open files through corestate._trusted"
                )
    return found + [
        f"tools/file_rules.py: {name}: {function} is allowed to touch files and does not: take it off the list"
        for name, function in sorted(set(ALLOWED) - used)
    ]


def main() -> int:
    """Check the package."""
    found = breaches()
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
