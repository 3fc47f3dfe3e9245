"""Whatever lies at an address that is no region of ours: its own clear error, and nothing changed."""
# ruff: noqa: PTH108, PTH110, PTH120, PTH208, PTH211, PTH101, PTH116

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import looking
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corestate import _shared, errors
from corestate._binding import ffi, lib
from corestate._filesystem import is_network, kind_in
from corestate.config import RegionConfig
from corestate.region import attach_region, create_region, open_region, unlink

SMALL = RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=4, participants=4)
EXPECTED_FOUND_DO = r"^region .+: expected .+, found .+; .+$"


def image() -> bytes:
    """The bytes of a small region that was closed."""
    with open_region("heap:", config=SMALL) as region:
        return bytes(region.memory)


def put(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


def everything_in(directory: str | os.PathLike[str]) -> dict[str, tuple[int, bytes]]:
    """Names, modes and contents of a directory."""
    found = {}
    for entry in os.scandir(directory):
        regular = entry.is_file(follow_symlinks=False)
        found[entry.name] = (
            entry.stat(follow_symlinks=False).st_mode,
            Path(entry.path).read_bytes() if regular else b"",
        )
    return found


def refused(path: str, error: type[errors.CorestateError], match: str) -> errors.CorestateError:
    """Open a path in each way; all give the same error and change nothing."""
    before = everything_in(os.path.dirname(path))
    problem = None
    for attempt in (open_region, attach_region, lambda where: open_region(where, mode="r")):
        with pytest.raises(error, match=match) as caught:
            attempt(path)
        assert re.match(EXPECTED_FOUND_DO, str(caught.value)), str(caught.value)
        problem = caught.value
    assert everything_in(os.path.dirname(path)) == before
    assert problem is not None
    return problem


def test_a_directory(tmp_path):
    (tmp_path / "d").mkdir()
    refused(str(tmp_path / "d"), errors.NotRegionError, "a directory")
    with pytest.raises(errors.NotRegionError, match="a directory"):
        open_region(str(tmp_path / "new") + "/")
    assert not (tmp_path / "new").exists()


def test_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "f")
    refused(str(tmp_path / "f"), errors.NotRegionError, "a FIFO")


def test_a_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        refused(str(tmp_path / "s"), errors.NotRegionError, "a socket")


def test_a_device():
    with pytest.raises(errors.NotRegionError, match="a device"):
        open_region("/dev/null")


def test_an_empty_file(path):
    put(path, b"")
    problem = refused(path, errors.NotRegionError, "an empty file")
    assert isinstance(problem, ValueError)


@pytest.mark.parametrize("content", [b"x", b"hello\n" * 1000, bytes(1 << 20), bytes(64), b"CORESTAX" + bytes(4096)])
def test_a_path_that_is_no_region(path, content):
    put(path, content)
    refused(path, errors.NotRegionError, f"{len(content)} bytes that do not begin")


@pytest.mark.parametrize("keep", [8, 63, 64, 200, 4096, -1, -64, -4096])
def test_a_truncated_file(path, keep):
    whole = image()
    put(path, whole[:keep])
    refused(path, errors.TruncatedError, f"found {len(whole[:keep])} bytes")


@pytest.mark.parametrize("more", [1, 64, 4096])
def test_a_grown_file(path, more):
    whole = image()
    put(path, whole + bytes(more))
    refused(path, errors.TruncatedError, f"expected the {len(whole)} bytes its header says, found {len(whole) + more}")


def test_another_byte_order(path):
    whole = bytearray(image())
    offset = looking.field_offset(bytes(whole), "byte_order")
    whole[offset : offset + 4] = whole[offset : offset + 4][::-1]
    put(path, bytes(whole))
    refused(path, errors.ByteOrderError, "byte order mark 0x04030201 instead of 0x01020304")


def test_a_file_not_marked_ready(path):
    whole = bytearray(image())
    offset = looking.field_offset(bytes(whole), "ready")
    whole[offset : offset + 4] = bytes(4)
    put(path, bytes(whole))
    refused(path, errors.NotReadyError, "whose maker died")


