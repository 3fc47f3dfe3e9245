"""P5, P7: a full disk is an error of the call that needs the room, before anyone maps it, and never a SIGBUS later.

Each file system is a real one, mounted in a namespace of the test's own.
"""

import sys

import pytest
import starving


def made(directory):
    directory.mkdir()
    return directory


pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts file systems as Linux does")


EVERY_SIZE = """
from corestate import _making
target, address, shared, way = sys.argv[1:]
if way == "named":
    _making._UNNAMED = 0
corestate.region.SHM_IN_FILES = way != "posix"
pages = -(-TINY.size // 4096)
refused = opened = 0
for room in (*range(1, pages + 8), 4 * pages):
    mount_tmpfs(target, f"size={room * 4096}")
    before = free(target)
    made = attempt(lambda: corestate.create(address, config=TINY))
    if isinstance(made, corestate.CorestateError):
        assert isinstance(made, corestate.StorageError) and isinstance(made, OSError), made
        assert "No space left" in str(made), made
        assert os.listdir(target) == [], os.listdir(target)
        assert free(target) == before
        refused += 1
    else:
        touch(made)
        made.counters["c"].add()
        assert corestate.attach(address, mode="r").counters["c"].value == 1
        opened += 1
    del made
    unmount(target)
print(refused, opened, pages)
"""


@pytest.mark.parametrize("way", ["unnamed", "named", "shared", "posix"])
def test_p5_a_region_is_made_whole_or_not_at_all_on_a_disk_of_every_size(tmp_path, way):
    shared = way in ("shared", "posix")
    target, address = ("/dev/shm", "shm:x") if shared else (str(tmp_path), str(tmp_path / "x.state"))
    (line,) = starving.alone(EVERY_SIZE, target, address, way, way, namespaces=starving.MOUNTS)
    refused, opened, pages = map(int, line.split())
    assert refused >= pages - 1
    assert opened >= 2


def test_p5_a_region_cannot_be_made_where_there_are_no_more_files(tmp_path):
    lines = starving.alone(
        """
target = sys.argv[1]
for place, address in ((target, target + "/x.state"), ("/dev/shm", "shm:x")):
    mount_tmpfs(place, "nr_inodes=2")
    open(place + "/other", "w").close()
    print(attempt(lambda: corestate.create(address, config=TINY)), os.listdir(place))
    os.unlink(place + "/other")
    touch(corestate.create(address, config=TINY))
""",
        str(tmp_path),
        namespaces=starving.MOUNTS,
    )
    assert len(lines) == 2
    for line in lines:
        assert "found" in line
        assert "No space left" in line
        assert line.endswith("['other']")


def test_p5_a_sparse_copy_is_refused_where_its_holes_have_no_room(tmp_path):
    """Such a file could be mapped, and the first write to a hole would be the end of the process."""
    lines = starving.alone(
        """
target = sys.argv[1]
source, copy = target + "/of/x.state", target + "/full/x.state"
os.mkdir(target + "/of"); os.mkdir(target + "/full")
with corestate.create(source, config=TINY) as state:
    whole = bytes(state.region.memory)
mount_tmpfs(target + "/full", f"size={64 * 1024}")
with open(copy, "wb") as out:
    for at in range(0, len(whole), 4096):
        page = whole[at : at + 4096]
        if any(page):
            out.seek(at); out.write(page)
    out.truncate(len(whole))
print(attempt(lambda: corestate.attach(copy)))
with corestate.attach(copy, mode="r") as reader:
    print(len(reader.agents), reader.config.agents)
""",
        str(tmp_path),
        namespaces=starving.MOUNTS,
    )
    assert "expected room for the whole region, found No space left" in lines[0]
    assert lines[1:] == ["0 4"]


def test_p7_a_snapshot_is_whole_or_not_at_all_on_a_disk_of_every_size(tmp_path):
    """The picture that was there stays until the new one is whole."""
    (line,) = starving.alone(
        """
source, target = sys.argv[1:]
picture = target + "/picture"
state = corestate.create(source, config=RegionConfig(agents=40))
for number in range(40):
    state.agents.register(f"agent {number}", corestate.AgentType.MOTOR, metadata=os.urandom(200))
refused = written = 0
for room in range(1, 16):
    mount_tmpfs(target, f"size={room * 4096}")
    with open(picture, "wb") as old:
        old.write(b"\\x94\\xa9corestate old")
    before = free(target)
    found = attempt(lambda: state.snapshot(picture))
    if isinstance(found, corestate.CorestateError):
        assert isinstance(found, corestate.StorageError), found
        assert open(picture, "rb").read() == b"\\x94\\xa9corestate old"
        assert os.listdir(target) == ["picture"] and free(target) == before
        refused += 1
    else:
        assert os.listdir(target) == ["picture"]
        with corestate.restore(picture, "heap:") as again:
            assert len(again.agents) == 40
        written += 1
    unmount(target)
print(refused, written)
""",
        str(tmp_path / "x.state"),
        str(made(tmp_path / "target")),
        namespaces=starving.MOUNTS,
    )
    refused, written = map(int, line.split())
    assert refused >= 3
    assert written >= 3


