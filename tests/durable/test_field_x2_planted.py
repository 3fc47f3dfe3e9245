"""What another user puts into a store's directory, or in its place, reaches nothing beyond that store."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from users import ANN, BEN, CAY, TEAM, command, run_as

import corestate

_MAKE = """
config = corestate.RegionConfig(permissions=int(sys.argv[2], 8))
with corestate.create(sys.argv[1], config=config) as state:
    state.scope("global")["k"] = 1
"""
_READ = """
try:
    with corestate.attach(sys.argv[1], mode=sys.argv[2], owner=int(sys.argv[3])) as state:
        print(state.scope("global")["k"])
except corestate.CorestateError as error:
    print(type(error).__name__)
"""
_ADD = """
for _ in range(int(sys.argv[2])):
    with corestate.attach(sys.argv[1], owner=int(sys.argv[3])) as state:
        print(state.scope("global").increment("n"))
        state.audit.log("a", "T")
"""


def _super_journal(target: Path) -> bytes:
    """A rollback journal that holds no page, and names a file which SQLite removes when it has rolled it back."""
    head = bytes.fromhex("d9d505f920a163d7") + struct.pack(">IIIII", 0, 0, 31, 512, 2048)
    name = str(target).encode()
    tail = struct.pack(">II", len(name), sum(name)) + bytes.fromhex("d9d505f920a163d7")
    return head.ljust(512, b"\0") + struct.pack(">I", 0x40000000 // 2048 + 1) + name + tail


@pytest.fixture(name="shared")
def _shared(home):
    """A region that a group writes, in a directory that it may write to; ANN's."""
    home.chmod(0o2770)
    os.chown(home, ANN, TEAM)
    run_as(ANN, _MAKE, home / "r.state", "660", gid=TEAM)
    return home / "r.state"


@pytest.fixture(name="precious")
def _precious(place):
    private = place / "private"
    private.mkdir(mode=0o700)
    os.chown(private, ANN, ANN)
    (private / "precious").write_bytes(b"precious")
    os.chown(private / "precious", ANN, ANN)
    (private / "precious").chmod(0o600)
    return private / "precious"


_PLANT = """
for name in sys.argv[3:]:
    try:
        os.unlink(name)
    except OSError as problem:
        print(type(problem).__name__)
    try:
        if sys.argv[2] == "fifo":
            os.mkfifo(name)
        else:
            with open(name, "xb") as file:
                file.write(bytes.fromhex(sys.argv[2]))
        os.chmod(name, 0o666)
    except OSError as problem:
        print(type(problem).__name__)
"""


@pytest.mark.parametrize("kind", ["journal", "fifo"])
@pytest.mark.parametrize("mode", ["r", "rw"])
def test_field_x2_a_journal_cannot_be_planted_by_who_may_write(shared, precious, mode, kind):
    journal = Path(f"{shared}.d/store.db-journal")
    what = "fifo" if kind == "fifo" else _super_journal(precious).hex()
    found = run_as(BEN, _PLANT, "", what, journal, gid=TEAM)
    assert run_as(ANN, _READ, shared, mode, ANN, gid=TEAM) == "1"
    assert precious.read_bytes() == b"precious"
    assert found == "PermissionError\nFileExistsError"
    assert journal.stat().st_size == 0
    assert (journal.stat().st_uid, journal.stat().st_mode & 0o7777) == (ANN, 0o640)


@pytest.mark.parametrize("kind", ["journal", "fifo", "empty"])
def test_field_x2_a_planted_journal_is_refused_by_name(home, precious, kind):
    """In the directory of who planted it, whatever its mode."""
    region = home / "r.state"
    home.chmod(0o777)
    run_as(BEN, _MAKE, region, "666")
    journal = Path(f"{region}.d/store.db-journal")
    journal.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(journal)
    else:
        journal.write_bytes(b"" if kind == "empty" else _super_journal(precious))
    os.chown(journal, CAY, CAY)
    journal.chmod(0o666)
    before = (journal.stat().st_mode, journal.stat().st_size)
    found = run_as(ANN, _READ, region, "rw", BEN)
    assert found == "UntrustedFileError"
    assert run_as(ANN, _READ, region, "r", BEN) == "1"  # a private copy
    assert (journal.stat().st_mode, journal.stat().st_size) == before
    assert precious.read_bytes() == b"precious"


