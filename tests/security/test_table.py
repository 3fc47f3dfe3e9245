"""SECURITY.md's tables, as three real users: what mode each file has, who reads, writes and replaces it."""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import pytest
import two_users as users

import corestate
from corestate import RegionConfig

pytestmark = users.needs_root

SECURITY = Path(__file__).resolve().parents[2] / "SECURITY.md"
GROUP_MEMBER = 20_003
DIRECTORIES = {"private (0700)": 0o700, "group (2770)": 0o2770, "shared (0777)": 0o777, "sticky (1777)": 0o1777}


def table(begins: str) -> dict[str, dict[str, str]]:
    """Rows of a table of the page by their first cell, and in each the cells by column."""
    lines = SECURITY.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"| {begins} |"))
    head = [cell.strip() for cell in lines[at].strip("|").split("|")]
    rows = {}
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        rows[cells[0]] = dict(zip(head[1:], cells[1:], strict=True))
    return rows


MODES = table("file")
REPLACING = table("directory")


def make(directory: Path, permissions: int) -> list[tuple[str, str]]:
    """Everything that corestate makes of a region, as (row of the table, path); some stays open in this process."""
    address = directory / "x.state"
    state = corestate.open(address, config=RegionConfig(permissions=permissions))
    state.scope("user", "u")["k"] = 1
    state.audit.log("agent", "EVENT")
    state.snapshot(directory / "x.snap")
    state.audit.export(directory / "x.jsonl")
    kept.append(state)
    made = [
        (str(path.relative_to(directory)), str(path)) for path in sorted(directory.rglob("x.state*")) if path.exists()
    ]
    made += [(f"x.state.d/{path.name}", str(path)) for path in sorted((directory / "x.state.d").iterdir())]
    return [
        *made,
        ("a snapshot", str(directory / "x.snap")),
        ("an export of the audit trail", str(directory / "x.jsonl")),
    ]


kept: list[object] = []


def attempt(path: str, how: int) -> bool:
    """Whether this user may open a path so."""
    with suppress(PermissionError):
        os.close(os.open(path, how | os.O_NONBLOCK))
        return True
    return False


def replaced(path: str) -> bool:
    """Whether this user may put another file in its place; it is put back."""
    try:
        os.rename(path, f"{path}.away")  # noqa: PTH104
    except PermissionError:
        return False
    os.rename(f"{path}.away", path)  # noqa: PTH104
    return True


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("directory", DIRECTORIES)
@pytest.mark.parametrize("column", list(next(iter(MODES.values()))))
def test_files_are_as_the_table_says(column, directory, umask):
    group = users.GROUP if directory.startswith("group") else users.OWNER
    with users.shared_directory(DIRECTORIES[directory], owner=users.OWNER, group=group) as place:

        def owner() -> list[tuple[str, str, int]]:
            made = make(place, int(column, 8))
            return [(row, path, stat.S_IMODE(Path(path).stat().st_mode)) for row, path in made]

        # As the owner, in a process that lives on while the others look: -wal and -shm are there while a store is open.
        with held_open(owner, umask) as found:
            seen = {row for row, _, _ in found}
            assert seen >= {"x.state", "x.state.d", "x.state.d/store.db", "x.state.d/store.db-wal", "x.state.d/anchor"}
            assert seen >= {"x.state.d/store.db-shm", "x.state.d/lock"}
            region_group = (place / "x.state").stat().st_gid
            for row, _, mode in found:
                assert row in MODES, f"{row} is not in the table"
                shown = mode
                if row == "x.state.d":  # with the set-group bit also where the region's group is not its owner's own
                    shown = int(MODES[row][column], 8) & 0o2000 | mode & 0o1777
                assert f"{shown:04o}" == MODES[row][column], (row, f"{mode:04o}")
            paths = [(row, path, mode) for row, path, mode in found if row != "x.state.d"]

            def look() -> list[tuple[str, bool, bool]]:
                return [(row, attempt(path, os.O_RDONLY), attempt(path, os.O_RDWR)) for row, path, _ in paths]

            def swap() -> list[tuple[str, bool]]:
                return [(row, replaced(path)) for row, path, _ in paths]

            for who, uid, shift, groups in (
                ("owner of the files", users.OWNER, 6, (group,)),
                ("the directory's group", GROUP_MEMBER, 3, tuple({group, region_group})),
                ("others", users.OTHER, 0, ()),
            ):
                enters = reaches(place, uid, groups)
                for (row, _, mode), (_, reads, writes) in zip(
                    paths, users.as_user(uid, look, groups=groups), strict=True
                ):
                    assert reads == (enters and bool(mode >> shift & 4)), (who, row)
                    assert writes == (enters and mode >> shift & 6 == 6), (who, row)
                for row, swaps in users.as_user(uid, swap, groups=groups):
                    if row.startswith("x.state.d/"):  # sticky where others may write in it
                        assert swaps == (who == "owner of the files"), (who, row)
                    else:
                        assert swaps == (REPLACING[directory][who] == "yes"), (who, row)


def reaches(place: Path, uid: int, groups: tuple[int, ...]) -> bool:
    """Whether a user may pass through a directory."""
    return bool(users.as_user(uid, lambda: os.access(place, os.X_OK, effective_ids=True), groups=groups))


class held_open:  # noqa: N801 - reads as what it is
    """What the owner made, and the owner's process alive until the block ends."""

    def __init__(self, function, umask):
        self._function, self._umask = function, umask

    def __enter__(self):
        import pickle

        reader, writer = os.pipe()
        self._wait, self._end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._end)
            try:
                users.become(users.OWNER, self._umask, (users.GROUP,))
                answer = (True, self._function())
            except BaseException as problem:
                answer = (False, repr(problem))
            with os.fdopen(writer, "wb") as out:
                pickle.dump(answer, out)
            os.read(self._wait, 1)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as source:
            good, answer = pickle.load(source)
        assert good, answer
        return answer

    def __exit__(self, *_):
        os.close(self._end)
        os.waitpid(self._pid, 0)
        os.close(self._wait)


def test_every_kind_of_file_is_in_the_table():
    """The names of files the package makes, as its sources have them, are rows of the table."""
    package = Path(corestate.__file__).parent
    directory = (package / "stores" / "directory.py").read_text(encoding="utf-8")
    names = set(re.findall(r'^[A-Z]+ = "([a-z.\-]+)"$', directory, flags=re.MULTILINE))
    assert names >= {"store.db", "anchor", "lock"}
    assert {f"x.state.d/{name}" for name in names if not name.startswith(".")} <= set(MODES)
