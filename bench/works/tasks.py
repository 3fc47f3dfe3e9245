"""Tasks pushed, and popped again."""

from __future__ import annotations

from collections.abc import Callable
from timeit import Timer

from bench import roles
from bench.session import Samples, Session


def run(session: Session) -> None:
    """task_push and task_pop: in each turn so many are pushed, then all of them popped."""
    batch = session.form.batch
    with session.entered(roles.Tasks) as cast:
        pushes = {name: one.push() for name, one in cast.items()}
        pops = {name: one.pop() for name, one in cast.items()}
        popped: Samples = {}

        def turn(name: str) -> Callable[[], float]:
            push = Timer(pushes[name].code, globals=pushes[name].names)
            pop = Timer(pops[name].code, globals=pops[name].names)

            def both() -> float:
                pushed = push.timeit(batch) / batch
                popped.setdefault(name, []).append(pop.timeit(batch) / batch)
                return pushed

            return both

        pushed = session.rounds({name: turn(name) for name in cast})
        session.keep("task_push", "push a task", "us", pushed, codes=pushes)
        session.keep("task_pop", "pop a task", "us", popped, codes=pops)
        pushes.clear()
        pops.clear()
    session.reason(
        "task_push",
        "A pushed task is durable, counted, and announced by an event; multiprocessing.Queue hands it to a thread and "
        "keeps it in memory, Redis writes one value to a file that it syncs once a second, SQLite writes one row.",
    )
    session.reason(
        "task_pop",
        "A popped task is leased: the commit says to whom, until when and by which fencing token, and a worker that is "
        "killed loses it to another; the others delete it (Redis moves it to a list that somebody must look after).",
    )