def test_field_x2_who_looks_at_anothers_store_runs_nothing_of_it(home):
    """Root looks at a private region of ANN's: by a copy, whatever lies beside the database."""
    region = home / "r.state"
    run_as(ANN, _MAKE, region, "600")
    victim = home / "victim"
    victim.write_bytes(b"root's")
    Path(f"{region}.d/store.db-journal").write_bytes(_super_journal(victim))
    with corestate.attach(region, mode="r") as state:
        assert state.scope("global")["k"] == 1
    assert victim.read_bytes() == b"root's"


@pytest.mark.parametrize("name", ["store.db-mj00", "other", "\udcff"])
def test_field_x2_other_names_are_refused_where_others_may_write(shared, name):
    (Path(f"{shared}.d") / name).write_bytes(b"")
    assert run_as(ANN, _READ, shared, "rw", ANN, gid=TEAM) == "UntrustedFileError"


def test_field_x2_the_name_is_taken_before_others_are_let_in(tmp_path, monkeypatch):
    from corestate.stores import directory

    modes = []
    hold = directory.StoreDirectory._hold_names
    monkeypatch.setattr(
        directory.StoreDirectory,
        "_hold_names",
        lambda self, inside: (hold(self, inside), modes.append(os.fstat(inside.directory).st_mode & 0o7777))[0],
    )
    with corestate.create(tmp_path / "r.state", config=corestate.RegionConfig(permissions=0o666)) as state:
        state.scope("global")["k"] = 1
        there = tmp_path / "r.state.d"
        assert modes[0] & 0o777 == 0o700
        assert there.stat().st_mode & 0o1777 == 0o1777
        assert there.joinpath("store.db-journal").stat().st_mode & 0o777 == 0o644
        state.retain(versions=1)
        state.scope("global").erase("k")
        assert state.audit.verify()
    assert there.joinpath("store.db-journal").stat().st_size == 0


def test_field_x2_a_database_without_a_log_of_writes_is_not_used_where_others_may_write(shared):
    """In another journal mode SQLite would write the journal, and remove it: its name would be free again."""
    database = Path(f"{shared}.d/store.db")
    raw = bytearray(database.read_bytes())
    raw[18:20] = b"\1\1"
    database.write_bytes(raw)
    assert run_as(ANN, _READ, shared, "rw", ANN, gid=TEAM) == "StoreCorruptError"
    assert Path(f"{shared}.d/store.db-journal").stat().st_uid == ANN


