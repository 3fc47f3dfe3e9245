"""Closing, also under other threads; leaving without closing; signals while waiting. Nothing leaks or is printed."""

import gc
import os
import signal
import threading
import time
import weakref
from pathlib import Path

import looking
import numpy as np
import pytest

import corestate
from corestate import errors
from corestate._binding import HotCounter, HotGauge, ffi, lib
from corestate.region import attach_region, create_region, open_region


def mapped(path: str) -> int:
    """How many mappings of a file this process has."""
    return len(looking.mappings(path))


def waiting_in(region, handle, outcome, timeout=None):
    """A thread that waits for a counter; it has begun when this returns."""
    began = threading.Event()

    def wait():
        out = ffi.new("uint64_t *")
        began.set()
        try:
            outcome.append(region.wait(lambda view, ns: lib.cs_counter_wait(view, handle, 0, ns, out), timeout))
        except BaseException as problem:
            outcome.append(problem)

    thread = threading.Thread(target=wait)
    thread.start()
    began.wait()
    return thread


def test_closing_twice_is_closing_once(any_address):
    region = open_region(any_address)
    region.close()
    region.close()
    assert region.closed


def test_everything_raises_after_close(any_address):
    region = open_region(any_address)
    handle = looking.counter(region)
    cell = HotCounter(region.anchor, handle)
    region.close()
    for use in (
        lambda: region.view,
        lambda: region.memory,
        lambda: region.participant,
        lambda: region.wait(lambda view, ns: 0),
        lambda: looking.add(region, handle),
        lambda: cell.value,
        lambda: cell.add(1),
        lambda: cell.set(1),
        lambda: cell.compare_exchange(0, 1),
        lambda: HotCounter(region.anchor, handle),
        lambda: HotGauge(region.anchor, handle),
        region.__enter__,
    ):
        with pytest.raises(errors.ClosedError, match="open it again") as caught:
            use()
        assert isinstance(caught.value, (RuntimeError, ValueError))


def test_a_waiter_gets_an_error_and_the_memory_goes_with_it(path):
    region = open_region(path)
    outcome = []
    thread = waiting_in(region, looking.counter(region), outcome)
    region.close()
    thread.join()
    assert isinstance(outcome[0], errors.ClosedError)
    del outcome[:]
    gc.collect()
    assert mapped(path) == 0
    assert looking.descriptors(path) == 0


@pytest.mark.parametrize("round_", range(20))
def test_many_waiters_of_every_kind_get_an_error(address, round_):
    state = corestate.open(address)
    other = corestate.open(address)
    held = other.locks["held"]
    held.acquire()
    outcome = []
    ready = threading.Barrier(5)

    def run(wait):
        ready.wait()
        try:
            outcome.append(wait())
        except BaseException as problem:
            outcome.append(problem)

    events = state.events.subscribe()
    waits = [
        lambda: state.counters["c"].wait(0),
        lambda: state.gauges["g"].wait(0.0),
        lambda: events.get(),
        lambda: state.locks["held"].acquire(),
    ]
    threads = [threading.Thread(target=run, args=(wait,)) for wait in waits]
    for thread in threads:
        thread.start()
    ready.wait()
    state.close()
    for thread in threads:
        thread.join()
    assert [type(problem) for problem in outcome] == [errors.ClosedError] * 4, outcome
    assert held.locked()
    other.close()


def test_numpy_views_keep_the_memory_and_nothing_else(path):
    region = open_region(path)
    view = np.frombuffer(region.memory, dtype=np.uint8)
    first = bytes(view[:8])
    region.close()
    assert looking.participants(attach_region(path, mode="r")) == {}
    assert bytes(view[:8]) == first
    assert mapped(path) >= 1
    del view
    gc.collect()
    assert mapped(path) == 0


