"""An exception that a signal's handler raises, as Ctrl-C and time limits do, may come between any two lines: what was
committed stays, nothing is half done, and neither this process nor another one finds the store taken."""

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")

WORK = """
import collections, random, signal, sys
import corestate

class Limit(BaseException):
    pass

def over(*_):
    raise Limit

state = corestate.open(sys.argv[1])
scope = state.scope("user", "u")
scope["n"] = 0
budget = state.budgets.create("b", 10**12)

def both(tx):
    inside = tx(scope)
    inside["x"] = inside.get("x", 0) + 1
    inside["y"] = inside.get("y", 0) + 1

work = {
    "increment": lambda: scope.increment("n"),
    "spend": lambda: budget.spend(1),
    "push": lambda: state.tasks.push("t"),
    "log": lambda: state.audit.log("a", "E"),
    "transact": lambda: state.transact(both),
}
signal.signal(signal.SIGALRM, over)
sys.unraisablehook = lambda _: None  # what is raised while an object goes is told there, and swallowed
chance = random.Random(int(sys.argv[2]))
begun, done = collections.Counter(), collections.Counter()
for _ in range(3000):
    name = chance.choice(list(work))
    begun[name] += 1
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00002, 0.0006))
            work[name]()
            done[name] += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Limit:
        pass
    except corestate.StoreError:  # what was interrupted last may still be held by its traceback
        begun[name] -= 1
signal.setitimer(signal.ITIMER_REAL, 0)
for name, call in work.items():
    call()
    begun[name] += 1
    done[name] += 1
there = {"increment": scope["n"], "spend": budget.spent, "push": len(state.tasks), "log": len(state.audit)}
there["transact"] = scope["x"]
for name, count in there.items():
    assert done[name] <= count <= begun[name], (name, done[name], count, begun[name])
assert scope["x"] == scope["y"]
assert state.audit.verify()
print("ready", flush=True)
sys.stdin.readline()
"""

OTHER = """
import sys
import corestate

with corestate.attach(sys.argv[1]) as state:
    state.scope("user", "u").increment("n")
    state.audit.log("a", "E")
    state.budgets["b"].spend(1)
    state.tasks.push("t")
    state.transact(lambda tx: tx(state.scope("user", "u")).set("x", 1))
print("done")
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_field_v2_an_exception_between_any_two_lines_leaves_nothing_taken(path, child, seed):
    worker = child(WORK, path, str(seed))
    assert worker.line() == "ready"
    other = child(OTHER, path)
    assert other.finish()[0].strip() == "done"
    worker.tell()
    worker.finish()
