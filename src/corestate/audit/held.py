"""Rows that could not be committed before the end, kept in files beside the anchor until somebody can.

Such a file is taken up by whoever next opens the trail for writing: its rows are added in one transaction, which also
notes the file's seal, so that they are added once however often that is interrupted, and under whatever names the file
is copied. What is in a file was written by anybody who may write beside the store: it is judged as arguments are.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from corestate._trusted import Place
from corestate.audit.anchor import give
from corestate.audit.errors import AuditHeldError
from corestate.audit.rows import DETAILS_BYTES, checked
from corestate.errors import CorestateError, InvalidError, TooBigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from corestate.audit.batch import Packed
    from corestate.audit.chain import Chain
    from corestate.stores import Rows

__all__ = ["MAGIC", "TOKEN_BYTES", "Waiting", "keep", "noted", "waiting"]

MAGIC = b"csheld2\n"
TOKEN_BYTES = 16
"""Of a random token before the rows, so that no two files have the same seal."""
_SEAL_BYTES = 32
_FILE_BYTES = 16 << 20  # more rows go to a further file
_LARGEST = 32 << 20  # with the last row, and what JSON escapes of it
_log = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """A file of rows held back."""

    name: str
    seal: bytes
    rows: list[Packed]
    place: Place
    """By which to remove the name."""


def _prefix(anchor: Path) -> str:
    return f"{anchor.name}.held-"


def keep(anchor: Path | None, store_id: bytes | None, chain: Chain, held: list[Packed], mode: int) -> str:
    """Write rows beside the anchor; returns where.

    Raises:
        AuditHeldError: with the rows, where that cannot be done.
    """
    name, paths, left = secrets.token_hex(8), list[str](), held
    try:
        if anchor is None or store_id is None:
            raise FileNotFoundError("a store in memory has no place beside it")
        while left:
            part, count = _packed(left)
            content = secrets.token_bytes(TOKEN_BYTES) + part
            path = anchor.with_name(f"{_prefix(anchor)}{name}" + (f"-{len(paths):04}" if paths else ""))
            _write(path, MAGIC + chain.seal(store_id + content) + content, mode)
            left = left[count:]
            paths.append(str(path))
    except OSError as cause:
        error = AuditHeldError.because(f"{len(left)} audit rows", found=str(cause))
        error.rows = tuple(left)
        raise error from cause
    return ", ".join(paths)


def _packed(rows: list[Packed]) -> tuple[bytes, int]:
    """As many of the rows as a file takes, at least one: as JSON, and how many."""
    texts, size = list[bytes](), 0
    for row in rows:
        if texts and size > _FILE_BYTES:
            break
        texts.append(json.dumps(row, ensure_ascii=False).encode())
        size += len(texts[-1])
    return b"[" + b",".join(texts) + b"]", len(texts)


def _write(path: Path, raw: bytes, mode: int) -> None:
    """Make a file as a whole, or none.

    Raises:
        OSError.
    """
    with Place(path, f"held back audit rows {path}") as place:
        descriptor = place.make()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(raw)
                file.flush()
                above = place.directory_status
                if above is None or above.st_uid in place.trusted:  # else they stay this user's alone
                    give(place, descriptor, mode)
                os.fsync(descriptor)
            place.sync()
        except BaseException:
            with suppress(OSError):
                place.remove()
            raise


def waiting(anchor: Path, store_id: bytes, chain: Chain) -> Iterator[Waiting]:
    """The files of this trail that wait beside its anchor."""
    try:
        with Place(anchor, f"anchor {anchor}") as place:
            for name in sorted(place.listing()):
                if not name.startswith(_prefix(anchor)):
                    continue
                found = _read(place, name, store_id, chain)
                if found is not None:
                    yield found
    except OSError as problem:
        _log.warning("audit rows that may wait beside %s cannot be looked at: %s", anchor, problem)


def _read(place: Place, name: str, store_id: bytes, chain: Chain) -> Waiting | None:
    status = place.status_of(name)
    if status is not None and status.st_nlink > 1:
        return None  # nothing of ours has two names; to wait whether one goes would hold every writer up
    try:
        descriptor = place.open(os.O_RDWR, name=name)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None  # another has taken it up since it was listed
    except (OSError, CorestateError) as problem:
        _log.warning("audit rows wait in %s, which cannot be read: %s", ascii(name), problem)
        return None
    magic, seal, content = raw[: len(MAGIC)], raw[len(MAGIC) :][:_SEAL_BYTES], raw[len(MAGIC) + _SEAL_BYTES :]
    if magic != MAGIC or len(raw) > _LARGEST or not chain.sealed(store_id + content, seal):
        _log.warning("audit rows wait in %s, which is not whole, or sealed with another key", ascii(name))
        return None
    try:
        rows = [_row(*row) for row in json.loads(content[TOKEN_BYTES:])]
    except Exception as problem:  # noqa: BLE001 - whatever is in it, or not enough memory: it is left as it is
        _log.warning("audit rows wait in %s, which has others than were held back: %.200s", ascii(name), problem)
        return None
    return Waiting(name, seal, rows, place)


def _row(time_ns: object, agent_id: object, event_type: object, details: object) -> Packed:
    """A row as ``log`` would take it.

    Raises:
        CorestateError, ValueError.
    """
    if type(time_ns) is not int or not 0 <= time_ns < 1 << 63:
        raise InvalidError.because("audit row", expected="a time since the epoch in nanoseconds", found="another")
    if not isinstance(details, str):
        raise InvalidError.because("audit row", expected="details as JSON text", found="others")
    if len(details.encode()) > DETAILS_BYTES:
        raise TooBigError.because("audit row", expected=f"details of at most {DETAILS_BYTES} bytes", found="more")
    agent, kind, _ = checked(agent_id, event_type, None)
    return time_ns, agent, kind, details


def noted(rows: Rows, seal: bytes) -> bool:
    """In the transaction that adds a file's rows: note its seal. False: its rows were added before."""
    return rows.run("INSERT INTO meta VALUES (?, X'00') ON CONFLICT DO NOTHING", f"audit_held-{seal.hex()[:32]}") > 0