def test_hot_cells_keep_an_open_region_attached_and_a_closed_one_not(path):
    region = open_region(path)
    cell = HotCounter(region.anchor, looking.counter(region))
    gone = weakref.ref(region)
    del region
    gc.collect()
    assert gone() is None
    assert cell.add(2) == 2
    region = open_region(path)
    again = HotCounter(region.anchor, looking.counter(region))
    assert again.value == 2
    region.close()
    assert mapped(path) == 1
    with pytest.raises(errors.ClosedError):
        _ = again.value
    del cell
    gc.collect()
    assert mapped(path) == 0
    assert looking.participants(attach_region(path, mode="r")) == {}


def use_until_closed(call, problems, started):
    """A thread that makes a call again and again until it raises ClosedError."""

    def run():
        started.wait()
        try:
            while True:
                call()
        except errors.ClosedError:
            pass
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def used_while_closed(path):
    """What went wrong in threads that use a region through cffi and hot cells while it is closed under them."""
    state, problems, started = corestate.open(path), [], threading.Barrier(4)
    calls = [state.counters["c"].add, lambda: state.engine.neuron_count, lambda: state.events.publish("tick", None)]
    threads = [use_until_closed(call, problems, started) for call in calls]
    started.wait()
    state.close()
    for thread in threads:
        thread.join()
    return problems


def test_closing_under_threads_that_read_and_write(path):
    create_region(path).close()
    assert [used_while_closed(path) for _ in range(60)] == [[]] * 60
    gc.collect()
    assert mapped(path) == 0


@pytest.mark.parametrize("kind", ["file", "shm", "heap"])
def test_ten_thousand_times_opened_and_closed(kind, request):
    where = {"file": "path", "shm": "shm"}.get(kind)
    address = request.getfixturevalue(where) if where else "heap:"
    small = corestate.RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=4, participants=4, values=8)

    def once(index: int) -> None:
        region = open_region(address, config=small, mode="r" if index % 5 == 4 and where else "rw")
        if index % 3:
            region.close()

    def resources() -> tuple[int, int]:
        gc.collect()
        maps = Path("/proc/self/maps").read_text()
        return len(list(Path("/proc/self/fd").iterdir())), maps.count("\n")

    for index in range(100):
        once(index)
    before = resources()
    for index in range(10_000):
        once(index)
    after = resources()
    assert after[0] == before[0]
    assert after[1] <= before[1] + 8  # malloc's own
    with open_region(address, config=small) as region:
        assert looking.participants(region) == {os.getpid(): 1}


# -- leaving without closing -------------------------------------------------------------------

STRICT = ("-X", "dev", "-W", "error")

LEAVING = {
    "open": "",
    "in a cycle": "loop = [state]; loop.append(loop); del state",
    "with cells and views": "cell = state.counters['c']; cell.add(); view = state.counters.array()",
    "with a subscription": "events = state.events.subscribe(); state.events.publish('x', 1); event = events.get()",
    "holding a lock": "state.locks['l'].acquire(); state.areas['v1'].lock.acquire()",
    "a daemon thread waiting": """
        import threading
        threading.Thread(target=lambda: state.counters['c'].wait(0), daemon=True).start()
        """,
    "a daemon thread reading all the time": """
        import threading
        def read():
            while True:
                state.counters['c'].add(); state.events.publish('x', 1); state.health()
        for _ in range(3):
            threading.Thread(target=read, daemon=True).start()
        """,
    "an exception": "import sys; sys.excepthook = lambda *_: print('raised'); raise RuntimeError",
    "used in atexit": "import atexit; atexit.register(lambda: state.counters['c'].add())",
    "closed in atexit": "import atexit; atexit.register(state.close)",
    "in a global of a module": "import types, sys; m = types.ModuleType('m'); m.state = state; sys.modules['m'] = m",
    "read-only": "reader = corestate.open(sys.argv[1], mode='r'); reader.health()",
    "many": "more = [corestate.open(sys.argv[1]) for _ in range(5)] + [corestate.open('heap:') for _ in range(5)]",
}


