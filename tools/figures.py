"""Puts the text on standard input between a file's marker comments: ``figures.py FILE`` (the README by default)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

BETWEEN = re.compile(r"(<!-- figures:begin -->\n).*?(<!-- figures:end -->)", re.DOTALL)


def main(file: str = "README.md") -> int:
    """Replace what stands between the markers."""
    path = Path(file)
    text = path.read_text(encoding="utf-8")
    figures = sys.stdin.read().strip()
    if not figures or len(BETWEEN.findall(text)) != 1:
        print(f"{file}: expected figures on standard input and one pair of markers in the file", file=sys.stderr)
        return 1
    path.write_text(BETWEEN.sub(lambda found: f"{found[1]}{figures}\n{found[2]}", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
