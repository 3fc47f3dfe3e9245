"""Who may read and write what a store is made of: the region's permissions say so, whatever the umask."""

from __future__ import annotations

import os
import stat

import pytest
from users import ANN, BEN, CAY, TEAM, run_as

import corestate

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users on this platform")

_MAKE = """
permissions = int(sys.argv[2], 8)
with corestate.create(sys.argv[1], config=corestate.RegionConfig(permissions=permissions)) as state:
    for _ in range(3):
        with corestate.attach(sys.argv[1]) as again:
            again.scope("global")["a"] = 1
    state.scope("global")["a"] = 1
    there = sys.argv[1] + ".d"
    modes = {name: os.stat(f"{there}/{name}").st_mode & 0o7777 for name in os.listdir(there)}
    print(json.dumps(modes | {"directory": os.stat(there).st_mode & 0o7777}))
"""


_ADD = """
with corestate.attach(sys.argv[1]) as state:
    state.audit.log("a", "T")
    print(state.scope("global").increment("a"))
"""


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
@pytest.mark.parametrize(
    ("permissions", "directory", "files", "writers"),
    [
        (0o600, 0o700, 0o600, 0o600),
        (0o640, 0o750, 0o640, 0o600),
        (0o660, 0o3770, 0o660, 0o660),
        (0o644, 0o755, 0o644, 0o600),
        (0o664, 0o3775, 0o664, 0o660),
        (0o666, 0o3777, 0o666, 0o666),
    ],
)
def test_field_s1_modes_follow_the_region(home, permissions, directory, files, writers, umask):
    import json

    found = json.loads(run_as(ANN, _MAKE, home / "r.state", f"{permissions:o}", umask=umask))
    assert {name: oct(mode) for name, mode in found.items()} == {
        "directory": oct(directory),
        "store.db": oct(files),
        "store.db-wal": oct(files),
        "store.db-shm": oct(writers),
        "lock": oct(writers),
    } | ({"store.db-journal": oct(files & ~0o022)} if files & 0o022 else {})


def test_field_s1_another_user_reads_nothing_of_a_private_region(home):
    run_as(ANN, _MAKE, home / "r.state", "600")
    assert run_as(BEN, "print(os.access(sys.argv[1], os.R_OK))", home / "r.state.d" / "store.db") == "False"


def test_field_s1_a_store_that_others_could_read_is_closed_when_its_owner_opens_it(tmp_path):
    with corestate.create(tmp_path / "r.state") as state:
        state.scope("global")["a"] = 1
    database = tmp_path / "r.state.d" / "store.db"
    database.chmod(0o644)
    with corestate.attach(tmp_path / "r.state") as state:
        assert state.scope("global").entry("a").value == 1
        assert {entry.stat().st_mode & 0o777 for entry in database.parent.iterdir()} == {0o600}


def test_field_s1_a_group_shares_the_store_of_the_region_it_shares(home):
    home.chmod(0o2770)
    os.chown(home, ANN, TEAM)
    region = home / "r.state"
    run_as(ANN, _MAKE, region, "660", gid=TEAM, umask=0o077)
    write = """
    own = {} if "owner" not in corestate.attach.__code__.co_varnames else {"owner": int(sys.argv[3])}
    with corestate.attach(sys.argv[1], **own) as state:
        print(state.scope("global").increment("n"))
        state.audit.log("a", "T")
        state.audit.verify()
    """
    assert run_as(BEN, write, region, "", ANN, gid=TEAM) == "1"
    assert run_as(ANN, write, region, "", ANN, gid=TEAM, umask=0o077) == "2"
    assert run_as(BEN, write, region, "", ANN, gid=TEAM, umask=0o077) == "3"
    assert {entry.stat().st_gid for entry in (home / "r.state.d").iterdir()} == {TEAM}


