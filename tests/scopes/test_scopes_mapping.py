"""Scopes as mappings: what goes in comes back, names never collide, bad input changes nothing."""

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import corestate


@pytest.fixture(name="state")
def _state(tmp_path):
    with corestate.open(tmp_path / "s.state") as state:
        yield state


def test_mapping(state):
    scope = state.scope("global")
    assert dict(scope) == {}
    scope["a"] = 1
    scope["b"] = [True, None, "x"]
    assert scope["a"] == 1
    assert list(scope) == ["a", "b"]
    assert len(scope) == 2
    assert "a" in scope
    assert "c" not in scope
    assert 5 not in scope
    assert scope.get("c", 7) == 7
    assert scope.pop("a") == 1
    assert scope.setdefault("b", 3) == [True, None, "x"]
    assert scope.setdefault("d", 3) == 3
    assert scope.items() == [("b", [True, None, "x"]), ("d", 3)]
    with pytest.raises(KeyError):
        scope["a"]
    with pytest.raises(corestate.KeyMissingError):
        del scope["a"]
    assert scope.delete("b")
    assert not scope.delete("b")
    scope.clear()
    assert dict(scope) == {}


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_values | st.binary())
def test_values_come_back_as_they_went_in(state, value):
    scope = state.scope("custom", "values")
    scope["key"] = value
    for found in (scope["key"], scope.entry("key").value, scope.history("key")[-1].value):
        assert found == value
        assert type(found) is type(value)
        assert repr(found) == repr(value)  # True is not 1, -0.0 is not 0, and dicts keep their order


def test_a_second_process_reads_what_the_first_wrote_without_hot_values(tmp_path):
    config = corestate.RegionConfig(values=0)
    with (
        corestate.open(tmp_path / "cold.state", config=config) as first,
        corestate.open(tmp_path / "cold.state") as second,
    ):
        first.scope("global")["a"] = {"x": 2**70}
        assert second.scope("global")["a"] == {"x": 2**70}
        second.scope("global")["a"] = 2
        assert first.scope("global")["a"] == 2


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (math.nan, corestate.NotANumberError),
        (math.inf, corestate.NotANumberError),
        ({"x": [math.nan]}, corestate.NotANumberError),
        ((1, 2), TypeError),
        ({1: 2}, TypeError),
        ({1, 2}, TypeError),
        (object(), TypeError),
        (corestate.AgentType.MOTOR, TypeError),
        ([b"x", 2**70], ValueError),
        ("x" * (1 << 20), corestate.LimitExceededError),
    ],
)
def test_bad_values_change_nothing(state, value, error):
    scope = state.scope("global")
    scope["key"] = "before"
    for put in (lambda: scope.set("key", value), lambda: scope.update(other=1, key=value)):
        with pytest.raises(error):
            put()
        assert dict(scope) == {"key": "before"}
        assert len(scope.history("key")) == 1


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", ValueError),
        ("k" * 257, corestate.LimitExceededError),
        ("\ud800", ValueError),
        (5, TypeError),
        (b"k", TypeError),
    ],
)
def test_bad_keys(state, key, error):
    scope = state.scope("global")
    for use in (
        lambda: scope.set(key, 1),
        lambda: scope.delete(key),
        lambda: scope.increment(key),
        lambda: scope.set_default(key, 1),
        lambda: scope.history(key),
        lambda: scope.entry(key),
    ):
        with pytest.raises(error):
            use()
    assert len(scope) == 0


def test_deep_nesting_is_refused(state):
    value = []
    for _ in range(150):
        value = [value]
    with pytest.raises(corestate.InvalidError, match="nesting"):
        state.scope("global")["deep"] = value


AWKWARD = ["a", "a:b", "a/b", "step", "a/step:b", "%2F", "/", "\x00", "ü", " ", "global", "a\x01b"]


def test_no_two_scopes_collide(state):
    scopes = [state.scope("global")]
    for kind, name in itertools.product(("user", "session", "agent", "tool", "task", "hook", "custom"), AWKWARD):
        scopes.append(state.scope(kind, name))
    for name in AWKWARD:
        scopes.append(state.workflow(name))
        scopes.extend(state.workflow(name).step(step) for step in AWKWARD)
    for number, scope in enumerate(scopes):
        scope["key"] = number
    assert [scope["key"] for scope in scopes] == list(range(len(scopes)))
    assert len({scope.path for scope in scopes}) == len(scopes)
    for scope in scopes:
        assert corestate.ScopePath.parse(str(scope.path)) == scope.path
        assert corestate.ScopePath.from_bytes(scope.path.to_bytes()) == scope.path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("planet", "x"),
        ("global", "x"),
        ("user", None),
        ("user", ""),
        ("user", "x" * 257),
        ("user", "\ud800"),
        ("user", 5),
    ],
)
def test_bad_scopes(state, kind, name):
    with pytest.raises((ValueError, TypeError)):
        state.scope(kind, name)


