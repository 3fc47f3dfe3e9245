"""A region, or a name, that another user left at an address is not taken over; what a link of another's leads to is not
touched; who removes removes what was looked at."""

import os
import secrets
import struct
from pathlib import Path

import pytest
import two_users as users

import corestate
from corestate import RegionConfig
from corestate.address import parse, path_of

pytestmark = users.needs_root

PLANTED = {"empty": b"", "zeros": bytes(4096), "half": b"CORESTAT" + bytes(8184), "other": b"not a region" * 500}


@pytest.fixture(params=["shm", "sticky", "shared"])
def address(request):
    """Where another user can be first: shared memory, a directory like /tmp, one that a group shares."""
    if request.param == "shm":
        address = f"shm:corestate-test-{secrets.token_hex(6)}"
        yield address
        Path(path_of(parse(address))).unlink(missing_ok=True)
    else:
        with users.shared_directory(0o1777 if request.param == "sticky" else 0o777) as directory:
            yield str(directory / "x.state")


def state_of(address: str) -> tuple[int, int, bytes]:
    path = Path(path_of(parse(address)))
    status = path.stat()
    return status.st_uid, status.st_mode, path.read_bytes()


@pytest.mark.parametrize("content", PLANTED)
@pytest.mark.parametrize("victim", [users.OWNER, 0])
def test_field_x3_what_another_user_planted_is_left_alone(address, content, victim):
    def plant() -> None:
        path = Path(path_of(parse(address)))
        path.write_bytes(PLANTED[content])
        path.chmod(0o666)

    users.as_user(users.OTHER, plant)
    before = state_of(address)
    ways = [corestate.open, corestate.create, corestate.attach]
    found = users.as_user(victim, lambda: [users.refusal(lambda way=way: way(address)) for way in ways])
    assert found == ["UntrustedFileError", "RegionExistsError", "UntrustedFileError"]
    assert state_of(address) == before


@pytest.mark.parametrize("victim", [users.OWNER, 0])
def test_field_x3_a_region_of_another_user_is_not_written(address, victim):
    def plant() -> None:
        with corestate.create(address, RegionConfig(permissions=0o666)) as state:
            state.counters["bait"].add(7)

    users.as_user(users.OTHER, plant)
    before = state_of(address)

    def use() -> list[object]:
        found: list[object] = [users.refusal(lambda: corestate.open(address))]
        found.append(users.refusal(lambda: corestate.create(address)))
        with corestate.attach(address, mode="r") as state:  # its values are not trusted in any case
            found.append(state.counters["bait"].value)
        return found

    assert users.as_user(victim, use) == ["UntrustedFileError", "RegionExistsError", 7]
    assert state_of(address) == before

    def named() -> int:
        with corestate.open(address, owner=users.OTHER) as state:
            return state.counters["bait"].add(1)

    assert users.as_user(victim, named) == 8


def test_field_x3_the_directorys_owner_is_trusted():
    """Whoever owns the directory decides about what is in it, where nobody else can have put that directory there."""

    def use(address: Path) -> str:
        return users.refusal(lambda: corestate.open(address))

    for within, found in (("/opt", ""), (None, "UntrustedFileError")):  # in /tmp anybody can make any name
        with users.shared_directory(0o755, owner=users.OTHER, within=within) as directory:
            address = directory / "x.state"
            config = RegionConfig(permissions=0o666)
            users.as_user(users.OTHER, lambda at=address, config=config: corestate.create(at, config).close())
            for victim in (users.OWNER, 0):
                assert users.as_user(victim, lambda at=address: use(at)) == found


def test_field_x3_a_directory_that_was_swapped_is_not_believed():
    """The directory above lets others rename: the private one is taken away and another with its name put there."""
    with users.shared_directory(0o777) as directory:
        mine = directory / "mine"

        def make() -> None:
            mine.mkdir(mode=0o700)
            corestate.create(mine / "x.state").close()

        def swap() -> None:
            mine.rename(directory / "theirs")
            mine.mkdir()
            mine.chmod(0o755)
            corestate.create(mine / "x.state", RegionConfig(permissions=0o666)).close()

        users.as_user(users.OWNER, make)
        users.as_user(users.OTHER, swap)
        found = users.as_user(users.OWNER, lambda: users.refusal(lambda: corestate.open(mine / "x.state")))
        assert found == "UntrustedFileError"


@pytest.mark.parametrize("owner", ["nobody such", -1, True, 1.5])
def test_field_x3_an_owner_that_is_none(path, owner):
    with pytest.raises(corestate.UntrustedFileError, match="owner: expected a user's name or number"):
        corestate.open(path, owner=owner)
    assert not Path(path).exists()


