"""The one place that starts another process.

A Python started with ``-c`` or ``-m`` looks for modules in the current directory first. Whoever may put a file there
(``/tmp``, a shared folder, an unpacked download) would have it run as whoever types ``corestate doctor``. So a child
never looks there: ``-P`` where Python has it (3.11), else isolated, with this process's own ``sys.path`` handed over.
``tools/tree_rules.py`` refuses every other way to start a process in this package.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, SubprocessError, TimeoutExpired
from typing import Any

__all__ = ["DEVNULL", "PIPE", "SubprocessError", "TimeoutExpired", "run", "start"]

_SAFE_PATH = sys.version_info >= (3, 11)

# What a child does where there is no -P: takes the path it is given, then runs the module or the program.
_HANDED_OVER = """
import sys
count = int(sys.argv[1])
sys.path[:0] = [one for one in sys.argv[2:2 + count] if one not in sys.path]
kind, what, *rest = sys.argv[2 + count:]
if kind == "-m":
    import runpy
    sys.argv = [what, *rest]
    runpy.run_module(what, run_name="__main__", alter_sys=True)
else:
    sys.argv = ["-c", *rest]
    exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
"""


def _inherited_options() -> list[str]:
    """How far this interpreter is kept from its surroundings; a child is no less so."""
    flags = sys.flags
    if flags.isolated:
        return ["-I"]
    return [*(["-E"] if flags.ignore_environment else []), *(["-s"] if flags.no_user_site else [])]


def _own_path() -> list[str]:
    """``sys.path`` without the current directory; where this package lies comes last if it was that."""
    here = Path.cwd().resolve()
    found = [one for one in sys.path if Path(one).is_absolute() and Path(one).resolve() != here]
    return [*found, str(Path(__file__).resolve().parents[1])]


def _command(kind: str, what: str, arguments: tuple[str, ...], *, safe_path: bool) -> list[str]:
    if safe_path:
        return [sys.executable, *_inherited_options(), "-P", kind, what, *arguments]
    path = _own_path()
    return [sys.executable, "-I", "-c", _HANDED_OVER, str(len(path)), *path, kind, what, *arguments]


def start(module: str, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """Start a module of this package as a process; ``streams`` are ``stdin``, ``stdout`` and ``stderr`` of `Popen`.

    Raises:
        OSError: the process cannot be started.
    """
    return subprocess.Popen(_command("-m", module, arguments, safe_path=_SAFE_PATH), **streams)  # noqa: S603


def run(program: str, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a text of Python as a process to its end, and take what it prints.

    Raises:
        TimeoutExpired: it ran longer than ``timeout`` seconds, and was killed. OSError: it cannot be started.
    """
    command = _command("-c", program, arguments, safe_path=_SAFE_PATH)
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603