def section_table(whole: bytes) -> int:
    """Where the section table begins: the first word whose change makes the core find a contradiction in it."""
    with open_region("heap:", config=SMALL) as region:
        info = ffi.new("cs_section_info *")
        assert lib.cs_region_section(region.view, lib.CS_SECTION_ENGINE, info) == 0
        entry = b"".join(
            int(word).to_bytes(4, "little") for word in (info.offset // 64, info.size // 64, info.count, info.stride)
        )
    return whole.index(entry)


@pytest.mark.parametrize(("section", "word"), [(s, w) for s in range(5) for w in range(4)])
@pytest.mark.parametrize("forged", [0, 1, 4, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_section_table_that_overlaps_or_points_outside(path, section, word, forged):
    whole = bytearray(image())
    at = section_table(bytes(whole)) + section * 16 + word * 4
    if int.from_bytes(whole[at : at + 4], "little") == forged:
        forged += 1
    whole[at : at + 4] = forged.to_bytes(4, "little")
    put(path, bytes(whole))
    refused(path, errors.CorruptError, "contradicts itself")


APPLYING = 304
"""Where the header's word lies that is odd while a mirror writes: whoever looks for a name then is told to wait."""


@given(st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), min_size=1, max_size=6))
@example([(APPLYING, 1)])
@settings(max_examples=300, deadline=None)
def test_any_bytes_in_the_header_are_an_error_or_a_region(tmp_path_factory, changes):
    whole = bytearray(image())
    for offset, byte in changes:
        whole[offset] = byte
    path = str(tmp_path_factory.getbasetemp() / "any.state")
    put(path, bytes(whole))
    try:
        region = open_region(path)
    except errors.FormatError:
        assert Path(path).read_bytes() == bytes(whole)
    else:
        with region:
            assert region.size == len(whole)
            handle = ffi.new("cs_handle *")
            code = lib.cs_counter_open(region.view, b"c", 1, handle)
            assert code == (lib.CS_E_BUSY if whole[APPLYING] & 1 else 0)
            looking.add(region, int(handle[0]))


def test_no_directory(tmp_path):
    with pytest.raises(errors.RegionNotFoundError, match="no such directory; make the directory first"):
        open_region(tmp_path / "missing" / "x.state")
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.RegionNotFoundError, match="no such directory"):
        open_region(tmp_path / "file" / "x.state")
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_a_name_too_long_for_the_file_system(tmp_path):
    with pytest.raises(errors.StorageError, match="too long"):
        open_region(tmp_path / ("n" * 256))


def test_a_loop_of_links(tmp_path):
    os.symlink("b", tmp_path / "a")
    os.symlink("a", tmp_path / "b")
    with pytest.raises(errors.CorestateError):
        open_region(tmp_path / "a")


def test_mode_and_config_of_another_kind(path):
    for mode in ("w", "", "rb", None, 1):
        with pytest.raises(errors.InvalidError, match='mode "rw" or "r"'):
            open_region(path, mode=mode)
    with pytest.raises(errors.WrongTypeError, match="a RegionConfig"):
        open_region(path, config={"agents": 5})
    assert not os.path.exists(path)


@pytest.mark.parametrize("what", [lambda: attach_region("heap:"), lambda: open_region("heap:", mode="r")])
def test_nobody_else_could_have_made_a_heap(what):
    with pytest.raises(errors.AddressError, match="memory of this process alone"):
        what()


def test_unlink_leaves_alone_what_is_no_region(path, tmp_path):
    put(path, b"precious")
    with pytest.raises(errors.NotRegionError, match="8 bytes that are none"):
        unlink(path)
    put(path, b"")
    with pytest.raises(errors.NotRegionError):
        unlink(path)
    with pytest.raises(errors.NotRegionError, match="a directory"):
        unlink(tmp_path)
    with pytest.raises(errors.AddressError, match="unlink heap:"):
        unlink("heap:")
    assert Path(path).exists()


def test_unlink_removes_a_region_that_cannot_be_opened(path):
    put(path, image()[:-64])
    unlink(path)
    assert not os.path.exists(path)


@pytest.mark.parametrize("way", ["shm", "posix_shm"])
def test_shared_memory_of_another_program_is_left_alone(way, request):
    shm = request.getfixturevalue(way)
    name = "/dev/shm/" + shm.removeprefix("shm:")
    put(name, b"somebody else's" + bytes(8192))
    for attempt in (open_region, attach_region, create_region, unlink, lambda where: open_region(where, mode="r")):
        with pytest.raises((errors.NotRegionError, errors.RegionExistsError)):
            attempt(shm)
    assert Path(name).read_bytes() == b"somebody else's" + bytes(8192)
    os.unlink(name)


# -- permission --------------------------------------------------------------------------------


