"""P8: garbage collection and the end of the interpreter, in any order, in the middle of use: nothing printed or left.

The plain cases are beside the region's tests; here the durable floor, the event loop and children take part, and the
order is shuffled.
"""

import os
import random
import textwrap

import pytest

import corestate

STRICT = ("-X", "dev", "-W", "error")

PIECES = {
    "scope": "keep.append(state.scope('user', 'ann')); keep[-1]['a'] = 1; assert keep[-1]['a'] == 1",
    "batched audit": "state.audit.log('a', 'AGENT_STARTED'); keep.append(state.audit)",
    "transaction left": "transaction = state.transaction(); transaction.__enter__(); keep.append(transaction)",
    "listener": "keep.append(state.events.on('k', lambda event: seen.append(event))); state.events.publish('k')",
    "trigger": "keep.append(state.trigger(lambda change: seen.append(change)))",
    "iterator left": "keep.append(iter(state.events.subscribe('k', since=0)));"
    " state.events.publish('k'); next(keep[-1])",
    "loop left": "loop = asyncio.new_event_loop();"
    " keep.append(loop.create_task(anext(state.events.subscribe('never'))));"
    " loop.run_until_complete(asyncio.sleep(0)); keep[-1].cancel(); loop.run_until_complete(asyncio.sleep(0));"
    " loop.close()",
    "pool": "pool = concurrent.futures.ThreadPoolExecutor(2); keep.append(pool);"
    " keep.append(pool.submit(state.counters['c'].wait, 0, 0.01))",
    "daemon": "waits = state.locks['held by another'].acquire\n"
    "threading.Thread(target=until_closed, args=(waits,), daemon=True).start()",
    "locks": "state.locks['l'].acquire(); keep.append(state.locks['l'])",
    "views": "keep.append(state.counters.array()); keep.append(state.agents.array()); keep.append(state.region.memory)",
    "cycle": "loop_ = [state]; loop_.append(loop_); keep.append(loop_)",
    "finalizer": "class Last:\n    def __del__(self, add=state.counters['last'].add, until_closed=until_closed):\n"
    "        until_closed(add)\nkeep.append(Last())",
    "weak": "weakref.finalize(state.region, print, end='')",
    "second": "keep.append(corestate.attach(sys.argv[1])); keep.append(corestate.attach(sys.argv[1], mode='r'))",
    "heap": "keep.append(corestate.open('heap:')); keep[-1].counters['c'].add()",
    "agent": "keep.append(state.agents.register(f'agent {os.getpid()}', corestate.AgentType.MOTOR, metadata={'a': 1}))",
    "task": "keep.append(state.tasks.push('inspect')); keep.append(state.tasks.pop())",
    "child": "pid = os.fork()\nif pid == 0:\n    state.counters['c'].add()\n    sys.exit(0)\n"
    "assert os.waitpid(pid, 0)[1] == 0",
    "closed": "another = corestate.attach(sys.argv[1]); keep.append(another.counters['c']); another.close()",
    "at exit": "atexit.register(until_closed, state.counters['c'].add)",
    "no collector": "gc.disable()",
}

SCRIPT = """
import asyncio, atexit, concurrent.futures, gc, os, sys, threading, warnings, weakref
import corestate
warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads, from 3.12 on
keep, seen = [], []

def until_closed(call, ends=(corestate.ClosedError, ImportError)):  # at the very end nothing can be imported any more
    try:
        call()
    except ends:
        pass

state = corestate.attach(sys.argv[1])
PIECES
print("ready", flush=True)
END
"""

ENDS = {
    "nothing more": "",
    "the state first": "del state; gc.collect()",
    "closed": "state.close()",
    "the rest first": "keep.clear(); gc.collect()",
    "a module's global": "import types; m = types.ModuleType('m'); m.keep, m.state = keep, state; sys.modules['m'] = m",
    "sys.exit": "sys.exit(0)",
    "closed at exit": "atexit.register(state.close)",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks in the middle")
@pytest.mark.parametrize("seed", range(21))
def test_p8_an_end_in_any_order(path, child, seed):
    dice = random.Random(seed)
    names = dice.sample(sorted(PIECES), dice.randrange(4, 12))
    end = sorted(ENDS)[seed % len(ENDS)]
    with corestate.create(path) as state:
        state.locks["held by another"].acquire()
        source = SCRIPT.replace("PIECES", "\n".join(PIECES[name] for name in names)).replace("END", ENDS[end])
        program = child(textwrap.dedent(source), path, options=STRICT)
        said = program.line()
        rest = program.finish()
        assert (said, *rest) == ("ready", "", ""), (names, end)
        assert [one.pid for one in state.participants()] == [os.getpid()], (names, end)
