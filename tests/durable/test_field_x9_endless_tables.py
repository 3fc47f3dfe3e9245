"""A store whose tables lead round in a circle: every reader ends, with an error of ours or with what it asked for."""

import contextlib
import sqlite3
import struct
import threading

import pytest

import corestate
from corestate.stores import connection
from corestate.stores.directory import StoreDirectory

WIDTH, LEVELS = 140, 8
LIMITED = ("tasks", "tail")
"""What asks for so many rows and no more."""


def _varint(number: int) -> bytes:
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(0x80 | (number & 0x7F))
    return bytes(reversed(out))


def _interior(children: list[int], right: int, keys: list[int], size: int) -> bytes:
    """An interior page of a table's tree."""
    page, at, places = bytearray(size), size, []
    for child, key in zip(children, keys, strict=True):
        cell = struct.pack(">I", child) + _varint(key)
        at -= len(cell)
        page[at : at + len(cell)] = cell
        places.append(at)
    page[0] = 5
    struct.pack_into(">HHHBI", page, 1, 0, len(places), at, 0, right)
    for number, place in enumerate(places):
        struct.pack_into(">H", page, 12 + 2 * number, place)
    return bytes(page)


def _make_endless(path, table: str) -> None:
    """Have the root of a table lead to one leaf in 140 ** 9 ways."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ((root,),) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
    database.close()
    raw = bytearray(path.read_bytes())
    (size,) = struct.unpack(">H", raw[16:18])
    page = raw[(root - 1) * size : root * size]
    assert page[0] == 5, "the table has to have more than one page"
    first = struct.unpack(">H", page[12:14])[0]
    (down,) = struct.unpack(">I", page[first : first + 4])
    (right,) = struct.unpack(">I", page[8:12])
    keys = [(1 << 40) + number for number in range(WIDTH)]
    last = len(raw) // size
    for _ in range(LEVELS):
        raw += _interior([down] * WIDTH, down, keys, size)
        last += 1
        down = last
    raw[(root - 1) * size : root * size] = _interior([down] * WIDTH, right, keys, size)
    struct.pack_into(">I", raw, 28, last)
    raw[92:96] = raw[24:28]
    path.write_bytes(raw)


READERS = {
    "tasks": lambda state: list(state.tasks.find()),
    "counts": lambda state: state.tasks.counts(),
    "query": lambda state: sum(1 for _ in state.audit.query()),
    "tail": lambda state: state.audit.tail(3),
    "verify": lambda state: state.audit.verify(),
    "timeline": lambda state: state.audit.timeline("w"),
}


@pytest.mark.parametrize("mode", ["rw", "r"])
@pytest.mark.parametrize("name", READERS)
def test_field_x9_a_table_without_an_end_is_an_error(tmp_path, monkeypatch, name, mode):
    with corestate.open(tmp_path / "a.state") as state:
        for number in range(40):
            state.audit.log_many([(f"agent{one}", "T", {"n": number}) for one in range(25)])
        for number in range(300):
            state.tasks.push("work", {"n": number})
        path = state.durable.path
    _make_endless(path, "tasks" if name in ("tasks", "counts") else "audit")
    monkeypatch.setattr(connection, "_FREE_STEPS", 2)  # so that the test is quick
    ends = contextlib.nullcontext() if name in LIMITED else pytest.raises(corestate.CorestateError)
    with corestate.attach(tmp_path / "a.state", mode=mode) as state, ends:
        READERS[name](state)
    with corestate.attach(tmp_path / "a.state", mode="r") as state:
        assert state.durable.store.check()


@pytest.mark.parametrize("copied", [False, True])
def test_field_x9_closing_ends_a_query(tmp_path, monkeypatch, copied):
    """Whether the reader uses the store itself or, as who may not write there, a copy."""
    with corestate.open(tmp_path / "a.state") as state:
        for number in range(300):
            state.tasks.push("work", {"n": number})
        path = state.durable.path
    _make_endless(path, "tasks")
    asked = threading.Event()
    monkeypatch.setattr(connection.Connection, "overran", property(lambda _: asked.set()))
    if copied:
        monkeypatch.setattr(StoreDirectory, "private", property(lambda _: False))
    state = corestate.attach(tmp_path / "a.state", mode="r")
    found = []

    def read():
        try:
            state.tasks.counts()
        except corestate.CorestateError as problem:
            found.append(type(problem))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert asked.wait(60)
    state.close()
    reader.join(60)
    assert not reader.is_alive()
    assert found == [corestate.ClosedError]
