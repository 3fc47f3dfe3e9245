"""What the sensory agents sense."""

import itertools
import sys

import pytest

from corestate.demo import machine
from corestate.demo.machine import DEVICES, Machine

SENSES = {"processor", "memory", "disk", "network"}


def write_proc(root, *, busy=0, idle=0, disk_ms=0, received=0, sent=0):
    (root / "net").mkdir(exist_ok=True)
    (root / "stat").write_text(f"cpu {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 0 0 0 0\n")
    (root / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\nHugePages_Total: 0\n")
    (root / "diskstats").write_text(
        f"   8 0 sda 1 2 3 4 5 6 7 8 0 {disk_ms} 9 0 0 0 0\n   8 16 sdb 1 2 3 4 5 6 7 8 0 0 9 0 0 0 0\n"
    )
    (root / "net/dev").write_text(
        "Inter-|   Receive                       |  Transmit\n face |bytes packets\n"
        f"    lo: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"
    )


def test_shares_are_of_the_time_between_two_reads(tmp_path, monkeypatch):
    clock = itertools.count(100.0, 2.0)  # two seconds pass from read to read
    monkeypatch.setattr(machine.time, "monotonic", lambda: next(clock))
    write_proc(tmp_path, busy=100, idle=1000, disk_ms=5000, received=1000)
    sensed = Machine(tmp_path)
    assert sensed.source == str(tmp_path)

    write_proc(tmp_path, busy=130, idle=1070, disk_ms=5500, received=1000, sent=0)
    first = sensed.read()
    assert first == pytest.approx({"processor": 0.3, "memory": 0.75, "disk": 0.25, "network": 0.0})

    write_proc(tmp_path, busy=130, idle=1070, disk_ms=9500, received=1000, sent=10**9)
    second = sensed.read()
    assert second == pytest.approx({"processor": 0.0, "memory": 0.75, "disk": 1.0, "network": 1.0})


def test_files_that_are_missing_count_as_no_activity(tmp_path):
    write_proc(tmp_path)
    (tmp_path / "diskstats").unlink()
    (tmp_path / "net/dev").unlink()
    read = Machine(tmp_path).read()
    assert (read["disk"], read["network"]) == (0.0, 0.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
def test_this_machine_is_read_live():
    sensed = Machine()
    assert sensed.source == "/proc"
    read = sensed.read()
    assert set(read) == SENSES
    assert all(0.0 <= level <= 1.0 for level in read.values())
    assert read["memory"] > 0.0


def test_without_proc_it_says_so_and_still_moves(tmp_path):
    sensed = Machine(tmp_path / "none")
    assert "no /proc" in sensed.source
    readings = [sensed.read() for _ in range(5)]
    assert all(set(read) == SENSES and all(0.0 <= level <= 1.0 for level in read.values()) for read in readings)
    assert len({read["disk"] for read in readings}) > 1


def test_every_sense_belongs_to_one_device():
    assert sorted(itertools.chain(*DEVICES.values())) == sorted(SENSES)
