"""Keeps the directory somebody stands in out of what is imported.

``python -m corestate`` puts the current directory first in ``sys.path``: a file ``msgpack.py`` that another user has
put there would run as whoever types the command. Python itself has looked there by then, for ``corestate`` alone;
everything this package imports afterwards is not looked for there. The command ``corestate`` and ``python -P`` never
look there at all.
"""

from __future__ import annotations

import os
import sys

__all__ = ["leave_out_current_directory"]

_PACKAGE = __name__.partition(".")[0]


def _run_as_module(arguments: list[str]) -> bool:
    """Whether the interpreter was started with ``-m`` and this package, or a module of it."""
    if "-m" not in arguments:
        # Also "-mcorestate", and other options before it in the same word ("-Bm").
        return any(one.startswith("-") and one.partition("m")[2].partition(".")[0] == _PACKAGE for one in arguments)
    name = arguments[arguments.index("-m") + 1 :][:1]
    return bool(name) and name[0].partition(".")[0] == _PACKAGE


def leave_out_current_directory() -> None:
    """Take the current directory off the front of ``sys.path`` when this is ``python -m corestate``.

    It stays where this package itself comes from there: whoever could plant a module could change the package.
    """
    if getattr(sys.flags, "safe_path", False) or sys.flags.isolated or not _run_as_module(sys.orig_argv[1:]):
        return
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - before anything else
    if sys.path and sys.path[0] in ("", os.getcwd()) and os.path.realpath(home) != os.path.realpath(os.getcwd()):  # noqa: PTH109
        del sys.path[0]


leave_out_current_directory()
