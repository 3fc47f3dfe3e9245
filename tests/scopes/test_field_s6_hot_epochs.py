"""Hot values of an earlier session or boot are not believed, and give their room back."""

from __future__ import annotations

import pytest

import corestate
from corestate import RegionConfig
from corestate.scopes.hot import MISS, Hot


@pytest.fixture
def state(tmp_path):
    with corestate.open(tmp_path / "a.state", config=RegionConfig(values=8)) as opened:
        yield opened


def another_session(state, monkeypatch, number=[0]) -> None:  # noqa: B006 - counts on
    """As if nobody had had the store open meanwhile, and the machine had been started anew."""
    number[0] += 1
    epochs = {"hot": 1000 + number[0], "ephemeral": 2000 + number[0]}
    for name, epoch in epochs.items():
        made = Hot(state.region, epoch)
        monkeypatch.setattr(type(state.durable), name, property(lambda _, made=made: made))
    state._space._reclaimed = False


def behind_the_back(state, key: str, value: int) -> None:
    """A store that is another than the one the hot values are of."""
    with state.durable.store.write() as rows:
        rows.run("UPDATE entries SET value = ? WHERE key = ?", bytes([value]), key)


def test_field_s6_what_is_hot_of_another_session_is_not_believed(state, monkeypatch):
    scope = state.scope("user", "u")
    for n in range(20):
        scope[f"k{n}"] = 1
    for n in range(20):
        behind_the_back(state, f"k{n}", 2)
    another_session(state, monkeypatch)
    assert [scope[f"k{n}"] for n in range(20)] == [2] * 20
    assert [scope.increment(f"k{n}") for n in range(20)] == [3] * 20
    assert [scope[f"k{n}"] for n in range(20)] == [3] * 20
    another_session(state, monkeypatch)
    assert [scope[f"k{n}"] for n in range(20)] == [3] * 20
    scope.delete("k3")
    assert scope.get("k3") is None


def test_field_s6_an_old_value_never_comes_back_when_the_new_one_goes(state, monkeypatch):
    scope = state.scope("user", "u")
    for turn in range(5):
        scope["k"] = turn
        another_session(state, monkeypatch)
        assert scope["k"] == turn
        for other in range(20):
            scope[f"o{other}"] = turn
        del scope["k"]
        assert scope.get("k") is None
        assert state.durable.hot.get(scope._prefix + b"k") is MISS


def test_field_s6_pinned_values_of_another_boot_give_their_room_back(state, monkeypatch):
    state.durable.store  # noqa: B018 - opens it, before it is said to be another
    held = []
    for boot in range(3):
        scope = state.scope("session", "s", ephemeral=True)
        assert dict(scope) == {}
        with pytest.raises(corestate.FullError):
            for n in range(9):
                scope[f"{boot} {n}"] = n
        held.append(len(scope))
        another_session(state, monkeypatch)
    assert held[0] == held[1] == held[2] >= 4
    assert state.scope("user", "u").set("k", 1) == 1


def test_field_s6_an_ephemeral_and_a_durable_scope_of_one_path_are_two(state):
    durable, ephemeral = state.scope("session", "s"), state.scope("session", "s", ephemeral=True)
    ephemeral["k"] = "in the region"
    durable["k"] = "in the store"
    assert (ephemeral["k"], durable["k"]) == ("in the region", "in the store")
    ephemeral["k"] = "still"
    assert (ephemeral["k"], durable["k"]) == ("still", "in the store")
    del durable["k"]
    assert (ephemeral.get("k"), durable.get("k")) == ("still", None)
    durable["k"] = 1
    del ephemeral["k"]
    assert (ephemeral.get("k"), durable.get("k")) == (None, 1)