def test_field_s1_what_root_makes_in_a_users_region_is_the_users(home):
    region = home / "r.state"
    run_as(ANN, "corestate.create(sys.argv[1]).close()", region)
    with corestate.attach(region, owner=ANN) as state:
        state.scope("global")["a"] = 1
        assert {(entry.stat().st_uid, entry.stat().st_gid) for entry in (home / "r.state.d").iterdir()} == {(ANN, ANN)}
    assert (home / "r.state.d").stat().st_uid == ANN
    assert run_as(ANN, _ADD, region) == "2"
    with corestate.attach(region, mode="r") as state:
        assert state.scope("global").entry("a").value == 2
    assert run_as(ANN, _ADD, region) == "3"


# -- a directory that is somebody else's ------------------------------------------------------------


def test_field_x2_a_planted_directory_is_refused(home):
    """BEN may write beside the region and makes the store's directory beforehand."""
    home.chmod(0o777)
    region = home / "r.state"
    run_as(ANN, "corestate.create(sys.argv[1]).close()", region)
    run_as(BEN, "os.mkdir(sys.argv[1] + '.d'); os.chmod(sys.argv[1] + '.d', 0o777)", region)
    attempt = """
    try:
        corestate.attach(sys.argv[1]).scope("global")["a"] = 1
    except corestate.UntrustedFileError as error:
        print(os.listdir(sys.argv[1] + ".d"))
    """
    assert run_as(ANN, attempt, region) == "[]"


@pytest.mark.parametrize("mode", [0o722, 0o702, 0o720, 0o777, 0o2770])
def test_field_x2_a_directory_that_others_may_write_to_is_refused(home, mode):
    region = home / "r.state"
    run_as(ANN, _MAKE, region, "600")
    (home / "r.state.d").chmod(mode)
    attempt = """
    for mode in ("r", "rw"):
        try:
            corestate.attach(sys.argv[1], mode=mode).scope("global")["a"]
        except corestate.UntrustedFileError as error:
            assert "chmod 700" in str(error), error
            print("refused")
    """
    assert run_as(ANN, attempt, region) == "refused\nrefused"


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "store.db-shm", "lock"])
@pytest.mark.parametrize("kind", ["link", "name", "fifo", "directory"])
def test_field_x2_only_regular_files_with_one_name_lie_in_it(tmp_path, name, kind):
    with corestate.create(tmp_path / "r.state") as state:
        state.scope("global")["a"] = 1
    there = tmp_path / "r.state.d" / name
    there.unlink(missing_ok=True)
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    if kind == "link":
        there.symlink_to(victim)
    elif kind == "name":
        os.link(victim, there)
    elif kind == "fifo":
        os.mkfifo(there)
    else:
        there.mkdir()
    for mode in ("r", "rw"):
        with corestate.attach(tmp_path / "r.state", mode=mode) as state, pytest.raises(corestate.CorestateError):
            state.scope("global")["a"]
    assert victim.read_bytes() == b"untouched"
    assert stat.S_IFMT(there.lstat().st_mode) != stat.S_IFREG or kind == "name"


def test_field_s1_three_users_of_whom_one_may_only_read(home):
    """-shm is never readable by who may not write, over many openings and closings."""
    region = home / "r.state"
    home.chmod(0o2775)
    os.chown(home, ANN, TEAM)
    run_as(ANN, _MAKE, region, "664", gid=TEAM)
    work = """
    own = {} if "owner" not in corestate.attach.__code__.co_varnames else {"owner": int(sys.argv[2])}
    for n in range(20):
        with corestate.attach(sys.argv[1], **own) as state:
            state.scope("global").increment("n")
            assert os.stat(sys.argv[1] + ".d/store.db-shm").st_mode & 0o777 == 0o660
    """
    import subprocess

    from users import command

    crew = [
        subprocess.Popen(command(user, work, region, ANN, gid=TEAM), stderr=subprocess.PIPE, text=True)
        for user in (ANN, BEN)
    ]
    for one in crew:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    read = "print(corestate.attach(sys.argv[1], mode='r').scope('global')['n'])"
    assert run_as(CAY, read, region) == "40"
