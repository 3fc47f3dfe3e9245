"""Audit trails as others attack them: the store alone, the store and its anchor, links and locks beside them."""

import contextlib
import csv
import fcntl
import io
import json
import os
import shutil
import sqlite3
import struct
import threading
import time
from pathlib import Path

import pytest

import corestate
from corestate import Anchor, errors
from corestate.audit.chain import Chain

KEY = b"a key of enough bytes, kept elsewhere"
ROWS = 12


def anchor_of(path):
    with corestate.attach(path, mode="r") as state:
        return state.durable.anchor_path


def store_of(path):
    with corestate.attach(path, mode="r") as state:
        return state.durable.path


@contextlib.contextmanager
def by_hand(path, *, triggers_back=True):
    """The store as who has the file has it."""
    database = sqlite3.connect(store_of(path))
    triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        database.execute(f"DROP TRIGGER {name}")
    yield database
    if triggers_back:
        for _, sql in triggers:
            database.execute(sql)
    database.commit()
    database.close()


def forge(database, agent_id, event_type, details, key=None):
    """Append a row whose hash fits."""
    sequence, before = database.execute("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1").fetchone()
    texts = (agent_id, event_type, json.dumps(details, separators=(",", ":")))
    digest = Chain(key).next(before, sequence + 1, 5, *(text.encode() for text in texts))
    database.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (sequence + 1, 5, *texts, digest))
    return sequence + 1


@pytest.fixture(params=[None, KEY], ids=["plain", "keyed"])
def key(request):
    return request.param


def opened(path, key, mode="rw"):
    state = corestate.open(path) if mode == "rw" else corestate.attach(path, mode=mode)
    if key:
        state.audit.use_key(key)
    return state


@pytest.fixture
def trail(path, key):
    with opened(path, key) as state:
        for n in range(ROWS):
            state.audit.log(f"a{n % 2}", "T", {"n": n})
        assert state.audit.verify()
    return path


def refused(path, key, *, kind=corestate.AuditError):
    with opened(path, key, "r") as state, pytest.raises(kind) as found:
        state.audit.verify()
    return found.value


# -- S8: the store alone ---------------------------------------------------------------------------


def test_field_s8_a_forged_retention_is_reported(trail, key):
    with by_hand(trail) as database:
        sequence, digest = database.execute("SELECT sequence, hash FROM audit WHERE sequence = 11").fetchone()
        forge(database, "corestate", "AUDIT_PRUNED", {"through": sequence, "hash": digest.hex(), "rows": 11}, key)
        database.execute("DELETE FROM audit WHERE sequence <= 11")
    assert refused(trail, key, kind=corestate.AuditBrokenError).sequence == ROWS + 1


def test_field_s8_a_forged_retention_after_an_honest_one_is_reported(trail, key):
    with opened(trail, key) as state:
        assert state.audit.prune(count=6) == 6
        assert state.audit.verify()
    with by_hand(trail) as database:  # the row that announces it replaced, not added
        row = database.execute("SELECT details FROM audit WHERE sequence = 13").fetchone()
        details = json.loads(row[0])
        (digest,) = database.execute("SELECT hash FROM audit WHERE sequence = 9").fetchone()
        database.execute("DELETE FROM audit WHERE sequence = 13 OR sequence <= 9")
        forge(database, "corestate", "AUDIT_PRUNED", {**details, "through": 9, "hash": digest.hex()}, key)
    assert refused(trail, key, kind=corestate.AuditBrokenError).sequence == 13


def test_field_s8_a_forged_last_row_is_reported_at_once_and_after_more_was_logged(trail, key):
    with by_hand(trail) as database:
        forge(database, "a0", "T", {"forged": True}, key)
    found = refused(trail, key, kind=corestate.AuditBrokenError)
    assert found.sequence == ROWS + 1
    assert "1 rows after" in str(found)
    with opened(trail, key) as state:
        state.audit.log("a0", "T", {"honest": True})
    assert refused(trail, key, kind=corestate.AuditBrokenError).sequence == ROWS + 1


