"""The store behind scopes: gone, foreign, damaged, of another version, full, and carried across fork."""

import os
import sqlite3
import subprocess
import sys
import threading

import pytest

import corestate
from corestate.stores.sqlite import SQLiteStore

_NEWER = "UPDATE meta SET value = 99 WHERE name = 'schema_version'"


@pytest.fixture(name="path")
def _path(tmp_path):
    path = tmp_path / "s.state"
    with corestate.create(path) as state:
        state.scope("global")["a"] = 1
    return path


def _store(path):
    return path.with_name(path.name + ".d") / "store.db"


def test_a_region_whose_store_is_gone_says_so(path):
    _store(path).unlink()
    with corestate.attach(path) as state:
        with pytest.raises(corestate.StoreGoneError, match="adopt"):
            state.scope("global").set("a", 2)
        assert not _store(path).exists()
        state.durable.adopt()
        assert state.scope("global").get("a") is None  # never what only the lost store knew
        state.scope("global")["a"] = 3
    with corestate.attach(path) as state:
        assert state.scope("global")["a"] == 3


def test_a_region_does_not_take_another_store_for_its_own(path, tmp_path):
    with corestate.create(tmp_path / "other.state") as other:
        other.scope("global")["a"] = 99
    _store(path).unlink()
    (tmp_path / "other.state.d" / "store.db").rename(_store(path))
    with corestate.attach(path) as state, pytest.raises(corestate.StoreGoneError, match="another"):
        state.scope("global")["a"]


def test_a_store_whose_region_is_gone_goes_on(path):
    corestate.unlink(path)
    with corestate.create(path) as state:
        assert state.scope("global")["a"] == 1
        assert [version.value for version in state.scope("global").history("a")] == [1]


