"""The guides' programs, run block by block as a reader would."""

import re
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", sorted(path.name for path in GUIDES.glob("*.md")))
def test_guide(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (GUIDES / guide).read_text("utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks
    names = {"__name__": "__main__"}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        source = "\n" * line + block.group(1)  # so that a traceback names the guide's own line
        exec(compile(source, str(GUIDES / guide), "exec"), names)
