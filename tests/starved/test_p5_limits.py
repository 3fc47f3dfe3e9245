"""P5: out of descriptors, out of address space, files that may not grow: an error, nothing left, and on it goes."""

import sys

import pytest
import starving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them")

WAYS = """
import atexit
target = sys.argv[1]
state = corestate.create(target + "/there", config=TINY)
import shutil
shared = corestate.create(f"shm:corestate-test-{os.getpid()}", config=TINY)
atexit.register(corestate.unlink, shared.address)
state.counters["c"].add(7)
state.snapshot(target + "/picture")
ways = {
    "attach": lambda: corestate.attach(target + "/there"),
    "read": lambda: corestate.attach(target + "/there", mode="r"),
    "attach shm": lambda: corestate.attach(shared.address),
    "create": lambda: corestate.create(target + "/made", config=TINY),
    "create shm": lambda: corestate.create(shared.address + "-made", config=TINY),
    "heap": lambda: corestate.create("heap:", config=TINY),
    "snapshot": lambda: state.snapshot(target + "/another"),
    "restore": lambda: corestate.restore(target + "/picture", target + "/restored"),
    "scope": lambda: corestate.create("heap:", config=TINY, store=target + "/stored").scope("global").update(a=1),
    "audit": lambda: corestate.attach(target + "/there").audit.log("a", "AGENT_STARTED"),
}
durable = ("scope", "audit")

def leavings():
    '''What is there although the call that makes it failed; but a whole region may be, others may have it by now.'''
    for whole in (target + "/made", shared.address + "-made"):
        if not isinstance(attempt(lambda: corestate.attach(whole, config=TINY)), corestate.RegionNotFoundError):
            corestate.unlink(whole)
    names = os.listdir(target) + [name for name in os.listdir("/dev/shm") if name.startswith(shared.address[4:])]
    return {name for name in names if "made" in name or "restor" in name or "another" in name}

def tidy():
    gc.collect()
    shutil.rmtree(f"{target}/stored", ignore_errors=True)
    for name in ("made", "another", "restored"):
        if os.path.exists(f"{target}/{name}"):
            os.unlink(f"{target}/{name}")
    if os.path.exists("/dev/shm/" + shared.address[4:] + "-made"):
        corestate.unlink(shared.address + "-made")

for way in ways.values():  # whatever is loaded on first use is loaded
    way()
    tidy()
"""


def test_p5_without_descriptors_every_way_of_opening_is_an_error_until_there_are_some(tmp_path):
    """Each way with no descriptor to spare, with one, with two, and so on until it gets through."""
    lines = starving.alone(
        WAYS
        + """
for name, way in ways.items():
    before, lowest = descriptors(), os.dup(0)
    os.close(lowest)
    for spare in range(40):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
        try:
            found = way()
        except (corestate.CorestateError, OSError) as problem:
            found = problem
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if not isinstance(found, Exception):
            break
        assert isinstance(found, OSError) or isinstance(found, corestate.StoreError), (name, spare, found)
        if name not in durable:
            assert isinstance(found, corestate.StorageError) and "found Too many open files; " in str(found), found
        assert leavings() - {"stored"} == set(), (name, spare, leavings())
        del found
        assert descriptors() == before, (name, spare)
        tidy()
    found = None
    tidy()
    print(name, spare, sep=",")
""",
        str(tmp_path),
    )
    needed = {name: int(spare) for name, spare in (line.split(",") for line in lines)}
    assert needed.pop("heap") == 0
    assert set(needed) >= {"attach", "create", "create shm", "snapshot", "restore", "scope", "audit"}
    for name, spare in needed.items():
        assert 1 <= spare < 40, name


def test_p5_a_child_of_fork_without_descriptors_reads_and_says_why_it_cannot_write(tmp_path):
    lines = starving.alone(
        """
state = corestate.create(sys.argv[1], config=TINY)
state.counters["c"].add(7)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
if os.fork() == 0:
    print(state.counters["c"].value)
    print(state.region.detached)
    print(type(attempt(state.counters["c"].add)).__name__)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with corestate.attach(sys.argv[1]) as again:
        print(again.counters["c"].add())
else:
    os.wait()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(state.counters["c"].add())
""",
        str(tmp_path / "x.state"),
    )
    assert lines[0] == "7"
    assert "Too many open files" in lines[1]
    assert lines[2:] == ["DetachedError", "8", "9"]


def test_p5_without_address_space_every_way_of_opening_is_an_error(tmp_path):
    """Each way with room for less, then more, until it gets through: an error of ours, or Python's own MemoryError."""
    lines = starving.alone(
        WAYS
        + """
def address_space():
    return int(open("/proc/self/statm").read().split()[0]) * 4096

for name, way in ways.items():
    refused = set()
    for spare in range(0, 64 << 20, 96 << 10):
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + spare, hard))
        try:
            found = way()
        except (corestate.CorestateError, MemoryError) as problem:
            found = type(problem).__name__
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        if not isinstance(found, str):
            break
        refused.add(found)
        assert leavings() - {"stored", "stored-wal", "stored-shm"} == set(), (name, spare, leavings())
        tidy()
    assert not isinstance(found, str), (name, found)
    found = None
    tidy()
    print(name, *sorted(refused), sep=",")
""",
        str(tmp_path),
    )
    refused = {line.split(",")[0]: line.split(",")[1:] for line in lines}
    assert len(refused) == 10
    for name in ("attach", "read", "attach shm", "create", "create shm", "heap"):
        assert "StorageError" in refused[name], (name, refused)


def test_p5_many_regions_until_there_is_no_address_space_left(tmp_path):
    """Regions of many sizes are made until memory is out; those that were made go on working."""
    lines = starving.alone(
        """
state = corestate.create(sys.argv[1])
space = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (space + (200 << 20), resource.RLIM_INFINITY))
made, problem = [], None
while problem is None:
    try:
        made.append(corestate.create("heap:", config=RegionConfig(agents=1000 << len(made) % 6)))
    except (corestate.CorestateError, MemoryError) as caught:
        problem = caught
    if len(made) % 10 == 9:
        made.append(corestate.attach(sys.argv[1]))
for one in made:
    one.counters["c"].add()
    one.agents.register(f"agent {id(one)}", corestate.AgentType.BOTH)
del made[::2]
gc.collect()
made.append(corestate.create("heap:"))
print(type(problem).__name__)
""",
        str(tmp_path / "x.state"),
    )
    assert lines in (["StorageError"], ["MemoryError"])


@pytest.mark.parametrize("way", ["unnamed", "named", "shared"])
def test_p5_files_that_may_not_grow_so_far(tmp_path, way):
    """A limit on the size of files, below which the process is not killed but told: limits up to the size asked for."""
    (line,) = starving.alone(
        """
from corestate import _making
target, way = sys.argv[1:]
if way == "named":
    _making._UNNAMED = 0
address = f"shm:corestate-test-{os.getpid()}" if way == "shared" else target + "/x.state"
refused = opened = 0
for limit in range(0, TINY.size + 32768, 8192):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    made = attempt(lambda: corestate.create(address, config=TINY))
    if isinstance(made, corestate.CorestateError):
        assert isinstance(made, corestate.StorageError) and "File too large" in str(made), made
        assert isinstance(attempt(lambda: corestate.attach(address)), corestate.RegionNotFoundError)
        assert os.listdir(target) == []
        refused += 1
    else:
        touch(made)
        made.close()
        corestate.unlink(address)
        opened += 1
print(refused, opened)
""",
        str(tmp_path),
        way,
    )
    refused, opened = map(int, line.split())
    assert refused >= 10
    assert opened >= 2
