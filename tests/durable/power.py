"""The loss of power, on paper: a log of writes, replayed up to a moment, with what was not synced lost or torn.

Every write that a file's last sync came after is there. Of the others each may be there or not, or only the first
sectors of it, as a disk may have had them in any order. Names are there as soon as they are made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
LOSSES = ("none", "unsynced", "some", "torn")


@dataclass
class Record:
    kind: str
    name: str
    offset: int
    data: bytes


def read_log(path: Path) -> list[Record]:
    raw, at, records = path.read_bytes(), 0, []
    while at < len(raw):
        end = raw.index(b"\n", at)
        kind, name, offset, length = raw[at:end].decode().split(" ")
        at = end + 1 + int(length)
        records.append(Record(kind, name, int(offset), raw[end + 1 : at]))
    return records


def apply(files: dict[str, bytearray], record: Record, data: bytes) -> None:
    if record.kind == "U":
        files.pop(record.name, None)
        return
    content = files.setdefault(record.name, bytearray())
    if record.kind == "T":
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
    elif record.kind == "W":
        content.extend(bytes(max(0, record.offset - len(content))))
        content[record.offset : record.offset + len(data)] = data


def after_loss(records: list[Record], moment: int, loss: str, seed: int) -> dict[str, bytearray]:
    """The files as they are found after the power went at a moment, when what was not synced met this loss."""
    chance = random.Random(seed)
    synced: dict[str, int] = {}
    for index, record in enumerate(records[:moment]):
        if record.kind == "S":
            synced[record.name] = index
    files: dict[str, bytearray] = {}
    for index, record in enumerate(records[:moment]):
        data = record.data
        if record.kind in "WT" and index > synced.get(record.name, -1):
            if loss == "unsynced" or (loss != "none" and chance.random() < 0.5):
                continue
            if loss == "torn":
                data = data[: chance.randrange(0, len(data) // SECTOR + 1) * SECTOR] if len(data) >= SECTOR else data
        apply(files, record, data)
    return files


def put(files: dict[str, bytearray], into: Path) -> None:
    into.mkdir()
    for name, content in files.items():
        (into / name).write_bytes(content)
