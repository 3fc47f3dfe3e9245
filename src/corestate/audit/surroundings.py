"""What the trail asks of its region and store: where its anchor is, its mode, and what the region remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from corestate.durable import Durable

__all__ = ["anchor_path", "file_mode", "noted", "remember"]


def anchor_path(durable: Durable) -> Path | None:
    """Where the anchor is; None: in memory, as the store."""
    return durable.anchor_path


def file_mode(durable: Durable) -> int:
    """The mode of a file beside the store: as much as the region lets in."""
    return durable.modes.files


def noted(durable: Durable, store_id: bytes) -> bool:
    """Whether the region itself remembers that a trail has begun in that store, whatever session and boot."""
    return durable._note.trail_begun(store_id)  # noqa: SLF001 - the same


def remember(durable: Durable, store_id: bytes) -> None:
    """Let the region remember it.

    Raises:
        StoreError: it was made by another language, and has no room.
    """
    durable._note.begin_trail(store_id)  # noqa: SLF001 - the same
