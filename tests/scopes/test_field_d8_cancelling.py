"""Cancelling loses nothing: in whatever can be awaited or iterated over asynchronously."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import random

import pytest

import corestate
from corestate.scopes.feed import Feed
from corestate.subscription import Subscription


def feed(state):
    scope = state.scope("user", "u")
    return state.changes(), lambda n: scope.set("k", n), lambda found: found.value


def events(state):
    return state.events.subscribe("mine"), lambda n: state.events.publish("mine", n), lambda found: found.data


SOURCES = {Feed: feed, Subscription: events}
AWAITABLES = {"corestate.subscription.Subscription.arrives"}
"""Coroutine functions that give nothing which could be lost."""


def everything():
    for module in pkgutil.walk_packages(corestate.__path__, "corestate."):
        if "__main__" in module.name or "._build" in module.name or "._wasm" in module.name:
            continue
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name:
                yield found


def test_field_d8_every_asynchronous_source_is_known():
    found = set(everything())
    assert {kind for kind in found if "__aiter__" in vars(kind)} == set(SOURCES)
    coroutines = {
        f"{kind.__module__}.{kind.__name__}.{name}"
        for kind in found
        for name, method in vars(kind).items()
        if inspect.iscoroutinefunction(method) and name != "__anext__"
    }
    assert coroutines == AWAITABLES


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.__name__)
def test_field_d8_a_cancelled_wait_loses_nothing(tmp_path, source):
    async def run(state):
        found, make, value = source(state)
        with found:
            for n in range(4):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(aiter(found)), 0.05)
                make(n)
                assert value(await asyncio.wait_for(anext(aiter(found)), 60)) == n

    with corestate.open(tmp_path / "a.state") as state:
        asyncio.run(run(state))


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.__name__)
def test_field_d8_cancelled_at_any_moment_each_comes_once_and_in_order(tmp_path, source):
    chance = random.Random(8)
    most = 100

    async def run(state):
        found, make, value = source(state)
        seen = []
        with found:
            for n in range(most):
                waiting = asyncio.ensure_future(anext(aiter(found)))
                await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.002)))
                make(n)
                await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.002)))
                waiting.cancel()
                try:
                    seen.append(value(await waiting))
                except asyncio.CancelledError:
                    pass
            while len(seen) < most:
                seen.append(value(await asyncio.wait_for(anext(found), 60)))
        assert seen == list(range(most))

    with corestate.open(tmp_path / "a.state") as state:
        asyncio.run(run(state))


def test_field_d8_another_loop_goes_on_where_one_was_left(tmp_path):
    async def cancelled(found):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(found), 0.01)

    async def first(found):
        return await anext(found)

    with corestate.open(tmp_path / "a.state") as state, state.changes() as found:
        asyncio.run(cancelled(found))
        state.scope("user", "u")["k"] = 1
        assert asyncio.run(first(found)).value == 1
        state.scope("user", "u")["k"] = 2
        assert found.get(timeout=60).value == 2


def test_field_d8_who_waits_learns_of_the_close(tmp_path):
    async def run(state):
        waiting = asyncio.ensure_future(anext(aiter(state.changes())))
        await asyncio.sleep(0.05)
        state.close()
        with pytest.raises(corestate.ClosedError):
            await asyncio.wait_for(waiting, 60)

    asyncio.run(run(corestate.open(tmp_path / "a.state")))