@pytest.mark.parametrize("killed", [False, True])
def test_field_x2_two_users_take_turns_in_a_sticky_directory(shared, killed):
    """Neither removes what is the other's: what is left is used by the next one."""
    program = _ADD
    if killed:
        program += "corestate.attach(sys.argv[1], owner=int(sys.argv[3])).scope('global').increment('m')\n"
        program += "state = corestate.attach(sys.argv[1], owner=int(sys.argv[3])); state.scope('global')['x'] = 1\n"
        program += "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    rounds = 10 if killed else 50
    for turn in range(rounds):
        user = (ANN, BEN)[turn % 2]
        done = subprocess.run(
            command(user, program, shared, 1, ANN, gid=TEAM, umask=0o077),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.stdout.split() == [str(turn + 1)], done.stderr[-2000:]
        for entry in Path(f"{shared}.d").iterdir():
            wanted = 0o640 if entry.name == "store.db-journal" else 0o660
            assert (entry.stat().st_gid, oct(entry.stat().st_mode & 0o7777)) == (TEAM, oct(wanted)), entry
            if entry.name != "anchor":
                assert entry.stat().st_uid == ANN, entry
    with corestate.attach(shared, mode="r") as state:
        assert state.audit.verify()


def test_field_x2_two_users_at_once_in_a_sticky_directory(shared):
    crew = [
        subprocess.Popen(command(user, _ADD, shared, 50, ANN, gid=TEAM), stderr=subprocess.PIPE, text=True, stdout=-1)
        for user in (ANN, BEN)
    ]
    for one in crew:
        _, said = one.communicate(timeout=200)
        assert one.returncode == 0, said
    assert run_as(BEN, _ADD, shared, 1, ANN, gid=TEAM) == "101"


# -- files that others have moved in ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "store.db-shm", "lock"])
@pytest.mark.parametrize("victim", [ANN, 0])
def test_field_x2_a_private_file_that_was_moved_in_keeps_its_mode_and_bytes(shared, name, victim):
    """ANN's own, which BEN cannot read, but rename into the directory before it was sticky."""
    secret = Path(f"{shared}.d") / name
    secret.unlink(missing_ok=True)
    secret.write_bytes(b"topsecret" * 4000)
    secret.chmod(0o600)
    os.chown(secret, ANN, ANN)
    found = run_as(victim, _READ, shared, "rw", ANN, gid=TEAM)
    assert found in ("UntrustedFileError", "StoreCorruptError")
    assert secret.read_bytes() == b"topsecret" * 4000
    assert secret.stat().st_mode & 0o777 == 0o600


def test_field_x2_a_private_store_that_was_moved_in_stays_private(home):
    """BEN may rename in the directory, and puts ANN's private store in the place of a shared region's."""
    home.chmod(0o2770)
    os.chown(home, ANN, TEAM)
    run_as(ANN, _MAKE, home / "private.state", "600", gid=TEAM)
    run_as(ANN, "corestate.create(sys.argv[1], corestate.RegionConfig(permissions=0o660)).close()", home / "r.state")
    (home / "private.state.d").rename(home / "r.state.d")
    run_as(ANN, _READ, home / "r.state", "rw", ANN, gid=TEAM)
    assert {oct(entry.stat().st_mode & 0o7777) for entry in (home / "r.state.d").iterdir()} == {"0o600"}
    assert oct((home / "r.state.d").stat().st_mode & 0o7777) == "0o700"


# -- another region's name, another directory ---------------------------------------------------------


def test_field_x2_the_regions_owner_is_asked_of_what_is_open(home):
    """BEN may rename in the directory: another region under the name makes nobody trusted."""
    home.chmod(0o777)
    region = home / "r.state"
    program = """
    with corestate.create(sys.argv[1]) as state:
        print("made", flush=True)
        sys.stdin.readline()
        try:
            state.scope("global")["password"] = "hunter2"
        except corestate.UntrustedFileError as error:
            print("refused")
    """
    victim = subprocess.Popen(command(ANN, program, region), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert victim.stdout.readline() == "made\n"
    region.rename(home / "away")
    run_as(BEN, _MAKE, region, "666")
    there = Path(f"{region}.d")
    there.chmod(0o755)
    for entry in there.iterdir():
        entry.chmod(0o666)
    said, _ = victim.communicate("\n", timeout=60)
    assert said == "refused\n"
    assert not any(b"hunter2" in entry.read_bytes() for entry in there.iterdir())


def test_field_x2_a_directory_that_is_exchanged_while_it_is_opened_is_noticed(home, monkeypatch):
    """Between the look at it and SQLite's opening by path, as whoever may rename in the directory above can do it."""
    import shutil

    from corestate.stores import sqlite

    home.chmod(0o777)
    region = home / "r.state"
    with corestate.create(region) as state:
        state.scope("global")["k"] = "real"
    there, evil, kept = home / "r.state.d", home / "evil", home / "kept"
    shutil.copytree(there, evil)
    hand = sqlite3.connect(evil / "store.db")
    hand.execute("CREATE TABLE x (y)")
    hand.execute("DROP TABLE x")
    hand.commit()
    hand.close()
    connect = sqlite3.connect

    def exchanged(*arguments, **options):
        there.rename(kept)
        evil.rename(there)
        try:
            raw = connect(*arguments, **options)
            raw.execute("SELECT count(*) FROM meta").fetchone()
            return raw
        finally:
            there.rename(evil)
            kept.rename(there)

    with corestate.attach(region) as state, monkeypatch.context() as patched:
        patched.setattr(sqlite.sqlite3, "connect", exchanged)
        with pytest.raises(corestate.UntrustedFileError):
            state.scope("global")["k"]
    with corestate.attach(region) as state, corestate.attach(region) as again:
        assert state.scope("global").entry("k").value == again.scope("global").entry("k").value == "real"
        again.close()
        with corestate.attach(region) as third:  # SQLite uses a descriptor again
            assert third.scope("global").entry("k").value == "real"
        import threading

        found = []
        with monkeypatch.context() as patched:
            patched.setattr(sqlite.sqlite3, "connect", exchanged)

            def ask():
                try:
                    found.append(state.durable.store.one("SELECT 1"))
                except corestate.UntrustedFileError as error:
                    found.append(error)

            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        assert isinstance(found[0], corestate.UntrustedFileError), found


def test_field_x2_a_backup_in_another_journal_mode_is_put_into_write_ahead_mode(tmp_path):
    """`VACUUM INTO` leaves such a copy. Nobody else may write in the directory."""
    region = tmp_path / "r.state"
    with corestate.create(region) as state:
        state.scope("global")["k"] = 1
    database = tmp_path / "r.state.d" / "store.db"
    hand = sqlite3.connect(database)
    hand.execute("PRAGMA journal_mode = DELETE")
    hand.close()
    with corestate.attach(region) as state:
        state.scope("global")["k"] = 2
        assert database.read_bytes()[18:20] == b"\2\2"
    assert not database.with_name("store.db-journal").exists()


_KILLED = """
state = corestate.attach(sys.argv[1])
state.scope("global")["k"] = sys.argv[2]
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("first", ["the store's", "the other"])
def test_field_x2_a_log_is_not_moved_into_a_database_it_does_not_belong_to(home, monkeypatch, first):
    """The directory is exchanged between SQLite's opening of the database and of its log: closing it must not write."""
    import shutil

    from corestate.stores import sqlite

    home.chmod(0o777)
    region, there, evil, kept = home / "r.state", home / "r.state.d", home / "evil", home / "kept"
    with corestate.create(region) as state:
        state.scope("global")["k"] = "r000"

    def kill(value):
        subprocess.run(command(0, _KILLED, region, value), check=False, timeout=60)

    before = home / "before"
    shutil.copytree(there, before)
    kill("EVIL")
    shutil.copytree(there, evil)
    shutil.rmtree(there)
    shutil.copytree(before, there)
    kill("real")
    connect = sqlite3.connect

    def exchange():
        there.rename(kept)
        evil.rename(there)
        kept.rename(evil)

    def exchanged(*arguments, **options):
        if first == "the other":
            exchange()
        raw = connect(*arguments, **options)
        exchange()
        with contextlib.suppress(sqlite3.Error):
            raw.execute("SELECT count(*) FROM meta").fetchone()
        if first == "the store's":
            exchange()
        return raw

    with corestate.attach(region) as state, monkeypatch.context() as patched:
        patched.setattr(sqlite.sqlite3, "connect", exchanged)
        with pytest.raises(corestate.CorestateError):
            state.scope("global")["k"]
    with corestate.attach(region) as state:
        assert state.scope("global").entry("k").value == "real"
        assert state.durable.store.check() == []
