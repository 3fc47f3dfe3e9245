"""What the trail asks of its region and store: where its anchor is, its mode, and what the region remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corestate.scopes.encoding import encode
from corestate.scopes.hot import Hot

if TYPE_CHECKING:
    from pathlib import Path

    from corestate.durable import Durable

__all__ = ["anchor_path", "file_mode", "note", "remember"]


def anchor_path(durable: Durable) -> Path | None:
    """Where the anchor is; None: in memory, as the store."""
    return durable.anchor_path


def file_mode(durable: Durable) -> int:
    """The mode of a file beside the store: as much as the region lets in."""
    return durable.modes.files


def _notes(durable: Durable) -> Hot:
    return Hot(durable._region, 1)  # noqa: SLF001 - the same


def note(durable: Durable, name: bytes) -> bytes | None:
    """What the region itself remembers under a name, whatever store and boot."""
    found = _notes(durable).get(name)
    return found if isinstance(found, bytes) else None


def remember(durable: Durable, name: bytes, value: bytes) -> bool:
    """Let the region remember something, where it has room for values. False: not now, its lock is taken."""
    notes = _notes(durable)
    if not notes.there:
        return True
    with notes.locked_now(name) as held:
        if held:
            tag, packed = encode(value)
            notes.publish(name, 1, tag, packed, 0, pinned=True)
        return held