@pytest.mark.parametrize("ephemeral", [False, True])
def test_values_of_a_type(state, ephemeral):
    scope = state.scope("global", ephemeral=ephemeral)
    values = {"flag": True, "n": 7, "x": 0.5, "text": "a", "raw": b"a", "list": [1], "dict": {"a": 1}}
    for key, value in values.items():
        scope[key] = value
        assert scope.get_as(key, type(value)) == value
        assert scope.exists(key)
    for key, kind in (("flag", int), ("n", bool), ("n", str), ("x", int), ("text", bytes), ("list", dict)):
        with pytest.raises(corestate.WrongTypeError, match=f"type {kind.__name__}"):
            scope.get_as(key, kind)
        with pytest.raises(corestate.WrongTypeError):
            scope.get_as(key, kind, None)  # a default is for what is not there
    assert type(scope.get_as("n", float)) is float
    assert scope.get_as("missing", int, 5) == 5
    assert not scope.exists("missing")
    with pytest.raises(corestate.KeyMissingError):
        scope.get_as("missing", int)
    if not ephemeral:
        assert scope.at(change=7).get_as("raw", bytes) == b"a"


def test_compare_and_swap(state):
    scope = state.scope("user", "ann")
    assert scope.set("k", "first", if_version=0) == 1
    with pytest.raises(corestate.ConflictError, match="version"):
        scope.set("k", "again", if_version=0)
    assert scope.set("k", "second", if_version=1) == 2
    with pytest.raises(corestate.ConflictError):
        scope.delete("k", if_version=1)
    assert scope.delete("k", if_version=2)
    assert scope.set("k", "third", if_version=0) == 4  # the deletion was version 3


def test_increment(state):
    scope = state.scope("global")
    assert scope.increment("n") == 1
    assert scope.increment("n", 41) == 42
    assert scope.increment("x", 0.5, initial=2) == 2.5
    assert scope.increment("n", 2**70) == 42 + 2**70
    scope["s"] = "text"
    with pytest.raises(TypeError):
        scope.increment("s")
    with pytest.raises(TypeError):
        scope.increment("n", True)
    scope["truth"] = True
    with pytest.raises(TypeError):
        scope.increment("truth")


def test_copy_and_move(state):
    source, target = state.scope("user", "ann"), state.scope("user", "bob")
    source.update({"a": 1, "b": 2})
    target["z"] = 0
    assert source.copy_to(target) == 2
    assert dict(target) == {"a": 1, "b": 2, "z": 0}
    assert source.move_to(state.scope("session", "s")) == 2
    assert dict(source) == {}
    assert dict(state.scope("session", "s")) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="another scope"):
        source.copy_to(state.scope("user", "ann"))


def test_prefixes(state):
    scope = state.scope("global")
    scope.update({"a": 1, "ab": 2, "b": 3, "aé": 4, "a\U0010ffff": 5})
    assert scope.keys("a") == ["a", "ab", "aé", "a\U0010ffff"]
    assert scope.values("ab") == [2]
    with pytest.raises(TypeError):
        scope.keys(5)


def test_limits(state):
    scope = state.scope("custom", "small", limits=corestate.Limits(value_bytes=10, keys=2, bytes=15))
    scope["a"] = "12345678"
    scope["b"] = "1234"
    for put in (lambda: scope.set("c", 1), lambda: scope.set("b", "123456"), lambda: scope.set("a", "1234567890")):
        with pytest.raises(corestate.LimitExceededError):
            put()
    assert dict(scope) == {"a": "12345678", "b": "1234"}
    with state.events.subscribe(["limit_exceeded"]) as events:
        with pytest.raises(corestate.LimitExceededError), state.transaction() as tx:
            tx(scope)["c"] = 1
        assert "2 keys" in events.get(timeout=0).data["refused"]
    del scope["a"]
    scope["c"] = 1
    with pytest.raises(ValueError, match="Limits"):
        corestate.Limits(keys=-1)


def test_after_close(tmp_path):
    state = corestate.open(tmp_path / "s.state")
    scope = state.scope("global")
    scope["a"] = 1
    state.close()
    for use in (lambda: scope["a"], lambda: scope.set("a", 2), lambda: list(scope), lambda: scope.history("a")):
        with pytest.raises((corestate.ClosedError, corestate.StoreError)):
            use()


def test_read_only(tmp_path):
    with corestate.open(tmp_path / "s.state") as state:
        state.scope("global")["a"] = 1
        with corestate.open(tmp_path / "s.state", mode="r") as observer:
            assert observer.scope("global")["a"] == 1
            assert list(observer.scope("global")) == ["a"]
            with pytest.raises((corestate.ReadOnlyError, corestate.StoreError)):
                observer.scope("global")["a"] = 2
        assert state.scope("global")["a"] == 1


def test_shared_memory_needs_a_place_for_its_store(tmp_path):
    with corestate.open("shm:scopes-test") as state:
        try:
            with pytest.raises(ValueError, match="store="):
                state.scope("global")["a"] = 1
            with corestate.open("shm:scopes-test", store=tmp_path / "x.db") as other:
                other.scope("global")["a"] = 1
                assert other.scope("global")["a"] == 1
        finally:
            corestate.unlink("shm:scopes-test")


def test_heap_keeps_its_store_in_memory():
    with corestate.open("heap:") as state:
        state.scope("global")["a"] = 1
        assert state.scope("global")["a"] == 1
        assert state.durable.path is None
