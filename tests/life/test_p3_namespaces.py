"""P3, P6: processes that see different process ids, a process id used again, a machine that was started again.

Two containers on one file are two pid namespaces; each is real here, and so is each process id used twice.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import corestate

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces as Linux has them")

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


class Contained:
    """A Python process as the first of a pid namespace of its own, which talks by lines."""

    def __init__(self, source, *arguments, namespaces=CONTAINER):
        self.process = subprocess.Popen(
            [*namespaces, sys.executable, "-c", textwrap.dedent(source), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            complaint = self.process.stderr.read()
            if any(word in complaint for word in ("Operation not permitted", "unshare failed", "ns_last_pid")):
                pytest.skip(f"not tested, forbidden here: {complaint.strip()[-200:]}")
            raise AssertionError(complaint)
        return text.strip()

    def tell(self, text=""):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self):
        """Kill it: unshare passes that on to the process in the namespace."""
        self.process.kill()
        self.process.wait()

    def gone(self):
        self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def contained():
    made = []

    def start(*arguments, **options):
        made.append(Contained(*arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.gone()


HOLDER = """
import os, sys, corestate
state = corestate.attach(sys.argv[1])
state.locks["l"].acquire()
state.agents.register(sys.argv[2], corestate.AgentType.MOTOR)
print(os.getpid(), next(one.id for one in state.participants() if one.me), flush=True)
for line in sys.stdin:
    print([(one.pid, one.alive) for one in state.participants()], flush=True)
"""


def until_gone(state, number):
    """Until a participant is seen dead: its namespace takes a moment to end after its parent."""
    deadline = time.monotonic() + 60
    while any(one.id == number and one.alive for one in state.participants()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_p3_two_containers_have_one_process_id_and_see_each_other_live_and_die(address, contained):
    """Both are process 1 where they are, and neither can see the other in /proc."""
    with corestate.create(address) as state:
        first = contained(HOLDER, address, "one")
        pid, number = map(int, first.line().split())
        assert pid == 1
        assert state.locks["l"].holder.pid == 1
        second = contained(HOLDER.replace('locks["l"]', 'locks["m"]'), address, "two")
        assert second.line().split()[0] == "1"
        second.tell()
        assert eval(second.line()) == [(os.getpid(), True), (1, True), (1, True)]
        assert not state.locks["l"].acquire(blocking=False)
        assert state.agents.reap() == 0
        first.kill()
        until_gone(state, number)
        began = time.monotonic()
        assert state.locks["l"].acquire(timeout=60)
        assert time.monotonic() - began < 10
        assert state.locks["l"].inherited
        assert state.agents.reap() == 1
        assert list(state.agents) == ["two"]
        second.tell()
        assert eval(second.line())[1:] in ([(1, True)], [(1, False), (1, True)])
        assert state.locks["m"].holder.alive


REUSER = """
import os, signal, sys, corestate

def born_as(pid):
    # a child with this very process id: the namespace counts on from the number it is told
    while True:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            return None if os.getpid() == pid else os._exit(0)
        if child == pid:
            return child
        os.waitpid(child, 0)

state = corestate.attach(sys.argv[1])
PID = 4000
told, telling = os.pipe()
child = born_as(PID)
if child is None:
    mine = corestate.attach(sys.argv[1])
    mine.locks["l"].acquire()
    mine.agents.register("agent", corestate.AgentType.MOTOR)
    os.write(telling, b".")
    signal.pause()
os.read(told, 1)
dead = state.locks["l"].holder
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
again = born_as(PID)
if again is None:  # lives, has the dead one's process id, and has the region too
    if sys.argv[2] == "attached":
        mine = corestate.attach(sys.argv[1])
        mine.counters["c"].add()
    os.write(telling, b".")
    signal.pause()