def test_field_s8_the_last_row_taken_away_or_replaced(trail, key):
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence = ?", (ROWS,))
    assert refused(trail, key, kind=corestate.AuditBrokenError).sequence == ROWS
    with by_hand(trail) as database:
        forge(database, "a0", "T", {"forged": True}, key)
    assert refused(trail, key, kind=corestate.AuditBrokenError).sequence == ROWS


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TRIGGER audit_kept",
        "DROP TRIGGER audit_unchanged",
        "INSERT INTO audit_retention VALUES (99999)",
        "CREATE TRIGGER helpful AFTER INSERT ON audit BEGIN DELETE FROM audit_retention; END",
    ],
)
def test_field_s8_triggers_dropped_or_made_are_reported(path, key, damage):
    with opened(path, key) as state:
        state.audit.log("a", "T")
        state.audit.verify()
        database = sqlite3.connect(state.durable.path)
        database.execute(damage)
        database.commit()
        database.close()
        with pytest.raises(corestate.AuditBrokenError):
            state.audit.verify()


def test_field_s8_rows_of_the_lowest_numbers_are_found(trail, key):
    with by_hand(trail) as database:
        database.execute("INSERT INTO audit VALUES (-7, 1, 'a', 'T', '{}', zeroblob(32))")
    refused(trail, key, kind=corestate.AuditBrokenError)


def test_field_s8_emptied_with_its_mark_is_reported(trail, key):
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit")
        database.execute("DELETE FROM meta WHERE name = 'audit_key'")
    assert refused(trail, key, kind=corestate.AuditBrokenError).sequence == 1
    with opened(trail, key) as state:
        state.audit.log("a", "T")
    refused(trail, key, kind=corestate.AuditBrokenError)


def test_field_s8_writers_killed_at_any_point_leave_a_trail_that_verifies(path, child):
    """Between the anchor and the commit, and between the commit and the anchor, too."""
    with corestate.open(path) as state:
        state.audit.log("first", "T")
    source = """
        import os, signal, sys, corestate
        from corestate.audit.anchor import AnchorFile
        at = sys.argv[2]
        state = corestate.open(sys.argv[1])
        real = getattr(AnchorFile, at)
        def die(self, *arguments):
            if sys.argv[3] == "after":
                real(self, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        setattr(AnchorFile, at, die)
        if sys.argv[4] == "log":
            state.audit.log("killed", "T")
        else:
            state.audit.prune(count=1)
    """
    for what in ("log", "prune", "log"):
        for at in ("intend", "settle"):
            for when in ("before", "after"):
                killed = child(source, path, at, when, what)
                killed.process.wait(60)
                assert killed.process.returncode == -9, killed.said_wrong()
                with corestate.attach(path, mode="r") as reader:
                    assert reader.audit.verify()
    with corestate.open(path) as state:
        state.audit.log("after", "T")
        assert state.audit.verify()
        assert [row.agent_id for row in state.audit][-1] == "after"


