"""A counter: read by one process, added to by many."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from bench import roles
from bench.session import Session
from bench.together import Together


def run(session: Session) -> None:
    """counter_read and counter_add."""
    with session.entered(roles.Counter) as cast:
        codes = {name: counter.read() for name, counter in cast.items()}
        session.keep("counter_read", "read a counter", "ns", session.turns(codes), codes=codes)
        del codes
    with session.playing(roles.Counter) as made:
        for processes in session.form.processes:
            _add(session, made, processes)
    session.reason(
        "counter_read",
        "A plain element of shared memory is one load as well, but it makes its integer by struct or NumPy.",
    )


def _add(session: Session, made: dict[str, tuple[type[roles.Counter], Any]], processes: int) -> None:
    with ExitStack() as stack:
        crews: dict[str, Together] = {}
        before: dict[str, int] = {}
        for name, (played, spec) in made.items():
            with session.excused(name):
                with played(spec) as counter:
                    before[name] = int(counter.read().result())
                    code = counter.add()
                if code is not None:
                    crew = Together(played, spec, "add", processes, session.form.together_seconds)
                    crews[name] = stack.enter_context(crew)
        samples = session.rounds({name: crew.turn for name, crew in crews.items()})
        what = "add one to a counter, time of each addition of all processes together"
        session.keep("counter_add", what, "ns", samples, processes=processes)
        for name in samples:
            reached, asked = int(crews[name].result("read")) - before[name], crews[name].done
            if reached != asked:
                session.failures.append(f"{name}: of {asked} additions {reached} arrived")
