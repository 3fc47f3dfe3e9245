"""A disk that is full: what the log of writes takes is given back, and writing goes on when there is room."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

import corestate

_CONFIG = corestate.RegionConfig(values=64, events=64)


@pytest.fixture(name="small")
def _small(tmp_path):
    """A file system of 12 MB."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "none", tmp_path], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def _free(path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_bsize


def test_field_s7_the_log_never_fills_a_small_disk(small):
    with corestate.open(small / "x.state", config=_CONFIG) as state:
        scope = state.scope("global")
        log = small / "x.state.d" / "store.db-wal"
        with state.durable.store.write() as rows:
            rows.run("UPDATE meta SET value = value WHERE name = 'store_id'")
        room = _free(small)
        for number in range(1500):
            scope["k"] = f"{number}" + "x" * 4000
            if number % 100 == 0:
                state.retain(versions=1)
        assert log.stat().st_size < room // 2
        assert scope.entry("k").value.startswith("1499x")


def _spend(budget) -> bool:
    try:
        budget.spend(1)
    except corestate.StoreFullError:
        return False
    return True


def test_field_s7_writing_goes_on_when_there_is_room_again(small):
    with corestate.open(small / "x.state", config=_CONFIG) as state:
        budget = state.budgets.create("b", 10_000)
        for _ in range(300):
            assert _spend(budget)
        log = small / "x.state.d" / "store.db-wal"
        assert log.stat().st_size > 1 << 19
        ballast = os.open(small / "ballast", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(ballast, bytes(4096))
        os.close(ballast)
        done = sum(_spend(budget) for _ in range(100))  # the log gives back what it has: the first fails, few others
        assert 95 <= done < 100
        assert budget.spent == 300 + done
        with contextlib.suppress(corestate.StoreFullError):
            while True:
                state.scope("global").increment("n")  # needs room, and gets none in the end
        (small / "ballast").unlink()
        before = state.scope("global").entry("n").value if "n" in state.scope("global") else 0
        assert state.scope("global").increment("n") == before + 1
        assert state.durable.store.check() == []
    with corestate.open(small / "x.state") as state:
        assert state.scope("global").entry("n").value == before + 1
        assert state.budgets["b"].spent == 300 + done
