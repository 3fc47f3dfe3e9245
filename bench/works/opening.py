"""Opening something that exists, reading one value, closing it."""

from __future__ import annotations

from bench import roles
from bench.session import Session


def run(session: Session) -> None:
    """open."""
    with session.entered(roles.Attach) as cast:
        codes = {name: one.attach() for name, one in cast.items()}
        session.keep("open", "attach, read one value, close", "us", session.turns(codes), codes=codes)
        del codes
    session.reason(
        "open",
        "Attaching checks the whole layout of the region, claims a participant's slot with a lock that the kernel "
        "gives back when the process dies, and sweeps what the dead have left; a block of shared memory is mapped and "
        "trusted.",
    )
