"""A7: locks between threads and processes, and what becomes of those the dead held."""

import math
import signal
import sys
import threading

import pytest

import corestate

HOLD = """
import corestate, sys
with corestate.attach(sys.argv[1]) as state:
    lock = state.areas[sys.argv[2]].lock if sys.argv[3] == "area" else state.locks[sys.argv[2]]
    lock.acquire()
    print("held", flush=True)
    sys.stdin.readline()
    lock.release()
    print("released", flush=True)
"""


@pytest.fixture(params=["lock", "area"])
def kind(request):
    return request.param


def lock_of(state, kind, name="x"):
    return state.areas[name].lock if kind == "area" else state.locks[name]


def test_it_has_the_interface_of_threading_lock(state, kind):
    lock = lock_of(state, kind)
    assert lock.locked() is False
    assert lock.acquire() is True
    assert lock.locked() is True
    lock.release()
    assert lock.acquire(False) is True
    lock.release()
    assert lock.acquire(timeout=0.5) is True
    lock.release()
    assert lock.acquire(blocking=True, timeout=-1) is True
    lock.release()
    with lock:
        assert lock.locked()
    assert not lock.locked()
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0
    assert not lock.locked()


def test_between_processes(state, child, kind):
    lock = lock_of(state, kind)
    holder = child(HOLD, state.address, "x", kind)
    assert holder.line() == "held"
    assert lock.locked()
    assert lock.holder.pid == holder.pid
    assert lock.holder.alive
    assert not lock.holder.me
    assert lock.acquire(False) is False
    assert lock.acquire(timeout=0.02) is False
    holder.tell()
    assert lock.acquire(timeout=60) is True
    assert lock.holder.me
    assert not lock.inherited
    lock.release()
    assert lock.holder is None
    holder.finish()


def test_between_threads_of_one_process(state):
    lock, order, refused = state.locks["x"], [], []
    lock.acquire()
    waiting = threading.Event()

    def other():
        refused.append(lock.acquire(False))
        waiting.set()
        with lock:
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    waiting.wait()
    order.append("main")
    lock.release()
    thread.join(60)
    assert (refused, order) == ([False], ["main", "other"])


def test_any_thread_of_the_holder_may_release(state):
    lock = state.locks["x"]
    lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join(60)
    assert not lock.locked()


@pytest.mark.parametrize("how", [{}, {"blocking": False}, {"timeout": 5}])
def test_entering_twice_is_an_error_and_no_deadlock(state, kind, how):
    lock = lock_of(state, kind)
    with lock:
        with pytest.raises(corestate.DeadlockError) as problem:
            lock_of(state, kind).acquire(**how)
        assert isinstance(problem.value, RuntimeError)
        assert lock.locked()
    assert not lock.locked()


def test_releasing_what_one_does_not_hold_is_an_error(state, child, kind):
    lock = lock_of(state, kind)
    with pytest.raises(corestate.NotOwnerError) as problem:
        lock.release()
    assert isinstance(problem.value, RuntimeError)
    holder = child(HOLD, state.address, "x", kind)
    assert holder.line() == "held"
    with pytest.raises(corestate.NotOwnerError):
        lock.release()
    assert lock.holder.pid == holder.pid
    holder.tell()
    holder.finish()


def test_a_killed_holders_lock_is_inherited_and_the_taker_told(state, child, kind):
    lock = lock_of(state, kind)
    holder = child(HOLD, state.address, "x", kind)
    assert holder.line() == "held"
    dead = lock.holder.id
    with state.events.subscribe("lock_inherited") as events:
        holder.kill()
        assert lock.locked()
        assert not lock.holder.alive
        assert lock.acquire(timeout=60)
        assert lock.inherited
        assert lock.holder.me
        data = events.get(60).data
    assert data == {"name": "x", "area": kind == "area", "dead": dead, "taker": lock.holder.id}
    lock.release()
    with lock:
        assert not lock.inherited, "what was inherited once is in order after a release"


def test_who_waits_when_the_holder_is_killed_gets_it(state, child):
    lock, got = state.locks["x"], []
    holder = child(HOLD, state.address, "x", "lock")
    assert holder.line() == "held"
    waiting = threading.Event()

    def wait():
        waiting.set()
        got.append(lock.acquire(timeout=60))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    holder.kill()
    thread.join(60)
    assert got == [True]
    assert lock.inherited


def test_it_excludes(state, child):
    source = """
    import corestate, sys
    with corestate.attach(sys.argv[1]) as state:
        area, lock = state.areas["shared"], state.locks["x"]
        for _ in range(2000):
            with lock:
                seen = area.neuron_count
                area.incoming_synapse_count = seen
                area.neuron_count = area.incoming_synapse_count + 1
    """
    state.areas["shared"]
    for one in [child(source, state.address) for _ in range(3)]:
        one.finish()
    assert state.areas["shared"].neuron_count == 6000


@pytest.mark.parametrize(
    "how",
    [
        {"blocking": False, "timeout": 1},
        {"blocking": False, "timeout": 0},
        {"timeout": -2},
        {"timeout": math.nan},
    ],
)
def test_arguments_that_contradict_themselves_are_refused(state, how):
    lock = state.locks["x"]
    with pytest.raises(ValueError):
        lock.acquire(**how)
    assert not lock.locked()


def test_a_timeout_is_a_number(state):
    with pytest.raises(TypeError):
        state.locks["x"].acquire(timeout="1")


def test_a_lock_held_by_another_cannot_be_removed(state, child):
    state.locks["x"]
    holder = child(HOLD, state.address, "x", "lock")
    assert holder.line() == "held"
    with pytest.raises(corestate.BusyError):
        del state.locks["x"]
    holder.kill()
    del state.locks["x"]
    assert "x" not in state.locks


def test_an_observer_sees_the_holder_and_cannot_take(state, reader):
    with state.locks["x"]:
        seen = reader.locks["x"]
        assert seen.locked()
        assert seen.holder.pid == state.locks["x"].holder.pid
        for act in (seen.acquire, seen.release):
            with pytest.raises(corestate.ReadOnlyError):
                act()
        assert seen.locked()


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_ends_the_wait(state, child):
    waiter = child(
        """
        import corestate, signal, sys
        state = corestate.attach(sys.argv[1])
        try:
            print("waiting", flush=True)
            state.locks["x"].acquire()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
        state.address,
    )
    with state.locks["x"]:
        assert waiter.line() == "waiting"
        waiter.process.send_signal(signal.SIGINT)
        assert waiter.line() == "interrupted"
    waiter.finish()


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_signal_handler_runs_and_the_wait_goes_on(state, child):
    waiter = child(
        """
        import corestate, os, signal, sys
        state = corestate.attach(sys.argv[1])
        signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"handled\\n"))  # print may be at work when it comes
        print("waiting", flush=True)
        print(state.locks["x"].acquire(timeout=60), flush=True)
        state.locks["x"].release()
        """,
        state.address,
    )
    with state.locks["x"]:
        assert waiter.line() == "waiting"
        waiter.process.send_signal(signal.SIGUSR1)
        assert waiter.line() == "handled"
    assert waiter.line() == "True"
    waiter.finish()
