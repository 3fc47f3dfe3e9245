"""The rule that every file the package touches goes through one place sees what it is to see."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import file_rules  # noqa: E402


@pytest.mark.parametrize(
    "code",
    [
        'open("x")',
        'open("x", "wb").write(b"")',
        'os.open("x", os.O_RDWR)',
        'os.replace("x", "y")',
        "os.chmod(path, 0o644)",
        'Path("x").write_text("y")',
        "path.read_bytes()",
        "path.unlink()",
        'path.open("rb")',
        "path.rename(other)",
        "path.replace(other)",
        "shutil.copy(a, b)",
        "tempfile.mkstemp()",
    ],
)
def test_field_x4_a_file_opened_elsewhere_is_found(code):
    finder = file_rules._Finder()
    finder.visit(ast.parse(f"def f():\n    {code}"))
    assert [function for _, _, function in finder.found]


@pytest.mark.parametrize(
    "code", ['text.replace("a", "b")', "corestate.open(address)", "kinds.open(kind)", "place.open()"]
)
def test_field_x4_what_is_no_file_is_not(code):
    finder = file_rules._Finder()
    finder.visit(ast.parse(code))
    assert finder.found == []


def test_field_x4_the_package_opens_no_file_elsewhere():
    assert file_rules.breaches() == []