os.read(told, 1)
assert os.path.exists(f"/proc/{PID}")
holder = state.locks["l"].holder
print(dead.pid == PID, dead.alive, holder is not None and holder.alive, flush=True)  # None: swept by who attached
print(state.locks["l"].acquire(timeout=30), state.locks["l"].inherited, state.agents.reap(), flush=True)
os.kill(again, signal.SIGKILL)
os.waitpid(again, 0)
"""


@pytest.mark.parametrize("other", ["attached", "a stranger"])
def test_p3_a_process_id_used_again_does_not_bring_the_dead_to_life(address, contained, other):
    with corestate.create(address) as state:
        reuser = contained(REUSER, address, other)
        assert reuser.line() == "True True False"
        assert reuser.line() == "True True 1"
        reuser.process.wait(60)
        assert [one.pid for one in state.participants() if one.alive] == [os.getpid()]


# -- another boot ------------------------------------------------------------------------------

OTHER_BOOT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if sys.argv[2]:
    with open(sys.argv[2], "w") as made:
        made.write("01234567-89ab-cdef-0123-456789abcdef\\n")
    if libc.mount(sys.argv[2].encode(), b"/proc/sys/kernel/random/boot_id", None, 4096, None):
        sys.exit("Operation not permitted: " + os.strerror(ctypes.get_errno()))
import corestate
"""
MOUNTS = ("unshare", "--mount", "--propagation", "private")

FIRST_LIFE = """
state = corestate.create(sys.argv[1])
state.counters["c"].add(7)
state.engine.neuron_count = 9
state.locks["held"].acquire()
state.agents.register("agent", corestate.AgentType.MOTOR)
state.events.publish("k", "kept")
scope = state.scope("user", "ann")
scope["credit"] = 10
state.scope("user", "ann", ephemeral=True)["session"] = "of this boot"
assert scope["credit"] == 10
state.budgets.create("money", 1000).reserve(100).commit()
print("done", flush=True)
os.kill(os.getpid(), 9)  # the power goes
"""

SECOND_LIFE = """
state = corestate.attach(sys.argv[1])
assert state.counters["c"].value == 7 and state.engine.neuron_count == 9
lock = state.locks["held"]
print(lock.acquire(blocking=False), lock.inherited, flush=True)
print(state.agents.reap(), [event.data for event in state.events.subscribe("k", since=0).drain()], flush=True)
print(state.scope("user", "ann")["credit"], state.budgets["money"].spent, flush=True)
print(state.scope("user", "ann", ephemeral=True).get("session"), flush=True)
print(state.health().verdict.name, len(state.participants()), flush=True)
"""


def test_p3_after_a_reboot_the_live_state_stands_and_nothing_of_the_old_boot_counts(path, contained, tmp_path):
    """The region's file survived the machine; who was attached did not, and hot values are asked of the store again."""
    first = contained(OTHER_BOOT + FIRST_LIFE, path, "", namespaces=())
    assert first.line() == "done"
    first.process.wait(60)
    second = contained(OTHER_BOOT + SECOND_LIFE, path, str(tmp_path / "boot_id"), namespaces=MOUNTS)
    assert second.line() == "True True"
    assert second.line() == "1 ['kept']"
    assert second.line() == "10 100"
    assert second.line() == "None"
    assert second.line() == "OK 1"


def test_p3_a_region_left_days_ago(path, child):
    """Its times are of then, and of a clock that has been set since: nobody is reaped or waited for by mistake."""
    left = child(
        """
        import os, sys, time, corestate
        import numpy as np
        state = corestate.create(sys.argv[1])
        for name, days in (("past", -9), ("now", 0), ("future", 9)):
            agent = state.agents.register(name, corestate.AgentType.MOTOR)
            # its last sign of life, where the region keeps it: found by its value, then moved
            words = np.frombuffer(state.region.memory, "u8")
            found = np.flatnonzero(words == agent.last_seen)
            assert len(found), "last_seen is kept as it is shown"
            words[found] += np.uint64(days * 86400 * 10**9 % 2**64)
        state.locks["l"].acquire()
        print("left", flush=True)
        sys.stdin.readline()
        """,
        path,
    )
    assert left.line() == "left"
    with corestate.attach(path) as state:
        health = state.health(stale_after=60)
        assert (health.agents.used, health.agents_stale) == (3, 1)
        assert state.agents.reap(older_than=60) == 1
        assert sorted(state.agents) == ["future", "now"]
        state.agents.heartbeat("future")
        assert state.agents["future"].last_seen <= time.time_ns()
        os.kill(left.pid, signal.SIGKILL)
        left.process.wait()
        assert state.locks["l"].acquire(timeout=60)
        assert state.agents.reap(older_than=60) == 2
