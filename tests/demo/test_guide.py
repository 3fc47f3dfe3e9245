"""The guide's programs run and print what it says, and what it quotes of the engine is the engine."""

import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from corestate.demo import engine

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
QUOTES = [code.removeprefix("# engine.py\n") for _, code in FENCES if code.startswith("# engine.py\n")]


def test_the_programs_print_what_the_guide_says(tmp_path):
    ran = 0
    for (language, code), (following, expected) in zip(FENCES, [*FENCES[1:], ("", "")], strict=True):
        if language == "python" and not code.startswith("# engine.py"):
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
            )
            assert done.stderr == ""
            assert done.stdout == (expected if following == "text" else "")
            ran += 1
    assert ran == 5


@pytest.mark.parametrize("quote", QUOTES)
def test_the_quotes_are_the_engine(quote):
    source = inspect.getsource(engine)
    assert any(textwrap.indent(quote, " " * depth) in source for depth in (0, 4, 8, 12))


def test_the_engine_is_quoted():
    assert len(QUOTES) == 5
