"""A lock, taken and given back by one process, and by several at once."""

from __future__ import annotations

from contextlib import ExitStack

from bench import roles
from bench.session import Session
from bench.together import Together


def run(session: Session) -> None:
    """lock, by the number of contenders; 1 is nobody else."""
    with session.entered(roles.Mutex) as cast:
        codes = {name: one.take() for name, one in cast.items()}
        session.keep("lock", "take a lock and release it", "ns", session.turns(codes), codes=codes, contenders=1)
        del codes
    for contenders in session.form.contenders:
        with session.playing(roles.Mutex) as made, ExitStack() as stack:
            crews: dict[str, Together] = {}
            for name, (played, spec) in made.items():
                with session.excused(name):
                    crew = Together(played, spec, "take", contenders, session.form.together_seconds)
                    crews[name] = stack.enter_context(crew)
            samples = session.rounds({name: crew.turn for name, crew in crews.items()})
        session.keep("lock", "take a lock and release it", "ns", samples, contenders=contenders)
    session.reason(
        "lock",
        "corestate's lock names its owner, refuses re-entry and is inherited within 10 ms when its holder is killed, "
        "in Python above a C call; a POSIX semaphore does none of this in C alone, and stays locked for ever when its "
        "holder dies (see recovery).",
    )
