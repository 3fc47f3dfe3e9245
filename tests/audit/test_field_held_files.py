"""Files of rows held back, as others write, copy and tear them."""

import json
import logging

import pytest

import corestate
from corestate.audit import held
from corestate.audit.chain import Chain
from corestate.errors import CorestateError

KEY = b"a key of enough bytes, kept elsewhere"
ROW = [5, "held", "T", "{}"]


@pytest.fixture
def trail(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        return path, state.durable.anchor_path, state.durable.store.id


def forged(anchor, store_id, content, name="ab" * 8):
    """A file with an honest seal, as whoever may write to the directory of a trail without a key can make one."""
    content = bytes(held.TOKEN_BYTES) + content
    file = anchor.with_name(f"{anchor.name}.held-{name}")
    file.write_bytes(held.MAGIC + Chain().seal(store_id + content) + content)
    file.chmod(0o600)
    return file


BAD = {
    "unpacked": b"[[1,2]]",
    "number": b"7",
    "deep": b"[" * 200_000,
    "torn": b"{",
    "text": b'"abc"',
    "no UTF-8": b"\xff",
    "no time": json.dumps([["x", *ROW[1:]]]).encode(),
    "boolean": json.dumps([[True, *ROW[1:]]]).encode(),
    "huge": json.dumps([[2**80, *ROW[1:]]]).encode(),
    "digits": b"[[" + b"9" * 5000 + b',"a","T","{}"]]',
    "negative": json.dumps([[-1, *ROW[1:]]]).encode(),
    "surrogate": json.dumps([[5, "\ud800", "T", "{}"]]).encode(),
    "type": json.dumps([[5, "a", 7, "{}"]]).encode(),
    "empty": json.dumps([[5, "", "T", "{}"]]).encode(),
    "long": json.dumps([[5, "a" * 257, "T", "{}"]]).encode(),
    "reserved": json.dumps([[5, "a", "AUDIT_PRUNED", "{}"]]).encode(),
    "no details": json.dumps([[5, "a", "T", {}]]).encode(),
    "long details": json.dumps([[5, "a", "T", '"' + "x" * (1 << 20) + '"']]).encode(),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_field_v5_a_held_file_of_nonsense_is_a_warning_and_is_left(trail, caplog, content):
    path, anchor, store_id = trail
    file = forged(anchor, store_id, content)
    with caplog.at_level(logging.WARNING), corestate.open(path) as state:
        assert state.audit.log("b", "T") == 2
        assert state.audit.verify()
    assert file.name in caplog.text
    assert file.exists()


def test_field_v5_a_held_file_of_any_size_is_looked_at_in_little_memory(trail, caplog):
    path, anchor, store_id = trail
    file = forged(anchor, store_id, b"[]")
    with file.open("r+b") as sparse:
        sparse.truncate(1 << 41)
    with corestate.open(path) as state:
        assert state.audit.log("b", "T") == 2
    assert file.name in caplog.text
    assert file.exists()


def test_field_v5_an_honest_file_is_taken_once_under_whatever_names(path):
    with corestate.open(path) as state:
        state.audit.use_key(KEY)
        state.audit.log("a", "T")
        anchor, store_id = state.durable.anchor_path, state.durable.store.id
    held.keep(anchor, store_id, Chain(KEY), [tuple(ROW)], 0o600)
    (kept,) = anchor.parent.glob("*.held-*")
    content = kept.read_bytes()
    for n in range(3):
        copy = kept.with_name(f"{anchor.name}.held-{n:016x}")
        copy.write_bytes(content)
        copy.chmod(0o600)
        with corestate.open(path) as state:
            state.audit.use_key(KEY)
            state.audit.log("a", "T")
            assert len(state.audit.query("held")) == 1
            assert state.audit.verify()
    assert not list(anchor.parent.glob("*.held-*"))


def test_field_v5_the_same_rows_kept_twice_are_two(trail):
    path, anchor, store_id = trail
    for _ in range(2):
        held.keep(anchor, store_id, Chain(), [tuple(ROW)], 0o600)
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        assert len(state.audit.query("held")) == 2


def test_field_v5_many_rows_are_kept_in_files_that_can_be_read(trail, monkeypatch):
    path, anchor, store_id = trail
    monkeypatch.setattr(held, "_FILE_BYTES", 1000)
    rows = [(n, "held", "T", json.dumps({"n": n, "x": "x" * 150})) for n in range(30)]
    held.keep(anchor, store_id, Chain(), rows, 0o600)
    assert len(list(anchor.parent.glob("*.held-*"))) > 1
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        assert [row.details["n"] for row in state.audit.query("held")] == list(range(30))
        assert state.audit.verify()


# -- F5, F6 ----------------------------------------------------------------------------------------


def test_field_v5_a_file_that_could_not_be_written_whole_is_removed(trail, monkeypatch):
    _, anchor, store_id = trail

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(held.os, "fsync", full)
    with pytest.raises(corestate.AuditHeldError) as found:
        held.keep(anchor, store_id, Chain(), [tuple(ROW)], 0o600)
    assert found.value.rows == (tuple(ROW),)
    assert not list(anchor.parent.glob("*.held-*"))


def test_field_v5_a_file_that_another_took_up_meanwhile_is_no_warning(trail, monkeypatch, caplog):
    path, anchor, store_id = trail
    held.keep(anchor, store_id, Chain(), [tuple(ROW)], 0o600)
    monkeypatch.setattr(held.Place, "listing", lambda _: [f"{anchor.name}.held-" + "0" * 16])
    with caplog.at_level(logging.WARNING), corestate.open(path) as state:
        state.audit.log("a", "T")
    assert "wait" not in caplog.text


def test_field_v5_what_is_no_error_of_ours_does_not_come_out_of_waiting(trail, monkeypatch):
    path, anchor, store_id = trail
    forged(anchor, store_id, b"[]")

    def failing(*_, **__):
        raise MemoryError

    monkeypatch.setattr(held.json, "loads", failing)
    with corestate.open(path) as state:
        try:
            state.audit.log("a", "T")
        except CorestateError:
            pytest.fail("a held file stopped a row")