def test_field_s8_a_transaction_with_several_rows_that_comes_to_nothing(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        with pytest.raises(ZeroDivisionError), state.durable.store.write() as rows:
            state.audit.add(rows, "b", "T")
            state.audit.add(rows, "c", "T")
            _ = 1 / 0
        assert state.audit.verify()
        with state.durable.store.write() as rows:
            state.audit.add(rows, "b", "T")
            last = state.audit.add(rows, "c", "T")
        assert state.audit.verify()  # before it is settled, too
        state.audit.recorded(last)
        assert state.audit.verify()
        assert state.audit.log("d", "T") == 4
        assert state.audit.verify()


def test_field_s8_the_first_transaction_that_comes_to_nothing(path):
    with corestate.open(path) as state:
        with pytest.raises(ZeroDivisionError), state.durable.store.write() as rows:
            state.audit.add(rows, "b", "T")
            state.audit.add(rows, "c", "T")
            _ = 1 / 0
        assert state.audit.verify()
        assert state.audit.log("d", "T") == 1
        assert state.audit.verify()
        assert state.durable.store.one("SELECT 1 FROM meta WHERE name = 'audit_key'")


def test_field_s8_verify_beside_writers_who_never_pause(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        stop = threading.Event()

        def write():
            while not stop.is_set():
                state.audit.log("a", "T")

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                assert state.audit.verify()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert state.audit.verify()


def test_field_s8_retention_takes_nothing_from_a_trail_that_does_not_fit(trail, key):
    with by_hand(trail) as database:
        forge(database, "a0", "T", {"forged": True}, key)
    with opened(trail, key) as state:
        with pytest.raises(corestate.AuditAnchorError):
            state.audit.prune(count=2)
        assert len(state.audit) == ROWS + 1


def test_field_s8_an_anchor_kept_elsewhere_whose_row_is_gone_is_said_to_show_nothing(trail, key):
    with opened(trail, key) as state:
        kept = state.audit.anchor()
        for n in range(5):
            state.audit.log("a", "T", n)
        state.audit.prune(count=2)
        with pytest.raises(corestate.AuditAnchorError, match="shows nothing"):
            state.audit.verify(kept)
        assert state.audit.verify(state.audit.anchor())


# -- V6: the store and the anchor ------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["kept", "deleted"])
def test_field_v6_emptied_together_with_its_anchor_it_does_not_verify(trail, key, mark):
    anchor = anchor_of(trail)
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit")
        if mark == "deleted":
            database.execute("DELETE FROM meta WHERE name = 'audit_key'")
    anchor.unlink()
    refused(trail, key)
    with opened(trail, key) as state:
        state.audit.log("a", "T")  # and it does not begin anew as if nothing had been
        with pytest.raises(corestate.AuditError):
            state.audit.verify()


def test_field_v6_an_old_copy_of_everything_needs_an_anchor_kept_elsewhere(trail, key, tmp_path):
    store, anchor = store_of(trail), anchor_of(trail)
    shutil.copy(store, tmp_path / "store.old")
    shutil.copy(anchor, tmp_path / "anchor.old")
    with opened(trail, key) as state:
        state.audit.log("a", "EMBARRASSING")
        elsewhere = Anchor.parse(str(state.audit.anchor()))
    for leftover in ("-wal", "-shm"):
        Path(f"{store}{leftover}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "store.old", store)
    shutil.copy(tmp_path / "anchor.old", anchor)
    with opened(trail, key, "r") as state:
        assert state.audit.verify()
        with pytest.raises(corestate.AuditBrokenError):
            state.audit.verify(elsewhere)


# -- X4: the anchor's file -------------------------------------------------------------------------


@pytest.fixture
def away(trail):
    """The path of an anchor that was taken away."""
    anchor = anchor_of(trail)
    anchor.unlink()
    return anchor


def test_field_x4_an_anchor_is_never_written_over_foreign_content(path, tmp_path):
    with corestate.open(path) as state:
        state.scope("user", "u")["a"] = 1
    anchor = anchor_of(path)
    anchor.write_bytes(b"my thesis, the only copy " * 40)
    before = anchor.read_bytes()
    with corestate.open(path) as state:
        for write in (lambda: state.audit.log("a", "T"), state.audit.anchor):
            with pytest.raises(corestate.AuditAnchorError):
                write()
        assert len(state.audit) == 0, "what cannot be anchored is not added"
        assert anchor.read_bytes() == before
        anchor.unlink()
        state.audit.log("a", "T")
        anchor.write_bytes(before)
        state.audit.log("a", "T")  # a trail goes on, and its anchor's absence is told
        with pytest.raises(corestate.AuditAnchorError):
            state.audit.verify()
    assert anchor.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's files")
def test_field_x4_an_anchor_is_never_written_through_a_link(path, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"x" * 2000)
    with corestate.open(path) as state:
        state.scope("user", "u")["a"] = 1
    anchor = anchor_of(path)
    for target in (secret, tmp_path / "authorized_keys"):
        anchor.unlink(missing_ok=True)
        anchor.symlink_to(target)
        os.lchown(anchor, 2002, 2002)
        with corestate.open(path) as state, pytest.raises(errors.UntrustedFileError):
            state.audit.log("a", "T")
        assert secret.read_bytes() == b"x" * 2000
        assert not (tmp_path / "authorized_keys").exists()
    with corestate.open(path) as state:
        assert len(state.audit) == 0, "what cannot be anchored is not added"


@pytest.mark.parametrize("kind", ["fifo", "zero", "huge", "directory"])
def test_field_x4_what_is_no_anchor_is_refused_quickly(path, kind):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
    anchor = anchor_of(path)
    anchor.unlink()
    if kind == "fifo":
        os.mkfifo(anchor)
    elif kind == "zero":
        anchor.symlink_to("/dev/zero")
    elif kind == "huge":
        with anchor.open("wb") as file:
            file.truncate(1 << 40)
    else:
        anchor.mkdir()
    begun = time.monotonic()
    with corestate.attach(path, mode="r") as reader, pytest.raises(errors.CorestateError):
        reader.audit.verify()
    with corestate.open(path) as state:
        with contextlib.suppress(errors.UntrustedFileError, errors.StorageError):
            state.audit.log("a", "T")
        with pytest.raises(errors.CorestateError):
            state.audit.verify()
    assert time.monotonic() - begun < 30


def test_field_x18_a_reader_of_the_anchor_does_not_delay_who_logs(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        anchor = anchor_of(path)
        with anchor.open("rb") as reader:
            fcntl.flock(reader, fcntl.LOCK_EX)
            fcntl.fcntl(reader, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))
            done = threading.Event()
            threading.Thread(target=lambda: (state.audit.log("a", "T"), done.set()), daemon=True).start()
            assert done.wait(60)
        assert state.audit.verify()


# -- S9: exports -----------------------------------------------------------------------------------

FORMULAS = ["=cmd|'/c calc'!A0", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "'quoted", "\uff1d1"]


def test_field_s9_csv_cells_are_no_formulas_and_json_lines_are_exact(path, tmp_path):
    with corestate.open(path) as state:
        for text in FORMULAS:
            state.audit.log(text, text, text)
        state.audit.log("plain", "T", {"n": -1})
        out = io.StringIO()
        state.audit.export(out, "csv")
        rows = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
        for row, text in zip(rows, FORMULAS, strict=False):
            for cell in (row["agent_id"], row["event_type"]):
                assert cell == "'" + text
            assert not row["details"].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert (rows[-1]["agent_id"], rows[-1]["details"]) == ("plain", '{"n":-1}')
        state.audit.export(tmp_path / "x.jsonl")
        lines = (tmp_path / "x.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line)["agent_id"] for line in lines][: len(FORMULAS)] == FORMULAS


def test_field_s3_an_export_replaces_only_an_export(path, tmp_path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        state.snapshot(tmp_path / "snap")
        (tmp_path / "thesis.txt").write_text("the only copy")
        others = [path, state.durable.path, anchor_of(path), tmp_path / "snap", tmp_path / "thesis.txt"]
        for other in others:
            before = Path(other).read_bytes()
            for form in ("jsonl", "csv"):
                with pytest.raises((errors.UntrustedFileError, errors.StorageError)):
                    state.audit.export(other, form)
            assert Path(other).read_bytes() == before
        for form in ("jsonl", "csv", "jsonl"):
            assert state.audit.export(tmp_path / "x", form) == 1
        assert state.audit.verify()
        os.mkfifo(tmp_path / "fifo")
        for bad in (tmp_path / "none" / "x", tmp_path, tmp_path / "fifo", "a\0b", None, 5):
            with pytest.raises(errors.CorestateError):
                state.audit.export(bad)
    assert not [name for name in tmp_path.iterdir() if name.name.endswith("corestate-tmp")]


def test_field_s1_exports_and_anchors_are_nobody_elses(path, tmp_path):
    before = os.umask(0o022)
    try:
        with corestate.open(path) as state:
            state.audit.log("a", "T")
            state.audit.export(tmp_path / "x.csv", "csv")
    finally:
        os.umask(before)
    for name in (tmp_path / "x.csv", anchor_of(path)):
        assert name.stat().st_mode & 0o777 == 0o600


def test_field_s1_an_anchor_is_shared_as_its_region_is(tmp_path):
    path = tmp_path / "shared.state"
    before = os.umask(0o077)
    try:
        with corestate.open(path, config=corestate.RegionConfig(permissions=0o660)) as state:
            state.audit.log("a", "T")
    finally:
        os.umask(before)
    assert anchor_of(path).stat().st_mode & 0o777 == 0o660