@pytest.mark.parametrize("how", LEAVING)
def test_leaving_without_closing_prints_nothing_and_gives_the_slot_back(path, child, how):
    create_region(path).close()
    left = child(
        "import sys, corestate\nstate = corestate.open(sys.argv[1])\nprint('ready', flush=True)\n"
        + "\n".join(line.removeprefix("        ") for line in LEAVING[how].split("\n")),
        path,
        options=STRICT,
    )
    assert left.line() == "ready"
    raises = how == "an exception"
    assert left.finish(status=int(raises)) == ("raised\n" if raises else "", "")
    with open_region(path, mode="r") as region:
        assert looking.participants(region) == {}


def test_sys_exit_in_a_thread_and_os_exit(path, child):
    create_region(path).close()
    left = child(
        """
        import os, sys, corestate
        state = corestate.open(sys.argv[1])
        print("ready", flush=True)
        os._exit(0)
        """,
        path,
    )
    assert left.line() == "ready"
    assert left.finish() == ("", "")
    with open_region(path) as region:  # the kernel knew, and this opening swept
        assert looking.participants(region) == {os.getpid(): 1}


# -- signals -----------------------------------------------------------------------------------

WAITING = """
import os, signal, sys, time
import corestate
state = corestate.open(sys.argv[1])
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"handled\\n"))  # print may be at work when it comes
counter = state.counters["c"]
began = time.monotonic()
try:
    print("ready", flush=True)
    counter.wait(0, timeout=float(sys.argv[2]) if sys.argv[2] else None)
    print("changed", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
except TimeoutError:
    print("timeout", time.monotonic() - began >= float(sys.argv[2]), flush=True)
"""


def asleep(pid: int) -> bool:
    """Whether a process sleeps in the kernel."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"


def until_asleep(pid: int) -> None:
    while not asleep(pid):
        time.sleep(0)


def test_control_c_ends_a_wait(path, child):
    waiter = child(WAITING, path, "")
    assert waiter.line() == "ready"
    until_asleep(waiter.pid)
    os.kill(waiter.pid, signal.SIGINT)
    assert waiter.line() == "interrupted"
    waiter.finish()


def test_a_handled_signal_does_not_end_a_wait(path, child):
    with corestate.open(path) as state:
        waiter = child(WAITING, path, "")
        assert waiter.line() == "ready"
        for _ in range(3):
            until_asleep(waiter.pid)
            os.kill(waiter.pid, signal.SIGUSR1)
            assert waiter.line() == "handled"
        state.counters["c"].add()
        assert waiter.line() == "changed"
        waiter.finish()


def test_handled_signals_do_not_stretch_a_timeout(path, child):
    waiter = child(WAITING, path, "0.5")
    assert waiter.line() == "ready"
    until_asleep(waiter.pid)
    os.kill(waiter.pid, signal.SIGUSR1)
    assert waiter.line() == "handled"
    assert waiter.line() == "timeout True"
    waiter.finish()


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (-1, errors.RangeError),
        (float("nan"), errors.NotANumberError),
        ("soon", errors.WrongTypeError),
        (object(), TypeError),
    ],
)
def test_timeouts_that_are_none(region, timeout, error):
    with pytest.raises(error, match="timeout: expected"):
        region.wait(lambda view, ns: 0, timeout)


@pytest.mark.parametrize(
    ("timeout", "ns"),
    [
        (None, lib.CS_FOREVER),
        (0, 0),
        (1, 10**9),
        (0.25, 250_000_000),
        (np.float32(2), 2 * 10**9),
        (1e12, lib.CS_FOREVER),
        (float("inf"), lib.CS_FOREVER),
    ],
)
def test_timeouts_in_nanoseconds(region, timeout, ns):
    seen = []
    region.wait(lambda view, left: seen.append(left) or 0, timeout)
    assert seen == [ns]
