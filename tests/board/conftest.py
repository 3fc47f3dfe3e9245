"""Tests on emulated boards, with images that embedded/run-tests (`make test-board`) has built before it runs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "embedded"))

if not os.environ.get("CORESTATE_EMBEDDED"):
    collect_ignore_glob = ["test_*.py"]
