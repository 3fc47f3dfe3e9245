"""What these tests share: a place other users can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from users import ANN


@pytest.fixture
def place():
    """A directory every user may enter, and only root may write to."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can be other users")
    directory = Path(tempfile.mkdtemp(prefix="corestate-users-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def home(place):
    """A directory of ANN's that everybody may enter."""
    directory = place / "ann"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    os.chown(directory, ANN, ANN)
    return directory
