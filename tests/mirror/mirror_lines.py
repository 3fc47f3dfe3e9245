"""What the tests of mirrors share: sources, lines, peers that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import corestate
from corestate import RegionConfig

KEY = b"a key of the tests, of 32 bytes."
SMALL = RegionConfig(
    agents=4, areas=2, counters=8, gauges=2, locks=2, events=16, event_bytes=64, event_kinds=4, participants=4,
    agent_details_bytes=64, budgets=0, reservations=0, values=0,
)  # fmt: skip


def until(holds, seconds=20.0):
    """Wait until something holds; what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds} s: {holds}")


def free_port(kind=socket.SOCK_STREAM):
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_udp():
    return free_port(socket.SOCK_DGRAM)


@contextmanager
def region(path, value, **changes):
    """A region with one counter ``n``."""
    config = replace(SMALL, **changes)
    with corestate.create(path, config=config) as state:
        state.counters["n"].set(value)
        yield state


def seen(path):
    """The counter of a mirrored region."""
    with corestate.attach(path, mode="r") as state:
        return state.counters["n"].value


class Tap(threading.Thread):
    """A relay of datagrams that keeps what the sender sent."""

    def __init__(self, to):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.to = ("127.0.0.1", to)
        self.kept = []
        self.requests = []
        self.change = bytes
        self.start()

    def run(self):
        sender = None
        while True:
            try:
                data, peer = self.socket.recvfrom(65536)
                if peer == self.to:
                    self.requests.append(data)
                    if sender:
                        self.socket.sendto(data, sender)
                    continue
                sender = peer
                self.kept.append(data)
                self.socket.sendto(self.change(data), self.to)
            except ConnectionError:
                continue
            except OSError:
                return

    def close(self):
        self.socket.close()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data):
    out = bytearray()
    for part in data.split(b"\0"):
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]
        out += bytes([len(part) + 1]) + part
    return bytes(out) + b"\0"


def uncobs(piece):
    out, at = bytearray(), 0
    while at < len(piece):
        run = piece[at]
        out += piece[at + 1 : at + run]
        at += run
        if run < 255 and at < len(piece):
            out.append(0)
    return bytes(out)


def frame(kind, stream, number, unit, payload=b"", flags=0):
    """A frame with a right checksum, whatever is in it."""
    data = bytes([kind, flags, 0, 0]) + b"".join(n.to_bytes(4, "little") for n in (stream, number, unit, 0)) + payload
    return cobs(data + crc32c(data).to_bytes(4, "little"))


def stream_of(datagram):
    """The stream and number of the first frame of a datagram."""
    data = uncobs(datagram.lstrip(b"\0").split(b"\0")[0])
    return int.from_bytes(data[4:8], "little"), int.from_bytes(data[8:12], "little")