@pytest.mark.parametrize("kind", ["file", "shm"])
def test_p7_a_restore_is_whole_or_not_at_all_on_a_disk_of_every_size(tmp_path, kind):
    (line,) = starving.alone(
        """
picture, target, address = sys.argv[1:]
with corestate.create("heap:", config=TINY) as state:
    state.counters["c"].add(7)
    state.snapshot(picture)
refused = restored = 0
for pages in range(1, 90, 4):
    mount_tmpfs(target, f"size={pages * 4096}")
    found = attempt(lambda: corestate.restore(picture, address))
    if isinstance(found, corestate.CorestateError):
        assert isinstance(found, corestate.StorageError), found
        assert os.listdir(target) == [], os.listdir(target)
        refused += 1
    else:
        touch(found)
        assert found.counters["c"].value == 7
        found.close()
        restored += 1
    unmount(target)
print(refused, restored)
""",
        str(tmp_path / "picture"),
        "/dev/shm" if kind == "shm" else str(made(tmp_path / "target")),
        "shm:x" if kind == "shm" else str(tmp_path / "target/x.state"),
        namespaces=starving.MOUNTS,
    )
    refused, restored = map(int, line.split())
    assert refused >= 5
    assert restored >= 3


def test_p7_a_store_on_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path):
    """What a call returned from is there, what was refused is not, and the live region never notices."""
    lines = starving.alone(
        """
target = sys.argv[1]
for room in range(280, 600, 20):
    mount_tmpfs(target, f"size={room}k")
    state = corestate.create(target + "/x.state", config=TINY)
    ballast = target + "/ballast"
    refused = 0
    kept = []
    def write(key, size):
        state.scope("user", "ann")[key] = os.urandom(size)
        kept.append(key)
    for number in range(60):
        problem = attempt(lambda: write(f"key {number}", 3000))
        if problem is not None:
            assert isinstance(problem, (corestate.StoreFullError, corestate.StorageError)), problem
            refused += 1
        state.counters["c"].add()
    assert refused and state.counters["c"].value == 60
    call(libc.mount, b"none", os.fsencode(target), b"tmpfs", 32, b"size=4m")  # remounted, with room
    write("at last", 3000)
    state.close()
    with corestate.attach(target + "/x.state") as again:
        assert sorted(again.scope("user", "ann")) == sorted(kept)
    print(refused, len(kept))
    unmount(target)
""",
        str(tmp_path),
        namespaces=starving.MOUNTS,
    )
    counts = [tuple(map(int, line.split())) for line in lines]
    assert any(refused == 60 for refused, _ in counts), "the store itself did not fit"
    assert any(kept > 1 for _, kept in counts), "some fitted"


CALLS = {"fallocate": 285, "ftruncate": 77, "fsync": 74, "write": 1, "linkat": 265, "renameat": 264}
"""Numbers of system calls on x86-64."""

REFUSED = """
from corestate import snapshot
target, number, error = sys.argv[1], int(sys.argv[2]), getattr(errno, sys.argv[3])
state = corestate.create("heap:", config=TINY)
state.counters["c"].add(7)
state.snapshot(target + "/picture")
before, opened = os.listdir(target), descriptors()
attempts = {
    "file": lambda: touch(corestate.create(target + "/file", config=TINY)),
    "shm": lambda: touch(corestate.create("shm:made", config=TINY)),
    "picture": lambda: state.snapshot(target + "/picture"),
    "restored": lambda: touch(corestate.restore(target + "/picture", target + "/restored")),
    "shm restored": lambda: touch(corestate.restore(target + "/picture", "shm:restored")),
}
mount_tmpfs("/dev/shm", "size=8m")
refuse(number, error)
found = {name: attempt(function) for name, function in attempts.items()}
refused = {name for name, problem in found.items() if isinstance(problem, corestate.CorestateError)}
for name in refused:
    assert isinstance(found[name], corestate.StorageError), (name, found[name])
there = {name: name in os.listdir(target) for name in ("file", "restored")}
there |= {"shm": "made" in os.listdir("/dev/shm"), "shm restored": "restored" in os.listdir("/dev/shm")}
assert all(there[name] == (name not in refused) for name in there), (there, found)
assert len(os.listdir(target)) + len(os.listdir("/dev/shm")) == 1 + sum(there.values())
assert descriptors() == opened
assert snapshot.probe(target + "/picture").bytes
if number != 1:
    print(*sorted(refused), sep=",")
"""


@pytest.mark.skipif(starving.MACHINE != "x86_64", reason="knows the numbers of x86-64's system calls only")
@pytest.mark.parametrize("error", ["EDQUOT", "EIO"])
@pytest.mark.parametrize("name", CALLS)
def test_p5_whatever_the_kernel_refuses_is_an_error_and_leaves_nothing(tmp_path, name, error):
    """A quota, a disk that fails: from some moment on the kernel itself answers one system call with an error."""
    lines = starving.alone(REFUSED, str(tmp_path), str(CALLS[name]), error, namespaces=starving.MOUNTS)
    makes = "file,restored,shm,shm restored"
    assert (
        lines
        == {
            "fallocate": [makes],
            "ftruncate": [makes],
            "fsync": ["picture"],
            "write": [],  # nothing can be printed then
            "linkat": [makes],
            "renameat": ["picture"],
        }[name]
    )
