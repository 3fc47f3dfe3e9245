"""Who may only read leaves nothing behind, takes no lock, and stops nobody; its answers are the same."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from users import ANN, BEN, command, run_as

import corestate

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="users and mounts of Linux")

_FILL = """
with corestate.create(sys.argv[1], config=corestate.RegionConfig(permissions=0o644)) as state:
    scope = state.scope("user", "ann")
    for n in range(200):
        scope["k"] = n
    scope.update({f"many{n}": n for n in range(300)})
    scope["big"] = "x" * 100_000
    state.tasks.push("t", 1)
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] == "killed" else None
"""
_ANSWERS = """
state = corestate.attach(sys.argv[1], mode="r")
scope = state.scope("user", "ann")
with state.changes(0) as feed:
    changes = [(change.sequence, change.key) for change in feed.drain()]
print(json.dumps([scope["k"], scope.entry("k").version, sorted(scope.items())[:5], changes, state.audit.verify(),
    [version.value for version in scope.history("k")], len(scope["big"]), state.durable.store.check(),
    [row.sequence for row in state.audit]]))
state.close()
"""


def _names(directory: Path) -> dict[str, tuple[int, int]]:
    return {entry.name: (entry.stat().st_size, entry.stat().st_ino) for entry in directory.iterdir()}


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_field_s2_a_reader_of_another_user_leaves_nothing_behind(home, how):
    region, directory = home / "r.state", home / "r.state.d"
    subprocess.run(command(ANN, _FILL, region, how), check=how == "closed", capture_output=True)
    before = _names(directory)
    temporary = set(Path(tempfile.gettempdir()).glob("corestate-copy-*"))
    found = run_as(BEN, _ANSWERS, region)
    assert _names(directory) == before
    assert set(Path(tempfile.gettempdir()).glob("corestate-copy-*")) <= temporary
    assert run_as(ANN, _ANSWERS, region) == found, "as its owner has it"
    assert run_as(ANN, "s = corestate.attach(sys.argv[1]); s.scope('user', 'ann')['k'] = 'on'; s.close()", region) == ""
    assert run_as(BEN, "print(corestate.attach(sys.argv[1], mode='r').scope('user', 'ann')['k'])", region) == "on"


def test_field_s2_a_reader_follows_a_writer(home):
    region = home / "r.state"
    run_as(ANN, _FILL, region, "closed")
    writer = subprocess.Popen(
        command(
            ANN,
            """
            state = corestate.attach(sys.argv[1])
            scope = state.scope("user", "ann")
            for line in sys.stdin:
                for n in range(50):
                    scope[f"w{n}"] = int(line)
                scope["last"] = int(line)
                print(line, end="", flush=True)
            """,
            region,
        ),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    reader = subprocess.Popen(
        command(
            BEN,
            """
            state = corestate.attach(sys.argv[1], mode="r")
            scope = state.scope("user", "ann")
            for line in sys.stdin:
                written = {entry.value for entry in scope.entries() if entry.key[0] == "w"}
                print(scope.entry("last").value, written, flush=True)
            """,
            region,
        ),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for n in range(30):
            for program, said in ((writer, f"{n}\n"), (reader, f"{n} {{{n}}}\n")):
                program.stdin.write(f"{n}\n")
                program.stdin.flush()
                assert program.stdout.readline() == said
    finally:
        for program in (writer, reader):
            program.kill()
            program.communicate()


def test_field_s2_a_copy_is_of_one_moment_while_others_write(home):
    """Transfers between two keys, while the log is begun anew again and again: the sum is always the same."""
    region = home / "r.state"
    run_as(ANN, _FILL, region, "closed")
    writer = subprocess.Popen(
        command(
            ANN,
            """
            state = corestate.attach(sys.argv[1])
            scope = state.scope("user", "sum")
            state.durable.store._mine().raw.execute("PRAGMA wal_autocheckpoint = 5")
            scope.update(a=50, b=50)
            print("there", flush=True)
            n = 0
            while True:
                n += 1
                scope.update(a=n % 100, b=100 - n % 100, text="x" * (n % 9000))
            """,
            region,
        ),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert writer.stdout.readline() == "there\n"
        said = run_as(
            BEN,
            """
            scope = corestate.attach(sys.argv[1], mode="r").scope("user", "sum")
            seen = set()
            while len(seen) < 30:
                values = {entry.key: entry.value for entry in scope.entries()}
                assert values["a"] + values["b"] == 100, values
                seen.add(values["a"])
            print("always")
            """,
            region,
        )
        assert said == "always"
    finally:
        writer.kill()
        writer.communicate()


def test_field_x6_readers_cannot_lock_what_writers_lock(home):
    """No byte of -shm and lock can be locked by who may not write, since they cannot even be opened."""
    region = home / "r.state"
    subprocess.run(command(ANN, _FILL, region, "killed"), check=False)
    said = run_as(
        BEN,
        """
        for name in ("store.db-shm", "lock", "store.db", "store.db-wal"):
            try:
                descriptor = os.open(f"{sys.argv[1]}.d/{name}", os.O_RDONLY)
                for byte in (0, 1, 120, 0x40000000, 0x40000002):
                    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, byte, 1, 0))
                print(name)
            except PermissionError:
                pass
        """,
        region,
    )
    assert said.split() == ["store.db", "store.db-wal"]


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_field_s2_a_read_only_mount(home, place, how):
    region, mount = home / "r.state", place / "mounted"
    subprocess.run(command(ANN, _FILL, region, how), check=how == "closed", capture_output=True)
    mount.mkdir()
    if subprocess.run(["mount", "--bind", "-o", "ro", home, mount], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted")
    try:
        found = run_as(ANN, _ANSWERS, mount / "r.state")
        for arguments in (
            ("get", "{}", "user:ann", "k"),
            ("audit", "{}", "--verify"),
            ("tasks", "{}"),
            ("doctor", "{}"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "corestate", *(one.format(mount / "r.state") for one in arguments)],
                capture_output=True, text=True, check=False, timeout=100,
            )  # fmt: skip
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        with corestate.attach(mount / "r.state", mode="r") as state:
            assert state.scope("user", "ann")["k"] == 199
    finally:
        subprocess.run(["umount", mount], check=True)
    assert run_as(ANN, _ANSWERS, region) == found


def test_field_s2_a_reader_killed_in_the_middle_leaves_nothing(home):
    region = home / "r.state"
    run_as(ANN, _FILL, region, "closed")
    reader = subprocess.Popen(
        command(
            BEN,
            """
            state = corestate.attach(sys.argv[1], mode="r")
            print(state.scope("user", "ann")["k"], flush=True)
            time.sleep(60)
            """,
            region,
        ),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout.readline() == "199\n"
    open_there = [str(one.readlink()) for one in Path(f"/proc/{reader.pid}/fd").iterdir()]
    copies = [name for name in open_there if "corestate-copy-" in name]
    assert copies, open_there
    assert all(name.endswith(" (deleted)") for name in copies), copies
    reader.kill()
    reader.communicate()


def test_field_s2_a_forked_reader_reads_on(home):
    region = home / "r.state"
    run_as(ANN, _FILL, region, "closed")
    said = run_as(
        BEN,
        """
        scope = corestate.attach(sys.argv[1], mode="r").scope("user", "ann")
        assert scope.entry("k").value == 199
        child = os.fork()
        if not child:
            os._exit(0 if scope.entry("k").value == 199 else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), scope.entry("k").value)
        """,
        region,
    )
    assert said == "0 199"


def test_field_s2_who_may_write_and_only_reads_takes_part_in_nothing(tmp_path):
    with corestate.create(tmp_path / "r.state") as state:
        state.scope("global")["a"] = 1
    before = sorted(entry.name for entry in (tmp_path / "r.state.d").iterdir())
    with corestate.attach(tmp_path / "r.state", mode="r") as reader:
        assert reader.scope("global")["a"] == 1
        with pytest.raises(corestate.CorestateError), reader.durable.store.write() as rows:
            rows.run("DELETE FROM entries")
        with corestate.attach(tmp_path / "r.state") as state:
            assert state.durable.store.begun, "a reader keeps no session alive"
    assert sorted(entry.name for entry in (tmp_path / "r.state.d").iterdir()) == before
