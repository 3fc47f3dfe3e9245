"""Keeps of a compilation database the first command for each file: clang-tidy would look at a file once for each.

first_commands.py DATABASE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """Rewrite the database."""
    path = Path(sys.argv[1])
    commands: dict[str, object] = {}
    for command in json.loads(path.read_text(encoding="utf-8")):
        commands.setdefault(command["file"], command)
    path.write_text(json.dumps(list(commands.values()), indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
