"""Hot values above the store: they never show what is not committed, what is old, or what another boot made."""

import threading

import pytest

import corestate
from corestate.scopes.hot import MISS

SMALL = corestate.RegionConfig(values=16)


@pytest.fixture(name="path")
def _path(tmp_path):
    return tmp_path / "s.state"


def _packed(scope, key):
    return scope.path.to_bytes() + key.encode()


def test_a_full_cache_evicts_and_is_never_wrong(path):
    keys = [f"key{n}" for n in range(500)]
    with corestate.create(path, config=SMALL) as state:
        scope, hot = state.scope("global"), state.durable.hot
        for n, key in enumerate(keys):
            scope[key] = n
        assert sum(hot.get(_packed(scope, key)) is not MISS for key in keys) <= 16
        assert [scope[key] for key in keys] == list(range(500))  # every miss fills, and puts another out
        for n, key in enumerate(keys):
            scope[key] = -n
        assert [scope[key] for key in keys] == [-n for n in range(500)]


def test_a_value_too_big_to_be_hot_is_read_from_the_store(path):
    with corestate.create(path) as state:
        scope = state.scope("global")
        scope["k"] = "small"
        assert scope["k"] == "small"
        scope["k"] = "x" * 100_000
        assert state.durable.hot.get(_packed(scope, "k")) is MISS, "the small one is not shown in its place"
        assert scope["k"] == "x" * 100_000


def test_values_of_another_boot_or_store_do_not_count(path, monkeypatch):
    with corestate.create(path) as state:
        scope = state.scope("global")
        scope["k"] = "committed"
        packed = _packed(scope, "k")
        hot = state.durable.hot
        with hot.locked((packed,)):  # what a page of memory that is newer than the file would show
            hot.publish(packed, 9, 0, b"\xa4lost", 0)
        assert scope["k"] == "lost"
        monkeypatch.setattr("corestate.durable.Durable._epoch", lambda self, of: hot.epoch + 1)
        with corestate.attach(path) as after:
            assert after.scope("global")["k"] == "committed"


def test_who_fills_a_miss_meanwhile_publishes_nothing_old(path):
    """A reader that has looked into the store and not published yet keeps writers of the key out until it has."""
    with corestate.create(path) as state, corestate.attach(path) as other:
        scope, store = state.scope("global"), other.durable.store
        scope["k"] = "old"
        packed = _packed(scope, "k")
        with state.durable.hot.locked((packed,)):
            state.durable.hot.drop(packed)
        looked, go_on, one = threading.Event(), threading.Event(), store.one

        def slow(sql, *parameters):
            found = one(sql, *parameters)
            looked.set()
            assert go_on.wait(60)
            return found

        store.one = slow
        reader = threading.Thread(target=lambda: other.scope("global")["k"])
        reader.start()
        assert looked.wait(60)
        writer = threading.Thread(target=lambda: scope.set("k", "new"))
        writer.start()
        writer.join(0.05)  # it may have written by then, if nothing keeps it out
        go_on.set()
        reader.join(60)
        writer.join(60)
        assert scope["k"] == "new"
        del store.one
        assert other.scope("global")["k"] == "new"


def test_while_it_is_written_a_value_is_what_the_store_has(path):
    with corestate.create(path) as state, corestate.attach(path, mode="r") as observer:
        scope, seen = state.scope("global"), []
        scope["k"] = "old"
        scope["other"] = 1

        def decide(found):
            seen.append(observer.scope("global")["k"])
            return

        state._space.change(scope.path, scope.limits, "k", decide)
        assert seen == ["old"]

        def refuse(found):
            seen.append(observer.scope("global")["k"])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            state._space.change(scope.path, scope.limits, "k", refuse)
        assert seen == ["old", "old"]
        assert scope["k"] == observer.scope("global")["k"] == "old"
