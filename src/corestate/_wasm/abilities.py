"""What this page or worker lets corestate do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate._wasm.modules import javascript

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ISOLATION", "examine"]

ISOLATION = (
    "serve the page over https or from localhost with the headers Cross-Origin-Opener-Policy: same-origin and "
    "Cross-Origin-Embedder-Policy: require-corp"
)
"""What to do for memory to be shared."""


def examine() -> Iterator[tuple[str, str, str]]:
    """What was looked for, ``ok`` or ``limited``, and what that means."""
    found = javascript().abilities()
    yield (
        ("memory shared between workers", "ok", "other workers and the page can attach to regions made here")
        if found.share
        else ("memory shared between workers", "limited", f"none, so regions are private to this worker; {ISOLATION}")
    )
    yield (
        ("waiting", "ok", "this thread may sleep")
        if found.sleep
        else ("waiting", "limited", "this is a page's own thread, which may not sleep: run Python in a worker")
    )
    yield (
        ("who lives: a terminated worker's lock is inherited", "ok", "the browser or node tells of its end")
        if found.watch
        else ("who lives: a terminated worker's lock is inherited", "limited", "no Web Locks: nobody tells of its end")
    )