def test_no_permission(tmp_path):
    tmp_path.chmod(0o755)
    create_region(tmp_path / "closed.state").close()
    create_region(tmp_path / "readable.state", RegionConfig(permissions=0o644)).close()
    os.chdir(tmp_path)

    def attempts() -> list[tuple[str, str]]:
        found = []
        for name, mode in (("closed", "rw"), ("closed", "r"), ("readable", "rw"), ("new", "rw")):
            with pytest.raises(PermissionError) as caught:
                open_region(f"{name}.state", mode=mode)
            found.append((type(caught.value).__name__, str(caught.value)))
        with open_region("readable.state", mode="r"):
            pass
        return found

    found = looking.as_nobody(attempts)
    assert [kind for kind, _ in found] == ["RegionPermissionError"] * 4
    assert "expected permission to read and write it, found Permission denied" in found[0][1]
    assert "expected permission to read it" in found[1][1]
    assert 'mode="r" if reading is enough' in found[2][1]
    assert sorted(os.listdir(tmp_path)) == ["closed.state", "readable.state"]


@pytest.mark.parametrize("way", ["shm", "posix_shm"])
def test_no_permission_in_shared_memory(way, request):
    shm = request.getfixturevalue(way)
    create_region(shm).close()

    def attempts() -> list[str]:
        found = []
        for attempt in (open_region, create_region, unlink, lambda where: open_region(where, mode="r")):
            with pytest.raises(OSError) as caught:
                attempt(shm)
            found.append(type(caught.value).__name__)
        return found

    found = looking.as_nobody(attempts)
    assert found[1] in ("RegionExistsError", "RegionPermissionError")
    assert [found[0], *found[2:]] == ["RegionPermissionError"] * 3
    attach_region(shm).close()


@pytest.mark.parametrize("way", ["shm", "posix_shm"])
def test_a_group_may_share(way, request):
    """Another user of the group writes where the permissions say so, and each is seen to live."""
    shm = request.getfixturevalue(way)
    if not looking.ROOT:
        pytest.skip("needs the right to become another user")
    shared = RegionConfig(permissions=0o660)
    with create_region(shm, shared) as mine:
        handle = looking.counter(mine)

        def as_member() -> tuple[int, list[int]]:
            os.setgroups([os.stat("/dev/shm/" + shm.removeprefix("shm:")).st_gid])
            os.setresuid(65534, 65534, 65534)
            with open_region(shm, config=shared) as theirs:
                return looking.add(theirs, handle), list(looking.participants(theirs).values())

        assert looking.in_fork(as_member) == (0, [1, 1])
        assert looking.value(mine, handle) == 1


def test_shared_memory_whose_maker_has_not_opened_it_up_yet(posix_shm):
    """It is closed to others until it is ready; who is refused then looks again for a moment."""
    if not looking.ROOT:
        pytest.skip("needs the right to become another user")
    file = "/dev/shm/" + posix_shm.removeprefix("shm:")
    with create_region(posix_shm, RegionConfig(permissions=0o600)) as mine:
        parent = os.getpid()
        asking, asked = os.pipe()
        done, doing = os.pipe()

        def open_up(*_) -> None:  # what the other user waits for, done in the middle of its waiting
            if os.getpid() != parent:
                os.write(asked, b".")
                os.read(done, 1)

        maker = os.fork()
        if maker == 0:
            os.read(asking, 1)
            os.chmod(file, 0o644)
            os.write(doing, b".")
            os._exit(0)

        def as_another() -> str:
            _shared.time = type("Clock", (), {"monotonic": time.monotonic, "sleep": staticmethod(open_up)})
            return open_region(posix_shm, mode="r").instance

        assert looking.as_nobody(as_another) == mine.instance
        os.waitpid(maker, 0)


# -- file systems, each real, mounted in a namespace of its own --------------------------------

MOUNTING = f"""
import ctypes, os, sys
sys.path[:0] = {sys.path!r}
from corestate.region import open_region, create_region
from corestate.config import RegionConfig
libc = ctypes.CDLL(None, use_errno=True)
def mount(source, target, kind, flags=0, data=None):
    if libc.mount(source, target, kind, flags, data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def attempt(call):
    try:
        call()
        print("opened")
    except BaseException as problem:
        print(type(problem).__name__, problem)
"""


def in_mount_namespace(source: str, *arguments: str) -> list[str]:
    """Lines a script prints that may mount as it likes; skips where nobody may."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", MOUNTING + source, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs unshare(1) of util-linux")
    if done.returncode and ("Operation not permitted" in done.stderr or "unshare failed" in done.stderr):
        pytest.skip("needs the right to mount in a namespace")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_full_disk_is_an_error_when_the_region_is_made(tmp_path):
    lines = in_mount_namespace(
        """
