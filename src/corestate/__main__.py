"""``python -m corestate``: the command line."""

from __future__ import annotations

from corestate.cli import main

if __name__ == "__main__":
    main()
