"""A9: async for, and functions called from a thread."""

import asyncio
import logging
import os
import threading

import pytest

import corestate


def waiting_threads():
    return [thread for thread in threading.enumerate() if thread.name == "corestate events"]


async def test_async_for_gets_each_event(state):
    got = []
    with state.events.subscribe("k") as events:

        async def listen():
            async for event in events:
                got.append(event.data)
                if event.data == 49:
                    return

        task = asyncio.create_task(listen())
        for i in range(50):
            state.events.publish("k", i)
            if i % 10 == 0:
                await asyncio.sleep(0)
        await asyncio.wait_for(task, 60)
    assert got == list(range(50))


async def test_async_for_is_woken_by_another_process(state, child):
    publisher = child(
        """
        import corestate, sys
        with corestate.attach(sys.argv[1]) as state:
            for line in sys.stdin:
                state.events.publish("k", line.strip())
        """,
        state.address,
    )
    with state.events.subscribe("k") as events:
        for word in ("one", "two", "three"):
            future = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            publisher.tell(word)
            assert (await asyncio.wait_for(future, 60)).data == word
    publisher.process.stdin.close()
    publisher.process.wait(60)


async def test_one_thread_serves_all_subscriptions(state):
    async def one(events):
        return (await anext(events)).data

    before = set(waiting_threads())
    subscriptions = [state.events.subscribe("k") for _ in range(10)]
    tasks = [asyncio.create_task(one(events)) for events in subscriptions]
    await asyncio.sleep(0)
    assert len(set(waiting_threads()) - before) == 1
    state.events.publish("k", "all")
    assert await asyncio.wait_for(asyncio.gather(*tasks), 60) == ["all"] * 10


async def test_an_observer_can_listen_too(state, reader):
    with reader.events.subscribe("k") as events:
        task = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        state.events.publish("k", 5)
        assert (await asyncio.wait_for(task, 60)).data == 5


async def test_cancelling_loses_nothing(state):
    with state.events.subscribe("k") as events:
        for i in range(5):
            task = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            state.events.publish("k", i)
            assert [event.data for event in events.drain()] == [i]


async def test_closing_the_region_ends_the_wait_with_an_error(state):
    task = asyncio.ensure_future(anext(state.events.subscribe()))
    await asyncio.sleep(0)
    state.close()
    with pytest.raises(corestate.ClosedError):
        await asyncio.wait_for(task, 60)


async def test_a_closed_subscription_ends_the_iteration(state):
    events = state.events.subscribe()
    events.close()
    assert [event async for event in events] == []


async def test_closing_a_subscription_ends_an_iteration_that_waits(state):
    events, first, got = state.events.subscribe(), asyncio.Event(), []

    async def listen():
        async for event in events:
            got.append(event.data)
            first.set()

    task = asyncio.create_task(listen())
    state.events.publish("k", 1)
    await asyncio.wait_for(first.wait(), 60)
    await asyncio.sleep(0)  # it has gone back to waiting, and nothing will come
    events.close()
    await asyncio.wait_for(task, 60)
    assert got == [1]


def test_several_loops_at_once(state):
    results, ready = [], threading.Barrier(4)

    async def listen():
        with state.events.subscribe("k") as events:
            ready.wait(60)
            return [(await asyncio.wait_for(anext(events), 60)).data for _ in range(3)]

    threads = [threading.Thread(target=lambda: results.append(asyncio.run(listen()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait(60)
    for i in range(3):
        state.events.publish("k", i)
    for thread in threads:
        thread.join(60)
    assert results == [[0, 1, 2]] * 3


def test_the_waiting_thread_ends_when_nobody_listens(state):
    before, mine = set(waiting_threads()), set()

    async def listen():
        task = asyncio.ensure_future(anext(state.events.subscribe()))
        await asyncio.sleep(0)
        mine.update(set(waiting_threads()) - before)
        task.cancel()

    asyncio.run(listen())
    assert len(mine) == 1
    for thread in mine:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this platform has not")
def test_a_child_of_fork_listens_with_a_thread_of_its_own(state, child):
    one = child(
        """
        import asyncio, corestate, os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later, where another thread lives
        state = corestate.attach(sys.argv[1])

        async def one():
            events = state.events.subscribe(f"by {os.getpid()}")
            task = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            state.events.publish(f"by {os.getpid()}", os.getpid())
            return (await asyncio.wait_for(task, 60)).data

        assert asyncio.run(one()) == os.getpid()
        pid = os.fork()
        assert asyncio.run(one()) == os.getpid()
        if pid:
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        """,
        state.address,
    )
    assert one.line() == "0"
    one.finish()


# -- functions ---------------------------------------------------------------------------------


def test_a_function_is_called_with_each_event(state):
    got, done = [], threading.Event()

    def hear(event):
        got.append(event.data)
        if event.data == "last":
            done.set()

    with state.events.on("k", hear) as listener:
        for data in (1, 2, "last"):
            state.events.publish("k", data)
            state.events.publish("other", data)
        assert done.wait(60)
        assert listener.subscription.lost == 0
    assert got == [1, 2, "last"]
    state.events.publish("k", "after the end")
    assert got == [1, 2, "last"]


def test_a_function_that_fails_hears_the_next_event(state, caplog):
    got, done = [], threading.Event()

    def hear(event):
        got.append(event.data)
        if event.data == 1:
            raise RuntimeError("on purpose")
        done.set()

    with caplog.at_level(logging.ERROR, "corestate.events"), state.events.on("k", hear):
        state.events.publish("k", 1)
        state.events.publish("k", 2)
        assert done.wait(60)
    assert got == [1, 2]
    assert "on purpose" in caplog.text


def test_a_function_may_close_its_listener(state):
    ended = threading.Event()

    def hear(_):
        assert listener.close() is False
        ended.set()

    listener = state.events.on(None, hear)
    state.events.publish("k")
    assert ended.wait(60)
    assert listener.close(60) is True


def test_closing_the_region_ends_the_listener(state, caplog):
    listener = state.events.on(None, print)
    state.close()
    listener._thread.join(60)
    assert not listener._thread.is_alive()
    assert caplog.text == ""


def test_what_cannot_be_called_is_refused(state):
    with pytest.raises(corestate.WrongTypeError):
        state.events.on("k", "print")
