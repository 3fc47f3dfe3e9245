"""The command line ``corestate``.

Exit codes: 0 success; 1 an error, which a message on standard error explains; 2 wrong usage; 130 ended by Ctrl-C.
``corestate health`` exits with its verdict instead: 0 ok, 1 degraded, 2 failed or no region to ask. ``--json`` gives
one JSON document on standard output (``watch``: one a line).
"""

from __future__ import annotations

from corestate.cli.main import main

__all__ = ["main"]
