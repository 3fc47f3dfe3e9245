"""The benchmarks, run once in their tiny form as the command that a user gives, and what came of it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # `bench` is a package of the tree, not of the distribution

from bench.results import Results  # noqa: E402


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The results of ``python -m bench --form tiny``."""
    out = tmp_path_factory.mktemp("bench")
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--form", "tiny", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return Results.load(out / "python.json")
