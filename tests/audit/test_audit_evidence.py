"""What was done to the trail behind its back is found, and the first row that shows it is named."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

import corestate
from corestate import Anchor, errors
from corestate.audit.chain import Chain

KEY = b"a key of enough bytes, kept elsewhere"
ROWS = 20


@contextlib.contextmanager
def by_hand(path):
    """The store as who has the file, and sqlite3, has it."""
    database = sqlite3.connect(f"{path}.d/store.db")
    triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        database.execute(f"DROP TRIGGER {name}")
    yield database
    for _, sql in triggers:
        database.execute(sql)
    database.commit()
    database.close()


def recompute(database, key=None):
    """Make the chain fit again, as somebody who knows how it is made would."""
    chain, before = Chain(key), bytes(32)
    for sequence, time_ns, *texts in database.execute(
        "SELECT sequence, time_ns, agent_id, event_type, details FROM audit ORDER BY sequence"
    ).fetchall():
        before = chain.next(before, sequence, time_ns, *(text.encode() for text in texts))
        database.execute("UPDATE audit SET hash = ? WHERE sequence = ?", (before, sequence))


@pytest.fixture(params=[None, KEY], ids=["plain", "keyed"])
def key(request):
    return request.param


@pytest.fixture
def trail(path, key):
    """Twenty rows, and nobody attached any more."""
    with corestate.open(path) as state:
        if key:
            state.audit.use_key(key)
        for n in range(ROWS):
            state.audit.log(f"a{n % 2}", "T", {"n": n})
    return path


def verify(path, key, anchor=None):
    with corestate.attach(path, mode="r") as state:
        if key:
            state.audit.use_key(key)
        return state.audit.verify(anchor)


def broken_at(path, key, anchor=None):
    with pytest.raises(errors.CorestateError) as found:
        verify(path, key, anchor)
    assert isinstance(found.value, corestate.AuditBrokenError), found.value
    assert str(found.value.sequence) in str(found.value)
    return found.value.sequence


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET details = '{\"n\":99}' WHERE sequence = 7",
        "UPDATE audit SET agent_id = 'a9' WHERE sequence = 7",
        "UPDATE audit SET event_type = 'U' WHERE sequence = 7",
        "UPDATE audit SET time_ns = time_ns + 1 WHERE sequence = 7",
        "UPDATE audit SET time_ns = -1 WHERE sequence = 7",
        "UPDATE audit SET time_ns = 'soon' WHERE sequence = 7",
        "UPDATE audit SET hash = zeroblob(32) WHERE sequence = 7",
        "UPDATE audit SET hash = 'text' WHERE sequence = 7",
        "UPDATE audit SET agent_id = agent_id || event_type, event_type = '' WHERE sequence = 7",
        "UPDATE audit SET details = CAST(details || char(0) AS BLOB) WHERE sequence = 7",
        "DELETE FROM audit WHERE sequence = 7",
        "DELETE FROM audit WHERE sequence BETWEEN 7 AND 12",
    ],
)
def test_a_changed_or_missing_row(trail, key, change):
    with by_hand(trail) as database:
        database.execute(change)
    assert broken_at(trail, key) == 7


def test_rows_taken_from_the_front(trail, key):
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence <= 3")
    assert broken_at(trail, key) == 1


def test_a_row_put_in_front(trail, key):
    with by_hand(trail) as database:
        database.execute("INSERT INTO audit VALUES (0, 1, 'a', 'T', '{}', zeroblob(32))")
    assert broken_at(trail, key) == 1


def test_two_rows_changed_for_each_other(trail, key):
    with by_hand(trail) as database:
        database.execute("UPDATE audit SET sequence = -1 WHERE sequence = 7")
        database.execute("UPDATE audit SET sequence = 7 WHERE sequence = 8")
        database.execute("UPDATE audit SET sequence = 8 WHERE sequence = -1")
    assert broken_at(trail, key) == 7


@pytest.mark.parametrize("left", [0, 1, 19])
def test_a_tail_cut_off(trail, key, left):
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence > ?", (left,))
    assert broken_at(trail, key) == left + 1


@pytest.mark.parametrize("left", [0, 12, 19])
def test_a_cut_shows_also_after_more_was_logged(trail, key, left):
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence > ?", (left,))
    with corestate.open(trail) as state:
        if key:
            state.audit.use_key(key)
        for n in range(30):
            state.audit.log("later", "T", {"n": n})
    assert broken_at(trail, key) == ROWS


def test_a_recomputed_chain(trail, key):
    """Without a key its every link fits; the anchor says that it is another. With one no link can be made."""
    with by_hand(trail) as database:
        database.execute("UPDATE audit SET details = '{}' WHERE sequence = 7")
        recompute(database)
    assert broken_at(trail, key) == (1 if key else ROWS)


def test_the_anchor_file_forged_or_gone(trail, key):
    anchor = Path(f"{trail}.d/anchor")
    kept, whole = anchor.read_bytes(), None
    with corestate.attach(trail, mode="r") as state:
        whole = state.audit.head()
    for at in range(len(kept)):
        anchor.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        with pytest.raises(corestate.AuditAnchorError):
            verify(trail, key)
    for bad in (kept[:-1], kept + b"x"):
        anchor.write_bytes(bad)
        with pytest.raises(corestate.AuditAnchorError):
            verify(trail, key)
    anchor.unlink()
    for elsewhere in (None, whole):  # which does not say what came after it
        with pytest.raises(corestate.AuditAnchorError):
            verify(trail, key, elsewhere)
    with corestate.open(trail) as state:
        if key:
            state.audit.use_key(key)
        state.audit.log("a", "T")  # makes no anchor where one is missing
        assert not anchor.exists()
        state.audit.anchor()
    assert verify(trail, key)


def test_who_has_no_key_cannot_forge_an_anchor(path):
    with corestate.open(path) as state:
        state.audit.use_key(KEY)
        for n in range(ROWS):
            state.audit.log("a", "T", {"n": n})
        store_id = state.durable.store.id
    with by_hand(path) as database:
        database.execute("DELETE FROM audit WHERE sequence > 10")
        ((digest,),) = database.execute("SELECT hash FROM audit WHERE sequence = 10")
    from corestate.audit.anchor import AnchorFile, End

    Path(f"{path}.d/anchor").unlink()
    forged = AnchorFile(Path(f"{path}.d/anchor"), store_id, Chain(None), sync=False)
    forged.write(End(10, digest, 0, bytes(32)))
    with pytest.raises(corestate.AuditAnchorError):
        verify(path, KEY)


def test_an_anchor_the_caller_keeps(trail, key):
    with corestate.open(trail) as state:
        if key:
            state.audit.use_key(key)
        kept = str(state.audit.anchor())
        for n in range(5):
            state.audit.log("more", "T", n)
    anchor = Anchor.parse(kept)
    assert anchor.sequence == ROWS
    assert verify(trail, key, anchor)
    assert broken_at(trail, key, Anchor(anchor.sequence - 1, anchor.hash)) == ROWS - 1
    assert broken_at(trail, key, Anchor(99, anchor.hash)) == ROWS + 6
    for bad in ("", "7", "x:" + kept, "-1:" + "0" * 64, "7:00"):
        with pytest.raises(errors.InvalidError):
            Anchor.parse(bad)


def test_the_anchor_of_another_store_is_no_anchor(trail, key, tmp_path):
    with corestate.open(tmp_path / "other.state") as state:
        if key:
            state.audit.use_key(key)
        for n in range(ROWS):
            state.audit.log(f"a{n % 2}", "T", {"n": n})
    shutil.copy(tmp_path / "other.state.d/anchor", f"{trail}.d/anchor")
    with pytest.raises(corestate.AuditAnchorError, match="another store"):
        verify(trail, key)


def test_a_wrong_key_neither_reads_as_true_nor_adds(path):
    with corestate.open(path) as state:
        state.audit.use_key(KEY)
        state.audit.log("a", "T")
    with corestate.open(path) as state:
        for attempt in (lambda: state.audit.log("b", "T"), state.audit.verify):
            with pytest.raises(corestate.AuditKeyError):
                attempt()
        with pytest.raises(corestate.AuditKeyError):
            state.audit.use_key(b"some other sixteen bytes")
    with corestate.open(path) as state:
        state.audit.use_key(KEY)
        assert [row.agent_id for row in state.audit] == ["a"]
        assert state.audit.verify()
        for bad in (b"short", b"x" * 65):
            with pytest.raises(errors.InvalidError):
                state.audit.use_key(bad)
        with pytest.raises(errors.WrongTypeError):
            state.audit.use_key("text")


def test_no_door_to_change_or_delete(path):
    with corestate.open(path) as state:
        state.audit.log("a", "T")
        assert not [
            name
            for name in dir(state.audit)
            if name.startswith(("delete", "update", "remove", "__setitem", "__delitem"))
        ]
        for sql in ("UPDATE audit SET agent_id = 'b'", "DELETE FROM audit"):
            with pytest.raises(errors.StoreError, match="audit trail"), state.durable.store.write() as rows:
                rows.run(sql)
        assert state.audit.verify()


def test_retention_by_count_and_age_keeps_it_verifiable(trail, key):
    with corestate.open(trail) as state:
        if key:
            state.audit.use_key(key)
        kept = state.audit.anchor()
        assert state.audit.prune(age=3600) == 0
        assert state.audit.prune(age=3600, count=5) == 0
        assert state.audit.prune(count=5) == ROWS - 5
        assert state.audit.pruned() == ROWS - 5
        assert [row.sequence for row in state.audit] == [16, 17, 18, 19, 20, 21]
        assert state.audit.tail(1)[0].event_type == "AUDIT_PRUNED"
        assert state.audit.tail(1)[0].details["rows"] == 15
        assert state.audit.verify(kept)
        state.audit.log("a", "T")
        assert state.audit.prune(age=0) == 6
        assert [row.event_type for row in state.audit] == ["T", "AUDIT_PRUNED"]
        assert state.audit.verify()
        for bad in ({}, {"age": -1}, {"count": -1}):
            with pytest.raises(errors.InvalidError):
                state.audit.prune(**bad)
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence = 22")
    assert broken_at(trail, key) == 22


def test_retention_that_was_not_announced(trail, key):
    with corestate.open(trail) as state:
        if key:
            state.audit.use_key(key)
        state.audit.prune(count=10)
    with by_hand(trail) as database:
        database.execute("DELETE FROM audit WHERE sequence < 15")
    assert broken_at(trail, key) == 11
