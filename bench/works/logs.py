"""An audit row, appended and kept."""

from __future__ import annotations

from bench import roles
from bench.session import Session


def run(session: Session) -> None:
    """audit_append."""
    with session.entered(roles.Log) as cast:
        before = {name: one.count() for name, one in cast.items()}
        codes = {name: one.append() for name, one in cast.items()}
        session.keep("audit_append", "append a row that survives kill -9", "us", session.turns(codes), codes=codes)
        del codes
        for name, one in cast.items():
            if one.count() <= before[name]:
                session.failures.append(f"{name}: expected rows in the log, found {one.count()}")
    session.reason(
        "audit_append",
        "Each row of corestate's trail carries the hash of the one before, and the head is anchored in a second file, "
        "so that a cut or changed trail shows; the others append a row that anybody may change.",
    )
