"""A snapshot replaces an older snapshot and nothing else; paths stay what they were when they were given."""

import os
from pathlib import Path

import pytest

import corestate
from corestate import RegionConfig

TINY = RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=8, events=4, participants=8)


@pytest.fixture
def state(tmp_path):
    with corestate.open(tmp_path / "a.state") as opened:
        opened.scope("user", "u")["k"] = 1
        opened.audit.log("agent", "EVENT")
        yield opened


def everything(directory: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "-shm" not in path.name
    }


def test_field_s3_a_snapshot_goes_over_no_other_file(state, tmp_path):
    corestate.create(tmp_path / "other.state", TINY).close()
    (tmp_path / "thesis.txt").write_text("my thesis")
    os.mkfifo(tmp_path / "fifo")
    store = state.durable.path
    before = everything(tmp_path)
    targets = [
        state.address,
        tmp_path / "other.state",
        tmp_path / "thesis.txt",
        tmp_path / "fifo",
        tmp_path,
        "/dev/zero",
    ]
    for target in [*targets, store, f"{store}-wal", f"{store}-shm"]:
        with pytest.raises((corestate.UntrustedFileError, corestate.StorageError)):
            state.snapshot(target)
    assert everything(tmp_path) == before
    state.scope("user", "u")["k"] = 2  # SQLite's locks were not dropped by a look at its files
    with corestate.open(state.address) as again:
        again.scope("user", "u")["k"] = 3
    assert state.scope("user", "u")["k"] == 3


def test_field_s3_an_older_snapshot_or_nothing_is_replaced(state, tmp_path):
    first = state.snapshot(tmp_path / "snap")
    state.counters["c"].add(9)
    second = state.snapshot(tmp_path / "snap")
    assert second.crc != first.crc
    (tmp_path / "empty").touch()
    state.snapshot(tmp_path / "empty")


def test_field_s4_a_relative_path_is_made_absolute_once(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with corestate.open("rel.state") as state:
        assert state.address == str(tmp_path / "one" / "rel.state")
        monkeypatch.chdir(tmp_path / "two")
        state.scope("user", "u")["k"] = 1
        state.audit.log("agent", "EVENT")
        assert state.audit.verify()
    assert list((tmp_path / "two").iterdir()) == []
    with corestate.open(tmp_path / "one" / "rel.state") as state:
        assert state.scope("user", "u")["k"] == 1


def test_field_x11_a_snapshot_cannot_ask_for_much(tmp_path):
    with corestate.open("heap:", config=RegionConfig(events=2**16, event_bytes=2**15)) as state:
        state.snapshot(tmp_path / "big.snap")
    with pytest.raises(corestate.TooBigError, match="largest="):
        corestate.restore(tmp_path / "big.snap", tmp_path / "big.state")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.snap"]
    with corestate.restore(tmp_path / "big.snap", "heap:", TINY) as state:
        assert state.config.events == 4
    with pytest.raises(corestate.TooBigError):
        corestate.restore(tmp_path / "big.snap", "heap:", largest=1 << 20)


@pytest.mark.parametrize("kind", ["fifo", "zero", "huge", "directory"])
def test_field_l5_what_is_no_file_is_not_read_without_end(tmp_path, kind):
    path = {"zero": Path("/dev/zero"), "directory": tmp_path}.get(kind, tmp_path / kind)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    with pytest.raises(corestate.CorestateError):
        corestate.restore(path, tmp_path / "x.state")
    with pytest.raises(corestate.CorestateError):
        corestate.attach(path, mode="r")
    assert not (tmp_path / "x.state").exists()