@pytest.mark.parametrize("there", ["dangling", "a file", "a region", "a fifo"])
def test_field_x5_a_link_of_another_user_is_not_followed(there):
    with users.shared_directory(0o777) as directory, users.shared_directory(0o700, owner=users.OWNER) as home:
        target, address = home / "target", str(directory / "x.state")

        def victims() -> None:
            if there == "a file":
                target.write_bytes(b"mine" * 1000)
            elif there == "a region":
                corestate.create(target).close()
            elif there == "a fifo":
                os.mkfifo(target)

        users.as_user(users.OWNER, victims)
        before = (sorted(home.iterdir()), target.read_bytes() if there in ("a file", "a region") else None)
        users.as_user(users.OTHER, lambda: Path(address).symlink_to(target))

        def use() -> list[str]:
            ways = [corestate.open, corestate.create, corestate.attach, corestate.unlink]
            ways += [lambda path: corestate.attach(path, mode="r")]
            with corestate.open("heap:") as state:
                found = [users.refusal(lambda: state.snapshot(address))]
                state.snapshot(home / "good.snap")
            found += [users.refusal(lambda: corestate.restore(home / "good.snap", address))]
            (home / "good.snap").unlink()
            return found + [users.refusal(lambda way=way: way(address)) for way in ways]

        assert users.as_user(users.OWNER, use) == ["UntrustedFileError"] * 7
        assert before == (sorted(home.iterdir()), target.read_bytes() if there in ("a file", "a region") else None)


def test_field_x5_a_link_exchanged_after_the_look_is_not_followed(monkeypatch):
    from corestate import _trusted

    with users.shared_directory(0o777) as directory:
        (directory / "x.state").symlink_to("mine.state")
        (directory / "theirs").symlink_to("other.state")
        os.chown(directory / "theirs", users.OTHER, users.OTHER, follow_symlinks=False)
        look = _trusted.Place._look

        def look_and_exchange(place, name):
            found = look(place, name)
            if (directory / "theirs").is_symlink():
                (directory / "theirs").rename(directory / "x.state")
            return found

        monkeypatch.setattr(_trusted.Place, "_look", look_and_exchange)
        with pytest.raises(corestate.UntrustedFileError, match="a link of"):
            corestate.open(directory / "x.state")
        assert sorted(path.name for path in directory.iterdir()) == ["x.state"]


def test_field_x5_a_link_of_ones_own_is_followed(tmp_path):
    (tmp_path / "link.state").symlink_to(tmp_path / "real.state")
    with corestate.open(tmp_path / "link.state") as state:
        assert state.region.path == str(tmp_path / "real.state")
    assert not (tmp_path / "real.state").is_symlink()
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(corestate.UntrustedFileError, match="links in a row"):
        corestate.open(tmp_path / "a")


def test_field_x5_a_file_with_a_second_name_is_not_written():
    """Where the kernel lets a user link to another's file, that file is not written under the new name."""
    with users.shared_directory(0o777) as directory:
        own = directory / "own.state"
        users.as_user(users.OWNER, lambda: corestate.create(own).close())
        os.link(own, directory / "x.state")
        found = users.as_user(users.OWNER, lambda: users.refusal(lambda: corestate.open(directory / "x.state")))
        assert found == "UntrustedFileError"


def test_field_x5_unlink_removes_what_it_looked_at(monkeypatch):
    """The parent directory is swapped for a link to a private one after the look."""
    from corestate import _files

    with users.shared_directory(0o777) as directory, users.shared_directory(0o700, owner=users.OWNER) as home:
        (directory / "p").mkdir()
        (directory / "p").chmod(0o777)
        corestate.create(directory / "p" / "data", RegionConfig(permissions=0o666)).close()
        (home / "data").write_bytes(b"private")
        os.chown(home / "data", users.OWNER, users.OWNER)
        looked = _files.probe

        def swap(memory):
            found = looked(memory)
            (directory / "p").rename(directory / "q")
            (directory / "p").symlink_to(home)
            return found

        monkeypatch.setattr(_files, "probe", swap)
        corestate.unlink(directory / "p" / "data")
        assert (home / "data").read_bytes() == b"private"
        assert not (directory / "q" / "data").exists()


def test_field_x6_what_is_being_made_is_closed_to_others(monkeypatch):
    """So that nobody can take a lock on it meanwhile (attack: a region of mode 0644 that was remade for 8 seconds)."""
    from corestate import _making, _shared

    modes = []
    for module in (_making, _shared):
        reserve = module.reserve
        monkeypatch.setattr(
            module, "reserve", lambda fd, size, reserve=reserve: (modes.append(os.fstat(fd).st_mode), reserve(fd, size))
        )
    names = [f"shm:corestate-test-{secrets.token_hex(6)}" for _ in range(2)]
    try:
        for in_files, name in zip((True, False), names, strict=True):
            monkeypatch.setattr("corestate.region.SHM_IN_FILES", in_files)
            corestate.create(name, RegionConfig(permissions=0o644)).close()
        assert [mode & 0o777 for mode in modes] == [0o600, 0o600]
        assert all(Path(path_of(parse(name))).stat().st_mode & 0o777 == 0o644 for name in names)
    finally:
        for name in names:
            corestate.unlink(name)


