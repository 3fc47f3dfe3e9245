"""Many open one new address at once, and makers are killed or stopped at any point: all end on one whole region.

"Any point" is every call and return of a function of the region floor, and of every system or core function, each in
turn.
"""
# ruff: noqa: PTH118, PTH119, PTH120, PTH123, PTH208

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import looking
import pytest

from corestate import _making, _shared, _trusted, errors
from corestate import address as addresses
from corestate.config import RegionConfig
from corestate.region import attach_region, create_region, open_region, unlink

CONFIG = RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=4, participants=8, values=8)


FLOOR = {
    "region.py",
    "_attachment.py",
    "_files.py",
    "_filesystem.py",
    "_making.py",
    "_shared.py",
    "_storage.py",
    "_trusted.py",
}
OUTSIDE = {"posix", "fcntl", "mmap", "posix_ipc", "corestate._core", "corestate._hot", "weakref"}


@pytest.fixture(params=["unnamed", "named", "shm", "posix_shm"])
def place(request, monkeypatch):
    """An address for each way of making a region: file without a name, file under a temporary name, shared memory."""
    if request.param in ("shm", "posix_shm"):
        return request.getfixturevalue(request.param)
    if request.param == "named":  # what file systems without O_TMPFILE get
        monkeypatch.setattr(_making, "_UNNAMED", 0)
        monkeypatch.setattr(_making, "_unnamed_works", {})
    return request.getfixturevalue("path")


def litter(place: str) -> list[str]:
    """What lies beside the region."""
    file = addresses.path_of(addresses.parse(place))
    name = os.path.basename(file)
    return [other for other in os.listdir(os.path.dirname(file)) if name in other and other != name]


def at_event(number: int, action: Callable[[], object], work: Callable[[], object]) -> int:
    """Do some work and an action at the n-th call or return of any function in it; how many there were."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        if event.startswith("c_"):
            counts = getattr(argument, "__module__", None) in OUTSIDE
        else:
            counts = Path(frame.f_code.co_filename).name in FLOOR
        count += counts
        if counts and count == number:
            action()

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Whether a child of fork was killed at the n-th event of its work, and not done before."""
    pid = os.fork()
    if pid == 0:
        try:
            at_event(number, lambda: os.kill(os.getpid(), signal.SIGKILL), work)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_maker_killed_at_any_point(place):
    number = 1
    while killed_at(number, lambda: open_region(place, config=CONFIG)):
        with open_region(place, config=CONFIG) as region:
            assert region.config == CONFIG
            assert list(looking.participants(region)) == [os.getpid()], f"killed at event {number}"
            assert looking.add(region, looking.counter(region)) == 0
            assert litter(place) == [], f"killed at event {number}"
        unlink(place)
        number += 1
    assert number > 60


def test_who_attaches_killed_at_any_point(place):
    with create_region(place, CONFIG) as mine:
        number = 1
        while killed_at(number, lambda: open_region(place)):
            with open_region(place) as region:
                assert region.instance == mine.instance
                assert list(looking.participants(region)) == [os.getpid()], f"killed at event {number}"
            number += 1
        assert number > 40


def test_who_closes_killed_at_any_point(place):
    with create_region(place, CONFIG) as mine:
        number = 1

        def work() -> None:
            region = opened.pop()
            region.close()
            del region

        while True:
            opened = []

            def run(number=number, opened=opened) -> bool:
                pid = os.fork()
                if pid == 0:
                    opened.append(open_region(place))
                    at_event(number, lambda: os.kill(os.getpid(), signal.SIGKILL), work)
                    os._exit(0)
                return os.WIFSIGNALED(os.waitpid(pid, 0)[1])

            if not run():
                break
            with open_region(place) as region:
                assert region.instance == mine.instance
                assert list(looking.participants(region)) == [os.getpid()], f"killed at event {number}"
            number += 1
        assert number > 10


def open_at_once(place: str, count: int, answer: Callable[[], str]) -> list[str]:
    """What children of fork say that all begin when the last is ready."""
    ready, ready_writer = os.pipe()
    start, start_writer = os.pipe()
    out, out_writer = os.pipe()
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os.close(start_writer)
            os.write(ready_writer, b".")
            os.read(start, 1)  # returns when the parent closes its end
            try:
                said = answer()
            except BaseException as problem:
                said = f"{type(problem).__name__}: {problem}"
            os.write(out_writer, (said.replace("\n", " ") + "\n").encode())
            os._exit(0)
        pids.append(pid)
    for _ in range(count):
        os.read(ready, 1)
    os.close(start_writer)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(out_writer)
    with os.fdopen(out) as source:
        lines = source.read().splitlines()
    for descriptor in (ready, ready_writer, start):
        os.close(descriptor)
    assert len(lines) == count
    return lines


