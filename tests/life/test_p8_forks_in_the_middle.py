"""P8: fork, with and without exec, while other threads are in the middle of everything; pools of every kind."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import corestate
from corestate import AgentType

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="forks with threads, as Linux may"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # of fork with threads, from 3.12 on
]

BUSY = """
import asyncio, os, subprocess, sys, threading, warnings
import corestate
from corestate import AgentType, BurstEngineState
warnings.simplefilter("ignore", DeprecationWarning)
state = corestate.attach(sys.argv[1])
stop = threading.Event()
problems = []

def registering():
    state.agents.register("busy", AgentType.MOTOR, metadata=[1] * 20)
    state.agents.update("busy", metadata=[2] * 20)
    state.agents.deregister("busy")

def opening():
    with corestate.attach(sys.argv[1]) as another, corestate.open("heap:") as heap:
        another.counters["opened"].add(); heap.counters["opened"].add()

def locking():
    with state.locks["busy"], state.areas["busy"].lock:
        state.gauges["busy"].set(1.0)

def listening():
    events.get(0.001)

def durable():
    state.scope("user", "busy").increment("n")
    with state.transaction() as tx:
        tx(state.scope("user", "busy"))["m"] = 1
    state.audit.log("busy", "AGENT_STARTED")
    state.tasks.push("busy")
    with corestate.open("heap:") as heap:
        heap.scope("global").increment("n")

def durable():
    state.scope("user", "busy").increment("n")
    state.audit.log("busy", "AGENT_STARTED")
    state.tasks.push("busy")

async def listen():
    with state.events.subscribe("k") as news:
        task = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        state.events.publish("k")
        await asyncio.wait_for(task, 60)

events = state.events.subscribe()
uses = [registering, opening, locking, listening, durable, lambda: asyncio.run(listen()),
        lambda: state.snapshot(sys.argv[1] + ".picture"), lambda: state.events.publish("k", {"a": 1})]

def busy(use):
    try:
        while not stop.is_set():
            use()
    except BaseException as problem:
        problems.append((use, problem))

def child(number):
    '''Use everything in the child; what another thread of the parent held is the parent's.'''
    state.counters["children"].add()
    state.agents.register(f"child {number}", AgentType.BOTH)
    with state.locks["of children"]:
        state.events.publish("child", number)
    state.scope("user", "child").increment("n")
    state.audit.log("child", "AGENT_STARTED")
    asyncio.run(listen())
    state.agents.deregister(f"child {number}")
    with corestate.attach(sys.argv[1]) as another:
        another.counters["children"].add()
    assert state.health().participants.used >= 2

# All is imported by now: a lock of Python's own import system stays taken in a child, and is no affair of ours.
durable()
threads = [threading.Thread(target=busy, args=(use,)) for use in uses]
for thread in threads:
    thread.start()
statuses = []
for number in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(number)
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code) if number % 2 else sys.exit(code)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if number % 4 == 0:  # and with exec: nothing of this process is open in what is executed
        seen = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True).stdout
        assert "state" not in seen and "shm" not in seen, seen
stop.set()
for thread in threads:
    thread.join(60)
counts = state.counters["children"].value, state.scope("user", "child")["n"]
print(set(statuses), problems, *counts, flush=True)
"""


def test_p8_children_forked_while_threads_do_everything_can_do_everything(path, child):
    """Half of them end as programs do, half at once; none takes or keeps what is a thread's of the parent."""
    times = 16
    with corestate.create(path) as state:
        busy = child(BUSY, path, str(times))
        assert busy.line() == f"{{0}} [] {2 * times} {times}"
        assert busy.finish() == ("", "")
        assert [one.pid for one in state.participants() if one.alive] == [os.getpid()]
        assert not any(lock.locked() for lock in state.locks.values())
        assert state.audit.verify()
        assert state.scope("user", "child")["n"] == times


# -- pools -------------------------------------------------------------------------------------


def work(address, number):
    with corestate.attach(address) as state:
        with state.locks["l"]:
            gauge = state.gauges["guarded"]
            gauge.set(gauge.value + number)
        return state.counters["c"].add(number)


def work_left_open(address, number):
    state = corestate.attach(address)
    state.agents.register(f"{os.getpid()} {number}", AgentType.MOTOR)
    return state.counters["c"].add(number)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("function", [work, work_left_open])
