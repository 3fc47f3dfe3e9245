"""Rows that could not be committed before the end, kept in files beside the anchor until somebody can.

Such a file is taken up by whoever next opens the trail for writing: its rows are added in one transaction, which also
notes the file's name, so that they are added once however often that is interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from typing import TYPE_CHECKING

from corestate._trusted import Place
from corestate.audit.anchor import give
from corestate.audit.errors import AuditHeldError
from corestate.errors import CorestateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from corestate.audit.batch import Packed
    from corestate.audit.chain import Chain
    from corestate.stores import Rows

__all__ = ["keep", "noted", "waiting"]

_MAGIC = b"csheld1\n"
_SEAL_BYTES = 32
_log = logging.getLogger(__name__)


def _prefix(anchor: Path) -> str:
    return f"{anchor.name}.held-"


def keep(anchor: Path | None, store_id: bytes | None, chain: Chain, held: list[Packed], mode: int) -> str:
    """Write rows beside the anchor; returns where.

    Raises:
        AuditHeldError: with the rows, where that cannot be done.
    """
    try:
        if anchor is None or store_id is None:
            raise FileNotFoundError("a store in memory has no place beside it")
        content = json.dumps(held, ensure_ascii=False).encode()
        path = anchor.with_name(_prefix(anchor) + secrets.token_hex(8))
        with Place(path, f"held back audit rows {path}") as place:
            descriptor = place.make()
            with os.fdopen(descriptor, "wb") as file:
                file.write(_MAGIC + chain.seal(store_id + content) + content)
                file.flush()
                give(place, descriptor, mode)
                os.fsync(descriptor)
            place.sync()
    except OSError as cause:
        error = AuditHeldError.because(f"{len(held)} audit rows", found=str(cause))
        error.rows = tuple(held)
        raise error from cause
    return str(path)


def waiting(anchor: Path, store_id: bytes, chain: Chain) -> Iterator[tuple[str, list[Packed], Place]]:
    """The files of this trail that wait beside its anchor: name, rows, and the place by which to remove the name."""
    try:
        with Place(anchor, f"anchor {anchor}") as place:
            for name in sorted(place.listing()):
                if not name.startswith(_prefix(anchor)):
                    continue
                found = _read(place, name, store_id, chain)
                if found is not None:
                    yield name, found, place
    except OSError as problem:
        _log.warning("audit rows that may wait beside %s cannot be looked at: %s", anchor, problem)


def _read(place: Place, name: str, store_id: bytes, chain: Chain) -> list[Packed] | None:
    try:
        descriptor = place.open(os.O_RDWR, name=name)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read()
    except (OSError, CorestateError) as problem:
        _log.warning("audit rows wait in %s, which cannot be read: %s", name, problem)
        return None
    magic, seal, content = raw[: len(_MAGIC)], raw[len(_MAGIC) :][:_SEAL_BYTES], raw[len(_MAGIC) + _SEAL_BYTES :]
    if magic != _MAGIC or not chain.sealed(store_id + content, seal):
        _log.warning("audit rows wait in %s, which is not whole, or sealed with another key", name)
        return None
    return [
        (int(time_ns), str(agent), str(kind), str(details)) for time_ns, agent, kind, details in json.loads(content)
    ]


def noted(rows: Rows, name: str) -> bool:
    """In the transaction that adds a file's rows: note its name. False: its rows were added before."""
    return rows.run("INSERT INTO meta VALUES (?, X'00') ON CONFLICT DO NOTHING", f"audit_{name[-21:]}") > 0