@pytest.mark.parametrize("round_", range(12))
def test_many_open_a_new_address_at_once(place, round_):
    def answer() -> str:
        with open_region(place, config=CONFIG) as region:
            assert looking.add(region, looking.counter(region)) == 0
            return region.instance

    found = open_at_once(place, CONFIG.participants, answer)
    assert len(set(found)) == 1, found
    with attach_region(place) as region:
        assert region.instance == found[0]
        assert looking.value(region, looking.counter(region)) == CONFIG.participants
    assert litter(place) == []


@pytest.mark.parametrize("round_", range(4))
def test_of_many_that_insist_on_making_it_one_does(place, round_):
    def answer() -> str:
        create_region(place, CONFIG).close()
        return "made"

    found = open_at_once(place, 6, answer)
    assert sum(said == "made" for said in found) == 1, found
    assert sum(said.startswith("RegionExistsError") for said in found) == 5, found
    assert litter(place) == []


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_random_while_others_open(place, seed):
    """Each child opens, adds and closes in a loop, until a timer kills it at a random instant."""
    chance = random.Random(seed)
    for _ in range(15):
        pids = []
        for _ in range(4):
            after = chance.uniform(0.0005, 0.02)
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process as SIGKILL would
                signal.setitimer(signal.ITIMER_REAL, after)
                while True:
                    with open_region(place, config=CONFIG) as region:
                        looking.add(region, looking.counter(region))
            pids.append(pid)
        for pid in pids:
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status)
            assert os.WTERMSIG(status) == signal.SIGALRM
        with open_region(place, config=CONFIG) as region:
            assert list(looking.participants(region)) == [os.getpid()]
            assert looking.add(region, looking.counter(region)) == 0
        assert litter(place) == []
        if chance.random() < 0.5:
            unlink(place)


def stopped_at(number: int, work: Callable[[], object]) -> int | None:
    """A child of fork that has stopped itself at the n-th event of its work; None when it was done before."""
    pid = os.fork()
    if pid == 0:
        at_event(number, lambda: os.kill(os.getpid(), signal.SIGSTOP), work)
        os._exit(0)
    _, status = os.waitpid(pid, os.WUNTRACED)
    return pid if os.WIFSTOPPED(status) else None


@pytest.mark.parametrize("way", ["unnamed", "named"])
def test_a_maker_of_a_file_stopped_at_any_point_holds_nobody_up(path, way, monkeypatch):
    if way == "named":
        monkeypatch.setattr(_making, "_UNNAMED", 0)
        monkeypatch.setattr(_making, "_unnamed_works", {})
    number = 1
    while (pid := stopped_at(number, lambda: open_region(path, config=CONFIG))) is not None:
        with open_region(path, config=CONFIG) as region:
            instance = region.instance
            os.kill(pid, signal.SIGCONT)
            assert os.waitpid(pid, 0)[1] == 0
            with open_region(path) as again:
                assert again.instance == instance
        assert litter(path) == []
        unlink(path)
        number += 3
    assert number > 60


def test_what_a_living_maker_works_on_is_not_swept(path, monkeypatch):
    monkeypatch.setattr(_making, "_UNNAMED", 0)
    monkeypatch.setattr(_making, "_unnamed_works", {})
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(_making, "_fill", lambda *_: os.kill(os.getpid(), signal.SIGSTOP))
        try:
            open_region(path, config=CONFIG)
        finally:
            os._exit(0)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    open_region(path, config=CONFIG).close()
    assert len(litter(path)) == 1
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    open_region(path, config=CONFIG).close()
    assert litter(path) == []


def test_a_stopped_maker_of_shared_memory_is_waited_for_and_then_named(posix_shm, monkeypatch):
    def stop_while_making() -> int:
        pid = os.fork()
        if pid == 0:
            monkeypatch.setattr(_shared, "reserve", lambda *_: os.kill(os.getpid(), signal.SIGSTOP))
            try:
                open_region(posix_shm, config=CONFIG)
            finally:
                os._exit(0)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        return pid

    pid = stop_while_making()
    monkeypatch.setattr(_shared, "_PATIENCE", 0.05)
    for attempt in (open_region, create_region, attach_region, lambda where: open_region(where, mode="r")):
        with pytest.raises(errors.BusyError, match="look for a stopped process") as caught:
            attempt(posix_shm)
        assert isinstance(caught.value, BlockingIOError)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with pytest.raises(errors.NotReadyError, match="create=True"):
        attach_region(posix_shm)
    with create_region(posix_shm, CONFIG) as region:
        assert region.participant


def test_makers_that_died_leave_nothing_even_if_nobody_makes_it_again(path, monkeypatch):
    monkeypatch.setattr(_making, "_UNNAMED", 0)
    monkeypatch.setattr(_making, "_unnamed_works", {})
    create_region(path, CONFIG).close()
    half = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.0123456789abcdef{_trusted.SUFFIX}")
    link = half.replace("0123", "4567")
    with open(half, "wb") as out:
        out.write(b"half a region")
    os.link(path, link)
    attach_region(path, mode="r").close()
    assert len(litter(path)) == 2, "who only reads changes nothing"
    attach_region(path).close()
    assert litter(path) == []
