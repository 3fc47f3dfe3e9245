"""P8: fork, spawn and forkserver are ordinary use.

A child of fork has the regions of its parent, each with a participant slot of its own, and does not keep a dead
parent's slot.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import corestate
from corestate import _attachment, errors
from corestate._binding import ffi, lib
from corestate.config import RegionConfig
from corestate.region import Region, attach_region, create_region, open_region

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of fork with threads, from 3.12 on


def participants(region: Region) -> dict[int, int]:
    """Process id to state, of who sits in a slot."""
    info, found = ffi.new("cs_participant_info *"), {}
    for slot in range(region.config.participants):
        assert lib.cs_participant_get(region.view, slot, info) == 0
        if info.state != lib.CS_PARTICIPANT_FREE:
            found[int(info.pid)] = int(info.state)
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def handle_of(region: Region) -> int:
    handle = ffi.new("cs_handle *")
    assert lib.cs_counter_open(region.view, b"c", 1, handle) == 0
    return int(handle[0])


def add(region: Region) -> int:
    """Add one to the counter; the result code."""
    return int(lib.cs_counter_add(region.view, handle_of(region), 1, ffi.NULL))


def value(region: Region) -> int:
    out = ffi.new("uint64_t *")
    assert lib.cs_counter_get(region.view, handle_of(region), out) == 0
    return int(out[0])


class Forked:
    """A child of fork that runs a function and says what it returned; it lives until told to end."""

    def __init__(self, function):
        self.out, out = os.pipe()
        stay, self.stay = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.out)
            os.close(self.stay)
            try:
                said = repr(function())
            except BaseException as problem:
                said = f"{type(problem).__name__}: {problem}"
            os.write(out, said.encode())
            os.close(out)
            os.read(stay, 1)
            os._exit(0)
        os.close(out)
        os.close(stay)
        with os.fdopen(self.out, "rb") as source:
            self.said = source.read().decode()

    def end(self):
        os.close(self.stay)
        assert os.waitpid(self.pid, 0)[1] == 0


def test_p8_a_child_has_a_slot_of_its_own(address):
    with open_region(address) as region:
        mine = region.participant
        before = descriptors()
        child = Forked(lambda: (region.participant, add(region), region.detached, descriptors()))
        theirs, code, detached, after = eval(child.said)
        assert theirs not in (0, mine)
        assert code == 0
        assert detached == ""
        assert after == before + 2  # its two ends of the pipes; the parent's handle was closed, its own opened
        assert participants(region) == {os.getpid(): lib.CS_PARTICIPANT_LIVE, child.pid: lib.CS_PARTICIPANT_LIVE}
        assert value(region) == 1
        child.end()
        assert region.participant == mine
        assert participants(region)[child.pid] == lib.CS_PARTICIPANT_DEAD
        with open_region(address):  # which sweeps
            assert child.pid not in participants(region)


def stays() -> int:
    """Fork a child that stays, with whatever this process has; its process id, once it has got its own slots."""
    ready, ready_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready_writer, b".")
        signal.pause()
    os.read(ready, 1)
    return pid


def open_and_fork(address: str) -> tuple[Region, int]:
    return open_region(address), stays()


def fork_in_the_middle_of_opening(address: str) -> tuple[Region, int]:
    """Another thread forks at the instant at which this one has a descriptor it has not taken note of yet."""
    forking, forked, children = threading.Event(), threading.Event(), []

    def fork() -> None:
        forking.wait()
        children.append(stays())
        forked.set()

    def at_return(frame, event, argument) -> None:
        if event == "return" and frame.f_code is _attachment._reopen.__code__:
            forking.set()
            forked.wait(timeout=0.2)  # it passes in vain when fork waits for us, as it should

    thread = threading.Thread(target=fork)
    thread.start()
    sys.setprofile(at_return)
    region = open_region(address)
    sys.setprofile(None)
    thread.join()
    return region, children[0]


@pytest.mark.parametrize("how", [open_and_fork, fork_in_the_middle_of_opening])
def test_p8_a_child_does_not_keep_its_parent_alive(address, how):
    """A parent forks and is killed; the child lives on, and the kernel says that the parent is dead."""
    create_region(address).close()
    out, out_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        region, child_pid = how(address)
        os.write(out_writer, str(child_pid).encode())
        signal.pause()
        region.close()
    child_pid = int(os.read(out, 100))
    try:
        with attach_region(address) as region:
            assert participants(region)[pid] == lib.CS_PARTICIPANT_LIVE
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            assert participants(region)[pid] == lib.CS_PARTICIPANT_DEAD
            assert participants(region)[child_pid] == lib.CS_PARTICIPANT_LIVE
    finally:
        for left in (pid, child_pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        os.close(out)
        os.close(out_writer)


def test_p8_generations_of_forks(address):
    with open_region(address) as region:

        def generation(depth: int) -> list[int]:
            found = [region.participant]
            if depth:
                child = Forked(lambda: generation(depth - 1))
                found += eval(child.said)
                child.end()
            return found

        found = generation(4)
        assert len(set(found)) == 5
        assert 0 not in found


def test_p8_a_region_without_a_name_is_inherited_too(address):
    with open_region(address) as region:
        corestate.unlink(address)
        child = Forked(lambda: (region.participant > 0, add(region)))
        assert child.said == "(True, 0)"
        child.end()
        assert value(region) == 1


def test_p8_a_child_may_close_what_it_inherited(address):
    with open_region(address) as region:

        def close() -> bool:
            region.close()
            with pytest.raises(errors.ClosedError):
                add(region)
            return region.closed

        child = Forked(close)
        assert child.said == "True"
        assert participants(region) == {os.getpid(): lib.CS_PARTICIPANT_LIVE}
        assert add(region) == 0
        child.end()


def test_p8_read_only_regions_stay_readable(address):
    with open_region(address) as writer, open_region(address, mode="r") as reader:
        add(writer)
        child = Forked(lambda: (value(reader), reader.participant, add(reader)))
        assert child.said == repr((1, 0, lib.CS_E_READ_ONLY))
        child.end()


def test_p8_private_memory_is_copied(address):
    with open_region("heap:") as region:
        add(region)
        child = Forked(lambda: (value(region), add(region), value(region), region.participant > 0))
        assert child.said == "(1, 0, 2, True)"
        child.end()
        assert value(region) == 1


def test_p8_a_child_that_cannot_open_the_file_is_detached_and_says_so(path):
    """Privileges given up between opening and forking: reading works, writing is a clear error."""
    if os.geteuid() != 0:
        pytest.skip("needs the right to give privileges up")

    def drop_and_fork() -> str:
        with open_region(path) as region:
            add(region)
            os.setresuid(65534, 65534, 65534)
            grandchild = Forked(lambda: detached(region))
            grandchild.end()
            assert add(region) == 0  # who gave its privileges up keeps the slot it has
            return grandchild.said

    def detached(region: Region) -> list[object]:
        state = corestate.StateManager(region)
        with pytest.raises(errors.DetachedError, match="open the region again in this process"):
            state.counters["c"].add()
        again = Forked(lambda: (region.participant, region.detached))
        again.end()
        return [state.counters["c"].value, region.participant, region.detached, again.said]

    child = Forked(drop_and_fork)
    child.end()
    found = eval(eval(child.said))
    assert found[:2] == [1, 0]
    assert found[2].startswith("cannot open the region's file in a child of fork: [Errno 13]")
    assert found[3].startswith('(0, "cannot open')


def test_p8_a_child_without_a_free_slot_is_detached_until_it_opens_anew(path):
    config = RegionConfig(participants=1)
    with open_region(path, config=config) as region:
        add(region)
        child = Forked(lambda: (region.participant, add(region), region.detached))
        child.end()
        participant, code, detached = eval(child.said)
        assert (participant, code) == (0, lib.CS_E_DETACHED)
        assert "cannot claim a participant slot" in detached
        assert add(region) == 0


def test_p8_forks_while_threads_open_and_close(path, tmp_path):
    """Children inherit no slot that is being claimed or given back at the instant of the fork."""
    create_region(path).close()
    stop = threading.Event()
    problems = []

    def churn() -> None:
        try:
            while not stop.is_set():
                with open_region(path) as region:
                    add(region)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = []
    try:
        for _ in range(40):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                children.append(Forked(lambda: 1))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems
    with open_region(path) as region:  # the children live, and none holds a lock of this process
        states = participants(region)
        assert states.pop(os.getpid()) == lib.CS_PARTICIPANT_LIVE
        assert set(states) <= {child.pid for child in children}
    for child in reversed(children):  # each has the pipes of those before it
        child.end()
    with open_region(path) as region:
        assert participants(region) == {os.getpid(): lib.CS_PARTICIPANT_LIVE}


# -- multiprocessing ---------------------------------------------------------------------------


kept = []


def work(address: str, times: int) -> None:
    state = corestate.open(address)
    kept.append(state)  # so that nothing but the end of the process closes it
    for _ in range(times):
        state.counters["work"].add()
    state.events.publish("done", times)


def work_inherited(state: corestate.StateManager, times: int) -> None:
    for _ in range(times):
        state.counters["work"].add()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_p8_children_of_multiprocessing(address, method):
    """Each child leaves a region open; when it has ended its slot is free, without a sweep."""
    context = multiprocessing.get_context(method)
    with corestate.open(address) as state, state.events.subscribe(["done"]) as news:
        children = [context.Process(target=work, args=(address, 100)) for _ in range(3)]
        for child in children:
            child.start()
        assert [news.get(timeout=30).data for _ in children] == [100] * 3
        for child in children:
            child.join()
            assert child.exitcode == 0
        assert state.counters["work"].value == 300
        assert participants(state.region) == {os.getpid(): lib.CS_PARTICIPANT_LIVE}


def test_p8_children_of_multiprocessing_inherit_by_fork(address):
    context = multiprocessing.get_context("fork")
    with corestate.open(address) as state:
        children = [context.Process(target=work_inherited, args=(state, 100)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
        assert state.counters["work"].value == 300
        assert participants(state.region) == {os.getpid(): lib.CS_PARTICIPANT_LIVE}


def test_p8_a_pool(address):
    context = multiprocessing.get_context("forkserver")
    with corestate.open(address) as state:
        with context.Pool(2) as pool:
            pool.starmap(work, [(address, 10)] * 8)
            pool.close()
            pool.join()
        assert state.counters["work"].value == 80
        assert participants(state.region) == {os.getpid(): lib.CS_PARTICIPANT_LIVE}


def test_p8_many_threads_on_one_region(path):
    """Threads add, set states, register and publish at once; nothing is lost."""
    config = RegionConfig(events=4096)
    with corestate.open(path, config=config) as state:
        start = threading.Barrier(8)

        def run(number: int) -> None:
            start.wait()
            for round_ in range(200):
                state.counters["all"].add()
                state.engine.add("burst_count", 1)
                state.events.publish("tick", round_)
                with state.locks["one"]:
                    gauge = state.gauges["guarded"]
                    gauge.set(gauge.value + 1)
            state.agents.register(f"agent {number}", corestate.AgentType.MOTOR)

        with state.events.subscribe(["tick"], since=0) as news:
            threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            events = news.drain()
        assert state.counters["all"].value == 1600
        assert state.engine.burst_count == 1600
        assert state.gauges["guarded"].value == 1600
        assert len(state.agents) == 8
        assert len(events) == 1600
        assert news.lost == 0


def test_p8_the_reading_threads_of_a_fork_find_a_working_child(path):
    """A child forked while another thread waits in the region can wait in it itself."""
    with corestate.open(path) as state:
        waiting = threading.Thread(target=lambda: state.counters["never"].wait(0, timeout=30), daemon=True)
        waiting.start()

        def wait_and_write() -> tuple[float, bool]:
            began = time.monotonic()
            with pytest.raises(corestate.WaitTimeoutError):
                state.counters["other"].wait(0, timeout=0.05)
            return state.counters["c"].add(), time.monotonic() - began >= 0.05

        child = Forked(wait_and_write)
        assert child.said == "(1, True)"
        child.end()
        state.counters["never"].add()
        waiting.join()