target = sys.argv[1]
mount(b"none", target.encode(), b"tmpfs", 0, b"size=512k")
attempt(lambda: create_region(target + "/x.state"))
print(os.listdir(target), os.statvfs(target).f_bfree * os.statvfs(target).f_bsize)
small = RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=4, participants=4, values=8)
attempt(lambda: create_region(target + "/x.state", small))
""",
        str(tmp_path),
    )
    assert lines[0].startswith("StorageError")
    assert "expected room for the whole region, found No space left" in lines[0]
    assert lines[1] == f"[] {512 << 10}"
    assert lines[2] == "opened"


SERVING = """
import struct
target = sys.argv[1]
fuse = os.open("/dev/fuse", os.O_RDWR)
mount(b"host:/", target.encode(), b"fuse.sshfs", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse)
served = os.fork()
if served == 0:  # an empty directory, as the FUSE protocol has it
    while True:
        _, opcode, unique = struct.unpack_from("<IIQ", os.read(fuse, 1 << 20))
        root = struct.pack("<QII6Q10I", 3600, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40777, 2, 0, 0, 0, 4096, 0)
        answers = {26: struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0), 3: root}
        body = answers.get(opcode)
        error = 0 if body else -2 if opcode == 1 else -38
        os.write(fuse, struct.pack("<IiQ", 16 + len(body or b""), error, unique) + (body or b""))
"""


def test_a_network_file_system_is_refused(tmp_path):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("needs /dev/fuse")
    lines = in_mount_namespace(
        SERVING
        + """
try:
    assert os.stat(target).st_mode == 0o40777
    attempt(lambda: open_region(target + "/x.state"))
    attempt(lambda: create_region(target + "/x.state"))
finally:
    os.kill(served, 9)
""",
        str(tmp_path),
    )
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("NetworkFileSystemError"), lines
        assert "found fuse.sshfs, one over the network; put the region on a local disk" in line


def test_a_read_only_file_system(tmp_path):
    lines = in_mount_namespace(
        """
target = sys.argv[1]
mount(b"none", target.encode(), b"tmpfs", 0, b"size=8m")
create_region(target + "/x.state").close()
mount(None, target.encode(), None, 32 | 1, None)  # MS_REMOUNT | MS_RDONLY
attempt(lambda: open_region(target + "/x.state"))
attempt(lambda: open_region(target + "/y.state"))
attempt(lambda: open_region(target + "/x.state", mode="r").close())
""",
        str(tmp_path),
    )
    assert lines[0].startswith("RegionPermissionError")
    assert 'a read-only file system; open it with mode="r"' in lines[0]
    assert lines[1].startswith("RegionPermissionError")
    assert lines[2] == "opened"


def test_without_proc_a_region_works_too(tmp_path):
    lines = in_mount_namespace(
        """
path = sys.argv[1] + "/x.state"
libc.umount2(b"/proc", 2)
assert not os.path.exists("/proc/self")
region = create_region(path)
print(region.participant > 0, sorted(os.listdir(sys.argv[1])), flush=True)  # before a child has a copy of the buffer
pid = os.fork()
if pid == 0:
    print(region.participant > 0, region.detached, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
os.rename(path, path + ".gone")
pid = os.fork()
if pid == 0:
    print(region.participant, region.detached, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
""",
        str(tmp_path),
    )
    assert lines[0] == "True ['x.state']"
    assert lines[1] == "True "
    assert lines[2].startswith("0 cannot open the region's file in a child of fork")


MOUNTS = """22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 0:27 / /home rw shared:9 master:2 - nfs4 host:/home rw,vers=4.2
32 22 0:28 / /mnt/with\\040space rw - fuse.sshfs me@host: rw
33 22 0:29 / /run rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("mount", "kind", "network"),
    [
        ("22", "ext4", False),
        ("31", "nfs4", True),
        ("32", "fuse.sshfs", True),
        ("33", "tmpfs", False),
        ("99", "", False),
    ],
)
def test_file_systems_are_told_apart(mount, kind, network):
    assert kind_in(MOUNTS, mount) == kind
    assert is_network(kind) is network


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.s3fs", "lustre"])
def test_network_file_systems(kind):
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse.fuse-overlayfs", "fuse", "zfs"])
def test_local_file_systems(kind):
    assert not is_network(kind)