def test_p8_a_pool_of_processes(path, method, function):
    context = multiprocessing.get_context(method)
    with corestate.create(path) as state:
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            found = list(pool.map(function, [path] * 12, range(1, 13)))
        assert max(found) == state.counters["c"].value == 78
        assert [one.pid for one in state.participants()] == [os.getpid()]


def test_p8_a_pool_of_threads_and_an_event_loop(path):
    async def both(state):
        loop = asyncio.get_running_loop()
        with state.events.subscribe("done") as news, concurrent.futures.ThreadPoolExecutor(4) as pool:
            waits = [loop.run_in_executor(pool, state.counters["c"].wait, 0, 60) for _ in range(4)]
            jobs = [asyncio.to_thread(state.events.publish, "done", number) for number in range(20)]
            await asyncio.gather(*jobs)
            state.counters["c"].add(5)
            assert await asyncio.gather(*waits) == [5] * 4
            return sorted([(await asyncio.wait_for(anext(news), 60)).data for _ in range(20)])

    with corestate.create(path) as state:
        assert asyncio.run(both(state)) == list(range(20))
        assert [one.pid for one in state.participants()] == [os.getpid()]


# -- names that go away ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["renamed", "unlinked", "replaced by another", "its directory renamed"])
def test_p8_a_file_that_loses_its_name_before_fork(tmp_path, how):
    """Who is attached, and their children, stay on the same memory, whatever its name leads to by now."""
    home = tmp_path / "home"
    home.mkdir()
    path = home / "x.state"
    with corestate.create(path) as state:
        state.counters["c"].add()
        if how == "renamed":
            path.rename(home / "y.state")
        elif how == "unlinked":
            corestate.unlink(path)
        elif how == "its directory renamed":
            home.rename(tmp_path / "away")
        else:
            corestate.unlink(path)
            corestate.create(path).close()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                with state.locks["l"]:
                    state.counters["c"].add()
                said = f"{state.counters['c'].value} {state.region.detached!r} {len(state.participants())}"
            except BaseException as problem:
                said = repr(problem)
            os.write(writer, said.encode())
            os._exit(0)
        assert os.read(reader, 1000) == b"2 '' 2"
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)
        assert state.counters["c"].value == 2
        if how == "replaced by another":
            with corestate.attach(path) as other:
                assert "c" not in other.counters
        if how == "renamed":
            with corestate.attach(home / "y.state") as same:
                assert same.counters["c"].value == 2


def test_p8_what_is_executed_keeps_nobody_alive(path, child):
    """A process that executes another program is gone as a participant, although its process id lives on."""
    with corestate.create(path) as state:
        one = child(
            """
            import os, sys, corestate
            state = corestate.attach(sys.argv[1])
            state.locks["l"].acquire()
            print(os.getpid(), flush=True)
            sys.stdin.readline()
            os.execv(sys.executable, [sys.executable, "-c", "print('another', flush=True); input()"])
            """,
            path,
        )
        pid = int(one.line())
        assert state.locks["l"].holder.alive
        one.tell()
        assert one.line() == "another"
        assert Path(f"/proc/{pid}").exists()
        assert not state.locks["l"].holder.alive
        assert state.locks["l"].acquire(timeout=60)
        assert state.locks["l"].inherited


def test_p8_a_spawned_program_inherits_nothing(path):
    """Also with ``close_fds=False``: every descriptor is closed on exec."""
    with corestate.create(path), corestate.attach(path, mode="r"):
        before = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True).stdout
    assert "x.state" not in before
    assert str(path) not in before


def test_p8_threads_that_fork_at_once(path):
    """Eight threads fork at the same moment, again and again; every child has a slot of its own."""
    with corestate.create(path) as state:
        start, statuses = threading.Barrier(4), []

        def run():
            for _ in range(5):
                start.wait()
                pid = os.fork()
                if pid == 0:
                    try:
                        me = [one for one in state.participants() if one.me]
                        os._exit(0 if len(me) == 1 and me[0].pid == os.getpid() and state.counters["c"].add() else 1)
                    finally:
                        os._exit(2)
                statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [0] * 20
        assert state.counters["c"].value == 20
