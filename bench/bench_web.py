"""In Chromium: reads, events between workers, Python in Pyodide, beside messages, plain Atomics and Comlink."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WASM = Path(__file__).parents[1] / "wasm"
ROWS = 10
"""As many as wasm/bench/run.mjs measures, in its order."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    if not (WASM / "dist/index.js").exists() or shutil.which("chromium") is None:
        pytest.skip("no wasm build or no Chromium; run `make test-wasm`, which builds the one and names the other")
    file = tmp_path_factory.mktemp("web") / "rows.json"
    subprocess.run(["node", "bench/run.mjs", file], cwd=WASM, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return json.loads(file.read_text())["rows"]


@pytest.mark.parametrize("index", range(ROWS))
def test_web(benchmark, row, measured, index):
    assert len(measured) == ROWS
    one = measured[index]
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)  # what it took was measured there
    row(one["what"], one.get("floor"), unit=one["unit"], value=one["value"], beside=one.get("beside", ""))