def test_field_x3_commands_write_to_anothers_region_only_when_told_whose_it_is():
    from corestate.cli.main import _run

    with users.shared_directory(0o1777) as directory:
        address = str(directory / "x.state")

        def plant() -> None:
            with corestate.create(address, RegionConfig(permissions=0o666)) as state:
                state.scope("user", "u")["k"] = 1

        users.as_user(users.OTHER, plant)
        asked = ["set", address, "user:u", "k", "2"]
        assert users.as_user(users.OWNER, lambda: _run(asked)) == 1
        assert users.as_user(users.OWNER, lambda: _run(["--owner", "20003", *asked])) == 1
        assert users.as_user(users.OWNER, lambda: _run(["--owner", str(users.OTHER), *asked])) == 0

        def read() -> object:
            with corestate.attach(address) as state:
                return state.scope("user", "u")["k"]

        assert users.as_user(users.OTHER, read) == 2


def test_field_x5_planted_names_do_not_hold_a_snapshot_up(monkeypatch):
    """What looks like a killed maker's file, and is another user's, is neither waited for nor removed."""
    from corestate import _trusted

    waits = []
    monkeypatch.setattr(_trusted.time, "sleep", waits.append)
    with users.shared_directory(0o777) as directory:

        def plant() -> None:
            for number in range(20):
                path = directory / f".snapshot.{number}.corestate-tmp"
                path.write_bytes(b"")
                path.chmod(0o666)
                os.link(path, directory / f"second.{number}")

        users.as_user(users.OTHER, plant)

        def take() -> int:
            with corestate.open("heap:") as state:
                state.snapshot(directory / "out.snap")
            return len(waits)

        assert users.as_user(users.OWNER, take) == 0
        assert len(list(directory.glob(".snapshot.*"))) == 20


def test_field_x5_a_directory_put_in_the_place_of_a_new_one_is_not_given_away(monkeypatch):
    """Root makes the store of a user's region, who exchanges it for a private directory of root's."""
    from corestate import _trusted

    with users.shared_directory(0o777, owner=users.OTHER) as directory:
        private = directory / "private"
        private.mkdir(mode=0o700)
        (private / "key").write_text("secret")
        make = os.mkdir

        def make_and_swap(name, mode, *, dir_fd):
            make(name, mode, dir_fd=dir_fd)
            if name == "x.state.d":
                (directory / name).rename(directory / "away")
                private.rename(directory / name)

        monkeypatch.setattr(_trusted.os, "mkdir", make_and_swap)
        with _trusted.Place(directory / "x.state.d", "store") as place, pytest.raises(corestate.UntrustedFileError):
            place.make_directory(0o777, users.OTHER, users.OTHER)
        status = (directory / "x.state.d").stat()
        assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o700)


def test_field_x3_a_default_access_list_of_the_directory_lets_nobody_in(tmp_path):
    """It would come into force with the bits of the group."""
    with users.shared_directory(0o755, owner=users.OWNER) as directory:
        listed = ((0x01, 7, -1), (0x02, 7, users.OTHER), (0x04, 5, -1), (0x10, 7, -1), (0x20, 5, -1))
        value = struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", *entry[:2], entry[2] & 0xFFFFFFFF) for entry in listed
        )
        try:
            os.setxattr(directory, "system.posix_acl_default", value)
        except OSError as problem:
            pytest.skip(f"no access control lists here: {problem}")

        def make() -> None:
            with corestate.open(directory / "x.state", config=RegionConfig(permissions=0o660)) as state:
                state.scope("user", "u")["k"] = 1
                state.snapshot(directory / "x.snap")

        users.as_user(users.OWNER, make)

        def read() -> list[str]:
            return [path.name for path in sorted(directory.rglob("*")) if os.access(path, os.R_OK, effective_ids=True)]

        assert users.as_user(users.OTHER, read) == []


def test_field_x5_a_link_of_the_directorys_owner_leads_nowhere():
    """Root opens what lies in a user's own directory; the user's link there leads to a private region of root's."""
    with (
        users.shared_directory(0o755, owner=users.OTHER, within="/opt") as directory,
        users.shared_directory(0o700) as home,
    ):
        corestate.create(home / "secret.state").close()
        users.as_user(users.OTHER, lambda: (directory / "x.state").symlink_to(home / "secret.state"))
        users.as_user(users.OTHER, lambda: (directory / "new.snap").symlink_to(home / "made"))
        with corestate.open("heap:") as state:
            assert users.refusal(lambda: state.snapshot(directory / "new.snap")) == "UntrustedFileError"
        ways = [corestate.open, corestate.attach, corestate.unlink, lambda path: corestate.attach(path, mode="r")]
        assert [users.refusal(lambda way=way: way(directory / "x.state")) for way in ways] == ["UntrustedFileError"] * 4
        assert [path.name for path in home.iterdir()] == ["secret.state"]
