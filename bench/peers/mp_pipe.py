"""multiprocessing.Pipe."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import roles
from bench.crew import CONTEXT
from bench.peers import Peer


class Channel(roles.Channel):
    @classmethod
    def create(cls, place: Path, subscribers: int = 1) -> Any:  # noqa: ARG003
        return [CONTEXT.Pipe(duplex=False) for _ in range(subscribers)]

    @classmethod
    def destroy(cls, spec: Any) -> None:
        for pair in spec:
            for end in pair:
                end.close()

    def __init__(self, spec: Any) -> None:
        self.pairs = spec

    def publisher(self) -> Callable[[bytes], Any]:
        senders = [sender.send_bytes for _, sender in self.pairs]

        def send(data: bytes) -> None:
            for one in senders:
                one(data)

        return send

    def subscriber(self, number: int, *, spinning: bool) -> Callable[[], bytes | None]:
        receiver = self.pairs[number][0]
        poll, take = receiver.poll, receiver.recv_bytes
        return (lambda: take() if poll() else None) if spinning else take


PEER = Peer(
    "multiprocessing.Pipe",
    "a one-way pipe for each subscriber, send_bytes and recv_bytes",
    {roles.Channel: Channel},
    lambda: f"CPython {platform.python_version()}",
)
