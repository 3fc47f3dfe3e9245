"""P7: the loss of power, replayed from a recorded log of writes, with tails cut off or torn.

``full`` loses nothing that had returned; ``normal`` may lose the last commits, never half of one, and never one of the
middle. Either way the store opens, and is sound.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from power import LOSSES, after_loss, put, read_log

import corestate
from corestate import AuditAnchorError, AuditBrokenError

ROUNDS = 12
MOMENTS = 50
ACKNOWLEDGED = "acknowledged"

PROGRAM = """
import os, sys, corestate
from corestate import AgentStatus
region, store, acknowledged, durability, rounds = sys.argv[1:]
told = os.open(acknowledged, os.O_WRONLY | os.O_CREAT)
with corestate.create(region, store=store, durability=durability) as state:
    scope = state.scope("global")
    state.durable.store._mine().raw.execute("PRAGMA wal_autocheckpoint = 20")
    state.budgets.create("b", 10**6)
    for n in range(int(rounds)):
        with state.transaction() as tx:
            tx(scope)["n"] = n
            tx(state.scope("user", "ann"))["n"] = n
        state.audit.log("a", "T", n)
        state.budgets["b"].spend(1)
        os.write(told, b"x")
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("recording writes takes Linux and a C compiler")
    library = tmp_path_factory.mktemp("recorder") / "write_log.so"
    source = Path(__file__).with_name("write_log.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture(params=["full", "normal"])
def recorded(request, recorder, tmp_path):
    """Durability, and the log of a program's writes to its store."""
    directory = tmp_path / "store"
    directory.mkdir()
    subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM, tmp_path / "region.state", directory, directory / ACKNOWLEDGED),
            *(request.param, str(ROUNDS)),
        ],
        check=True,
        timeout=100,
        env={"LD_PRELOAD": str(recorder), "WRITE_LOG_DIR": str(directory), "WRITE_LOG": str(tmp_path / "log")},
    )
    records = [record for record in read_log(tmp_path / "log") if not record.name.endswith("-shm")]
    assert sum(record.name == ACKNOWLEDGED for record in records) == ROUNDS
    assert any(record.name == "store.db" and record.kind == "W" for record in records), "there were checkpoints"
    return request.param, records


def found_in(directory: Path) -> tuple[int, int, int]:
    """How many rounds there are of the transaction, the audit row and the spending; checks that all of it is sound."""
    with corestate.open("heap:", store=directory) as state:
        assert state.durable.store.check() == []
        first, second = (scope.get("n", -1) for scope in (state.scope("global"), state.scope("user", "ann")))
        assert first == second, "a transaction is whole"
        assert [row.details for row in state.audit] == list(range(len(state.audit)))
        budget = state.budgets.get("b")
        return first + 1, len(state.audit), 0 if budget is None else budget.spent


@pytest.mark.slow
def test_p7_power_is_lost(recorded, tmp_path):
    durability, records = recorded
    trials, lost = 0, 0
    for moment in sorted({1 + len(records) * n // MOMENTS for n in range(MOMENTS)} | {len(records)}):
        returned = sum(record.name == ACKNOWLEDGED for record in records[:moment])
        for seed, loss in enumerate(LOSSES):
            directory = tmp_path / f"{moment}-{loss}"
            files = after_loss(records, moment, loss, seed=moment * 10 + seed)
            files.pop(ACKNOWLEDGED, None)
            put(files, directory)
            commits = found_in(directory)
            assert commits[0] >= commits[1] >= commits[2] >= commits[0] - 1, f"a middle is missing: {commits}"
            if durability == "full" or loss == "none":
                assert commits[2] >= returned, f"{returned} had returned, {loss} lost at {moment}: {commits}"
                assert verified(directory)
            elif not verified(directory):
                assert loss != "none", "only what was lost is missed"
            trials += 1
            lost += commits[2] < returned
            shutil.rmtree(directory)
    assert trials >= MOMENTS * len(LOSSES)
    assert bool(lost) == (durability == "normal"), "what is not synced is lost in these trials, and full syncs"


def verified(directory: Path) -> bool:
    """Whether the trail is as its anchor has it. In ``normal`` the power may take the last rows of either."""
    with corestate.open("heap:", store=directory) as state:
        try:
            return state.audit.verify()
        except AuditAnchorError:
            return False
        except AuditBrokenError as missing:
            first = missing.sequence
        assert first <= len(state.audit) + 1, "no more than a tail is missing, of the trail or of what the anchor heard"
        return False
