"""How commands attach to a region: to look, or to write as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import corestate

if TYPE_CHECKING:
    from corestate.region import Mode
    from corestate.state import StateManager

__all__ = ["looking", "writing"]


def looking(address: str, store: str | None = None) -> StateManager:
    """Attach read-only.

    Raises:
        CorestateError: as ``corestate.attach``.
    """
    return _attached(address, "r", store)


def writing(address: str, store: str | None = None) -> StateManager:
    """Attach for writing.

    Raises:
        CorestateError: as ``corestate.attach``; UntrustedFileError where the owner is not the one ``--owner`` names.
    """
    return _attached(address, "rw", store)


def _attached(address: str, mode: Mode, store: str | None) -> StateManager:
    context = click.get_current_context(silent=True)
    owner = context.find_root().params.get("owner") if context else None
    if isinstance(owner, str) and owner.isdecimal():
        owner = int(owner)
    return corestate.attach(address, mode, store=store, owner=owner)
