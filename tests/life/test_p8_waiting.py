"""P8: Ctrl-C, other signals and close() reach whoever waits, in every way there is to wait; nothing is broken after.

Waits for counters and locks have tests of their own beside those things; here are all the others.
"""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import corestate

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sees in /proc who sleeps")

WAITS = {
    "get": "events.get()",
    "get with a timeout": "events.get(300)",
    "iterator": "next(iter(events))",
    "gauge": "state.gauges['g'].wait(0.0)",
    "counter with a timeout": "state.counters['c'].wait(0, timeout=300)",
    "lock with a timeout": "state.locks['held'].acquire(timeout=300)",
    "area lock": "state.areas['held'].lock.acquire()",
    "async for": "asyncio.run(first(events))",
    "async for of many": "asyncio.run(all_of([state.events.subscribe('k') for _ in range(5)]))",
    "in a thread of asyncio": "asyncio.run(in_thread(lambda: state.counters['c'].wait(0, timeout=300)))",
    "observer": "corestate.attach(sys.argv[1], mode='r').events.subscribe('k').get()",
    "observer of a counter": "corestate.attach(sys.argv[1], mode='r').counters['c'].wait(0)",
    "listener": "(state.events.on('k', print), time.sleep(300))",
}

WAITER = """
import asyncio, os, signal, sys, threading, time
import corestate

async def first(events):
    async for event in events:
        return event

async def all_of(every):
    await asyncio.gather(*(first(events) for events in every))

async def in_thread(call):
    # The thread cannot be interrupted: closing the region is what ends its wait.
    waiting = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await waiting
    finally:
        state.close()

state = corestate.attach(sys.argv[1])
events = state.events.subscribe("k")
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"handled\\n"))
print("ready", flush=True)
try:
    WAIT
    print("woken", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
if not state.closed:
    print(state.counters["after"].add(), state.events.publish("after") > 0, flush=True)
"""


@pytest.fixture
def held(path):
    """A state in which somebody else holds what the waiters want."""
    with corestate.create(path) as state:
        state.counters["c"], state.gauges["g"]
        state.locks["held"].acquire()
        state.areas["held"].lock.acquire()
        yield state


def until_asleep(pid):
    """Until every thread of a process sleeps in the kernel, seen twice."""
    seen = 0
    while seen < 2:
        states = [task.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] for task in tasks(pid)]
        seen = seen + 1 if set(states) == {"S"} else 0
        time.sleep(0.01)


def tasks(pid):
    return list(Path(f"/proc/{pid}/task").iterdir())


@pytest.mark.parametrize("wait", WAITS)
def test_p8_control_c_ends_every_wait(held, child, wait):
    waiter = child(WAITER.replace("WAIT", WAITS[wait]), held.address)
    assert waiter.line() == "ready"
    until_asleep(waiter.pid)
    os.kill(waiter.pid, signal.SIGUSR1)
    assert waiter.line() == "handled"
    until_asleep(waiter.pid)
    os.kill(waiter.pid, signal.SIGINT)
    assert waiter.line() == "interrupted"
    out, complained = waiter.finish()
    assert complained == ""
    assert out.strip() == ("" if wait == "in a thread of asyncio" else "1 True")
    assert [one.pid for one in held.participants()] == [os.getpid()]


STORM = """
import os, signal, sys, threading
import corestate
state = corestate.attach(sys.argv[1])
handled = 0

def handle(*_):
    global handled
    handled += 1
    state.counters["handled"].add()  # a handler may use the region its own thread waits in
    state.events.publish("handled", handled)

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
events = state.events.subscribe("number")
print("ready", flush=True)
for number in range(2000):
    assert events.get(60).data == number
    assert state.counters["c"].wait(number, timeout=60) > number
    with state.locks["shared"]:
        state.gauges["g"].set(state.gauges["g"].value + 1)
signal.setitimer(signal.ITIMER_REAL, 0)
assert state.counters["handled"].value == handled > 0
print("done", events.lost, flush=True)
"""


def test_p8_a_storm_of_signals_changes_nothing(path, child):
    """A handler that runs two thousand times a second, and itself uses the region, costs neither events nor adds."""
    with corestate.create(path, config=corestate.RegionConfig(events=1 << 14)) as state:
        state.gauges["g"].set(0)
        waiter = child(STORM, path)
        assert waiter.line() == "ready"
        for number in range(2000):
            state.events.publish("number", number)
            state.counters["c"].add()
            with state.locks["shared"]:
                state.gauges["g"].set(state.gauges["g"].value + 1)
        assert waiter.line() == "done 0"
        assert waiter.finish()[1] == ""
        assert state.gauges["g"].value == 4000


def test_p8_close_ends_every_wait_of_every_thread(held):
    """Twelve threads, each in a wait of another kind, and the region closed under them."""
    state = corestate.attach(held.address)
    ended, started = [], threading.Barrier(13)
    events = [state.events.subscribe("k") for _ in range(4)]
    waits = [
        *(one.get for one in events[:2]),
        *(one.__next__ for one in events[2:]),
        *(lambda timeout=timeout: state.counters["c"].wait(0, timeout) for timeout in (None, 300)),
        *(lambda timeout=timeout: state.gauges["g"].wait(0.0, timeout) for timeout in (None, 300)),
        *(lambda timeout=timeout: state.locks["held"].acquire(timeout=timeout) for timeout in (-1, 300)),
        *(lambda timeout=timeout: state.areas["held"].lock.acquire(timeout=timeout) for timeout in (-1, 300)),
    ]

    def run(wait):
        started.wait()
        try:
            ended.append(wait())
        except BaseException as problem:
            ended.append(type(problem))

    threads = [threading.Thread(target=run, args=(wait,)) for wait in waits]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(0.05)  # most are asleep by now; whoever is not is told all the same
    state.close()
    for thread in threads:
        thread.join(60)
    assert ended == [corestate.ClosedError] * 12