def _by_hand(file, script):
    database = sqlite3.connect(file)
    database.executescript(script)
    database.close()  # which moves the log of writes into the file


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda file: file.write_bytes(b"no database at all" * 100), corestate.StoreCorruptError),
        (lambda file: _by_hand(file, "DROP TABLE meta"), corestate.StoreCorruptError),
        (
            lambda file: _by_hand(file, "UPDATE meta SET value = 99 WHERE name = 'schema_version'"),
            corestate.StoreVersionError,
        ),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_and_left_alone(path, spoil, error):
    with sqlite3.connect(_store(path)) as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    plain.close()
    spoil(_store(path))
    before = _store(path).read_bytes()
    with corestate.attach(path) as state:
        with pytest.raises(error):
            state.scope("global").set("b", 1)
        assert state.engine.neuron_count == 0  # the live part works
    assert _store(path).read_bytes()[:1000] == before[:1000]
    done = subprocess.run(
        [sys.executable, "-m", "corestate", "doctor", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "broken" in done.stdout


def test_doctor_examines_a_sound_region(path):
    done = subprocess.run(
        [sys.executable, "-m", "corestate", "doctor", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "sound" in done.stdout


def test_a_locked_store_is_an_error_in_time(path, monkeypatch):
    monkeypatch.setattr("corestate.stores.sqlite._BUSY_SECONDS", 0.05)
    plain = sqlite3.connect(_store(path), isolation_level=None)
    plain.execute("BEGIN IMMEDIATE")
    with corestate.attach(path) as state:
        with pytest.raises(corestate.StoreBusyError):
            state.scope("global")["a"] = 2
        plain.execute("ROLLBACK")
        assert state.scope("global")["a"] == 1
        state.scope("global")["a"] = 2
        assert state.scope("global")["a"] == 2
    plain.close()


def test_a_disk_that_fills_up_in_the_middle_undoes_all_of_it(path):
    with corestate.attach(path) as state:
        scope = state.scope("global")
        with state.durable.store.read() as rows:
            pages = rows.one("PRAGMA page_count")[0]
            rows.one(f"PRAGMA max_page_count = {pages + 4}")  # SQLite itself then reports a full disk
        with pytest.raises(corestate.StoreFullError, match="nothing"):
            scope.update({f"k{n}": "x" * 2000 for n in range(100)})
        assert dict(scope) == {"a": 1}
        assert scope["a"] == 1
        with pytest.raises(OSError, match="full"):
            scope["big"] = "x" * 100_000
        with state.durable.store.read() as rows:
            rows.one("PRAGMA max_page_count = 1000000")
        scope["a"] = 2
        assert dict(scope) == {"a": 2}
        assert state.durable.store.check() == []


def test_a_directory_that_may_not_be_written(path):
    _store(path).with_name("store.db-wal").unlink(missing_ok=True)
    code = (
        "import codecs, os, sys, corestate\n"
        "codecs.lookup('ascii')\n"
        "corestate.open('heap:').scope('global').get('what imports late, as long as it may')\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "with corestate.attach(sys.argv[1], mode='r') as state:\n"
        "    assert state.engine.neuron_count == 0\n"
        "    try:\n"
        "        state.scope('global')['a']\n"
        "    except corestate.StoreError as error:\n"
        "        print(type(error).__name__)\n"
    )
    if os.getuid() != 0:
        path.parent.chmod(0o500)
        code = code.replace("os.setgid(65534); os.setuid(65534)", "pass")
    else:
        for folder in (path.parent, *path.parent.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o055)
        path.chmod(0o644)
        _store(path).chmod(0o444)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=False)
    path.parent.chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.strip() in ("StoreReadOnlyError", "")  # refused, or read without writing


def test_p3_a_writer_that_was_stopped_is_an_error_for_others_not_a_hang(path, monkeypatch):
    monkeypatch.setattr("corestate.scopes.hot._LOCK_SECONDS", 0.1)
    monkeypatch.setattr("corestate.durable._TURN_SECONDS", 0.1)
    code = (
        "import os, signal, sys, corestate\n"
        "state = corestate.attach(sys.argv[1])\n"
        "scope = state.scope('global')\n"
        "def stop(found):\n"
        "    print('inside', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
        "state._space.change(scope.path, scope.limits, 'a', stop)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "inside\n"
        with corestate.attach(path) as state:
            scope = state.scope("global")
            assert scope["a"] == 1  # readers go to the store
            for key in ("a", "another"):
                with pytest.raises(corestate.StoreBusyError):
                    scope[key] = 2
            other.kill()
            other.wait()
            scope["a"] = 2
            assert scope["a"] == 2
    finally:
        other.kill()
        other.communicate()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_p8_fork_while_the_store_is_open(path):
    with corestate.attach(path) as state:
        scope = state.scope("global")
        scope["n"] = 0
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    for _ in range(50):
                        scope.increment("n")
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        for _ in range(50):
            scope.increment("n")
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        assert scope["n"] == 250
        assert state.durable.store.check() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_p8_a_child_of_fork_has_the_store_for_itself(path):
    """What its parent closed meanwhile, last of all that it knew of, is not taken from under it."""
    go, done = os.pipe(), os.pipe()
    with corestate.attach(path) as state:
        state.scope("global")["n"] = 0
        child = os.fork()
        if child == 0:
            code = 1
            try:
                state.scope("global")["n"] = 1
                os.write(done[1], b"1")
                os.read(go[0], 1)
                assert state.scope("global").increment("n") == 2
                code = 0
            finally:
                os._exit(code)
        assert os.read(done[0], 1) == b"1"
    os.write(go[1], b"1")
    assert os.waitpid(child, 0)[1] == 0
    with corestate.attach(path) as state:
        assert state.scope("global").entry("n").value == 2
        assert state.durable.store.check() == []
    for end in (*go, *done):
        os.close(end)


@pytest.mark.parametrize("turn", range(8))
def test_p8_closed_while_a_thread_opens_its_connection(path, turn):
    state = corestate.attach(path)
    state.trigger(lambda change: None)  # in a thread of its own, which looks at the store at once
    closing = threading.Thread(target=state.close)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_p8_a_child_forked_within_a_transaction_has_no_store(path):
    with corestate.attach(path) as state:
        state.scope("global")["n"] = 0
        with state.durable.store.write() as rows:
            rows.run("UPDATE meta SET value = value")
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    for attempt in (lambda: rows.one("SELECT 1"), lambda: state.scope("global").increment("n")):
                        with pytest.raises(corestate.StoreError, match="fork"):
                            attempt()
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
        assert state.scope("global").increment("n") == 1
    with corestate.open("heap:") as state:
        state.scope("global")["n"] = 0
        with state.durable.store.write() as rows:
            child = os.fork()
            if child == 0:
                os._exit(rows.one("SELECT 7")[0])
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7, "memory is the child's own"


def test_a_new_value_writes_two_pages(tmp_path):
    """What a write costs, counted in the log: the change and the current value, and at times a page more."""
    with corestate.create(tmp_path / "log.state") as state:
        scope = state.scope("global")
        scope["n"] = 100
        log = tmp_path / "log.state.d/store.db-wal"
        page, header = state.durable.store.one("PRAGMA page_size")[0], 24
        before = log.stat().st_size
        for n in range(200, 300):
            scope["n"] = n
        assert (log.stat().st_size - before) / (page + header) < 2.2 * 100


def test_transactions_do_not_nest(path):
    with corestate.attach(path) as state, state.durable.store.write() as rows:
        with pytest.raises(corestate.StoreError, match="nest"):
            state.scope("global").set("a", 5)
        assert rows.one("SELECT count(*) FROM entries") == (1,)


@pytest.mark.parametrize("durability", ["full", "normal", "batched"])
def test_every_durability_keeps_what_it_returned(tmp_path, durability):
    with corestate.open(tmp_path / "s.state", durability=durability) as state:
        state.scope("global")["a"] = 1
        mode = {"full": 2, "normal": 1, "batched": 1}[durability]
        assert state.durable.store.one("PRAGMA synchronous") == (mode,)
    with corestate.open(tmp_path / "s.state", durability=durability) as state:
        assert state.scope("global")["a"] == 1
    with pytest.raises(ValueError, match="eventually"):
        corestate.open(tmp_path / "s.state", durability="eventually")


class TestStore:
    """What every store must do; run against each there is."""

    @pytest.fixture(params=["file", "memory"])
    def store(self, request, tmp_path):
        store = SQLiteStore(tmp_path / "x.d" if request.param == "file" else None)
        with store.write() as rows:
            rows.run("CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB)")
        yield store
        store.close()

    def test_commit_and_undo(self, store):
        with store.write() as rows:
            assert rows.run("INSERT INTO t VALUES (?, ?)", "a", b"1") == 1
            rows.many("INSERT INTO t VALUES (?, ?)", [("b", b"2"), ("c", b"3")])
        with pytest.raises(ZeroDivisionError), store.write() as rows:
            rows.run("DELETE FROM t")
            raise ZeroDivisionError
        with store.read() as rows:
            assert rows.all("SELECT k FROM t ORDER BY k") == [("a",), ("b",), ("c",)]
            assert rows.one("SELECT v FROM t WHERE k = ?", "b") == (b"2",)
            assert rows.one("SELECT v FROM t WHERE k = 'none'") is None
        assert store.one("SELECT count(*) FROM t") == (3,)

    def test_bad_sql_undoes_everything(self, store):
        with pytest.raises(corestate.StoreError), store.write() as rows:
            rows.run("INSERT INTO t VALUES ('x', NULL)")
            rows.run("INSERT INTO nothing VALUES (1)")
        assert store.one("SELECT count(*) FROM t") == (0,)

    def test_threads_take_turns(self, store):
        def work(number):
            for n in range(25):
                with store.write() as rows:
                    rows.run("INSERT INTO t VALUES (?, ?)", f"{number}.{n}", b"")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.one("SELECT count(*) FROM t") == (100,)

    def test_closed(self, store):
        store.close()
        store.close()
        with pytest.raises(corestate.ClosedError):
            store.one("SELECT 1")
        with pytest.raises(corestate.ClosedError), store.write():
            pass


def test_importing_the_package_does_not_import_sqlite(child):
    """Who has no store, or no SQLite, pays nothing for it."""
    done = child("import sys, corestate; print('sqlite3' in sys.modules, 'corestate.stores.sqlite' in sys.modules)")
    assert done.finish()[0].split() == ["False", "False"]
