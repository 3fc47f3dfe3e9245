"""Scopes beside a model of them: any row of operations leaves the same values, histories, views and changes in both."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import corestate

KEYS = some.sampled_from(["a", "b", "c", "é"])
SCOPES = some.sampled_from(["ann", "bob"])
VALUES = some.one_of(some.none(), some.integers(-(2**70), 2**70), some.text(max_size=30), some.binary(max_size=30))
STEPS = some.one_of(
    some.tuples(some.just("set"), SCOPES, KEYS, VALUES),
    some.tuples(some.just("delete"), SCOPES, KEYS),
    some.tuples(some.just("increment"), SCOPES, KEYS, some.integers(-5, 5)),
    some.tuples(some.just("together"), some.lists(some.tuples(SCOPES, KEYS, VALUES), max_size=6)),
    some.tuples(some.just("clear"), SCOPES),
    some.tuples(some.just("move"), SCOPES),
    some.tuples(some.just("revert"), SCOPES, KEYS, some.integers(1, 4)),
    some.tuples(some.just("retain"), some.integers(1, 3)),
)
GONE = object()


class Model:
    """Every change there was, in order: scope, key, value or GONE; and how many versions of each key are forgotten."""

    def __init__(self):
        self.changes = []
        self.forgotten = {}

    def of(self, scope, key):
        return [(n, value) for n, (s, k, value) in enumerate(self.changes, 1) if (s, k) == (scope, key)]

    def now(self, scope, upto=None):
        found = {key: value for s, key, value in self.changes[:upto] if s == scope}
        return {key: value for key, value in found.items() if value is not GONE}

    def as_it_was(self, scope, change):
        """What is still known of that moment."""
        then = self.now(scope, change)
        for key in list(then):
            number = len([n for n, _ in self.of(scope, key) if n <= change])
            if number <= self.forgotten.get((scope, key), 0):
                del then[key]
        return then

    def put(self, scope, key, value):
        self.changes.append((scope, key, value))

    def delete(self, scope, key):
        if key in self.now(scope):
            self.put(scope, key, GONE)

    def retain(self, versions):
        for scope, key in {(scope, key) for scope, key, _ in self.changes}:
            before = self.forgotten.get((scope, key), 0)
            self.forgotten[scope, key] = max(before, len(self.of(scope, key)) - versions)


def step(state, model, what, *arguments):
    if what == "retain":
        state.retain(versions=arguments[0])
        model.retain(arguments[0])
        return
    if what == "together":
        with state.transaction() as tx:
            for name, key, value in arguments[0]:
                tx(state.scope("user", name))[key] = value
        last = {(name, key): value for name, key, value in arguments[0]}
        scopes = {name: None for name, _ in last}  # a transaction changes one scope after the other
        for name in scopes:
            for (other, key), value in last.items():
                if other == name:
                    model.put(name, key, value)
        return
    name, scope = arguments[0], state.scope("user", arguments[0])
    now = model.now(name)
    if what == "set":
        scope[arguments[1]] = arguments[2]
        model.put(*arguments)
    elif what == "delete":
        assert scope.delete(arguments[1]) == (arguments[1] in now)
        model.delete(*arguments)
    elif what == "increment" and type(now.get(arguments[1], 0)) is int:
        model.put(name, arguments[1], now.get(arguments[1], 0) + arguments[2])
        assert scope.increment(arguments[1], arguments[2]) == model.now(name)[arguments[1]]
    elif what == "clear":
        scope.clear()
        for key in sorted(now):
            model.delete(name, key)
    elif what == "move":
        scope.move_to(state.scope("user", "cid"))
        for key in sorted(now):
            model.put("cid", key, now[key])
        for key in sorted(now):
            model.delete(name, key)
    elif what == "revert":
        key, version = arguments[1:]
        known = {v.version: v for v in scope.history(key)}
        if version in known and not (known[version].deleted and key not in now):
            scope.revert(key, version)
            model.put(name, key, GONE if known[version].deleted else known[version].value)


def agree(state, model):
    for name in ("ann", "bob", "cid"):
        scope = state.scope("user", name)
        assert dict(scope) == {key: scope[key] for key in scope} == model.now(name)
        for key in "abcé":
            expected = [
                (version, None if value is GONE else value, value is GONE, change)
                for version, (change, value) in enumerate(model.of(name, key), 1)
            ][model.forgotten.get((name, key), 0) :]
            assert [(v.version, v.value, v.deleted, v.change) for v in scope.history(key)] == expected
        for change in range(len(model.changes) + 1):
            assert dict(scope.at(change=change)) == model.as_it_was(name, change)
        counted = state.durable.store.one(
            "SELECT s.keys, s.bytes, count(e.key), coalesce(sum(length(e.value)), 0) "
            "FROM scopes s LEFT JOIN entries e ON e.scope = s.id WHERE s.path = ? GROUP BY s.id",
            scope.path.to_bytes(),
        )
        assert counted is None or counted[:2] == counted[2:], "what the scope counts is what it holds"
    with state.changes(since=0) as feed:
        assert [(c.sequence, c.scope.name, c.key) for c in feed.drain()] == [
            (n, scope, key) for n, (scope, key, _) in enumerate(model.changes, 1)
        ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.lists(STEPS, max_size=25))
def test_any_row_of_operations_is_as_in_the_model(steps):
    with corestate.open("heap:") as state:
        model = Model()
        for one in steps:
            step(state, model, *one)
        agree(state, model)
