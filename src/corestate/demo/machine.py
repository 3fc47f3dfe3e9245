"""What this machine is doing right now, as numbers from 0 (nothing) to 1 (as much as it can)."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["DEVICES", "Machine"]

#: The devices that can be sensed, and what each is sensed by.
DEVICES: dict[str, tuple[str, ...]] = {"processor": ("processor", "memory"), "traffic": ("disk", "network")}

_FULL_NETWORK = 1e8  # bytes a second that count as 1; the scale below it is logarithmic
_FULL_LATENESS = 1e-3  # seconds a short sleep may be late to count as 1


class _Totals(NamedTuple):
    """Running totals since boot, read at one moment."""

    seconds: float
    busy: float
    idle: float
    disk_seconds: float
    network_bytes: float


class Machine:
    """Reads the activity of processor, memory, disk and network since it was last asked.

    On Linux the numbers come from ``/proc``. Elsewhere `source` says so, and they are stand-ins that move with the
    machine: the load average for the processor, and for the others how late a very short sleep ends.

    Args:
        proc: where the kernel's files are.
    """

    def __init__(self, proc: str | Path = "/proc") -> None:
        self._proc = Path(proc)
        self._live = (self._proc / "stat").exists() and (self._proc / "meminfo").exists()
        #: Where the numbers come from, in words.
        self.source = str(self._proc) if self._live else "load average and lateness of sleeps (no /proc here)"
        self._before = self._totals() if self._live else None

    def read(self) -> dict[str, float]:
        """The shares ``processor``, ``memory``, ``disk`` and ``network``, 0 to 1, since the last call.

        Takes some 100 us: four small files of the kernel are read. A file that is missing (no disks in a container)
        counts as no activity.
        """
        if self._before is None:
            return self._stand_in()
        now, before = self._totals(), self._before
        self._before = now
        seconds = max(now.seconds - before.seconds, 1e-9)
        busy, idle = now.busy - before.busy, now.idle - before.idle
        return {
            "processor": _share(busy / (busy + idle)) if busy + idle > 0 else 0.0,
            "memory": self._memory(),
            "disk": _share((now.disk_seconds - before.disk_seconds) / seconds),
            "network": _loudness((now.network_bytes - before.network_bytes) / seconds),
        }

    def _totals(self) -> _Totals:
        ticks = [float(field) for field in self._lines("stat")[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        # Column 13 of diskstats is the milliseconds a disk was at work; the busiest one speaks for all.
        disks = [float(fields[12]) for fields in map(str.split, self._lines("diskstats")) if len(fields) > 12]
        cards = [line.split(":", 1)[1].split() for line in self._lines("net/dev")[2:] if ":" in line]
        moved = sum(float(card[0]) + float(card[8]) for card in cards)
        return _Totals(time.monotonic(), sum(ticks) - idle, idle, max(disks, default=0.0) / 1000, moved)

    def _memory(self) -> float:
        sizes = {name: float(rest.split()[0]) for name, rest in (line.split(":", 1) for line in self._lines("meminfo"))}
        return _share(1.0 - sizes.get("MemAvailable", sizes["MemFree"]) / sizes["MemTotal"])

    def _lines(self, name: str) -> list[str]:
        try:
            return (self._proc / name).read_text().splitlines()
        except OSError:
            return []

    def _stand_in(self) -> dict[str, float]:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        return {
            "processor": _share(load / (os.cpu_count() or 1)),
            **{name: _share(_lateness() / _FULL_LATENESS) for name in ("memory", "disk", "network")},
        }


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _loudness(bytes_per_second: float) -> float:
    return _share(math.log1p(max(bytes_per_second, 0.0)) / math.log1p(_FULL_NETWORK))


def _lateness() -> float:
    asked = 1e-4
    start = time.perf_counter()
    time.sleep(asked)
    return time.perf_counter() - start - asked
